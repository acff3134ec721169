/*
 * What becomes of events when something goes away in the middle: the broker, the database, a
 * process, time.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mesh/base/uuid.h"
#include "tests/mesh/events/publisher.h"

static const char *program;

static void add_many(int from, int to)
{
    char id[32];
    for (int i = from; i < to; i++) {
        snprintf(id, sizeof id, "product-%d", i % 7);
        bus_add(&publisher, id, i / 7 + 1);
    }
}

static const char *each_once(instance *self)
{
    return postgres_value(self->db,
                          "SELECT count(*) || ' ' || count(DISTINCT (product_id, version))"
                          " FROM handled");
}

/* S0.9: a service survives the restart of its broker. */
static void a_restart_of_the_broker_loses_and_repeats_nothing(void **state)
{
    (void)state;
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note});
    add_many(0, 100);
    nats_restart();
    add_many(100, 200);
    WAIT_FOR(bus_handled(&self) == 200);
    nats_restart();
    add_many(200, 300);
    WAIT_FOR(bus_handled(&self) == 300);
    assert_string_equal(each_once(&self), "300 300");
    WAIT_FOR(bus_stats(&publisher).published == 300);
    assert_int_equal(bus_stats(&self).dead, 0);
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    bus_close(&self);
}

/* S0.9: and what it has lost is published again, and handled by nobody a second time. */
static void a_broker_that_lost_its_data_gets_it_again(void **state)
{
    (void)state;
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note});
    add_many(0, 10);
    WAIT_FOR(bus_handled(&self) == 10);
    WAIT_FOR(bus_stats(&publisher).published == 10);
    nats_restart_empty();
    add_many(10, 20);
    WAIT_FOR(bus_handled(&self) == 20);
    assert_string_equal(each_once(&self), "20 20");
    WAIT_FOR(bus_stats(&publisher).published == 30);
    assert_int_equal(bus_stats(&publisher).publish_recalled, 10);
    WAIT_FOR(bus_stats(&self).duplicates + bus_stats(&self).past == 10);
    bus_close(&self);
}

/* S0.9 S4.10: what waits for another event does not keep that one from being fetched. */
static void a_gap_does_not_outlast_a_lost_connection(void **state)
{
    (void)state;
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .ack_wait_ms = 2000});
    bus_add(&publisher, "odyssey", 1);
    bus_add(&publisher, "odyssey", 3);
    WAIT_FOR(bus_handled(&self) == 1);
    WAIT_FOR(bus_stats(&self).oldest_held_ms > 0);
    nats_restart();
    bus_add(&publisher, "odyssey", 2);
    bus_add(&publisher, "ilias", 1);
    WAIT_FOR(bus_handled(&self) == 4);
    assert_string_equal(each_once(&self), "4 4");
    assert_int_equal(bus_stats(&self).dead, 0);
    bus_close(&self);
}

static bool misses(instance *self, const char *what)
{
    mesh_error err = {0};
    return mesh_events_ready(self->events, &err) == MESH_UNAVAILABLE &&
           strstr(err.message, what) != NULL;
}

/* A consumer that is made while the broker still makes its stream never gets anything. */
static void a_consumer_is_made_only_when_its_stream_answers(void **state)
{
    (void)state;
    bus_set_subjects("elsewhere.>");
    instance self = bus_start(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note});
    WAIT_FOR(misses(&self, "the stream EVENTS takes no events yet"));
    assert_false(bus_has_consumer("stock"));
    bus_set_subjects("events.>");
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_handled(&self) == 1);
    bus_close(&self);
}

static void publish_to_absent(int version)
{
    char id[MESH_UUID_TEXT_BYTES], headers[512];
    uint8_t payload[] = {0x0a, 1, 'a', 0x10, (uint8_t)version};
    mesh_uuid_v7(id);
    snprintf(headers, sizeof headers,
             "ce-specversion: 1.0\nce-id: %s\nce-type: stock.v1.StockLowered\nce-source: /shop\n"
             "ce-subject: a\nce-time: 2026-11-21T08:15:30Z",
             id);
    bus_publish_raw("events.stock.v1.StockLowered", headers, payload, sizeof payload);
}

/* S0.9: ... and of its database. */
static void events_wait_while_the_database_is_away(void **state)
{
    (void)state;
    enum {
        EVENTS = 30
    };
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 2});
    bus_add(&publisher, "first", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    postgres_stop();
    for (int i = 1; i <= EVENTS; i++)
        publish_to_absent(i);
    /* They failed, or it had been seen before that the database is away and none was fetched. */
    WAIT_FOR(bus_stats(&self).failed > 0 || bus_stats(&self).lag == EVENTS);
    postgres_restart();
    WAIT_FOR(bus_stats(&self).consumed == 1 + EVENTS);
    assert_int_equal(bus_stats(&self).dead, 0);
    assert_string_equal(each_once(&self), "31 31");
    bus_close(&self);
}

