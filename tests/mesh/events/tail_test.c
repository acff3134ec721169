/*
 * A tail shows what the stream holds, from any place or time on, whatever it is, with no more than
 * what the broker lets a service do.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/arena.h"
#include "mesh/base/clock.h"
#include "mesh/events/tail.h"
#include "tests/mesh/events/bus.h"

#define LOWERED "events.stock.v1.StockLowered"

static instance stock;
static mesh_arena *arena;

/* --- help ------------------------------------------------------------------------------------- */

static uint64_t last(void)
{
    uint64_t place = 0;
    assert_int_equal(mesh_tail_last(stock.events, &place, NULL), MESH_OK);
    return place;
}

static mesh_tail begin(const char *subject, uint64_t sequence, int64_t time_ns)
{
    mesh_tail tail;
    assert_int_equal(
        mesh_tail_begin(
            stock.events,
            &(mesh_tail_start){.subject = subject, .sequence = sequence, .time_ns = time_ns}, &tail,
            NULL),
        MESH_OK);
    return tail;
}

/* The places of all that it shows now: "1 2 4". */
static const char *places(mesh_tail *tail)
{
    static char text[512];
    size_t used = 0;
    mesh_stored_event event;
    mesh_error err;
    mesh_code code;
    text[0] = '\0';
    mesh_error_clear(&err);
    while ((code = mesh_tail_next(stock.events, tail, last(), arena, &event, &err)) == MESH_OK) {
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%" PRIu64,
                                 used == 0 ? "" : " ", event.sequence);
        tail->next = event.sequence + 1;
    }
    if (code != MESH_EOF)
        fail_msg("%s: %s", mesh_code_name(code), err.message);
    return text;
}

static void publish(const char *subject)
{
    bus_publish_raw(subject, "ce-id: x", "y", 1);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_event_is_shown_as_it_is_stored(void **state)
{
    mesh_stored_event event;
    mesh_tail tail = begin("", 0, 0);
    const int64_t before_ns = mesh_clock_wall_ns();
    (void)state;
    assert_string_equal(places(&tail), "");
    bus_add(&stock, "caf\xc3\xa9", 7);
    WAIT_FOR(last() == 1);
    assert_int_equal(mesh_tail_next(stock.events, &tail, 1, arena, &event, NULL), MESH_OK);
    assert_int_equal(event.sequence, 1);
    assert_string_equal(event.subject, "stock.v1.StockLowered");
    assert_string_equal(event.type, "stock.v1.StockLowered");
    assert_string_equal(event.source, "/stock");
    assert_string_equal(event.aggregate_type, "stock");
    assert_string_equal(event.aggregate_id, "caf\xc3\xa9");
    assert_int_equal(strlen(event.id), 36);
    assert_int_equal(event.version, 7);
    assert_true(event.time_ns >= before_ns / 1000000 * 1000000);
    assert_true(event.stored_ns >= before_ns && event.stored_ns <= mesh_clock_wall_ns());
    assert_true(event.payload_size > 5);
    /* One that was not passed on is shown again. */
    assert_int_equal(mesh_tail_next(stock.events, &tail, 1, arena, &event, NULL), MESH_OK);
    assert_int_equal(event.sequence, 1);
    tail.next = 2;
    assert_int_equal(mesh_tail_next(stock.events, &tail, 1, arena, &event, NULL), MESH_EOF);
}

static void what_is_none_of_ours_is_shown_too(void **state)
{
    mesh_stored_event event;
    mesh_tail tail = begin("stock.>", 1, 0);
    (void)state;
    bus_publish_raw(LOWERED, "ce-aggregateversion: many\nce-subject: %zz", "", 0);
    bus_publish_raw(LOWERED, "Status: 503", "", 0);
    bus_publish_raw(LOWERED, "Status: 404", "", 0);
    bus_publish_raw(LOWERED, "Status: 100\nNats-Last-Consumer: 7", "", 0);
    publish(LOWERED);
    tail.next = 1;
    assert_int_equal(mesh_tail_next(stock.events, &tail, last(), arena, &event, NULL), MESH_OK);
    assert_string_equal(event.id, "");
    assert_string_equal(event.aggregate_id, "");
    assert_int_equal(event.version, 0);
    assert_int_equal(event.payload_size, 0);
    /* What the library takes for a word of the broker's is passed over. */
    const char *all = places(&tail);
    if (strcmp(all, "1 5") != 0 && strcmp(all, "1 2 3 4 5") != 0)
        fail_msg("%s", all);
}

static void a_tail_begins_at_a_place_or_a_time(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        publish(LOWERED);
    const int64_t then_ns = mesh_clock_wall_ns() + 1;
    wait_a_moment();
    for (int i = 0; i < 3; i++)
        publish(LOWERED);
    mesh_tail tail = begin("", 1, 0);
    assert_string_equal(places(&tail), "1 2 3 4 5 6");
    tail = begin("", 5, 0);
    assert_string_equal(places(&tail), "5 6");
    tail = begin("", 600, 0);
    assert_string_equal(places(&tail), "");
    tail = begin("", 0, then_ns);
    assert_string_equal(places(&tail), "4 5 6");
    tail = begin("", 0, 1);
    assert_string_equal(places(&tail), "1 2 3 4 5 6");
    tail = begin("", 0, mesh_clock_wall_ns() + INT64_C(3600000000000));
    publish(LOWERED);
    assert_string_equal(places(&tail), "7");
}

static void a_subject_means_what_nats_means_by_it(void **state)
{
    static const struct {
        const char *subject, *shows;
    } cases[] = {
        {"", "1 2 3 4"},      {">", "1 2 3 4"},     {"order.v1.Made", "1"}, {"order.>", "1 2"},
        {"*.v1.Made", "1 3"}, {"order.*.*", "1 2"}, {"order", ""},          {"nobody.>", ""},
    };
    static const char *const malformed[] = {"a b",   "a..b",     ".",  "a.",
                                            "a.>.b", "\xc3\xa9", "a*", "a\n"};
    char long_one[MESH_TAIL_SUBJECT_BYTES + 1];
    (void)state;
    publish("events.order.v1.Made");
    publish("events.order.v2.Made");
    publish("events.user.v1.Made");
    publish("events.user.v1.Gone");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_tail tail = begin(cases[i].subject, 1, 0);
        assert_string_equal(places(&tail), cases[i].shows);
    }
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++)
        assert_false(mesh_tail_subject_valid(malformed[i]));
    memset(long_one, 'a', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    assert_false(mesh_tail_subject_valid(long_one));
    long_one[MESH_TAIL_SUBJECT_BYTES - 1] = '\0';
    assert_true(mesh_tail_subject_valid(long_one));
}

