/*
 * What the outbox promises: nothing is lost between a commit and the stream, nothing overtakes, and
 * what the broker has lost is published again.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/mesh/events/bus.h"
#include "tests/mesh/events/stored.h"

static const char *program;
static char url[POSTGRES_URL_BYTES];

static int test_setup(void **state)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "outbox_test_%d", ++number);
    bus_database(name, url);
    return bus_reset(state);
}

/* Something that adds events and publishes none: it has no relay, or is not started. */
static instance make_writer(const char *nats, const char *database, bool no_relay)
{
    instance self = {.db = NULL};
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = database}, &self.db, NULL), MESH_OK);
    const mesh_events_options options = {.size = sizeof options,
                                         .url = nats,
                                         .service = "stock",
                                         .db = self.db,
                                         .no_relay = no_relay};
    assert_int_equal(mesh_events_create(&options, &self.events, NULL), MESH_OK);
    return self;
}

static instance open_writer(void)
{
    return make_writer(nats_url(), url, true);
}

static void close_writer(instance *self)
{
    mesh_events_destroy(self->events);
    mesh_db_destroy(self->db);
}

static instance open_relay(void)
{
    return bus_open(&(instance_options){.service = "stock", .url = url});
}

static int64_t number_of(instance *self, const char *sql)
{
    return strtoll(postgres_value(self->db, sql), NULL, 10);
}

static int64_t due(instance *self)
{
    return number_of(self, "SELECT count(*) FROM mesh_outbox_due");
}

static mesh_tx *begin(instance *self)
{
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self->db, NULL, &tx, NULL), MESH_OK);
    return tx;
}

static void add(mesh_tx *tx, const char *product_id, int64_t version)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)product_id;
    event.version = version;
    assert_int_equal(stock__v1__stock_lowered__add(tx, &event, NULL), MESH_OK);
}

/* That the versions at these places of the stream are 1, 2, ... */
static void expect_in_order(stored *stream, uint64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        assert_int_equal(stored_version(stream, first + (uint64_t)i), i + 1);
}

/* S0.6 */
static void an_event_is_in_the_outbox_if_and_only_if_its_transaction_committed(void **state)
{
    (void)state;
    instance self = open_writer();
    mesh_tx *tx = begin(&self);
    add(tx, "odyssey", 1);
    mesh_tx_rollback(tx);
    assert_int_equal(number_of(&self, "SELECT count(*) FROM mesh_outbox"), 0);
    tx = begin(&self);
    add(tx, "odyssey", 2);
    add(tx, "ilias", 3);
    assert_int_equal(number_of(&self, "SELECT count(*) FROM mesh_outbox"), 0);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_string_equal(postgres_value(self.db, "SELECT string_agg(aggregate_id || version, ' '"
                                                " ORDER BY position) FROM mesh_outbox"),
                        "odyssey2 ilias3");
    assert_int_equal(due(&self), 2);
    close_writer(&self);
}

/* S0.6 */
static void a_commit_whose_events_cannot_be_inserted_fails(void **state)
{
    (void)state;
    mesh_error err = {0};
    instance self = open_writer();
    postgres_value(self.db, "ALTER TABLE mesh_outbox ADD CHECK (version = 0) NOT VALID");
    mesh_tx *tx = begin(&self);
    assert_int_equal(mesh_tx_query(tx, "INSERT INTO handled (version) VALUES (1)",
                                   MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                     MESH_OK);
    add(tx, "odyssey", 1);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "the events of the transaction"));
    assert_int_equal(bus_handled(&self), 0);
    assert_int_equal(number_of(&self, "SELECT count(*) FROM mesh_outbox"), 0);

    tx = NULL;
    assert_int_equal(mesh_tx_begin(self.db, &(mesh_tx_options){.read_only = true}, &tx, NULL),
                     MESH_OK);
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)"odyssey";
    event.version = 1;
    assert_int_equal(stock__v1__stock_lowered__add(tx, &event, &err), MESH_FAILED_PRECONDITION);
    event.product_id = (char *)"\xff";
    assert_int_equal(stock__v1__stock_lowered__add(tx, &event, &err), MESH_INVALID_ARGUMENT);
    mesh_tx_rollback(tx);
    close_writer(&self);
}

