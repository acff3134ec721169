#include <arpa/inet.h>
#include <limits.h>
#include <nats/nats.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mesh/events/operate.h"
#include "tests/mesh/events/bus.h"
#include "tests/mesh/events/stored.h"

static char url[POSTGRES_URL_BYTES];

static int setup(void **state)
{
    if (servers_setup(state) != 0)
        return -1;
    bus_database("publish_test", url);
    return 0;
}

/* With a database of its own: what an outbox has published it publishes again on an empty broker,
 * which the next test would see. */
static int test_setup(void **state)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "publish_test_%d", ++number);
    bus_database(name, url);
    return bus_reset(state);
}

static int test_teardown(void **state)
{
    (void)state;
    bus_close_all();
    return 0;
}

static instance open_publisher(void)
{
    return bus_open(&(instance_options){.service = "stock", .url = url});
}

static mesh_code add(mesh_tx *tx, const char *product_id, int64_t version, mesh_error *err)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)product_id;
    event.version = version;
    return stock__v1__stock_lowered__add(tx, &event, err);
}

static void an_event_is_published_after_the_commit_and_not_before(void **state)
{
    (void)state;
    instance self = open_publisher();
    stored stream = stored_open();
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "odyssey", 1, NULL), MESH_OK);
    /* Another one that is added later and committed earlier has gone through by then. */
    bus_add(&self, "ilias", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    WAIT_FOR(bus_stats(&self).pending == 0);
    assert_int_equal(stored_count(&stream), 1);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(stored_count(&stream) == 2);
    WAIT_FOR(bus_stats(&self).published == 2);
    stored_close(&stream);
    bus_close(&self);
}

static void an_event_is_never_published_without_the_commit(void **state)
{
    (void)state;
    instance self = open_publisher();
    stored stream = stored_open();
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "rolled back", 1, NULL), MESH_OK);
    mesh_tx_rollback(tx);
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "failed", 1, NULL), MESH_OK);
    assert_int_not_equal(mesh_tx_query(tx, "SELECT nothing", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                         MESH_OK);
    assert_int_not_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    bus_add(&self, "committed", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    assert_int_equal(stored_count(&stream), 1);
    stored_close(&stream);
    bus_close(&self);
}

static void on_the_wire_it_is_a_cloud_event(void **state)
{
    (void)state;
    instance self = open_publisher();
    stored stream = stored_open();
    mesh_trace trace;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_trace_start(&trace);
    mesh_trace_id_format(&trace, trace_id);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    bus_add(&self, "caf\u00e9 100%\r\nNats-Msg-Id: x", 7);
    mesh_trace_set_current(before);
    WAIT_FOR(stored_count(&stream) == 1);
    natsMsg *message = stored_message(&stream, 1);
    assert_string_equal(natsMsg_GetSubject(message), "events.stock.v1.StockLowered");
    assert_string_equal(stored_header(message, "ce-specversion"), "1.0");
    assert_string_equal(stored_header(message, "ce-type"), "stock.v1.StockLowered");
    assert_string_equal(stored_header(message, "ce-source"), "/stock");
    assert_string_equal(stored_header(message, "ce-subject"),
                        "caf%C3%A9%20100%25%0D%0ANats-Msg-Id:%20x");
    assert_string_equal(stored_header(message, "ce-aggregatetype"), "stock");
    assert_string_equal(stored_header(message, "ce-aggregateversion"), "7");
    assert_string_equal(stored_header(message, "content-type"), "application/protobuf");
    assert_int_equal(strlen(stored_header(message, "ce-id")), 36);
    assert_string_equal(stored_header(message, "Nats-Msg-Id"), stored_header(message, "ce-id"));
    assert_int_equal(strlen(stored_header(message, "ce-time")), 27);
    assert_non_null(strstr(stored_header(message, "traceparent"), trace_id));
    Stock__V1__StockLowered *event = stock__v1__stock_lowered__unpack(
        NULL, (size_t)natsMsg_GetDataLength(message), (const uint8_t *)natsMsg_GetData(message));
    assert_non_null(event);
    assert_int_equal(event->version, 7);
    stock__v1__stock_lowered__free_unpacked(event, NULL);
    natsMsg_Destroy(message);
    stored_close(&stream);
    bus_close(&self);
}

static void events_are_stored_in_the_order_of_their_commits(void **state)
{
    (void)state;
    enum {
        EVENTS = 2000
    };
    instance self = open_publisher();
    stored stream = stored_open();
    mesh_tx *tx = NULL;
    for (int i = 0; i < EVENTS; i += 20) {
        assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
        for (int j = i; j < i + 20; j++)
            assert_int_equal(add(tx, "odyssey", j + 1, NULL), MESH_OK);
        assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    }
    WAIT_FOR(stored_count(&stream) == EVENTS);
    for (int i = 0; i < EVENTS; i += 97) {
        assert_int_equal(stored_version(&stream, (uint64_t)i + 1), i + 1);
    }
    stored_close(&stream);
    bus_close(&self);
}

static void what_was_added_while_the_broker_was_away_is_published_once_and_in_order(void **state)
{
    (void)state;
    enum {
        EVENTS = 600
    };
    instance self = open_publisher();
    bus_add(&self, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    nats_stop();
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_UNAVAILABLE);
    for (int i = 1; i < EVENTS; i++)
        bus_add(&self, "odyssey", i + 1);
    WAIT_FOR(bus_stats(&self).pending == EVENTS - 1);
    assert_true(bus_stats(&self).oldest_pending_ms > 0);
    nats_restart();
    WAIT_FOR(bus_stats(&self).published == EVENTS);
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
    stored stream = stored_open();
    assert_int_equal(stored_count(&stream), EVENTS);
    for (int i = 0; i < EVENTS; i += 37) {
        assert_int_equal(stored_version(&stream, (uint64_t)i + 1), i + 1);
    }
    assert_int_equal(bus_stats(&self).reconnects, 1);
    stored_close(&stream);
    bus_close(&self);
}

/* The size of a message that the stream takes; -1: any. */
static void set_largest(stored *self, int32_t bytes)
{
    jsStreamInfo *info = NULL;
    assert_int_equal(js_GetStreamInfo(&info, self->js, "EVENTS", NULL, NULL), NATS_OK);
    info->Config->MaxMsgSize = bytes;
    assert_int_equal(js_UpdateStream(NULL, self->js, info->Config, NULL, NULL), NATS_OK);
    jsStreamInfo_Destroy(info);
}

/* Version 1. */
static mesh_code add_large(mesh_tx *tx, const char *product_id, size_t size, mesh_error *err)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)product_id;
    event.version = 1;
    event.filling.data = calloc(1, size);
    event.filling.len = size;
    mesh_code code = stock__v1__stock_lowered__add(tx, &event, err);
    free(event.filling.data);
    return code;
}

