/*
 * What a service knows in memory because of events: each instance gets all of them, in order,
 * whatever happens to the broker meanwhile.
 */
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/uuid.h"
#include "mesh/events/feed.h"
#include "tests/fixtures/memory.h"
#include "tests/mesh/events/publisher.h"

enum {
    SEEN_MAX = 8192,
    WRONG = -2, /* a version that no event has */
    HOUR_MS = 3600 * 1000,
    PAST = 5000 /* 3 MB: more than the broker sends without a word from us */
};

#define LOWERED "events.stock.v1.StockLowered"

/* ---- a feed that notes what it gets ---- */

typedef struct seen {
    mesh_feed *feed;
    pthread_mutex_t mu;
    /* Guarded by mu. */
    size_t count;
    int64_t versions[SEEN_MAX];              /* in order, failed attempts included */
    int64_t times_ns[SEEN_MAX];              /* when */
    char trace_id[MESH_TRACE_ID_TEXT_BYTES]; /* of the last one */
    int last_delivery;
    int64_t fails_at; /* the version that fails */
    int failures;     /* so often */
    int64_t waits_at; /* the version that waits until `may_go_on` */
    bool waits, may_go_on;
} seen;

static mesh_code note(void *context, const mesh_event *meta, const ProtobufCMessage *event,
                      mesh_error *err)
{
    seen *self = context;
    const Stock__V1__StockLowered *lowered = (const void *)event;
    bool right = event->descriptor == &stock__v1__stock_lowered__descriptor &&
                 lowered->version == meta->version &&
                 strcmp(lowered->product_id, meta->aggregate_id) == 0;
    int64_t version = right ? meta->version : WRONG;
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&self->mu);
    size_t place = self->count++ % SEEN_MAX;
    self->times_ns[place] = mesh_clock_monotonic_ns();
    self->versions[place] = version;
    self->last_delivery = meta->delivery;
    mesh_trace_id_format(mesh_trace_current(), self->trace_id);
    if (version == self->fails_at && self->failures > 0) {
        self->failures--;
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "not this time");
    }
    self->waits = version == self->waits_at;
    while (self->waits && !self->may_go_on) {
        pthread_mutex_unlock(&self->mu);
        wait_a_moment();
        pthread_mutex_lock(&self->mu);
    }
    self->waits = false;
    pthread_mutex_unlock(&self->mu);
    return code;
}

static const mesh_feed_event lowered_only[] = {{&stock__v1__stock_lowered__event, note}, {0}};
static const mesh_feed_event both[] = {
    {&stock__v1__stock_lowered__event, note}, {&stock__v1__stock_counted__event, note}, {0}};