/* S4.10 */
static void a_transaction_of_many_thousand_events_arrives_in_order(void **state)
{
    (void)state;
    enum {
        EVENTS = 5000,
        AGGREGATES = 50
    };
    instance self = open_relay();
    stored stream = stored_open();
    mesh_tx *tx = begin(&self);
    char id[32];
    for (int i = 0; i < EVENTS; i++) {
        snprintf(id, sizeof id, "product-%d", i % AGGREGATES);
        add(tx, id, i / AGGREGATES + 1);
    }
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(stored_count(&stream) == EVENTS);
    int64_t next[AGGREGATES] = {0};
    for (uint64_t i = 1; i <= EVENTS; i++) {
        natsMsg *message = stored_message(&stream, i);
        int number = atoi(stored_header(message, "ce-subject") + strlen("product-"));
        assert_int_equal(strtoll(stored_header(message, "ce-aggregateversion"), NULL, 10),
                         ++next[number]);
        natsMsg_Destroy(message);
    }
    stored_close(&stream);
    bus_close(&self);
}

/* ---- other processes ---- */

/* Adds `count` events of an aggregate, each in a transaction, and is killed by itself. */
static int commit_and_die(const char *nats, const char *database, const char *aggregate_id,
                          int count)
{
    instance self = make_writer(nats, database, true);
    for (int i = 1; i <= count; i++)
        bus_add(&self, aggregate_id, i);
    return raise(SIGKILL);
}

/* The same, but it publishes, too, and stays. */
static int relay_and_stay(const char *nats, const char *database, const char *aggregate_id,
                          int count)
{
    instance self = make_writer(nats, database, false);
    if (mesh_events_start(self.events, NULL) != MESH_OK)
        return 1;
    for (int i = 1; i <= count; i++)
        bus_add(&self, aggregate_id, i);
    for (;;)
        pause();
}

static pid_t start_child(const char *what, const char *aggregate_id, const char *count)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl(program, program, what, nats_url(), url, aggregate_id, count, (char *)NULL);
        _exit(127);
    }
    return child;
}

