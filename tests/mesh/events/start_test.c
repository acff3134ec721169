/*
 * A thread cannot be started: the start says so, and goes on from there when it is tried again.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "mesh/events/feed.h"
#include "tests/mesh/events/bus.h"

enum {
    LANES = 2,
    /* Of the broker, the listener, the relay, the lanes, the fetcher, the watcher. */
    THREADS = 3 + LANES + 2,
    FEED_THREADS = 2 /* of the broker, the feed */
};

static char url[POSTGRES_URL_BYTES];
static _Thread_local int fails_at; /* this thread's n-th pthread_create from now on; 0: none */
static _Thread_local int created;  /* threads that it has started */

/* In the place of the C library's, for the whole program. */
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *context)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *found = dlsym(RTLD_NEXT, "pthread_create");
    memcpy(&real, &found, sizeof real);
    if (fails_at > 0 && --fails_at == 0)
        return EAGAIN;
    int status = real(thread, attributes, run, context);
    created += status == 0;
    return status;
}

static int setup(void **state)
{
    if (servers_setup(state) != 0)
        return -1;
    bus_database("start_test", url);
    return 0;
}

static instance create(const mesh_consumer *consumers)
{
    instance self = {.db = NULL};
    mesh_error err = {0};
    const mesh_db_options db = {.url = url};
    assert_int_equal(mesh_db_create(&db, &self.db, &err), MESH_OK);
    const mesh_events_options events = {.url = nats_url(),
                                        .service = "stock",
                                        .db = self.db,
                                        .consumers = consumers,
                                        .concurrency = LANES};
    assert_int_equal(mesh_events_create(&events, &self.events, &err), MESH_OK);
    return self;
}

static void a_failed_start_is_resumed_or_given_up(void **state)
{
    (void)state;
    const mesh_consumer consumers[] = {stock__v1__stock_lowered__consumer(bus_note, NULL),
                                       {.event = NULL}};
    mesh_error err = {0};
    int64_t handled = 0;
    for (int n = 1; n <= THREADS; n++) {
        instance self = create(consumers);
        fails_at = n;
        assert_int_equal(mesh_events_start(self.events, &err), MESH_RESOURCE_EXHAUSTED);
        bus_close(&self);

        self = create(consumers);
        created = 0;
        fails_at = n;
        assert_int_equal(mesh_events_start(self.events, &err), MESH_RESOURCE_EXHAUSTED);
        assert_int_equal(mesh_events_start(self.events, &err), MESH_OK);
        assert_int_equal(mesh_events_start(self.events, &err), MESH_OK);
        assert_int_equal(created, THREADS);
        WAIT_FOR(mesh_events_ready(self.events, NULL) == MESH_OK);
        bus_add(&self, "resumed", n);
        handled++;
        WAIT_FOR(bus_handled(&self) == handled);
        bus_close(&self);
    }
}

static mesh_code pass_over(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                           mesh_error *err)
{
    (void)self;
    (void)meta;
    (void)event;
    (void)err;
    return MESH_OK;
}

static mesh_feed *create_feed(void)
{
    static const mesh_feed_event table[] = {{&stock__v1__stock_lowered__event, pass_over},
                                            {.event = NULL}};
    mesh_feed *feed = NULL;
    mesh_error err = {0};
    const mesh_feed_options options = {.url = nats_url(), .service = "stock", .events = table};
    assert_int_equal(mesh_feed_create(&options, &feed, &err), MESH_OK);
    return feed;
}

static void a_failed_start_of_a_feed_is_resumed_or_given_up(void **state)
{
    (void)state;
    mesh_error err = {0};
    for (int n = 1; n <= FEED_THREADS; n++) {
        mesh_feed *feed = create_feed();
        fails_at = n;
        assert_int_equal(mesh_feed_start(feed, &err), MESH_RESOURCE_EXHAUSTED);
        mesh_feed_destroy(feed);

        feed = create_feed();
        created = 0;
        fails_at = n;
        assert_int_equal(mesh_feed_start(feed, &err), MESH_RESOURCE_EXHAUSTED);
        assert_int_equal(mesh_feed_start(feed, &err), MESH_OK);
        assert_int_equal(mesh_feed_start(feed, &err), MESH_OK);
        assert_int_equal(created, FEED_THREADS);
        WAIT_FOR(mesh_feed_ready(feed, NULL) == MESH_OK);
        mesh_feed_destroy(feed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_start_is_resumed_or_given_up),
        cmocka_unit_test(a_failed_start_of_a_feed_is_resumed_or_given_up),
    };
    return cmocka_run_group_tests(tests, setup, servers_teardown);
}
