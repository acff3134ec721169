/*
 * Dead letters, and what operators do with them and with a consumer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/uuid.h"
#include "mesh/events/operate.h"
#include "tests/mesh/events/publisher.h"

static mesh_arena *arena;

static int test_setup(void **state)
{
    arena = mesh_arena_create(4096, 0);
    return publisher_begin(state);
}

static int test_teardown(void **state)
{
    mesh_arena_destroy(arena);
    return publisher_end(state);
}

/* Fails the events of "bad" while it is told to. */
static atomic_bool failing;

static mesh_code note_unless_bad(void *self, mesh_tx *tx, const mesh_event *meta,
                                 const Stock__V1__StockLowered *event, mesh_error *err)
{
    if (atomic_load(&failing) && strcmp(event->product_id, "bad") == 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "it is bad\nvery bad");
    return bus_note(self, tx, meta, event, err);
}

static instance open_failing(int max_deliver)
{
    atomic_store(&failing, true);
    return bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = note_unless_bad, .max_deliver = max_deliver});
}

static size_t list(instance *self, mesh_dead_letter **letters)
{
    size_t count = 0;
    mesh_error err = {0};
    if (mesh_dead_letters_list(self->events, 0, 100, arena, letters, &count, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return count;
}

static const char *handled_of_bad(instance *self)
{
    return postgres_value(self->db,
                          "SELECT coalesce(string_agg(version::text, ',' ORDER BY number),"
                          " '') FROM handled WHERE product_id = 'bad'");
}

/* S4.10: also of one that was never tried. */
static void a_letter_without_attempts_tells_when_it_was_given_up(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .gap_wait_ms = 1});
    bus_add(&publisher, "odyssey", 1);
    bus_add(&publisher, "odyssey", 3);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(list(&self, &letters), 1);
    assert_string_equal(letters[0].history, "");
    assert_true(letters[0].given_up_ns > letters[0].event.time_ns);
    bus_close(&self);
}

/* S4.10: nothing is dropped: event, cause and history are kept. */
static void a_dead_letter_tells_what_was_the_matter(void **state)
{
    (void)state;
    mesh_dead_letter *letters, letter;
    instance self = open_failing(3);
    bus_add(&publisher, "bad", 1);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(list(&self, &letters), 1);
    assert_int_equal(mesh_dead_letter_get(self.events, letters[0].number, arena, &letter, NULL),
                     MESH_OK);
    assert_string_equal(letter.event.subject, "stock.v1.StockLowered");
    assert_string_equal(letter.event.type, "stock.v1.StockLowered");
    assert_string_equal(letter.event.source, "/shop");
    assert_string_equal(letter.event.aggregate_type, "stock");
    assert_string_equal(letter.event.aggregate_id, "bad");
    assert_int_equal(letter.event.version, 1);
    assert_int_equal(letter.event.sequence, 1);
    assert_int_equal(letter.deliveries, 3);
    assert_string_equal(letter.code, "INVALID_ARGUMENT");
    assert_string_equal(letter.cause, "it is bad\nvery bad");
    assert_true(letter.given_up_ns > letter.event.time_ns && letter.event.time_ns > 0);
    /* A line for each attempt; the cause has two. */
    int attempts = 0;
    for (const char *at = letter.history; (at = strstr(at, "failed INVALID_ARGUMENT")) != NULL;
         at++)
        attempts++;
    assert_int_equal(attempts, 3);
    Stock__V1__StockLowered *event = stock__v1__stock_lowered__unpack(
        NULL, letter.event.payload_size, letter.event.payload);
    assert_non_null(event);
    assert_string_equal(event->product_id, "bad");
    stock__v1__stock_lowered__free_unpacked(event, NULL);
    assert_string_equal(postgres_value(self.db, "SELECT count(*) FROM mesh_inbox_attempt"), "0");
    WAIT_FOR(bus_unanswered("stock") == 0);
    bus_close(&self);
}

/* S4.10: poison does not block others, in the same batch and behind it. */
static void a_poisonous_event_holds_up_no_others(void **state)
{
    (void)state;
    char id[32];
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "product-%d", i);
        bus_add(&publisher, i % 20 == 10 ? "bad" : id, i % 20 == 10 ? i / 20 + 1 : 1);
    }
    instance self = open_failing(1000);
    WAIT_FOR(bus_stats(&self).consumed == 190);
    assert_int_equal(bus_handled(&self), 190);
    bus_close(&self);
}

