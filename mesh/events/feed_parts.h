/* For feed.c, feed_reading.c (the stream) and feed_event.c (its events), which share a feed. */
#ifndef MESH_EVENTS_FEED_PARTS_H
#define MESH_EVENTS_FEED_PARTS_H

#include <nats/nats.h>
#include <pthread.h>

#include "mesh/events/broker.h"
#include "mesh/events/feed.h"

enum {
    MESH_FEED_RETRY_FIRST_MS = 50 /* after a failure; doubles up to a second */
};

struct mesh_feed {
    char *url;
    char *service;
    char *filter;            /* of the consumer */
    mesh_feed_event *events; /* immutable, ended by one without event */
    void *self;              /* of the handlers */
    int64_t since_ms;        /* immutable */
    mesh_broker *broker;
    mesh_arena *arena; /* of the thread */
    pthread_t thread;

    /* Of the thread: the last event that was read, by its place in the stream and the time when it
     * was stored there. Before the first one, and when the stream is not the same any more: 0, and
     * the time from which on `since_ms` are looked back. */
    uint64_t sequence;
    int64_t stored_ns;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    natsSubscription *subscription; /* NULL: nothing is read now */
    natsConnection *connection;     /* the subscription's */
    bool caught_up;                 /* by that subscription */
    bool failing;                   /* a handler did, and the event comes again */
    uint64_t consumers;             /* made */
    uint64_t gaps;
    int64_t begun_ns; /* when the last of them was, by the wall clock */
    uint64_t handled, malformed, retries;
};

/* ---- feed.c ---- */

/* Waits, and doubles what the next pause will be. False: the feed ends. */
bool mesh_feed_pause(mesh_feed *self, int64_t *pause_ms);

/* ---- feed_event.c ---- */

/* Until it is handled, or left out since it is malformed. False: the feed ends instead. */
bool mesh_feed_handle(mesh_feed *self, natsMsg *message, uint64_t sequence);

/* Leaves out one that cannot even be looked at. */
void mesh_feed_leave_out(mesh_feed *self);

/* ---- feed_reading.c ---- */

/* Reads over one connection until something is lost, or the feed ends. False when nothing came of
 * it. */
bool mesh_feed_read(mesh_feed *self, mesh_link *link);

#endif
