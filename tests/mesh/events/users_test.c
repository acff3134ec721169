/*
 * The broker asks who comes: what a service's user may do is enough for mesh/events, and no more.
 */
#include <nats/nats.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/log.h"
#include "mesh/events/broker.h"
#include "mesh/events/feed.h"
#include "mesh/events/operate.h"
#include "tests/mesh/events/bus.h"
#include "tests/mesh/events/logged.h"

enum {
    SERVICES = 4,
    ROUNDS = 3
};

static const char *const names[SERVICES] = {"stock", "shop", "post-office", "till"};
static char urls[SERVICES][POSTGRES_URL_BYTES];

static int test_setup(void **state)
{
    static int number;
    (void)state;
    number++;
    for (int i = 0; i < SERVICES; i++) {
        char database[32];
        snprintf(database, sizeof database, "users_test_%d_%d", number, i);
        bus_database(database, urls[i]);
    }
    nats_restart_with_users("stock shop post-office till");
    return 0;
}

/* ---- a client that tries what it should not ---- */

/* Guarded by refused_mu: the last refusal, and how many there were. */
static pthread_mutex_t refused_mu = PTHREAD_MUTEX_INITIALIZER;
static char refusal[512];
static int refusals;

static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    (void)connection;
    (void)subscription;
    (void)closure;
    if (status != NATS_NOT_PERMITTED)
        return;
    pthread_mutex_lock(&refused_mu);
    snprintf(refusal, sizeof refusal, "%s", nats_GetLastError(NULL));
    refusals++;
    pthread_mutex_unlock(&refused_mu);
}

static int count_refusals(void)
{
    pthread_mutex_lock(&refused_mu);
    int count = refusals;
    pthread_mutex_unlock(&refused_mu);
    return count;
}

static natsStatus connect_as(const char *url, natsConnection **connection)
{
    natsOptions *options = NULL;
    assert_int_equal(natsOptions_Create(&options), NATS_OK);
    assert_int_equal(natsOptions_SetURL(options, url), NATS_OK);
    assert_int_equal(natsOptions_SetAllowReconnect(options, false), NATS_OK);
    assert_int_equal(natsOptions_SetErrorHandler(options, on_error, NULL), NATS_OK);
    natsStatus status = natsConnection_Connect(connection, options);
    natsOptions_Destroy(options);
    return status;
}

static void wait_refusal(int before, const char *what, const char *subject)
{
    char expected[256];
    snprintf(expected, sizeof expected, "Permissions Violation for %s \"%s\"", what, subject);
    WAIT_FOR(count_refusals() > before);
    pthread_mutex_lock(&refused_mu);
    assert_string_equal(refusal, expected);
    pthread_mutex_unlock(&refused_mu);
}

/* ---- the tests ---- */

/* S4.16: who does not say who he is, or not rightly, does not come in. */
static void strangers_are_refused(void **state)
{
    (void)state;
    char other[512], wrong[512];
    natsConnection *connection = NULL;
    assert_int_equal(connect_as(nats_url(), &connection), NATS_CONNECTION_AUTH_FAILED);
    snprintf(wrong, sizeof wrong, "%s", nats_url_of("shop"));
    char *at = strchr(wrong, '@');
    at[-1] = at[-1] == '0' ? '1' : '0';
    assert_int_equal(connect_as(wrong, &connection), NATS_CONNECTION_AUTH_FAILED);
    snprintf(other, sizeof other, "nats://till%s", strchr(nats_url_of("shop") + 7, ':'));
    assert_int_equal(connect_as(other, &connection), NATS_CONNECTION_AUTH_FAILED);
    assert_int_equal(connect_as(nats_url_of("shop"), &connection), NATS_OK);
    natsConnection_Destroy(connection);
}

static void a_service_that_is_refused_says_so(void **state)
{
    (void)state;
    log_to_file();
    instance self = bus_start(&(instance_options){.service = "unknown", .url = urls[0]});
    WAIT_FOR(logged("the broker cannot be reached yet"));
    assert_true(logged(natsStatus_GetText(NATS_CONNECTION_AUTH_FAILED)));
    assert_int_equal(mesh_events_ready(self.events, NULL), MESH_UNAVAILABLE);
    bus_close(&self);
    log_as_before();
}

/* Several services on a broker that has nothing, not even the stream. */
static void what_services_may_is_enough_for_them(void **state)
{
    (void)state;
    int64_t version = 0;
    for (int round = 0; round < ROUNDS; round++) {
        instance self[SERVICES];
        log_to_file();
        for (int i = 0; i < SERVICES; i++)
            self[i] = bus_start(
                &(instance_options){.service = names[i], .url = urls[i], .handler = bus_note});
        for (int i = 0; i < 10; i++)
            bus_add(&self[0], "odyssey", ++version);
        for (int i = 0; i < SERVICES; i++)
            WAIT_FOR(mesh_events_ready(self[i].events, NULL) == MESH_OK &&
                     bus_handled(&self[i]) == version);
        for (int i = 0; i < SERVICES; i++)
            bus_close(&self[i]);
        assert_false(logged("does not permit"));
        log_as_before();
        nats_restart_empty();
    }
}