/* S4.9: what follows a dead letter in its aggregate follows it there, and replays in order. */
static void letters_are_replayed_in_the_order_of_their_aggregate(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    mesh_error err = {0};
    atomic_store(&failing, true);
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = note_unless_bad,
                                                 .max_deliver = 1,
                                                 .gap_wait_ms = 1});
    for (int version = 1; version <= 3; version++)
        bus_add(&publisher, "bad", version);
    bus_add(&publisher, "good", 1);
    WAIT_FOR(bus_stats(&self).dead == 3 && bus_stats(&self).consumed == 1);
    assert_int_equal(list(&self, &letters), 3);
    assert_int_equal(letters[0].event.version, 1);
    /* Still bad: the letter stays. */
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[0].number, false, &err),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message, "it is bad\nvery bad");
    atomic_store(&failing, false);
    /* Not before what is missing. */
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[1].number, false, &err),
                     MESH_FAILED_PRECONDITION);
    assert_string_equal(err.message, "version 1 of the aggregate is missing before version 2; an "
                                     "earlier one is a dead letter");
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) /* the letter of version i + 1, in whatever order they died */
            if (letters[k].event.version == i + 1)
                assert_int_equal(
                    mesh_dead_letter_replay(self.events, letters[k].number, false, &err), MESH_OK);
    }
    assert_string_equal(handled_of_bad(&self), "1,2,3");
    assert_int_equal(list(&self, &letters), 0);
    /* The aggregate goes on. */
    bus_add(&publisher, "bad", 4);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(handled_of_bad(&self), "1,2,3,4");
    bus_close(&self);
}

static const char *new_id(void)
{
    static char header[64], id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    snprintf(header, sizeof header, "ce-id: %s", id);
    return header;
}

/* S4.10: the library takes a message that has a status and is empty for a word of the broker's. */
static void no_event_makes_a_letter_that_hides_others(void **state)
{
    static const char *const statuses[] = {"404", "500"};
    (void)state;
    char headers[128];
    mesh_dead_letter *letters;
    instance self = open_failing(1);
    for (size_t i = 0; i < 2; i++) {
        snprintf(headers, sizeof headers, "%s\nStatus: %s\nDescription: none", new_id(),
                 statuses[i]);
        bus_publish_raw("events.stock.v1.StockLowered", headers, "", 0);
    }
    bus_publish_raw("events.stock.v1.StockLowered", new_id(), "", 0);
    WAIT_FOR(bus_stats(&self).dead == 3);
    assert_int_equal(list(&self, &letters), 3);
    bus_close(&self);
}

/* S4.10: ... and one that is there already is passed over. */
static void a_letter_that_cannot_be_read_hides_no_others(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    instance self = open_failing(1);
    bus_publish_raw("dead.stock.stock.v1.StockLowered", "Status: 500", "", 0);
    bus_publish_raw("dead.stock.stock.v1.StockLowered", "Status: 503", "", 0);
    bus_publish_raw("dead.stock.stock.v1.StockLowered", "Status: 404", "", 0);
    bus_add(&publisher, "bad", 1);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(list(&self, &letters), 1);
    assert_int_equal(letters[0].number, 4);
    assert_int_equal(mesh_dead_letter_drop(self.events, 1, false, NULL), MESH_NOT_FOUND);
    assert_int_equal(mesh_dead_letter_drop(self.events, 4, false, NULL), MESH_OK);
    assert_int_equal(list(&self, &letters), 0);
    bus_close(&self);
}

/* S4.10: what its headers say of an aggregate that cannot be counts for none, nor in force. */
static void a_malformed_letter_can_be_dropped(void **state)
{
    static const char *const headers[] = {
        "ce-subject: %FF\nce-aggregateversion: 1",
        "ce-subject: odyssey\nce-aggregateversion: 9223372036854775807",
        "ce-subject: odyssey\nce-aggregateversion: 3 or so",
    };
    (void)state;
    mesh_dead_letter *letters;
    instance self = open_failing(1);
    for (size_t i = 0; i < 3; i++)
        bus_publish_raw("events.stock.v1.StockLowered", headers[i], "", 0);
    WAIT_FOR(bus_stats(&self).dead == 3);
    assert_int_equal(list(&self, &letters), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mesh_dead_letter_drop(self.events, letters[i].number, true, NULL),
                         MESH_OK);
    assert_int_equal(list(&self, &letters), 0);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    bus_close(&self);
}

