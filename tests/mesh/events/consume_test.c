#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/hash.h"
#include "mesh/base/uuid.h"
#include "tests/mesh/events/publisher.h"

static instance open_consumer(stock__v1__stock_lowered__handler *handler, void *self)
{
    return bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = handler, .self = self});
}

static void events_reach_the_handler(void **state)
{
    (void)state;
    instance self = open_consumer(bus_note, NULL);
    for (int i = 0; i < 100; i++)
        bus_add(&publisher, i % 2 ? "odyssey" : "ilias", i / 2 + 1);
    WAIT_FOR(bus_stats(&self).consumed == 100);
    assert_int_equal(bus_handled(&self), 100);
    assert_string_equal(postgres_value(self.db, "SELECT count(*) FROM mesh_inbox"), "100");
    WAIT_FOR(bus_stats(&self).lag == 0);
    assert_int_equal(bus_stats(&self).failed, 0);
    bus_close(&self);
}

/* S0.6: a service that was down catches up. */
static void a_service_that_was_down_catches_up(void **state)
{
    (void)state;
    for (int i = 1; i <= 10; i++)
        bus_add(&publisher, "odyssey", i);
    instance self = open_consumer(bus_note, NULL);
    WAIT_FOR(bus_stats(&self).consumed == 10);
    bus_close(&self);
    for (int i = 11; i <= 20; i++)
        bus_add(&publisher, "odyssey", i);
    self = open_consumer(bus_note, NULL);
    WAIT_FOR(bus_stats(&self).consumed == 10);
    assert_string_equal(postgres_value(self.db, "SELECT count(DISTINCT version) FROM handled"),
                        "20");
    bus_close(&self);
}

/* S1.4: several instances of a service handle each event once. */
static void two_instances_share_the_work_and_each_event_is_handled_once(void **state)
{
    (void)state;
    instance first = open_consumer(bus_note, NULL);
    instance second = open_consumer(bus_note, NULL);
    char id[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "product-%d", i % 50);
        bus_add(&publisher, id, i / 50 + 1);
    }
    WAIT_FOR(bus_stats(&first).consumed + bus_stats(&second).consumed == 1000);
    assert_true(bus_stats(&first).consumed > 0);
    assert_true(bus_stats(&second).consumed > 0);
    assert_string_equal(
        postgres_value(first.db, "SELECT count(*) || ' ' || count(DISTINCT (product_id, version))"
                                 " FROM handled"),
        "1000 1000");
    bus_close(&first);
    bus_close(&second);
}

static void two_services_each_get_every_event(void **state)
{
    (void)state;
    char other_url[POSTGRES_URL_BYTES];
    bus_database("other_service", other_url);
    instance stock = open_consumer(bus_note, NULL);
    instance other = bus_open(
        &(instance_options){.service = "other", .url = other_url, .handler = bus_note});
    for (int i = 1; i <= 50; i++)
        bus_add(&publisher, "odyssey", i);
    WAIT_FOR(bus_stats(&stock).consumed == 50 && bus_stats(&other).consumed == 50);
    bus_close(&stock);
    bus_close(&other);
}

static char headers[1024];

/* Headers of an event with a new id. */
static const char *fresh_headers(void)
{
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    snprintf(headers, sizeof headers,
             "ce-specversion: 1.0\nce-id: %s\nce-type: stock.v1.StockLowered\nce-source: /shop\n"
             "ce-subject: odyssey\nce-time: 2026-11-21T08:15:30Z",
             id);
    return headers;
}

typedef struct failing {
    atomic_int left; /* failures to come */
    atomic_int calls;
    mesh_code code;
} failing;

static mesh_code fail_then_note(void *context, mesh_tx *tx, const mesh_event *meta,
                                const Stock__V1__StockLowered *event, mesh_error *err)
{
    failing *self = context;
    atomic_fetch_add(&self->calls, 1);
    mesh_code code = bus_note(NULL, tx, meta, event, err);
    if (code == MESH_OK && atomic_fetch_sub(&self->left, 1) > 0)
        return mesh_error_set(err, self->code, "not this time");
    return code;
}