/* Adds three events in one transaction; the stream takes all but the first. */
static void add_with_a_large_one(instance *self)
{
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self->db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add_large(tx, "odyssey", 8192, NULL), MESH_OK);
    assert_int_equal(add(tx, "odyssey", 2, NULL), MESH_OK);
    assert_int_equal(add(tx, "ilias", 1, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
}

static void an_event_that_fails_is_overtaken_by_none_of_its_aggregate(void **state)
{
    static const char *const expected[][2] = {{"ilias", "1"}, {"odyssey", "1"}, {"odyssey", "2"}};
    (void)state;
    instance self = open_publisher();
    stored stream = stored_open();
    set_largest(&stream, 4096);
    add_with_a_large_one(&self);
    WAIT_FOR(bus_stats(&self).publish_retries >= 2);
    set_largest(&stream, -1);
    WAIT_FOR(bus_stats(&self).published == 3);
    for (uint64_t i = 0; i < 3; i++) {
        natsMsg *message = stored_message(&stream, i + 1);
        assert_string_equal(stored_header(message, "ce-subject"), expected[i][0]);
        assert_string_equal(stored_header(message, "ce-aggregateversion"), expected[i][1]);
        natsMsg_Destroy(message);
    }
    stored_close(&stream);
    bus_close(&self);
}

/* S4.9: what the broker refuses is an operator's to mend, and no reason to end later. */
static void a_drain_does_not_wait_for_what_is_refused(void **state)
{
    (void)state;
    instance self = open_publisher();
    stored stream = stored_open();
    set_largest(&stream, 4096);
    add_with_a_large_one(&self);
    WAIT_FOR(bus_stats(&self).published == 1 && bus_stats(&self).publish_refused == 1);
    int64_t end_ns = mesh_clock_deadline_ns(20000);
    assert_true(mesh_events_drain(self.events, 20000));
    assert_true(mesh_clock_left_ms(end_ns) > 10000);
    stored_close(&stream);
    bus_close(&self);
}

/* Lets nothing be written to the broker any more over the connections there are. */
static void break_connections(void)
{
    int broken = 0;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == atoi(strrchr(nats_url(), ':') + 1))
            broken += shutdown(fd, SHUT_WR) == 0;
    }
    assert_true(broken > 0);
}