static atomic_int calls;

/* A peer is away, then the database, then it is the event's own fault, and then all is well. */
static mesh_code note_at_last(void *self, mesh_tx *tx, const mesh_event *meta,
                              const Stock__V1__StockLowered *event, mesh_error *err)
{
    int call = atomic_fetch_add(&calls, 1) + 1;
    if (call == 1)
        return mesh_error_set(err, MESH_UNAVAILABLE, "a peer is away");
    while (call == 2 && !atomic_load(&bus_may_go_on))
        wait_a_moment();
    if (call == 3)
        return mesh_error_set(err, MESH_INTERNAL, "not this time");
    return bus_note(self, tx, meta, event, err);
}

/* S4.10: an attempt during which the database went away is not held against the event. */
static void an_attempt_that_could_not_be_noted_does_not_count(void **state)
{
    (void)state;
    atomic_store(&calls, 0);
    atomic_store(&bus_may_go_on, false);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = note_at_last, .max_deliver = 2});
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(atomic_load(&calls) == 2);
    postgres_stop();
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(bus_stats(&self).failed == 2);
    postgres_restart();
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).dead == 1);
    assert_int_equal(bus_stats(&self).consumed, 1);
    bus_close(&self);
}

/* The other process: it says that it is in the handler, and stays there. */
/* S0.9: a database that comes back is not met by a crowd. */
static void a_database_that_is_away_is_asked_at_ease(void **state)
{
    (void)state;
    mesh_db_stats before, after;
    postgres_stop();
    instance self = bus_start(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note});
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    mesh_db_get_stats(self.db, &before);
    int64_t enough_ns = mesh_clock_deadline_ns(2000);
    WAIT_FOR(mesh_clock_monotonic_ns() > enough_ns);
    mesh_db_get_stats(self.db, &after);
    assert_true(after.connect_errors - before.connect_errors < 20);
    postgres_restart();
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_handled(&self) == 1);
    bus_close(&self);
}

static mesh_code note_and_hang(void *self, mesh_tx *tx, const mesh_event *meta,
                               const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = bus_note(self, tx, meta, event, err);
    if (write(STDOUT_FILENO, "x", 1) != 1 || code != MESH_OK)
        _exit(1);
    for (;;)
        pause();
}

static int run_child(const char *nats, const char *database)
{
    mesh_db *db = NULL;
    mesh_events *events = NULL;
    const mesh_consumer consumers[] = {stock__v1__stock_lowered__consumer(note_and_hang, NULL),
                                       {.event = NULL}};
    if (mesh_db_create(&(mesh_db_options){.url = database}, &db, NULL) != MESH_OK)
        return 1;
    const mesh_events_options options = {
        .url = nats, .service = "stock", .db = db, .consumers = consumers, .ack_wait_ms = 1000};
    if (mesh_events_create(&options, &events, NULL) != MESH_OK ||
        mesh_events_start(events, NULL) != MESH_OK)
        return 1;
    for (;;)
        pause();
}

static pid_t start_child(int *output)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl(program, program, "--consume", nats_url(), url, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    *output = ends[0];
    return child;
}

/* S1.4 */
static void what_a_killed_process_had_begun_another_one_does_once(void **state)
{
    (void)state;
    int output;
    char byte;
    pid_t child = start_child(&output);
    add_many(0, 20);
    assert_int_equal(read(output, &byte, 1), 1);
    assert_string_equal(postgres_value(publisher.db, "SELECT count(*) FROM handled"), "0");
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .ack_wait_ms = 1000});
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    close(output);
    WAIT_FOR(bus_handled(&self) == 20);
    assert_string_equal(each_once(&self), "20 20");
    assert_true(bus_stats(&self).redelivered > 0);
    bus_close(&self);
}

static mesh_code note_after_a_while(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = mesh_tx_query(tx, "SELECT pg_sleep(0.15)", MESH_SQL_NO_PARAMS, NULL, NULL,
                                   err);
    return code == MESH_OK ? bus_note(self, tx, meta, event, err) : code;
}

static void events_that_wait_for_their_turn_are_not_delivered_again(void **state)
{
    (void)state;
    for (int i = 1; i <= 12; i++)
        bus_add(&publisher, "odyssey", i);
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = note_after_a_while,
                                                 .ack_wait_ms = 600,
                                                 .concurrency = 1});
    WAIT_FOR(bus_stats(&self).consumed == 12); /* 1.8 s */
    /* What came again would stand before this one. */
    bus_add(&publisher, "odyssey", 13);
    WAIT_FOR(bus_stats(&self).consumed == 13);
    assert_int_equal(bus_stats(&self).duplicates, 0);
    assert_int_equal(bus_stats(&self).redelivered, 0);
    bus_close(&self);
}