static void end_child(pid_t child)
{
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* S0.6, S4.10: the process is killed between commit and publishing. */
static void what_a_killed_process_has_committed_is_published(void **state)
{
    (void)state;
    stored stream = stored_open();
    pid_t child = start_child("--die", "odyssey", "100");
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    instance self = open_relay();
    WAIT_FOR(stored_count(&stream) == 100);
    expect_in_order(&stream, 1, 100);
    WAIT_FOR(due(&self) == 0);
    bus_close(&self);
    stored_close(&stream);
}

/* S4.10: ... and nobody is told, though a relay runs in another process. */
static void what_nobody_is_told_of_is_found_within_a_second(void **state)
{
    (void)state;
    instance self = open_relay();
    stored stream = stored_open();
    pid_t child = start_child("--die", "odyssey", "10");
    assert_int_equal(waitpid(child, NULL, 0), child);
    int64_t start_ns = mesh_clock_monotonic_ns();
    WAIT_FOR(stored_count(&stream) == 10);
    assert_true(mesh_clock_monotonic_ns() - start_ns < (int64_t)10 * 1000000000);
    stored_close(&stream);
    bus_close(&self);
}

/* S4.10: each event once, and those of an aggregate in order, whoever publishes them. */
static void relays_of_several_processes_do_no_work_twice(void **state)
{
    (void)state;
    enum {
        EVENTS = 500,
        CHILDREN = 2
    };
    static const char *const ids[] = {"here", "there", "elsewhere"};
    int64_t last[3] = {0};
    pid_t children[CHILDREN];
    instance self = open_relay();
    stored stream = stored_open();
    for (int i = 0; i < CHILDREN; i++)
        children[i] = start_child("--relay", ids[i + 1], "500");
    for (int i = 1; i <= EVENTS; i++)
        bus_add(&self, ids[0], i);
    WAIT_FOR(stored_count(&stream) == (CHILDREN + 1) * EVENTS);
    WAIT_FOR(due(&self) == 0);
    for (uint64_t i = 1; i <= (CHILDREN + 1) * EVENTS; i++) {
        natsMsg *message = stored_message(&stream, i);
        int k = 0;
        while (strcmp(stored_header(message, "ce-subject"), ids[k]) != 0)
            k++;
        assert_int_equal(strtoll(stored_header(message, "ce-aggregateversion"), NULL, 10),
                         ++last[k]);
        natsMsg_Destroy(message);
    }
    /* Not even tried twice: nothing was noted as a duplicate of what is noted. */
    assert_int_equal(number_of(&self, "SELECT sum(cardinality(positions)) FROM mesh_outbox_batch"),
                     (CHILDREN + 1) * EVENTS);
    for (int i = 0; i < CHILDREN; i++)
        end_child(children[i]);
    stored_close(&stream);
    bus_close(&self);
}

/* S4.10: a relay that is frozen while it has the lock does not stop the others for long. */
static void a_frozen_relay_gives_way(void **state)
{
    (void)state;
    instance self = open_writer();
    stored stream = stored_open();
    assert_int_equal(mesh_events_start(self.events, NULL), MESH_OK);
    pid_t child = start_child("--relay", "odyssey", "5");
    WAIT_FOR(stored_count(&stream) == 5);
    WAIT_FOR(due(&self) == 0);
    nats_freeze();
    bus_add(&self, "odyssey", 6);
    WAIT_FOR(number_of(&self, "SELECT count(*) FROM pg_stat_activity WHERE datname ="
                              " current_database() AND state = 'idle in transaction'") == 1);
    kill(child, SIGSTOP); /* while it waits for the broker */
    nats_thaw();
    instance other = open_relay();
    bus_add(&other, "odyssey", 7);
    WAIT_FOR(stored_count(&stream) == 7);
    expect_in_order(&stream, 1, 7);
    WAIT_FOR(due(&self) == 0);
    end_child(child);
    stored_close(&stream);
    close_writer(&self);
    bus_close(&other);
}

/* S4.10: by a notification, and not by looking every second. */
static void a_process_without_a_relay_wakes_that_of_another(void **state)
{
    (void)state;
    enum {
        EVENTS = 20
    };
    instance self = open_relay();
    instance writer = open_writer();
    assert_int_equal(mesh_events_start(writer.events, NULL), MESH_OK);
    int64_t start_ns = mesh_clock_monotonic_ns();
    for (uint64_t i = 1; i <= EVENTS; i++) {
        bus_add(&writer, "odyssey", (int64_t)i);
        WAIT_FOR(bus_stats(&self).published == i);
    }
    assert_true(mesh_clock_monotonic_ns() - start_ns < (int64_t)EVENTS * 500000000);
    assert_int_equal(bus_stats(&writer).published, 0);
    close_writer(&writer);
    bus_close(&self);
}

/* ---- order ---- */

static mesh_code publish_others_before(mesh_tx *tx, void *context, mesh_error *err)
{
    instance *self = context;
    (void)tx;
    (void)err;
    for (uint64_t i = 1; i <= 50; i++) {
        bus_add(self, "ilias", (int64_t)i);
        WAIT_FOR(bus_stats(self).published == i);
    }
    return MESH_OK;
}

/* S4.10: its positions are lower than those that were published before it. */
static void a_transaction_that_commits_late_is_not_left_out(void **state)
{
    (void)state;
    instance self = open_relay();
    stored stream = stored_open();
    mesh_tx *tx = begin(&self);
    add(tx, "odyssey", 1);
    assert_int_equal(mesh_tx_before_commit(tx, publish_others_before, &self, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    bus_add(&self, "odyssey", 2);
    WAIT_FOR(bus_stats(&self).published == 52);
    expect_in_order(&stream, 1, 50);
    expect_in_order(&stream, 51, 2);
    assert_string_equal(postgres_value(self.db, "SELECT min(position) FROM mesh_outbox"
                                                " WHERE aggregate_id = 'odyssey'"),
                        "1");
    stored_close(&stream);
    bus_close(&self);
}

typedef struct racer {
    instance *instance;
    pthread_t thread;
} racer;

static void *lower_stock(void *context)
{
    racer *self = context;
    for (int i = 0; i < 100; i++) {
        mesh_rows *rows = NULL;
        mesh_tx *tx = begin(self->instance);
        assert_int_equal(mesh_tx_query(tx,
                                       "UPDATE handled SET version = version + 1"
                                       " WHERE product_id = 'odyssey' RETURNING version",
                                       MESH_SQL_NO_PARAMS, &rows, NULL, NULL),
                         MESH_OK);
        add(tx, "odyssey", mesh_rows_int(rows, 0, 0));
        assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    }
    return NULL;
}

/* S4.10 */
static void threads_that_change_one_aggregate_leave_its_events_in_order(void **state)
{
    (void)state;
    enum {
        THREADS = 4
    };
    racer racers[THREADS];
    instance self = open_relay();
    instance other = open_relay();
    stored stream = stored_open();
    postgres_value(self.db, "INSERT INTO handled (product_id, version) VALUES ('odyssey', 0)");
    for (int i = 0; i < THREADS; i++) {
        racers[i].instance = i % 2 == 0 ? &self : &other;
        assert_int_equal(pthread_create(&racers[i].thread, NULL, lower_stock, &racers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(racers[i].thread, NULL);
    WAIT_FOR(stored_count(&stream) == THREADS * 100);
    expect_in_order(&stream, 1, THREADS * 100);
    stored_close(&stream);
    bus_close(&self);
    bus_close(&other);
}

/* ---- what goes away ---- */

/* S0.9 */
static void a_restart_of_the_database_loses_and_repeats_nothing(void **state)
{
    (void)state;
    instance self = open_relay();
    stored stream = stored_open();
    for (int i = 1; i <= 100; i++)
        bus_add(&self, "odyssey", i);
    postgres_stop();
    postgres_restart();
    for (int i = 101; i <= 200; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(due(&self) == 0);
    assert_int_equal(stored_count(&stream), 200);
    expect_in_order(&stream, 1, 200);
    stored_close(&stream);
    bus_close(&self);
}

/* S0.9: its last commits of a relay are gone, which do not wait for the disk. */
static void what_the_database_forgot_is_published_again(void **state)
{
    (void)state;
    instance self = open_relay();
    stored stream = stored_open();
    for (int i = 1; i <= 10; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(bus_stats(&self).published == 10);
    WAIT_FOR(due(&self) == 0);
    postgres_value(self.db, "WITH batches AS (DELETE FROM mesh_outbox_batch)"
                            " UPDATE mesh_outbox_relay SET done = '{(,4)}'");
    WAIT_FOR(bus_stats(&self).published == 10 + 7);
    WAIT_FOR(due(&self) == 0);
    assert_int_equal(stored_count(&stream), 10); /* the broker knew them */
    stored_close(&stream);
    bus_close(&self);
}

/* S0.9, S4.10: the broker comes back without what it had said to be stored last. */
static void what_the_broker_lost_of_the_end_is_published_again(void **state)
{
    (void)state;
    instance self = open_relay();
    for (int i = 1; i <= 20; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(bus_stats(&self).published == 20);
    nats_keep();
    mesh_tx *tx = begin(&self);
    for (int i = 21; i <= 300; i++)
        add(tx, i % 2 == 0 ? "odyssey" : "ilias", i);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(bus_stats(&self).published == 300);
    nats_stop();
    bus_add(&self, "odyssey", 302); /* must not come before what was lost */
    nats_restart_as_kept();
    WAIT_FOR(bus_stats(&self).published == 300 + 280 + 1);
    stored stream = stored_open();
    assert_int_equal(stored_count(&stream), 301);
    assert_int_equal(bus_stats(&self).publish_recalled, 280);
    expect_in_order(&stream, 1, 20);
    int64_t last[2] = {0, 0};
    for (uint64_t i = 21; i <= 301; i++) {
        int64_t version = stored_version(&stream, i);
        assert_true(version > last[version % 2]);
        last[version % 2] = version;
    }
    assert_int_equal(last[0], 302);
    stored_close(&stream);
    bus_close(&self);
}

/* S0.9: what others have published meanwhile stands at the places of what was lost. */
static void what_others_have_taken_the_places_of_is_published_again(void **state)
{
    (void)state;
    instance self = open_relay();
    bus_add(&self, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    nats_keep();
    for (int i = 2; i <= 4; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(bus_stats(&self).published == 4);
    bus_close(&self);
    nats_stop();
    nats_restart_as_kept();
    for (int i = 0; i < 5; i++)
        bus_publish_raw("events.shop.v1.Sold", "ce-aggregateversion: 100", "", 0);
    self = open_relay();
    WAIT_FOR(bus_stats(&self).published == 3);
    stored stream = stored_open();
    assert_int_equal(stored_version(&stream, 1), 1);
    for (int i = 2; i <= 4; i++)
        assert_int_equal(stored_version(&stream, 5 + (uint64_t)i), i);
    stored_close(&stream);
    bus_close(&self);
}

/* S0.9: the stream is gone and made anew, and nobody lost a connection. */
static void what_a_stream_that_was_made_anew_lacks_is_published_again(void **state)
{
    (void)state;
    instance self = open_relay();
    for (int i = 1; i <= 30; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(bus_stats(&self).published == 30);
    nats_restart_empty();
    WAIT_FOR(bus_stats(&self).published == 60);
    stored stream = stored_open();
    assert_int_equal(stored_count(&stream), 30);
    expect_in_order(&stream, 1, 30);
    nats_restart(); /* which loses nothing, so that nothing comes again */
    bus_add(&self, "odyssey", 31);
    WAIT_FOR(bus_stats(&self).published == 61);
    assert_int_equal(bus_stats(&self).publish_recalled, 30);
    stored_close(&stream);
    bus_close(&self);
}

/* ---- keeping ---- */

/* S0.6, S4.10 */
static void published_events_are_kept_and_then_removed(void **state)
{
    (void)state;
    instance self = open_relay();
    for (int i = 1; i <= 50; i++)
        bus_add(&self, "odyssey", i);
    WAIT_FOR(bus_stats(&self).published == 50);
    WAIT_FOR(due(&self) == 0);
    bus_close(&self);

    self = open_writer();
    assert_int_equal(number_of(&self, "SELECT count(*) FROM mesh_outbox"), 50);
    close_writer(&self);

    mesh_db *db = NULL;
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL), MESH_OK);
    mesh_events_options options = {.size = sizeof options,
                                   .url = "nats://127.0.0.1:1",
                                   .service = "stock",
                                   .db = db,
                                   .outbox_retention_ms = 1};
    self.db = db;
    assert_int_equal(mesh_events_create(&options, &self.events, NULL), MESH_OK);
    bus_add(&self, "odyssey", 51);
    assert_int_equal(mesh_events_start(self.events, NULL), MESH_OK);
    WAIT_FOR(number_of(&self, "SELECT count(*) FROM mesh_outbox") == 1); /* not published yet */
    assert_int_equal(number_of(&self, "SELECT count(*) FROM mesh_outbox_batch"), 0);
    assert_int_equal(due(&self), 1);
    assert_true(mesh_events_drain(self.events, 1));
    close_writer(&self);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "--die") == 0)
        return commit_and_die(argv[2], argv[3], argv[4], atoi(argv[5]));
    if (argc == 6 && strcmp(argv[1], "--relay") == 0)
        return relay_and_stay(argv[2], argv[3], argv[4], atoi(argv[5]));
    program = argv[0];
#define CASE(name) cmocka_unit_test_setup(name, test_setup)
    const struct CMUnitTest tests[] = {
        CASE(an_event_is_in_the_outbox_if_and_only_if_its_transaction_committed),
        CASE(a_commit_whose_events_cannot_be_inserted_fails),
        CASE(a_transaction_of_many_thousand_events_arrives_in_order),
        CASE(what_a_killed_process_has_committed_is_published),
        CASE(what_nobody_is_told_of_is_found_within_a_second),
        CASE(relays_of_several_processes_do_no_work_twice),
        CASE(a_frozen_relay_gives_way),
        CASE(a_process_without_a_relay_wakes_that_of_another),
        CASE(a_transaction_that_commits_late_is_not_left_out),
        CASE(threads_that_change_one_aggregate_leave_its_events_in_order),
        CASE(a_restart_of_the_database_loses_and_repeats_nothing),
        CASE(what_the_database_forgot_is_published_again),
        CASE(what_the_broker_lost_of_the_end_is_published_again),
        CASE(what_others_have_taken_the_places_of_is_published_again),
        CASE(what_a_stream_that_was_made_anew_lacks_is_published_again),
        CASE(published_events_are_kept_and_then_removed),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