static void a_stream_that_was_made_anew_is_shown_from_its_beginning(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        publish(LOWERED);
    mesh_tail tail = begin("", 1, 0);
    assert_string_equal(places(&tail), "1 2 3");
    nats_restart_empty();
    WAIT_FOR(mesh_events_ready(stock.events, NULL) == MESH_OK);
    publish(LOWERED);
    assert_string_equal(places(&tail), "1");
}

static void a_broker_that_is_away_is_told(void **state)
{
    mesh_tail tail = begin("", 1, 0);
    mesh_stored_event event;
    uint64_t place;
    mesh_error err;
    (void)state;
    publish(LOWERED);
    nats_stop();
    mesh_error_clear(&err);
    tail.next = 1;
    assert_int_equal(mesh_tail_next(stock.events, &tail, 1, arena, &event, &err), MESH_UNAVAILABLE);
    assert_int_equal(mesh_tail_last(stock.events, &place, &err), MESH_UNAVAILABLE);
    assert_int_equal(tail.next, 1);
    nats_restart();
}

/* --- frame ------------------------------------------------------------------------------------ */

/* With a database of its own: what an outbox has published it publishes again on an empty broker,
 * which the next test would see. */
static int begin_test(void **state)
{
    static int number;
    char name[32], url[POSTGRES_URL_BYTES];
    (void)state;
    snprintf(name, sizeof name, "tail_test_%d", ++number);
    bus_database(name, url);
    nats_restart_with_users("stock");
    stock = bus_open(&(instance_options){.service = "stock", .url = url});
    arena = mesh_arena_create(4096, 0);
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    bus_close(&stock);
    mesh_arena_destroy(arena);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(an_event_is_shown_as_it_is_stored),
        TEST(what_is_none_of_ours_is_shown_too),
        TEST(a_tail_begins_at_a_place_or_a_time),
        TEST(a_subject_means_what_nats_means_by_it),
        TEST(a_stream_that_was_made_anew_is_shown_from_its_beginning),
        TEST(a_broker_that_is_away_is_told),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