/* S4.9: a connection that breaks is not the broker's word about an event. */
static void a_broken_connection_refuses_nothing(void **state)
{
    (void)state;
    instance self = open_publisher();
    mesh_tx *tx = NULL;
    bus_add(&self, "ilias", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    nats_freeze(); /* so that nobody has noticed when the event is sent */
    break_connections();
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add_large(tx, "odyssey", 200 * 1024, NULL), MESH_OK);
    assert_int_equal(add(tx, "odyssey", 2, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(bus_stats(&self).publish_retries > 0);
    assert_string_equal(postgres_value(self.db, "SELECT count(*) FROM mesh_outbox_refused"), "0");
    nats_thaw();
    WAIT_FOR(bus_stats(&self).published == 3);
    bus_close(&self);
}

/* S0.9: a connection that takes nothing more is given up. */
static void figures_can_be_read_while_the_broker_reads_nothing(void **state)
{
    (void)state;
    enum {
        EVENTS = 60 /* more than the sockets have room for */
    };
    char id[32];
    mesh_tx *tx = NULL;
    int64_t longest_ms = 0;
    atomic_store(&bus_may_go_on, false);
    instance self = bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note_when_told, .ack_wait_ms = 1000});
    bus_add(&self, "odyssey", 1);
    WAIT_FOR(bus_stats(&self).published == 1 && bus_unanswered("stock") == 1);
    nats_freeze();
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    for (int i = 0; i < EVENTS; i++) {
        snprintf(id, sizeof id, "product-%d", i);
        assert_int_equal(add_large(tx, id, 200 * 1024, NULL), MESH_OK);
    }
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    int64_t until_ns = mesh_clock_deadline_ns(15000);
    while (mesh_clock_left_ms(until_ns) > 0) {
        int64_t begin_ns = mesh_clock_monotonic_ns();
        (void)bus_stats(&self);
        (void)mesh_events_ready(self.events, NULL);
        int64_t took_ms = (mesh_clock_monotonic_ns() - begin_ns) / 1000000;
        longest_ms = took_ms > longest_ms ? took_ms : longest_ms;
        wait_a_moment();
    }
    assert_in_range(longest_ms, 0, 10000);
    nats_thaw();
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(bus_stats(&self).published == 1 + EVENTS);
    bus_close(&self);
}

/* Creates what publishes, without a connection. */
static instance create_publisher(void)
{
    instance self = {.db = NULL};
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &self.db, NULL), MESH_OK);
    const mesh_events_options options = {.url = nats_url(), .service = "stock", .db = self.db};
    assert_int_equal(mesh_events_create(&options, &self.events, NULL), MESH_OK);
    return self;
}

/* What the broker tells whoever connects to it. */
static int64_t max_payload(void)
{
    stored self = stored_open();
    int64_t bytes = natsConnection_GetMaxPayload(self.connection);
    stored_close(&self);
    return bytes;
}

enum {
    SMALL_PAYLOAD = 64 * 1024
};