static mesh_code hang_once(void *self, mesh_tx *tx, const mesh_event *meta,
                           const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code;

    if (meta->delivery == 1) {
        code = mesh_tx_query(tx, "SET LOCAL statement_timeout = 0", MESH_SQL_NO_PARAMS, NULL, NULL,
                             err); /* which is not what ends it */
        return code != MESH_OK
                   ? code
                   : mesh_tx_query(tx, "SELECT pg_sleep(60)", MESH_SQL_NO_PARAMS, NULL, NULL, err);
    }
    return bus_note(self, tx, meta, event, err);
}

static void a_handler_ends_when_its_time_is_over(void **state)
{
    (void)state;
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = hang_once, .handler_timeout_ms = 500});
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1); /* before the minute is over */
    assert_int_equal(bus_handled(&self), 1);
    bus_close(&self);
}

static atomic_int in_handler;

static mesh_code count_and_note_when_told(void *self, mesh_tx *tx, const mesh_event *meta,
                                          const Stock__V1__StockLowered *event, mesh_error *err)
{
    atomic_fetch_add(&in_handler, 1);
    return bus_note_when_told(self, tx, meta, event, err);
}

static void *let_it_go_on(void *context)
{
    instance *other = context;
    /* What the draining instance gave back arrives here long before the ack wait ends. */
    while (bus_stats(other).consumed < 9)
        wait_a_moment();
    atomic_store(&bus_may_go_on, true);
    return NULL;
}

static void a_drain_finishes_what_runs_and_gives_the_rest_back(void **state)
{
    (void)state;
    static const char *const names[10] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    pthread_t thread;
    atomic_store(&in_handler, 0);
    atomic_store(&bus_may_go_on, false);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = count_and_note_when_told, .concurrency = 1});
    /* Of several aggregates: what follows the one that runs could not be handled before it. */
    for (int i = 0; i < 10; i++)
        bus_add(&publisher, names[i], 1);
    WAIT_FOR(atomic_load(&in_handler) == 1);
    WAIT_FOR(bus_stats(&self).lag == 0);
    instance other = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note});
    assert_int_equal(pthread_create(&thread, NULL, let_it_go_on, &other), 0);
    assert_false(mesh_events_drain(self.events, 0));
    assert_true(mesh_events_drain(self.events, 10000));
    pthread_join(thread, NULL);
    assert_int_equal(bus_stats(&self).consumed, 1);
    assert_int_equal(bus_stats(&other).consumed, 9);
    assert_int_equal(bus_handled(&self), 10);
    bus_close(&self);
    bus_close(&other);
}

/* A request that the fetcher has given up is answered while a drain waits for a handler. */
static void what_comes_after_the_last_fetch_goes_back_at_once(void **state)
{
    (void)state;
    instance_options options = {
        .service = "stock", .url = url, .handler = count_and_note_when_told, .ack_wait_ms = 120000};
    atomic_store(&in_handler, 0);
    atomic_store(&bus_may_go_on, false);
    instance self = bus_open(&options);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(atomic_load(&in_handler) == 1);
    nats_freeze();
    WAIT_FOR(mesh_events_ready(self.events, NULL) != MESH_OK); /* requests are given up ... */
    assert_false(mesh_events_drain(self.events, 1500));        /* ... and so is the last one */
    bus_add(&publisher, "ilias", 1);
    nats_thaw();
    WAIT_FOR(bus_stats(&publisher).published == 2);
    options.handler = bus_note;
    instance other = bus_open(&options);
    WAIT_FOR(bus_stats(&other).consumed == 1); /* long before the ack wait ends */
    atomic_store(&bus_may_go_on, true);
    assert_true(mesh_events_drain(self.events, 10000));
    assert_int_equal(bus_handled(&self), 2);
    bus_close(&self);
    bus_close(&other);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--consume") == 0)
        return run_child(argv[2], argv[3]);
    program = argv[0];
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(a_restart_of_the_broker_loses_and_repeats_nothing),
        CASE(a_broker_that_lost_its_data_gets_it_again),
        CASE(a_gap_does_not_outlast_a_lost_connection),
        CASE(a_consumer_is_made_only_when_its_stream_answers),
        CASE(events_wait_while_the_database_is_away),
        CASE(a_database_that_is_away_is_asked_at_ease),
        CASE(an_attempt_that_could_not_be_noted_does_not_count),
        CASE(what_a_killed_process_had_begun_another_one_does_once),
        CASE(events_that_wait_for_their_turn_are_not_delivered_again),
        CASE(a_handler_ends_when_its_time_is_over),
        CASE(a_drain_finishes_what_runs_and_gives_the_rest_back),
        CASE(what_comes_after_the_last_fetch_goes_back_at_once),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