static mesh_code refuse(void *self, mesh_tx *tx, const mesh_event *meta,
                        const Stock__V1__StockLowered *event, mesh_error *err)
{
    (void)self;
    (void)tx;
    (void)meta;
    (void)event;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT, "not this one");
}

/* S4.10, S4.16: ... also for its dead letters. */
static void a_service_looks_after_its_dead_letters(void **state)
{
    (void)state;
    mesh_dead_letter *letters = NULL;
    size_t count = 0;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    log_to_file();
    instance stock = bus_open(&(instance_options){
        .service = "post-office", .url = urls[2], .handler = refuse, .max_deliver = 1});
    instance shop = bus_open(&(instance_options){.service = "stock", .url = urls[1]});
    bus_add(&shop, "aeneis", 1);
    WAIT_FOR(bus_stats(&stock).dead == 1);
    assert_int_equal(mesh_dead_letters_list(stock.events, 0, 10, arena, &letters, &count, NULL),
                     MESH_OK);
    assert_int_equal(count, 1);
    assert_int_equal(mesh_dead_letter_drop(stock.events, letters[0].number, false, NULL), MESH_OK);
    bus_close(&shop);
    bus_close(&stock);
    assert_false(logged("does not permit"));
    log_as_before();
    mesh_arena_destroy(arena);
}

static mesh_code count_event(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                             mesh_error *err)
{
    (void)meta;
    (void)event;
    (void)err;
    atomic_fetch_add((atomic_int *)self, 1);
    return MESH_OK;
}

static mesh_feed *open_feed(atomic_int *seen)
{
    static const mesh_feed_event events[] = {{&stock__v1__stock_lowered__event, count_event},
                                             {NULL, NULL}};
    mesh_feed *feed = NULL;
    const mesh_feed_options options = {.url = nats_url_of("shop"),
                                       .service = "shop",
                                       .events = events,
                                       .self = seen,
                                       .since_ms = 3600000};
    assert_int_equal(mesh_feed_create(&options, &feed, NULL), MESH_OK);
    assert_int_equal(mesh_feed_start(feed, NULL), MESH_OK);
    return feed;
}

/* As many as there may be; what comes beyond waits for one that ends. */
static void feeds_of_a_service_read_beside_each_other(void **state)
{
    (void)state;
    mesh_feed *feeds[MESH_EVENTS_FEEDS + 1];
    atomic_int seen[MESH_EVENTS_FEEDS + 1];
    instance stock = bus_open(&(instance_options){.service = "stock", .url = urls[0]});
    bus_add(&stock, "odyssey", 1);
    for (int i = 0; i <= MESH_EVENTS_FEEDS; i++) {
        atomic_init(&seen[i], 0);
        if (i < MESH_EVENTS_FEEDS)
            feeds[i] = open_feed(&seen[i]);
    }
    for (int i = 0; i < MESH_EVENTS_FEEDS; i++)
        WAIT_FOR(mesh_feed_ready(feeds[i], NULL) == MESH_OK && atomic_load(&seen[i]) == 1);
    log_to_file();
    feeds[MESH_EVENTS_FEEDS] = open_feed(&seen[MESH_EVENTS_FEEDS]);
    WAIT_FOR(logged("as many feeds of this service read as may"));
    log_as_before();
    mesh_feed_destroy(feeds[0]);
    bus_add(&stock, "odyssey", 2);
    for (int i = 1; i <= MESH_EVENTS_FEEDS; i++)
        WAIT_FOR(mesh_feed_ready(feeds[i], NULL) == MESH_OK && atomic_load(&seen[i]) == 2);
    for (int i = 1; i <= MESH_EVENTS_FEEDS; i++)
        mesh_feed_destroy(feeds[i]);
    bus_close(&stock);
}

/* S4.16: own subjects only. */
static void an_event_of_another_service_is_refused_and_logged(void **state)
{
    (void)state;
    log_to_file();
    instance shop = bus_open(&(instance_options){.service = "shop", .url = urls[1]});
    bus_add(&shop, "odyssey", 1);
    WAIT_FOR(logged("the broker does not permit what this service tries"));
    assert_true(logged("Permissions Violation for Publish to "
                       "\\\"events.stock.v1.StockLowered\\\""));
    assert_int_equal(bus_stats(&shop).published, 0);
    mesh_events_destroy(shop.events);
    mesh_db_destroy(shop.db);
    log_as_before();
}