static void an_event_that_cannot_be_sent_holds_back_its_aggregate_alone(void **state)
{
    (void)state;
    enum {
        LATER = 600, /* events of its aggregate: more than are sent at once */
        OTHERS = 10
    };
    nats_set_max_payload(SMALL_PAYLOAD);
    WAIT_FOR(max_payload() == SMALL_PAYLOAD);
    instance self = create_publisher(); /* which cannot know the limit yet */
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add_large(tx, "odyssey", 200 * 1024, NULL), MESH_OK);
    for (int i = 1; i <= LATER; i++)
        assert_int_equal(add(tx, "odyssey", i + 1, NULL), MESH_OK);
    for (int i = 1; i <= OTHERS; i++)
        assert_int_equal(add(tx, "ilias", i, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_int_equal(mesh_events_start(self.events, NULL), MESH_OK);
    WAIT_FOR(bus_stats(&self).published == OTHERS);
    WAIT_FOR(bus_stats(&self).publish_refused == 1);
    WAIT_FOR(bus_stats(&self).pending == 1 + LATER);
    assert_int_equal(mesh_events_ready(self.events, NULL), MESH_OK);

    nats_restart(); /* with a larger one */
    WAIT_FOR(bus_stats(&self).published == OTHERS + 1 + LATER);
    WAIT_FOR(bus_stats(&self).publish_refused == 0);
    stored stream = stored_open();
    for (int i = 0; i <= LATER; i += 37) {
        assert_int_equal(stored_version(&stream, (uint64_t)(OTHERS + 1 + i)), i + 1);
    }
    stored_close(&stream);
    bus_close(&self);
}

static void an_event_that_the_broker_would_not_take_is_refused_at_once(void **state)
{
    (void)state;
    nats_set_max_payload(SMALL_PAYLOAD);
    WAIT_FOR(max_payload() == SMALL_PAYLOAD);
    instance self = open_publisher();
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    size_t fits = 0, too_long = SMALL_PAYLOAD;
    while (too_long - fits > 1) {
        size_t size = (fits + too_long) / 2;
        assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
        mesh_code code = add_large(tx, "odyssey", size, &err);
        if (code == MESH_OK)
            fits = size;
        else
            too_long = size;
        mesh_tx_rollback(tx);
    }
    assert_int_equal(err.code, MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "65536"));
    assert_true(fits > SMALL_PAYLOAD - 1024);

    /* What it does take goes through, to the last byte. */
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add_large(tx, "odyssey", fits, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(bus_stats(&self).published == 1);
    assert_int_equal(bus_stats(&self).publish_retries, 0);
    bus_close(&self);
}

/* S0.9: a service starts before its broker, and says so. */
static void a_publisher_starts_before_its_broker(void **state)
{
    (void)state;
    mesh_error err = {0};
    nats_stop();
    instance self = create_publisher();
    assert_int_equal(mesh_events_ready(self.events, &err), MESH_UNAVAILABLE);
    assert_int_equal(mesh_events_start(self.events, NULL), MESH_OK);
    bus_add(&self, "odyssey", 1);
    WAIT_FOR(mesh_events_ready(self.events, &err) == MESH_UNAVAILABLE &&
             strstr(err.message, "no connection") != NULL);
    nats_restart();
    WAIT_FOR(bus_stats(&self).published == 1);
    assert_int_equal(mesh_events_ready(self.events, &err), MESH_OK);
    bus_close(&self);
}

static void what_cannot_be_an_event_is_refused(void **state)
{
    (void)state;
    instance self = open_publisher();
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(self.db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "", 1, &err), MESH_INVALID_ARGUMENT);
    char long_id[1000];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(add(tx, long_id, 1, &err), MESH_INVALID_ARGUMENT);
    assert_int_equal(add(tx, "odyssey", -1, &err), MESH_INVALID_ARGUMENT);
    /* One that was forgotten: consumers would keep no order. */
    assert_int_equal(add(tx, "odyssey", 0, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "stock.v1.StockLowered: version is 0: it is the version of the stock, 1 at "
                        "first and one more with each event");
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)"odyssey";
    event.version = 1;
    event.filling.len = MESH_EVENT_MAX_BYTES;
    event.filling.data = calloc(1, event.filling.len);
    assert_int_equal(stock__v1__stock_lowered__add(tx, &event, &err), MESH_INVALID_ARGUMENT);
    event.filling.len -= 64;
    assert_int_equal(stock__v1__stock_lowered__add(tx, &event, &err), MESH_OK);
    free(event.filling.data);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    WAIT_FOR(bus_stats(&self).published == 1);

    const mesh_tx_options autocommit = {.autocommit = true};
    assert_int_equal(mesh_tx_begin(self.db, &autocommit, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "odyssey", 1, &err), MESH_FAILED_PRECONDITION);
    mesh_tx_rollback(tx);
    bus_close(&self);
}

/* What an operator publishes has an id, and a place once the broker has it. */
static void a_published_event_is_told_where_it_is(void **state)
{
    (void)state;
    instance self = open_publisher();
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    mesh_published published;
    mesh_error err = {0};
    event.product_id = (char *)"odyssey";
    bus_add(&self, "ilias", 1);
    WAIT_FOR(bus_stats(&self).published == 1);
    for (event.version = 1; event.version <= 3; event.version++) {
        assert_int_equal(mesh_event_publish(self.db, &stock__v1__stock_lowered__event, &event.base,
                                            MESH_NO_DEADLINE, &published, &err),
                         MESH_OK);
        stored stream = stored_open();
        natsMsg *message = stored_message(&stream, published.sequence);
        assert_string_equal(stored_header(message, "ce-id"), published.id);
        natsMsg_Destroy(message);
        stored_close(&stream);
    }
    nats_stop();
    WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_UNAVAILABLE);
    assert_int_equal(mesh_event_publish(self.db, &stock__v1__stock_lowered__event, &event.base,
                                        MESH_NO_DEADLINE, &published, &err),
                     MESH_OK);
    assert_int_equal(published.sequence, 0);
    nats_restart();
    WAIT_FOR(bus_stats(&self).published == 5);
    event.version = 0;
    assert_int_equal(mesh_event_publish(self.db, &stock__v1__stock_lowered__event, &event.base,
                                        MESH_NO_DEADLINE, &published, &err),
                     MESH_INVALID_ARGUMENT);
    bus_close(&self);
}