static void a_letter_is_replayed_once(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    instance self = open_failing(1);
    bus_add(&publisher, "bad", 1);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(list(&self, &letters), 1);
    atomic_store(&failing, false);
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[0].number, false, NULL), MESH_OK);
    assert_int_equal(mesh_dead_letter_replay(self.events, letters[0].number, false, NULL),
                     MESH_NOT_FOUND);
    assert_string_equal(handled_of_bad(&self), "1");
    bus_close(&self);
}

/* What somebody does to letters, one after the other. */
typedef struct operation {
    mesh_events *events;
    const mesh_dead_letter *letters;
    size_t count;
    mesh_code (*act)(mesh_events *events, uint64_t number, bool force, mesh_error *err);
    size_t wrong; /* ends that are none */
} operation;

static void *operate(void *context)
{
    operation *self = context;
    for (size_t i = 0; i < self->count; i++) {
        mesh_code code = self->act(self->events, self->letters[i].number, false, NULL);
        self->wrong += code != MESH_OK && code != MESH_NOT_FOUND;
    }
    return NULL;
}

/* Two operators, each at another instance. */
static void operate_twice(instance *first, instance *second, operation act)
{
    pthread_t thread;
    operation one = act, other = act;
    one.events = first->events;
    other.events = second->events;
    assert_int_equal(pthread_create(&thread, NULL, operate, &one), 0);
    operate(&other);
    pthread_join(thread, NULL);
    assert_int_equal(one.wrong, 0);
    assert_int_equal(other.wrong, 0);
}

static atomic_bool failing_all;

static mesh_code note_unless_told(void *self, mesh_tx *tx, const mesh_event *meta,
                                  const Stock__V1__StockLowered *event, mesh_error *err)
{
    if (atomic_load(&failing_all))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "not now");
    return bus_note(self, tx, meta, event, err);
}

/* S4.10: who comes second finds it done. */
static void two_operators_may_do_the_same_at_the_same_time(void **state)
{
    enum {
        LETTERS = 60
    };
    (void)state;
    char id[32];
    mesh_dead_letter *letters;
    instance_options options = {
        .service = "stock", .url = url, .handler = note_unless_told, .max_deliver = 1};
    atomic_store(&failing_all, true);
    instance first = bus_open(&options);
    instance second = bus_open(&options);
    for (int i = 0; i < LETTERS; i++) {
        snprintf(id, sizeof id, "product-%d", i);
        bus_add(&publisher, id, 1);
    }
    WAIT_FOR(bus_stats(&first).dead + bus_stats(&second).dead == LETTERS);
    assert_int_equal(list(&first, &letters), LETTERS);
    atomic_store(&failing_all, false);
    operate_twice(
        &first, &second,
        (operation){.letters = letters, .count = LETTERS / 2, .act = mesh_dead_letter_replay});
    operate_twice(&first, &second,
                  (operation){.letters = letters + LETTERS / 2,
                              .count = LETTERS / 2,
                              .act = mesh_dead_letter_drop});
    assert_int_equal(list(&first, &letters), 0);
    assert_int_equal(bus_handled(&first), LETTERS / 2);
    bus_close(&second);
    bus_close(&first);
}

/* S4.9: a dropped letter's version is skipped. */
static void what_follows_a_dropped_letter_is_handled(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    instance self = open_failing(1);
    bus_add(&publisher, "bad", 1);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(list(&self, &letters), 1);
    assert_int_equal(mesh_dead_letter_drop(self.events, letters[0].number, false, NULL), MESH_OK);
    assert_int_equal(mesh_dead_letter_drop(self.events, letters[0].number, false, NULL),
                     MESH_NOT_FOUND);
    atomic_store(&failing, false);
    bus_add(&publisher, "bad", 2);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_string_equal(handled_of_bad(&self), "2");
    bus_close(&self);
}