/* S1.4: whatever is redelivered, it changes nothing. */
static void a_redelivered_event_changes_nothing(void **state)
{
    (void)state;
    static const char payload[] = "\x0a\x07odyssey\x10\x05";
    failing handler = {.left = 0};
    instance self = open_consumer(fail_then_note, &handler);
    fresh_headers();
    /* The same event several times in the stream is what a delivery again looks like to us; there
     * is no Nats-Msg-Id that the broker could recognise it by. */
    for (int i = 0; i < 5; i++)
        bus_publish_raw("events.stock.v1.StockLowered", headers, payload, sizeof payload - 1);
    WAIT_FOR(bus_stats(&self).consumed + bus_stats(&self).duplicates == 5);
    assert_int_equal(bus_stats(&self).consumed, 1);
    assert_int_equal(bus_stats(&self).duplicates, 4);
    assert_int_equal(handler.calls, 1);
    assert_int_equal(bus_handled(&self), 1);
    bus_close(&self);
}

static void a_failed_event_is_rolled_back_and_comes_again(void **state)
{
    (void)state;
    failing handler = {.left = 2, .code = MESH_INTERNAL};
    instance self = open_consumer(fail_then_note, &handler);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_int_equal(handler.calls, 3);
    assert_int_equal(bus_handled(&self), 1);
    assert_int_equal(bus_stats(&self).failed, 2);
    assert_int_equal(bus_stats(&self).redelivered, 2);
    bus_close(&self);
}

static void a_failing_event_is_given_up_after_the_last_attempt(void **state)
{
    (void)state;
    failing handler = {.left = 1000, .code = MESH_FAILED_PRECONDITION};
    instance self = bus_open(&(instance_options){.service = "stock",
                                                 .url = url,
                                                 .handler = fail_then_note,
                                                 .self = &handler,
                                                 .max_deliver = 3});
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).dead == 1);
    atomic_store(&handler.left, 0);
    bus_add(&publisher, "ilias", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_int_equal(handler.calls, 4);
    WAIT_FOR(bus_unanswered("stock") == 0); /* the broker, too, has given it up */
    assert_int_equal(bus_handled(&self), 1);
    bus_close(&self);
}

/* S4.10: what looks like the broker's own word is an event like any other that is malformed, and
 * many of them hold up no others, either. */
static void an_event_with_a_status_holds_up_no_others(void **state)
{
    (void)state;
    static const char *const statuses[] = {"Status: 404", "Status: 408", "Status: 409",
                                           "Status: 503"};
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 1});
    for (size_t i = 0; i < 400; i++)
        bus_publish_raw("events.stock.v1.StockLowered", statuses[i % 4], "", 0);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_handled(&self) == 1);
    WAIT_FOR(bus_stats(&self).dead == 400);
    WAIT_FOR(bus_unanswered("stock") == 0);
    bus_close(&self);
}

/* S4.10: memory has a limit, however large the events are. */
static void large_events_are_not_fetched_long_before_they_are_handled(void **state)
{
    enum {
        EVENTS = 120,
        LANES = 12,
        LOOKS = 200,
        MOST = 40 /* 16 MiB, and some */
    };
    (void)state;
    static uint8_t payload[500000] = "\x0a\x07odyssey\x10\x01\x1a\x91\xc2\x1e";
    char versioned[1100];
    int64_t most = 0;
    atomic_store(&bus_may_go_on, false);
    for (int i = 0; i < EVENTS; i++) {
        char *place = strstr(fresh_headers(), "odyssey");
        snprintf(versioned, sizeof versioned, "%.*sproduct-%d%s", (int)(place - headers), headers,
                 i, place + 7);
        bus_publish_raw("events.stock.v1.StockLowered", versioned, payload, sizeof payload);
    }
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note_when_told, .concurrency = LANES});
    WAIT_FOR(bus_unanswered("stock") > EVENTS / 8);
    for (int i = 0; i < LOOKS; i++) {
        int64_t unanswered = bus_unanswered("stock");
        most = unanswered > most ? unanswered : most;
    }
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(bus_stats(&self).consumed == EVENTS);
    assert_in_range(most, 1, MOST);
    bus_close(&self);
}