/* S4.16: own subjects and consumers only, and the stream is nobody's to change. */
static void what_is_not_the_service_s_own_is_refused(void **state)
{
    static const char *const publish[] = {
        "events.stock.v1.StockLowered",
        "events.shopping.v1.Anything",
        "_INBOX_stock.any",
        "_INBOX_stock.turns",
        "_INBOX_shop.any",
        "_INBOX.any",
        "$JS.API.INFO",
        "$JS.API.STREAM.NAMES",
        "$JS.API.STREAM.CREATE.OTHER",
        "$JS.API.STREAM.UPDATE.EVENTS",
        "$JS.API.STREAM.DELETE.EVENTS",
        "$JS.API.STREAM.PURGE.EVENTS",
        "$JS.API.STREAM.SNAPSHOT.EVENTS",
        "$JS.API.STREAM.RESTORE.EVENTS",
        "$JS.API.STREAM.MSG.GET.OTHER",
        "$JS.API.STREAM.MSG.DELETE.EVENTS",
        "$JS.API.CONSUMER.NAMES.EVENTS",
        "$JS.API.CONSUMER.INFO.EVENTS.stock",
        "$JS.API.CONSUMER.DELETE.EVENTS.stock",
        "$JS.API.CONSUMER.DELETE.EVENTS.shop",
        "$JS.API.CONSUMER.DELETE.EVENTS.stock-feed-1",
        "$JS.API.CONSUMER.MSG.NEXT.EVENTS.stock",
        "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS.stock",
        "$JS.API.CONSUMER.CREATE.EVENTS.stock",
        "$JS.API.CONSUMER.CREATE.EVENTS.stock.events.>",
        "$JS.API.CONSUMER.CREATE.EVENTS.stock-feed-1.events.>",
        /* The consumer's name is in the body, and may be that of another service's. */
        "$JS.API.CONSUMER.CREATE.EVENTS",
        "$JS.ACK.EVENTS.stock.1.1.1.1796032028120983358.0",
        /* Dead letters, and the stream that holds them. */
        "dead.stock.stock.v1.StockLowered",
        "$JS.API.STREAM.INFO.DEAD-stock",
        "$JS.API.STREAM.CREATE.DEAD-stock",
        "$JS.API.STREAM.DELETE.DEAD-shop",
        "$JS.API.STREAM.PURGE.DEAD-shop",
        "$JS.API.STREAM.UPDATE.DEAD-shop",
        "$JS.API.DIRECT.GET.DEAD-stock",
        "$JS.API.STREAM.MSG.DELETE.DEAD-stock",
        "$JS.API.CONSUMER.CREATE.DEAD-stock",
        "$JS.API.CONSUMER.CREATE.DEAD-shop",
    };
    static const char *const subscribe[] = {
        ">",        "events.>",  "events.shop.>",    "_INBOX_stock.>",    "dead.>",
        "_INBOX.>", "$JS.API.>", "$JS.ACK.EVENTS.>", "_INBOX_shopping.>",
    };
    natsConnection *shop = NULL;
    natsSubscription *subscription = NULL;
    (void)state;
    instance stock = bus_open(
        &(instance_options){.service = "stock", .url = urls[0], .handler = bus_note});
    int64_t handled = bus_handled(&stock);
    assert_int_equal(connect_as(nats_url_of("shop"), &shop), NATS_OK);
    for (size_t i = 0; i < sizeof publish / sizeof publish[0]; i++) {
        int before = count_refusals();
        assert_int_equal(natsConnection_PublishString(shop, publish[i], ""), NATS_OK);
        wait_refusal(before, "Publish to", publish[i]);
    }
    for (size_t i = 0; i < sizeof subscribe / sizeof subscribe[0]; i++) {
        int before = count_refusals();
        assert_int_equal(natsConnection_SubscribeSync(&subscription, shop, subscribe[i]), NATS_OK);
        wait_refusal(before, "Subscription to", subscribe[i]);
        natsSubscription_Destroy(subscription);
    }
    /* What is its own, in between: the refusals are not for want of a connection. */
    int before = count_refusals();
    assert_int_equal(natsConnection_PublishString(shop, "events.shop.v1.Anything", ""), NATS_OK);
    assert_int_equal(natsConnection_PublishString(shop, "_INBOX_shop.turns", ""), NATS_OK);
    assert_int_equal(natsConnection_SubscribeSync(&subscription, shop, "_INBOX_shop.x"), NATS_OK);
    assert_int_equal(natsConnection_Flush(shop), NATS_OK);
    assert_int_equal(count_refusals(), before);
    natsSubscription_Destroy(subscription);
    natsConnection_Destroy(shop);
    bus_add(&stock, "ilias", 1);
    WAIT_FOR(bus_handled(&stock) == handled + 1);
    bus_close(&stock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(strangers_are_refused, test_setup),
        cmocka_unit_test_setup(a_service_that_is_refused_says_so, test_setup),
        cmocka_unit_test_setup(what_services_may_is_enough_for_them, test_setup),
        cmocka_unit_test_setup(a_service_looks_after_its_dead_letters, test_setup),
        cmocka_unit_test_setup(feeds_of_a_service_read_beside_each_other, test_setup),
        cmocka_unit_test_setup(an_event_of_another_service_is_refused_and_logged, test_setup),
        cmocka_unit_test_setup(what_is_not_the_service_s_own_is_refused, test_setup),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