/* S0.9, S4.10: without the broker's word that the letter is there, the event stays. */
static void an_event_is_not_given_up_before_its_letter_is_stored(void **state)
{
    (void)state;
    mesh_dead_letter *letters;
    mesh_error err = {0};
    instance self = open_failing(1);
    bus_add(&publisher, "good", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    bus_delete_stream("DEAD-stock");
    bus_add(&publisher, "bad", 1);
    WAIT_FOR(bus_stats(&self).failed > 0);
    assert_int_equal(bus_stats(&self).dead, 0);
    assert_int_equal(bus_unanswered("stock"), 1);
    nats_restart(); /* connected anew, the service makes what is missing */
    WAIT_FOR(bus_stats(&self).dead == 1);
    WAIT_FOR(mesh_dead_letters_list(self.events, 0, 10, arena, &letters, &(size_t){0}, &err) ==
             MESH_OK);
    assert_int_equal(list(&self, &letters), 1);
    bus_close(&self);
}

/* S4.10: all instances obey, soon, and also those that start later. */
static void a_paused_consumer_takes_nothing_until_it_is_resumed(void **state)
{
    (void)state;
    mesh_consumer_state seen;
    instance_options options = {.service = "stock", .url = url, .handler = bus_note};
    instance first = bus_open(&options);
    instance second = bus_open(&options);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_handled(&first) == 1);
    assert_int_equal(mesh_consumer_pause(first.events, true, NULL), MESH_OK);
    int64_t asked_ns = mesh_clock_monotonic_ns();
    WAIT_FOR(bus_stats(&first).paused && bus_stats(&second).paused);
    assert_true(mesh_clock_monotonic_ns() - asked_ns < (int64_t)1000 * 1000000 + 500 * 1000000);
    instance third = bus_open(&options);
    bus_add(&publisher, "odyssey", 2);
    WAIT_FOR(bus_stats(&publisher).published == 2);
    WAIT_FOR(bus_stats(&third).paused);
    assert_int_equal(mesh_consumer_get_state(second.events, arena, &seen, NULL), MESH_OK);
    assert_true(seen.paused && seen.paused_ns > 0);
    assert_string_equal(seen.name, "stock");
    assert_int_equal(bus_handled(&first), 1);
    assert_int_equal(mesh_consumer_pause(third.events, false, NULL), MESH_OK);
    WAIT_FOR(bus_handled(&first) == 2);
    assert_int_equal(mesh_consumer_get_state(second.events, arena, &seen, NULL), MESH_OK);
    assert_false(seen.paused);
    WAIT_FOR(mesh_consumer_get_state(second.events, arena, &seen, NULL) == MESH_OK &&
             seen.answered == 2);
    bus_close(&third);
    bus_close(&second);
    bus_close(&first);
}

/* S4.10: long work is not given to another instance, and a standstill is seen. */
static void long_work_goes_on_and_a_stall_is_told(void **state)
{
    (void)state;
    atomic_store(&bus_may_go_on, false);
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = bus_note_when_told,
                                                 .ack_wait_ms = 300,
                                                 .stall_ms = 1500});
    bus_add(&publisher, "odyssey", 1);
    /* Five times the ack wait. */
    WAIT_FOR(bus_stats(&self).stalled);
    assert_true(bus_stats(&self).oldest_held_ms >= 1000);
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    WAIT_FOR(!bus_stats(&self).stalled);
    WAIT_FOR(bus_unanswered("stock") == 0);
    assert_int_equal(bus_stats(&self).redelivered, 0);
    assert_int_equal(bus_stats(&self).duplicates, 0);
    bus_close(&self);
}

/* S4.10: ... but not for ever. */
static void work_beyond_its_time_is_given_to_another(void **state)
{
    (void)state;
    instance_options options = {.service = "stock",
                                .url = url,
                                .handler = bus_note_when_told,
                                .ack_wait_ms = 500,
                                .handler_timeout_ms = 700};
    atomic_store(&bus_may_go_on, false);
    instance first = bus_open(&options);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_unanswered("stock") == 1);
    options.handler = bus_note;
    instance second = bus_open(&options);
    WAIT_FOR(bus_stats(&second).redelivered > 0);
    atomic_store(&bus_may_go_on, true); /* its transaction has no time left */
    WAIT_FOR(bus_handled(&second) == 1);
    WAIT_FOR(bus_unanswered("stock") == 0);
    assert_int_equal(bus_handled(&second), 1);
    bus_close(&first);
    bus_close(&second);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_dead_letter_tells_what_was_the_matter),
        CASE(a_letter_without_attempts_tells_when_it_was_given_up),
        CASE(a_poisonous_event_holds_up_no_others),
        CASE(letters_are_replayed_in_the_order_of_their_aggregate),
        CASE(no_event_makes_a_letter_that_hides_others),
        CASE(a_letter_that_cannot_be_read_hides_no_others),
        CASE(a_malformed_letter_can_be_dropped),
        CASE(a_letter_is_replayed_once),
        CASE(two_operators_may_do_the_same_at_the_same_time),
        CASE(what_follows_a_dropped_letter_is_handled),
        CASE(an_event_is_not_given_up_before_its_letter_is_stored),
        CASE(a_paused_consumer_takes_nothing_until_it_is_resumed),
        CASE(long_work_goes_on_and_a_stall_is_told),
        CASE(work_beyond_its_time_is_given_to_another),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