static void a_malformed_event_is_a_failed_delivery_and_no_crash(void **state)
{
    (void)state;
    static const char good[] = "\x0a\x07odyssey\x10\x05";
    static const struct {
        const char *drop; /* a header that is missing */
        const char *payload;
        size_t size;
    } cases[] = {
        {"ce-id", good, sizeof good - 1},
        {"ce-type", good, sizeof good - 1},
        {"ce-source", good, sizeof good - 1},
        {"ce-subject", good, sizeof good - 1},
        {"ce-time", good, sizeof good - 1},
        {"ce-specversion", good, sizeof good - 1},
        {NULL, "\x0a\xff", 2},                     /* cut */
        {NULL, "\x0a\x02\xff\xfe", 4},             /* not UTF-8 */
        {NULL, "\x0a\x02\x61\x00", 4},             /* a NUL */
        {NULL, "\xff\xff\xff\xff\xff\xff\xff", 7}, /* no tag */
    };
    size_t count = sizeof cases / sizeof cases[0];
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 1});
    for (size_t i = 0; i < count; i++) {
        fresh_headers();
        char *drop = cases[i].drop != NULL ? strstr(headers, cases[i].drop) : NULL;
        if (drop != NULL)
            memcpy(drop, "xx", 2);
        bus_publish_raw("events.stock.v1.StockLowered", headers, cases[i].payload, cases[i].size);
    }
    /* Nested 10,000 deep. */
    size_t size = 0;
    uint8_t *deep = malloc(100000);
    for (int i = 0; i < 10000; i++) {
        uint8_t inner[8];
        size_t head = 0;
        inner[head++] = 0x22;
        for (size_t rest = size;; rest >>= 7) {
            inner[head++] = (uint8_t)((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
            if (rest <= 0x7f)
                break;
        }
        memmove(deep + head, deep, size);
        memcpy(deep, inner, head);
        size += head;
    }
    fresh_headers();
    bus_publish_raw("events.stock.v1.StockLowered", headers, deep, size);
    /* 200,000 empty submessages. */
    size = 0;
    uint8_t *many = malloc(400000);
    for (int i = 0; i < 200000; i++) {
        many[size++] = 0x22;
        many[size++] = 0;
    }
    fresh_headers();
    bus_publish_raw("events.stock.v1.StockLowered", headers, many, size);
    free(deep);
    free(many);
    WAIT_FOR(bus_stats(&self).dead == count + 2);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_int_equal(bus_handled(&self), 1);
    bus_close(&self);
}

/* S4.10: nor do those whose headers the library would read for a minute. */
static void events_with_very_many_headers_hold_up_no_others(void **state)
{
    enum {
        EVENTS = 200
    };
    (void)state;
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 1});
    for (size_t i = 0; i < EVENTS; i++)
        bus_publish_repeated("events.stock.v1.StockLowered", 10000, "x", i % 2);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1 && bus_stats(&self).dead == EVENTS);
    bus_close(&self);
}

/* S4.10: nor does one whose aggregate has an id that no row could have. Before it was refused it
 * looked as if there was no database, for all of the consumer's events. */
static void an_aggregate_whose_id_is_no_text_holds_up_no_others(void **state)
{
    (void)state;
    static const char payload[] = "\x0a\x07odyssey\x10\x01";
    char ids[5][4096] = {"%FF", "odyssey%C3", "\xff\xfe", "", ""}, versioned[sizeof headers + 4096];
    for (size_t i = 0; i < 4000; i++)
        ids[3][i] = (char)('a' + mesh_hash_text(i, "long") % 26);
    memset(ids[4], 'x', 513);
    instance self = bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = bus_note, .max_deliver = 2});
    for (size_t i = 0; i < 5; i++) {
        fresh_headers();
        snprintf(versioned, sizeof versioned, "%s\nce-aggregateversion: 1", headers);
        char *place = strstr(versioned, "odyssey");
        memmove(place + strlen(ids[i]), place + 7, strlen(place + 7) + 1);
        memcpy(place, ids[i], strlen(ids[i]));
        bus_publish_raw("events.stock.v1.StockLowered", versioned, payload, sizeof payload - 1);
    }
    WAIT_FOR(bus_stats(&self).dead == 5);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_int_equal(bus_stats(&self).failed, 10);
    bus_close(&self);
}

static void events_of_others_are_passed_over(void **state)
{
    (void)state;
    instance self = open_consumer(bus_note, NULL);
    bus_publish_raw("events.stock.v1.StockCounted", fresh_headers(), "", 0);
    bus_publish_raw("events.unheard.of", "a: b", "x", 1);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    WAIT_FOR(bus_stats(&self).lag == 0);
    assert_int_equal(bus_stats(&self).failed, 0);
    bus_close(&self);
}

static mesh_code note_slowly(void *self, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = mesh_tx_query(tx, "SELECT pg_sleep(random() * 0.005)", MESH_SQL_NO_PARAMS,
                                   NULL, NULL, err);
    return code == MESH_OK ? bus_note(self, tx, meta, event, err) : code;
}

