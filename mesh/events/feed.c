#include "mesh/events/feed.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/events/envelope.h"
#include "mesh/events/feed_parts.h"

enum {
    ACQUIRE_TIMEOUT_MS = 500,
    RETRY_LAST_MS = 1000 /* pauses after failures double up to this */
};

static bool stopping(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    bool stop = self->stopping;
    pthread_mutex_unlock(&self->mu);
    return stop;
}

bool mesh_feed_pause(mesh_feed *self, int64_t *pause_ms)
{
    int64_t ms = *pause_ms;
    *pause_ms = ms * 2 < RETRY_LAST_MS ? ms * 2 : RETRY_LAST_MS;
    return mesh_cond_rest(&self->changed, &self->mu, &self->stopping, ms);
}

static void *run(void *context)
{
    mesh_feed *self = context;
    int64_t pause_ms = MESH_FEED_RETRY_FIRST_MS;
    while (!stopping(self)) {
        mesh_link *link = mesh_broker_acquire(self->broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        if (mesh_feed_read(self, link))
            pause_ms = MESH_FEED_RETRY_FIRST_MS;
        mesh_broker_suspect(self->broker);
        mesh_broker_release(self->broker, link);
        /* The broker keeps a consumer for some seconds more, and there are few names for them. */
        mesh_feed_pause(self, &pause_ms);
    }
    return NULL;
}

/* ---- life ---- */

static mesh_code check(const mesh_feed_options *options, mesh_error *err)
{
    mesh_code code = mesh_broker_check_service(options->service, err);
    if (code != MESH_OK)
        return code;
    if (options->events == NULL || options->events[0].event == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the feed has no events");
    if (options->since_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "since_ms is negative");
    for (const mesh_feed_event *e = options->events; e->event != NULL; e++) {
        for (const mesh_feed_event *other = options->events; other != e; other++) {
            if (strcmp(other->event->subject, e->event->subject) == 0)
                return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the feed has %s twice",
                                      e->event->subject);
        }
    }
    return MESH_OK;
}

static mesh_feed_event *copy_events(const mesh_feed_event *events)
{
    size_t count = 0;
    while (events[count].event != NULL)
        count++;
    mesh_feed_event *copy = mesh_calloc(count + 1, sizeof *copy);
    if (copy != NULL)
        memcpy(copy, events, count * sizeof *copy);
    return copy;
}

/*
 * What all subjects begin with, whole tokens. A consumer has one filter (nats-server 2.9), and two
 * consumers would not keep the order of the stream.
 */
static char *make_filter(const mesh_feed_event *events)
{
    const char *first = events[0].event->subject;
    bool several = events[1].event != NULL;
    size_t common = strlen(first);
    for (const mesh_feed_event *e = events + 1; several && e->event != NULL; e++) {
        size_t same = 0;
        while (same < common && e->event->subject[same] == first[same])
            same++;
        common = same;
    }
    while (several && common > 0 && first[common - 1] != '.')
        common--;
    size_t bytes = strlen(MESH_EVENTS_PREFIX) + common + 2;
    char *filter = mesh_malloc(bytes);
    if (filter != NULL)
        snprintf(filter, bytes, MESH_EVENTS_PREFIX "%.*s%s", (int)common, first,
                 several ? ">" : "");
    return filter;
}

mesh_code mesh_feed_create(const mesh_feed_options *options, mesh_feed **out, mesh_error *err)
{
    mesh_code code = check(options, err);
    if (code != MESH_OK)
        return code;
    mesh_feed *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->url = mesh_strdup(options->url != NULL ? options->url : "");
    self->service = mesh_strdup(options->service);
    self->filter = make_filter(options->events);
    self->events = copy_events(options->events);
    self->arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, MESH_EVENT_ARENA_LIMIT_BYTES);
    self->self = options->self;
    self->since_ms = options->since_ms;
    if (self->url == NULL || self->service == NULL || self->filter == NULL ||
        self->events == NULL || self->arena == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code == MESH_OK)
        code = mesh_broker_create(
            &(mesh_broker_settings){.url = self->url, .service = self->service}, &self->broker,
            err);
    if (code != MESH_OK) {
        mesh_feed_destroy(self);
        return code;
    }
    *out = self;
    return MESH_OK;
}

mesh_code mesh_feed_start(mesh_feed *self, mesh_error *err)
{
    int status = 0;
    mesh_code code = mesh_broker_start(self->broker, err);
    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&self->mu); /* the thread waits until it is noted down */
    if (!self->started) {
        self->stored_ns = mesh_clock_wall_ns();
        status = pthread_create(&self->thread, NULL, run, self);
        self->started = status == 0;
    }
    pthread_mutex_unlock(&self->mu);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    return MESH_OK;
}

mesh_code mesh_feed_ready(mesh_feed *self, mesh_error *err)
{
    pthread_mutex_lock(&self->mu);
    bool connected = self->connection != NULL && !natsConnection_IsClosed(self->connection);
    bool caught_up = self->caught_up, failing = self->failing;
    pthread_mutex_unlock(&self->mu);
    if (connected && failing)
        return mesh_error_set(err, MESH_UNAVAILABLE, "an event failed, and later ones wait for it");
    if (connected && caught_up)
        return MESH_OK;
    mesh_code code = mesh_broker_ready(self->broker, err);
    return code != MESH_OK
               ? code
               : mesh_error_set(err, MESH_UNAVAILABLE, "events of the past are still to be read");
}

uint64_t mesh_feed_gaps(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    uint64_t gaps = self->gaps;
    pthread_mutex_unlock(&self->mu);
    return gaps;
}

int64_t mesh_feed_begun_ns(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    int64_t begun_ns = self->begun_ns;
    pthread_mutex_unlock(&self->mu);
    return begun_ns;
}

void mesh_feed_get_stats(mesh_feed *self, mesh_feed_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    *stats = (mesh_feed_stats){
        .handled = self->handled,
        .malformed = self->malformed,
        .retries = self->retries,
        .resets = self->consumers > 0 ? self->consumers - 1 : 0,
    };
    pthread_mutex_unlock(&self->mu);
}

void mesh_feed_destroy(mesh_feed *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    bool started = self->started;
    self->stopping = true;
    if (self->subscription != NULL)
        natsSubscription_Unsubscribe(self->subscription); /* wakes who waits for a message */
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    mesh_broker_stop(self->broker);
    if (started)
        pthread_join(self->thread, NULL);
    mesh_broker_destroy(self->broker);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_arena_destroy(self->arena);
    mesh_free(self->events);
    mesh_free(self->filter);
    mesh_free(self->service);
    mesh_free(self->url);
    mesh_free(self);
}