static seen *make_feed(const mesh_feed_event *events, int64_t since_ms)
{
    seen *self = calloc(1, sizeof *self);
    mesh_error err = {0};
    assert_non_null(self);
    pthread_mutex_init(&self->mu, NULL);
    self->fails_at = self->waits_at = -1;
    const mesh_feed_options options = {.url = nats_url(),
                                       .service = "stock",
                                       .events = events,
                                       .self = self,
                                       .since_ms = since_ms};
    if (mesh_feed_create(&options, &self->feed, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return self;
}

static seen *open_feed(const mesh_feed_event *events, int64_t since_ms)
{
    seen *self = make_feed(events, since_ms);
    assert_int_equal(mesh_feed_start(self->feed, NULL), MESH_OK);
    WAIT_FOR(mesh_feed_ready(self->feed, NULL) == MESH_OK);
    return self;
}

static void close_feed(seen *self)
{
    mesh_feed_destroy(self->feed);
    pthread_mutex_destroy(&self->mu);
    free(self);
}

static size_t count_of(seen *self)
{
    pthread_mutex_lock(&self->mu);
    size_t count = self->count;
    pthread_mutex_unlock(&self->mu);
    return count;
}

static bool waits(seen *self)
{
    pthread_mutex_lock(&self->mu);
    bool waits = self->waits;
    pthread_mutex_unlock(&self->mu);
    return waits;
}

static void let_go_on(seen *self)
{
    pthread_mutex_lock(&self->mu);
    self->may_go_on = true;
    pthread_mutex_unlock(&self->mu);
}

/* It has got exactly these, first to last, each once. */
static void expect_run(seen *self, int64_t first, int64_t last)
{
    size_t count = (size_t)(last - first + 1);
    WAIT_FOR(count_of(self) >= count);
    assert_int_equal(count_of(self), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(self->versions[i], first + (int64_t)i);
}

static mesh_feed_stats stats_of(seen *self)
{
    mesh_feed_stats stats;
    mesh_feed_get_stats(self->feed, &stats);
    return stats;
}

static bool is_ready(seen *self)
{
    return mesh_feed_ready(self->feed, NULL) == MESH_OK;
}

static bool misses(seen *self, const char *what)
{
    mesh_error err = {0};
    return mesh_feed_ready(self->feed, &err) == MESH_UNAVAILABLE &&
           strstr(err.message, what) != NULL;
}

/* ---- publishing past mesh_event_add ---- */

static const char *fresh_headers(int64_t version)
{
    static char headers[1024];
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    snprintf(headers, sizeof headers,
             "ce-specversion: 1.0\nce-id: %s\nce-type: stock.v1.StockLowered\nce-source: /shop\n"
             "ce-subject: a\nce-time: 2026-11-21T08:15:30Z\nce-aggregateversion: %d\n"
             "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
             id, (int)version);
    return headers;
}

/* An event whose payload has `filling` more bytes. */
static void publish_raw(int64_t version, size_t filling)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)"a";
    event.version = version;
    event.filling.len = filling;
    event.filling.data = calloc(1, filling + 1);
    uint8_t *payload = malloc(stock__v1__stock_lowered__get_packed_size(&event));
    size_t size = stock__v1__stock_lowered__pack(&event, payload);
    bus_publish_raw(LOWERED, fresh_headers(version), payload, size);
    free(payload);
    free(event.filling.data);
}

static void add_many(int64_t from, int64_t to)
{
    for (int64_t version = from; version <= to; version++)
        bus_add(&publisher, "a", version);
}

/* ---- what is read ---- */

/* S4.2, S0.5: a service that starts knows first what happened lately. */
static void a_feed_begins_with_the_past_of_since_ms_only(void **state)
{
    (void)state;
    enum {
        GAP_MS = 2000
    };
    add_many(1, 2);
    WAIT_FOR(bus_stats(&publisher).published == 2);
    int64_t before_ns = mesh_clock_monotonic_ns();
    WAIT_FOR(mesh_clock_monotonic_ns() > mesh_clock_add_ms(before_ns, GAP_MS));
    add_many(3, 4);
    WAIT_FOR(bus_stats(&publisher).published == 4);
    int64_t since_ms = (mesh_clock_monotonic_ns() - before_ns) / 1000000;
    seen *self = open_feed(lowered_only, since_ms);
    expect_run(self, 3, 4);
    seen *all = open_feed(lowered_only, INT64_MAX);
    seen *none = open_feed(lowered_only, 0);
    assert_int_equal(count_of(none), 0);
    add_many(5, 6);
    expect_run(self, 3, 6);
    expect_run(all, 1, 6);
    expect_run(none, 5, 6);
    assert_int_equal(stats_of(self).handled, 4);
    assert_int_equal(stats_of(self).resets, 0);
    close_feed(self);
    close_feed(all);
    close_feed(none);
}

/* Part of a second. */
static int64_t fraction_ms(int64_t wall_ns)
{
    return wall_ns / 1000000 % 1000;
}

/* S4.2: the library's times lack the zeros behind their point. */
static void a_feed_begins_in_time_early_in_a_second(void **state)
{
    enum {
        MARGIN_MS = 20
    };
    int64_t since_ns = 0;
    (void)state;
    do {
        since_ns = mesh_clock_wall_ns();
        wait_a_moment();
    } while (fraction_ms(since_ns) <= MARGIN_MS || fraction_ms(since_ns) > 50);
    add_many(1, 1);
    WAIT_FOR(bus_stats(&publisher).published == 1);
    seen *self = open_feed(lowered_only, (mesh_clock_wall_ns() - since_ns) / 1000000 + MARGIN_MS);
    expect_run(self, 1, 1);
    close_feed(self);
}

/* S4.2: ... every instance, at once. */
static void every_feed_gets_every_event_in_order(void **state)
{
    (void)state;
    seen *first = open_feed(lowered_only, HOUR_MS), *second = open_feed(both, HOUR_MS);
    add_many(1, 200);
    expect_run(first, 1, 200);
    expect_run(second, 1, 200);
    close_feed(first);
    close_feed(second);
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return one < other ? -1 : one > other;
}

/* S4.2 */
static void an_event_reaches_the_handler_promptly(void **state)
{
    (void)state;
    enum {
        EVENTS = 21,
        LIMIT_MS = 20
    };
    int64_t taken_ns[EVENTS];
    seen *self = open_feed(lowered_only, HOUR_MS);
    for (int i = 0; i < EVENTS; i++) {
        int64_t begun_ns = mesh_clock_monotonic_ns();
        publish_raw(i, 0); /* by a connection of its own */
        WAIT_FOR(count_of(self) == (size_t)i + 1);
        taken_ns[i] = self->times_ns[i] - begun_ns;
    }
    qsort(taken_ns, EVENTS, sizeof taken_ns[0], compare);
    print_message("median %.3f ms from connecting the publisher on\n",
                  (double)taken_ns[EVENTS / 2] / 1e6);
    assert_true(taken_ns[EVENTS / 2] < (int64_t)LIMIT_MS * 1000000);
    close_feed(self);
}

static void a_handler_works_in_the_trace_of_the_event(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    publish_raw(1, 0);
    expect_run(self, 1, 1);
    assert_string_equal(self->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    close_feed(self);
}

static void types_that_the_table_does_not_name_are_passed_over(void **state)
{
    (void)state;
    seen *self = open_feed(both, HOUR_MS);
    bus_publish_raw("events.stock.v1.StockUnheardOf", "a: b", "x", 1);
    bus_publish_raw("events.order.v1.OrderCreated", "a: b", "x", 1);
    add_many(1, 2);
    bus_publish_raw("events.stock.v1.StockLowered.more", "a: b", "x", 1);
    add_many(3, 3);
    expect_run(self, 1, 3);
    assert_int_equal(stats_of(self).malformed, 0);
    close_feed(self);
}

static void malformed_events_are_left_out(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    static const char good[] = "\x0a\x01"
                               "a\x10\x01";
    bus_publish_raw(LOWERED, "a: b", good, sizeof good - 1);
    bus_publish_raw(LOWERED, fresh_headers(1), "\x0a\x7f", 2);
    bus_publish_raw(LOWERED, fresh_headers(1), "\x0a\x01\xff", 3);
    /* What the library and the broker say something by. */
    bus_publish_raw(LOWERED, "Status: 503", "", 0);
    bus_publish_raw(LOWERED, "Status: 100\nNats-Last-Consumer: 7", "", 0);
    /* 16 MiB are not enough for 200,000 submessages. */
    uint8_t *many = malloc(400000);
    for (size_t i = 0; i < 200000; i++) {
        many[2 * i] = 0x22;
        many[2 * i + 1] = 0;
    }
    bus_publish_raw(LOWERED, fresh_headers(1), many, 400000);
    free(many);
    add_many(1, 2);
    expect_run(self, 1, 2);
    assert_int_equal(stats_of(self).malformed, 6);
    assert_int_equal(stats_of(self).handled, 2);
    assert_int_equal(stats_of(self).resets, 0);
    assert_true(is_ready(self));
    /* The same as the past of another one. */
    seen *later = open_feed(lowered_only, HOUR_MS);
    expect_run(later, 1, 2);
    assert_int_equal(stats_of(later).malformed, 6);
    close_feed(later);
    close_feed(self);
}

/* The broker, past the feed. */
typedef struct raw {
    natsConnection *connection;
    jsCtx *js;
} raw;

static raw open_raw(void)
{
    raw self = {.js = NULL};
    assert_int_equal(natsConnection_ConnectTo(&self.connection, nats_url()), NATS_OK);
    assert_int_equal(natsConnection_JetStream(&self.js, self.connection, NULL), NATS_OK);
    return self;
}

static void close_raw(raw *self)
{
    jsCtx_Destroy(self->js);
    natsConnection_Destroy(self->connection);
}

static bool stream_has(uint64_t messages)
{
    jsStreamInfo *info = NULL;
    raw broker = open_raw();
    assert_int_equal(js_GetStreamInfo(&info, broker.js, "EVENTS", NULL, NULL), NATS_OK);
    bool has = info->State.Msgs == messages;
    jsStreamInfo_Destroy(info);
    close_raw(&broker);
    return has;
}

/* Many of 600 bytes, without waiting for the broker's word on each. */
static void store_past(void)
{
    static char filling[256];
    natsConnection *connection = NULL;
    assert_int_equal(natsConnection_ConnectTo(&connection, nats_url()), NATS_OK);
    for (int64_t version = 1; version <= PAST; version++) {
        uint8_t payload[300];
        natsMsg *message = NULL;
        Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
        event.product_id = (char *)"a";
        event.version = version;
        event.filling.len = sizeof filling;
        event.filling.data = (uint8_t *)filling;
        size_t size = stock__v1__stock_lowered__pack(&event, payload);
        assert_int_equal(natsMsg_Create(&message, LOWERED, NULL, (const char *)payload, (int)size),
                         NATS_OK);
        char *headers = strdup(fresh_headers(version)), *rest = NULL;
        for (char *line = strtok_r(headers, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            char *value = strstr(line, ": ");
            *value = '\0';
            assert_int_equal(natsMsgHeader_Set(message, line, value + 2), NATS_OK);
        }
        free(headers);
        assert_int_equal(natsConnection_PublishMsg(connection, message), NATS_OK);
        natsMsg_Destroy(message);
    }
    assert_int_equal(natsConnection_Flush(connection), NATS_OK);
    natsConnection_Destroy(connection);
    WAIT_FOR(stream_has(PAST));
}

/* S4.2, S0.5: ... and says so only then. */
static void a_feed_is_not_ready_before_it_has_caught_up(void **state)
{
    (void)state;
    store_past();
    seen *self = make_feed(lowered_only, HOUR_MS);
    self->waits_at = PAST;
    assert_true(misses(self, "was not started"));
    assert_int_equal(mesh_feed_start(self->feed, NULL), MESH_OK);
    WAIT_FOR(waits(self));
    assert_true(misses(self, "events of the past are still to be read"));
    let_go_on(self);
    WAIT_FOR(is_ready(self));
    expect_run(self, 1, PAST);
    assert_int_equal(stats_of(self).resets, 0);
    close_feed(self);
}

/* ---- what may happen meanwhile ---- */

static void a_failed_event_comes_again_before_any_other(void **state)
{
    (void)state;
    static const int64_t expected[] = {1, 2, 2, 2, 2, 3};
    seen *self = make_feed(lowered_only, HOUR_MS);
    self->fails_at = 2;
    self->failures = 3;
    assert_int_equal(mesh_feed_start(self->feed, NULL), MESH_OK);
    add_many(1, 3);
    WAIT_FOR(misses(self, "an event failed"));
    WAIT_FOR(count_of(self) == 6);
    assert_memory_equal(self->versions, expected, sizeof expected);
    WAIT_FOR(is_ready(self));
    assert_int_equal(stats_of(self).handled, 3);
    assert_int_equal(stats_of(self).retries, 3);
    close_feed(self);
}

/* Lets the next allocation fail, too. */
static bool still_no_memory(void)
{
    if (mesh_alloc_failed())
        mesh_alloc_fail_at(1);
    return true;
}

/* S4.2: nothing is left out for want of memory, and what waits is not known. */
static void an_event_waits_for_memory_as_long_as_it_takes(void **state)
{
    (void)state;
    enum {
        ATTEMPTS = 11 /* 8 s */
    };
    seen *self = open_feed(lowered_only, HOUR_MS);
    bus_close(&publisher); /* which needs memory, too */
    mesh_alloc_fail_at(1);
    publish_raw(1, 100000);
    WAIT_FOR(still_no_memory() && stats_of(self).retries >= ATTEMPTS);
    assert_true(misses(self, "an event failed"));
    mesh_alloc_fail_at(0);
    bus_has_relay(NULL);
    publisher = bus_open(&(instance_options){.service = "shop", .url = url});
    expect_run(self, 1, 1);
    WAIT_FOR(is_ready(self));
    assert_int_equal(stats_of(self).malformed, 0);
    close_feed(self);
}

static void an_event_that_finds_no_memory_comes_again(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    bus_close(&publisher); /* which needs memory, too */
    mesh_alloc_fail_at(1);
    publish_raw(1, 100000);
    expect_run(self, 1, 1);
    assert_true(mesh_alloc_failed());
    mesh_alloc_fail_at(0);
    bus_has_relay(NULL);
    publisher = bus_open(&(instance_options){.service = "shop", .url = url});
    assert_int_equal(self->last_delivery, 2);
    assert_int_equal(stats_of(self).retries, 1);
    assert_int_equal(stats_of(self).malformed, 0);
    close_feed(self);
}

/* S0.9: it survives the restart of the broker. */
static void a_feed_says_that_the_broker_is_away_and_comes_back(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    add_many(1, 3);
    expect_run(self, 1, 3);
    nats_stop();
    WAIT_FOR(misses(self, "connection"));
    add_many(4, 6);
    nats_restart();
    add_many(7, 9);
    WAIT_FOR(is_ready(self));
    expect_run(self, 1, 9);
    assert_int_equal(stats_of(self).resets, 1);
    close_feed(self);
}

/* S0.9 */
static void what_is_stored_while_a_feed_is_away_comes_after_what_it_had(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    self->waits_at = 3;
    add_many(1, 3);
    WAIT_FOR(waits(self));
    nats_restart();
    publish_raw(4, 0);
    publish_raw(5, 0);
    let_go_on(self);
    expect_run(self, 1, 5);
    WAIT_FOR(is_ready(self));
    close_feed(self);
}

/* S0.9: even where the new stream has at the same place other events. */
static void a_feed_reads_a_stream_that_was_made_anew_from_its_beginning(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    self->waits_at = 3;
    add_many(1, 3);
    WAIT_FOR(waits(self));
    WAIT_FOR(bus_stats(&publisher).published == 3);
    bus_forget_published(&publisher);
    nats_restart_empty();
    WAIT_FOR(mesh_events_ready(publisher.events, NULL) == MESH_OK);
    add_many(4, 8);
    WAIT_FOR(bus_stats(&publisher).published == 8);
    let_go_on(self);
    expect_run(self, 1, 8);
    WAIT_FOR(is_ready(self));
    close_feed(self);
}

/* S0.9: ... and where it does not reach that place. */
static void a_feed_reads_a_stream_that_was_made_anew_and_is_shorter(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    self->waits_at = 5;
    add_many(1, 5);
    WAIT_FOR(waits(self));
    WAIT_FOR(bus_stats(&publisher).published == 5);
    bus_forget_published(&publisher);
    nats_restart_empty();
    WAIT_FOR(mesh_events_ready(publisher.events, NULL) == MESH_OK);
    add_many(6, 7);
    WAIT_FOR(bus_stats(&publisher).published == 7);
    let_go_on(self);
    expect_run(self, 1, 7);
    WAIT_FOR(is_ready(self));
    close_feed(self);
}

/* S0.9: a broker that hangs. */
static void a_silent_broker_is_noticed(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    add_many(1, 2);
    expect_run(self, 1, 2);
    nats_freeze();
    WAIT_FOR(!is_ready(self));
    nats_thaw();
    WAIT_FOR(is_ready(self));
    add_many(3, 4);
    expect_run(self, 1, 4);
    close_feed(self);
}

static void remove_consumer(void)
{
    jsConsumerNamesList *names = NULL;
    raw broker = open_raw();
    assert_int_equal(js_ConsumerNames(&names, broker.js, "EVENTS", NULL, NULL), NATS_OK);
    assert_int_equal(names->Count, 1);
    assert_int_equal(js_DeleteConsumer(broker.js, "EVENTS", names->List[0], NULL, NULL), NATS_OK);
    jsConsumerNamesList_Destroy(names);
    close_raw(&broker);
}

static void a_consumer_that_is_gone_is_made_again(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    add_many(1, 2);
    expect_run(self, 1, 2);
    remove_consumer();
    add_many(3, 4);
    expect_run(self, 1, 4);
    assert_int_equal(stats_of(self).resets, 1);
    close_feed(self);
}

/* What the broker would say had it sent more than has come. */
static void say_that_one_is_lost(void)
{
    jsConsumerInfoList *consumers = NULL;
    natsMsg *notice = NULL;
    raw broker = open_raw();
    assert_int_equal(js_Consumers(&consumers, broker.js, "EVENTS", NULL, NULL), NATS_OK);
    for (int i = 0; i < consumers->Count; i++) { /* those that nobody reads any more, too */
        const char *inbox = consumers->List[i]->Config->DeliverSubject;
        assert_int_equal(natsMsg_Create(&notice, inbox, NULL, NULL, 0), NATS_OK);
        assert_int_equal(natsMsgHeader_Set(notice, "Nats-Last-Consumer", "3"), NATS_OK);
        assert_int_equal(natsConnection_PublishMsg(broker.connection, notice), NATS_OK);
        natsMsg_Destroy(notice);
    }
    assert_int_equal(natsConnection_Flush(broker.connection), NATS_OK);
    jsConsumerInfoList_Destroy(consumers);
    close_raw(&broker);
}

static void a_feed_begins_again_where_something_is_lost(void **state)
{
    (void)state;
    seen *self = open_feed(lowered_only, HOUR_MS);
    add_many(1, 2);
    expect_run(self, 1, 2);
    say_that_one_is_lost();
    WAIT_FOR(stats_of(self).resets == 1);
    add_many(3, 4);
    expect_run(self, 1, 4);
    close_feed(self);
}

/* Each consumer leaves its name behind for some seconds, and there are eight for all instances. */
static void a_feed_that_fails_at_once_takes_its_time(void **state)
{
    (void)state;
    enum {
        FAILURES = 6,
        LEAST_MS = 50 + 100 + 200 + 400 + 800
    };
    seen *self = open_feed(lowered_only, HOUR_MS);
    int64_t begun_ns = mesh_clock_monotonic_ns();
    for (uint64_t i = 1; i <= FAILURES; i++) {
        say_that_one_is_lost();
        WAIT_FOR(stats_of(self).resets == i && is_ready(self));
    }
    assert_true(mesh_clock_monotonic_ns() - begun_ns > (int64_t)LEAST_MS * 1000000);
    close_feed(self);
}

/* All but the last ones. */
static void purge_but(uint64_t kept)
{
    raw broker = open_raw();
    jsOptions options;
    jsOptions_Init(&options);
    options.Stream.Purge.Keep = kept;
    assert_int_equal(js_PurgeStream(broker.js, "EVENTS", &options, NULL), NATS_OK);
    close_raw(&broker);
}

static void purge(void)
{
    purge_but(0);
}

static void remove_message(uint64_t sequence)
{
    raw broker = open_raw();
    assert_int_equal(js_DeleteMsg(broker.js, "EVENTS", sequence, NULL, NULL), NATS_OK);
    close_raw(&broker);
}

/* How often a feed that begins so long ago finds that its past may not be whole. */
static uint64_t gaps_since(int64_t then_ns)
{
    seen *self = open_feed(lowered_only, (mesh_clock_monotonic_ns() - then_ns) / 1000000);
    uint64_t gaps = mesh_feed_gaps(self->feed);
    close_feed(self);
    return gaps;
}

static int64_t wait_ms(int64_t ms)
{
    int64_t end_ns = mesh_clock_deadline_ns(ms);
    WAIT_FOR(mesh_clock_monotonic_ns() > end_ns);
    return end_ns;
}

/* S4.2: what is lost is not taken for what never was. */
static void a_feed_tells_that_its_past_may_not_be_whole(void **state)
{
    (void)state;
    int64_t before_ns = mesh_clock_deadline_ns(-HOUR_MS);
    WAIT_FOR(mesh_events_ready(publisher.events, NULL) == MESH_OK);
    assert_int_equal(gaps_since(before_ns), 1); /* the stream is younger */
    int64_t empty_ns = wait_ms(100);
    assert_int_equal(gaps_since(empty_ns), 0);

    add_many(1, 4);
    WAIT_FOR(bus_stats(&publisher).published == 4);
    assert_int_equal(gaps_since(empty_ns), 0);
    purge_but(2);
    assert_int_equal(gaps_since(empty_ns), 1); /* as when it is full */
    int64_t evicted_ns = wait_ms(100);
    assert_int_equal(gaps_since(evicted_ns), 0); /* that was before */

    purge();
    assert_int_equal(gaps_since(evicted_ns), 1);
    (void)wait_ms(100); /* these are later by more than it takes a feed to begin */
    add_many(5, 7);
    WAIT_FOR(bus_stats(&publisher).published == 7);
    assert_int_equal(gaps_since(evicted_ns), 1);
    int64_t purged_ns = wait_ms(100);
    assert_int_equal(gaps_since(purged_ns), 0);
    remove_message(6);
    assert_int_equal(gaps_since(purged_ns), 1);
}

/* S4.2, S0.9: ... also later, and not of what it has read. */
static void a_feed_that_reads_on_has_no_gap(void **state)
{
    (void)state;
    enum {
        SINCE_MS = 4000
    };
    WAIT_FOR(mesh_events_ready(publisher.events, NULL) == MESH_OK);
    wait_ms(SINCE_MS + 100); /* the stream is older */
    seen *self = open_feed(lowered_only, SINCE_MS);
    assert_int_equal(mesh_feed_gaps(self->feed), 0);
    int64_t begun_ns = mesh_feed_begun_ns(self->feed);
    add_many(1, 3);
    expect_run(self, 1, 3);
    purge_but(1);
    nats_restart();
    WAIT_FOR(stats_of(self).resets == 1 && is_ready(self));
    assert_int_equal(mesh_feed_gaps(self->feed), 0);
    assert_true(mesh_feed_begun_ns(self->feed) > begun_ns);
    nats_restart_empty();
    WAIT_FOR(mesh_feed_gaps(self->feed) >= 1 && is_ready(self));
    close_feed(self);
}

/* It never gets as many as there were. */
static void a_feed_is_ready_when_what_it_had_to_read_was_removed(void **state)
{
    (void)state;
    store_past();
    seen *self = make_feed(lowered_only, HOUR_MS);
    self->waits_at = 1;
    assert_int_equal(mesh_feed_start(self->feed, NULL), MESH_OK);
    WAIT_FOR(waits(self));
    purge(); /* what the broker has not sent yet */
    let_go_on(self);
    WAIT_FOR(is_ready(self));
    assert_true(count_of(self) < PAST);
    assert_int_equal(mesh_feed_gaps(self->feed), 2); /* the stream is young, too */
    assert_int_equal(stats_of(self).resets, 0);
    close_feed(self);
}

/* ---- life ---- */

static void a_feed_can_end_at_any_time(void **state)
{
    (void)state;
    close_feed(make_feed(lowered_only, HOUR_MS)); /* never started */

    seen *self = make_feed(lowered_only, HOUR_MS);
    assert_int_equal(mesh_feed_start(self->feed, NULL), MESH_OK);
    close_feed(self); /* while it connects */

    self = open_feed(lowered_only, HOUR_MS);
    self->fails_at = 1;
    self->failures = 1000000;
    add_many(1, 1);
    WAIT_FOR(misses(self, "an event failed"));
    close_feed(self); /* while an event fails */

    self = open_feed(lowered_only, HOUR_MS);
    nats_stop();
    WAIT_FOR(!is_ready(self));
    close_feed(self); /* while the broker is away */
    nats_restart();
}

static void *end(void *context)
{
    seen *self = context;
    mesh_feed_destroy(self->feed);
    return NULL;
}

static void the_end_of_a_feed_waits_for_its_handler(void **state)
{
    (void)state;
    pthread_t thread;
    seen *self = open_feed(lowered_only, HOUR_MS);
    self->waits_at = 1;
    add_many(1, 2);
    WAIT_FOR(waits(self));
    assert_int_equal(pthread_create(&thread, NULL, end, self), 0);
    int64_t later_ns = mesh_clock_deadline_ns(200);
    WAIT_FOR(mesh_clock_monotonic_ns() > later_ns);
    assert_true(waits(self)); /* under the eyes of the sanitizers */
    let_go_on(self);
    pthread_join(thread, NULL);
    assert_int_equal(count_of(self), 1); /* and no other began */
    self->feed = NULL;
    close_feed(self);
}

static void refused(const mesh_feed_options *options, const char *cause)
{
    mesh_feed *feed = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_feed_create(options, &feed, &err), MESH_INVALID_ARGUMENT);
    assert_null(feed);
    assert_non_null(strstr(err.message, cause));
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static const mesh_feed_event none[] = {{0}};
    static const mesh_feed_event twice[] = {
        {&stock__v1__stock_lowered__event, note}, {&stock__v1__stock_lowered__event, note}, {0}};
    const char *nats = "nats://127.0.0.1:1";
    refused(&(mesh_feed_options){.url = "http://x", .service = "a", .events = both}, "url");
    refused(&(mesh_feed_options){.service = "a", .events = both}, "url");
    refused(&(mesh_feed_options){.url = nats, .service = "A b", .events = both}, "name");
    refused(&(mesh_feed_options){.url = nats, .events = both}, "name");
    refused(&(mesh_feed_options){.url = nats, .service = "a"}, "no events");
    refused(&(mesh_feed_options){.url = nats, .service = "a", .events = none}, "no events");
    refused(&(mesh_feed_options){.url = nats, .service = "a", .events = twice}, "twice");
    refused(&(mesh_feed_options){.url = nats, .service = "a", .events = both, .since_ms = -1},
            "since_ms");
}

static mesh_code create_and_destroy(void *context)
{
    (void)context;
    mesh_feed *feed = NULL;
    mesh_error err = {0};
    const mesh_feed_options options = {
        .url = "nats://127.0.0.1:1,nats://127.0.0.1:2", .service = "stock", .events = both};
    mesh_code code = mesh_feed_create(&options, &feed, &err);
    mesh_feed_destroy(feed);
    return code;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    size_t failures = memory_fail_in_turn(create_and_destroy, NULL);
    assert_true(failures >= 7);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(a_feed_begins_with_the_past_of_since_ms_only),
        CASE(a_feed_begins_in_time_early_in_a_second),
        CASE(every_feed_gets_every_event_in_order),
        CASE(an_event_reaches_the_handler_promptly),
        CASE(a_handler_works_in_the_trace_of_the_event),
        CASE(types_that_the_table_does_not_name_are_passed_over),
        CASE(malformed_events_are_left_out),
        CASE(a_feed_is_not_ready_before_it_has_caught_up),
        CASE(a_failed_event_comes_again_before_any_other),
        CASE(an_event_waits_for_memory_as_long_as_it_takes),
        CASE(an_event_that_finds_no_memory_comes_again),
        CASE(a_feed_says_that_the_broker_is_away_and_comes_back),
        CASE(what_is_stored_while_a_feed_is_away_comes_after_what_it_had),
        CASE(a_feed_reads_a_stream_that_was_made_anew_from_its_beginning),
        CASE(a_feed_reads_a_stream_that_was_made_anew_and_is_shorter),
        CASE(a_silent_broker_is_noticed),
        CASE(a_consumer_that_is_gone_is_made_again),
        CASE(a_feed_begins_again_where_something_is_lost),
        CASE(a_feed_that_fails_at_once_takes_its_time),
        CASE(a_feed_tells_that_its_past_may_not_be_whole),
        CASE(a_feed_that_reads_on_has_no_gap),
        CASE(a_feed_is_ready_when_what_it_had_to_read_was_removed),
        CASE(a_feed_can_end_at_any_time),
        CASE(the_end_of_a_feed_waits_for_its_handler),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