static void events_of_one_aggregate_are_handled_in_order(void **state)
{
    (void)state;
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = note_slowly, .concurrency = 8});
    char id[32];
    for (int i = 0; i < 400; i++) {
        snprintf(id, sizeof id, "product-%d", i % 20);
        bus_add(&publisher, id, i / 20 + 1);
    }
    WAIT_FOR(bus_stats(&self).consumed == 400);
    assert_string_equal(
        postgres_value(self.db,
                       "SELECT count(*) FROM (SELECT version, lag(version) OVER"
                       " (PARTITION BY product_id ORDER BY number) AS before FROM handled) AS h"
                       " WHERE before > version"),
        "0");
    bus_close(&self);
}

static void the_trace_travels_with_the_event(void **state)
{
    (void)state;
    instance self = open_consumer(bus_note, NULL);
    mesh_trace trace;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_trace_start(&trace);
    mesh_trace_id_format(&trace, trace_id);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    bus_add(&publisher, "odyssey", 1);
    mesh_trace_set_current(before);
    WAIT_FOR(bus_stats(&self).consumed == 1);
    assert_string_equal(postgres_value(self.db, "SELECT trace_id FROM handled"), trace_id);
    bus_close(&self);
}

static mesh_code add_another(void *self, mesh_tx *tx, const mesh_event *meta,
                             const Stock__V1__StockLowered *event, mesh_error *err)
{
    mesh_code code = bus_note(self, tx, meta, event, err);
    if (code != MESH_OK || event->version >= 10)
        return code;
    Stock__V1__StockLowered next = STOCK__V1__STOCK_LOWERED__INIT;
    next.product_id = event->product_id;
    next.version = event->version + 1;
    return stock__v1__stock_lowered__add(tx, &next, err);
}

static void a_handler_may_add_events(void **state)
{
    (void)state;
    instance self = open_consumer(add_another, NULL);
    bus_add(&publisher, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).consumed == 10);
    assert_string_equal(postgres_value(self.db, "SELECT string_agg(version::text, ',') FROM"
                                                " (SELECT version FROM handled ORDER BY number) h"),
                        "1,2,3,4,5,6,7,8,9,10");
    assert_string_equal(postgres_value(self.db, "SELECT count(DISTINCT trace_id) FROM handled"),
                        "1");
    bus_close(&self);
}

static mesh_event seen;
static char seen_text[512];
static atomic_int seen_count;

static mesh_code look(void *self, mesh_tx *tx, const mesh_event *meta,
                      const Stock__V1__StockLowered *event, mesh_error *err)
{
    (void)self;
    (void)tx;
    (void)event;
    (void)err;
    seen = *meta;
    snprintf(seen_text, sizeof seen_text, "%s %s %s", meta->subject, meta->source,
             meta->aggregate_id);
    atomic_fetch_add(&seen_count, 1);
    return MESH_OK;
}

static void what_the_handler_sees_is_what_was_sent(void **state)
{
    (void)state;
    instance self = open_consumer(look, NULL);
    int64_t before_ns = mesh_clock_wall_ns();
    bus_add(&publisher, "caf\u00e9 100%\r\n", 1);
    WAIT_FOR(atomic_load(&seen_count) == 1);
    assert_string_equal(seen_text, "stock.v1.StockLowered /shop caf\u00e9 100%\r\n");
    assert_int_equal(seen.version, 1);
    assert_int_equal(seen.delivery, 1);
    assert_int_equal(seen.sequence, 1);
    assert_true(seen.time_ns > before_ns - 1000000 && seen.time_ns <= mesh_clock_wall_ns());
    bus_close(&self);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(events_reach_the_handler),
        CASE(a_service_that_was_down_catches_up),
        CASE(two_instances_share_the_work_and_each_event_is_handled_once),
        CASE(two_services_each_get_every_event),
        CASE(a_redelivered_event_changes_nothing),
        CASE(a_failed_event_is_rolled_back_and_comes_again),
        CASE(a_failing_event_is_given_up_after_the_last_attempt),
        CASE(an_event_with_a_status_holds_up_no_others),
        CASE(large_events_are_not_fetched_long_before_they_are_handled),
        CASE(a_malformed_event_is_a_failed_delivery_and_no_crash),
        CASE(events_with_very_many_headers_hold_up_no_others),
        CASE(an_aggregate_whose_id_is_no_text_holds_up_no_others),
        CASE(events_of_others_are_passed_over),
        CASE(events_of_one_aggregate_are_handled_in_order),
        CASE(the_trace_travels_with_the_event),
        CASE(a_handler_may_add_events),
        CASE(what_the_handler_sees_is_what_was_sent),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