static void a_database_without_a_publisher_takes_no_events(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_db *db = NULL;
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(add(tx, "odyssey", 1, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "nobody publishes"));
    mesh_tx_rollback(tx);
    mesh_db_destroy(db);
}

static void options_are_checked(void **state)
{
    (void)state;
    enum {
        DAY_MS = 24 * 3600 * 1000
    };
    mesh_db *db = NULL;
    mesh_events *events = NULL, *second = NULL;
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL), MESH_OK);
    const mesh_consumer twice[] = {
        stock__v1__stock_lowered__consumer(bus_note, NULL),
        stock__v1__stock_lowered__consumer(bus_note, NULL),
        {.event = NULL},
    };
    const mesh_events_options cases[] = {
        {.url = "localhost:4222", .service = "stock"},
        {.url = "nats://", .service = "stock"},
        {.url = "tls://a:1", .service = "stock"}, /* not made safe yet, so not pretended */
        {.url = "nats://a:1,", .service = "stock"},
        {.url = "nats://a:1, nats://b:1", .service = "stock"},
        {.url = NULL, .service = "stock"},
        {.url = "nats://a:1", .service = ""},
        {.url = "nats://a:1", .service = "a.b"},
        {.url = "nats://a:1", .service = "Stock"},
        {.url = "nats://a:1", .service = NULL},
        {.url = "nats://a:1", .service = "stock", .consumers = twice},
        {.url = "nats://a:1", .service = "stock", .ack_wait_ms = -1},
        {.url = "nats://a:1", .service = "stock", .ack_wait_ms = INT64_MAX},
        {.url = "nats://a:1", .service = "stock", .max_deliver = -1},
        {.url = "nats://a:1", .service = "stock", .max_deliver = INT_MAX},
        {.url = "nats://a:1", .service = "stock", .concurrency = 1000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_events_options options = cases[i];
        options.db = db;
        print_message("%zu\n", i);
        assert_int_equal(mesh_events_create(&options, &events, NULL), MESH_INVALID_ARGUMENT);
        assert_null(events);
    }
    mesh_error err = {0};
    mesh_events_options good = {.url = "nats://a:1,nats://b:2", .service = "stock", .db = db};
    good.ack_wait_ms = DAY_MS + 1;
    assert_int_equal(mesh_events_create(&good, &events, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message, "ack_wait_ms is out of range; it is at most 86400000, a day");
    good.ack_wait_ms = DAY_MS;
    assert_int_equal(mesh_events_create(&good, &events, &err), MESH_OK);
    assert_int_equal(mesh_events_create(&good, &second, NULL), MESH_FAILED_PRECONDITION);
    mesh_events_destroy(events);
    assert_int_equal(mesh_events_create(&good, &events, NULL), MESH_OK);
    mesh_events_destroy(events);
    mesh_events_destroy(NULL);
    mesh_db_destroy(db);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, test_setup, test_teardown)
    const struct CMUnitTest tests[] = {
        CASE(an_event_is_published_after_the_commit_and_not_before),
        CASE(an_event_is_never_published_without_the_commit),
        CASE(on_the_wire_it_is_a_cloud_event),
        CASE(events_are_stored_in_the_order_of_their_commits),
        CASE(what_was_added_while_the_broker_was_away_is_published_once_and_in_order),
        CASE(an_event_that_fails_is_overtaken_by_none_of_its_aggregate),
        CASE(an_event_that_cannot_be_sent_holds_back_its_aggregate_alone),
        CASE(a_drain_does_not_wait_for_what_is_refused),
        CASE(a_broken_connection_refuses_nothing),
        CASE(figures_can_be_read_while_the_broker_reads_nothing),
        CASE(an_event_that_the_broker_would_not_take_is_refused_at_once),
        CASE(a_publisher_starts_before_its_broker),
        CASE(what_cannot_be_an_event_is_refused),
        cmocka_unit_test(a_published_event_is_told_where_it_is),
        cmocka_unit_test(a_database_without_a_publisher_takes_no_events),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, setup, servers_teardown);
}
