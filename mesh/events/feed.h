/*
 * A feed: every instance of a service gets all events of some types, in the order of the stream,
 * from a moment in the past on and then as they come. It is what a service's knowledge in memory is
 * made from: who is banned now, what a cache has to drop. No database, no inbox, no durable
 * consumer, nothing that instances share. Internal.
 *
 *   static const mesh_feed_event events[] = {{&user__v1__user_banned__event, on_banned}, {NULL}};
 *   mesh_feed_create(&(mesh_feed_options){.url = url, .service = "order", .events = events,
 *                                         .self = users, .since_ms = 3600000}, &feed, &err);
 *   mesh_feed_start(feed, &err);
 *
 * None that is stored is left out and an event never overtakes an earlier one, but after a loss of
 * the connection, or of what the broker has stored, some come again: handlers compare versions, or
 * do what may be done twice. It lives through restarts of the broker, and may be started before it.
 * What the broker has lost no feed can read: mesh_feed_gaps tells that it may be so.
 *
 * All functions but create and destroy are thread-safe.
 */
#ifndef MESH_EVENTS_FEED_H
#define MESH_EVENTS_FEED_H

#include "mesh/events/events.h"

typedef struct mesh_feed mesh_feed;

/*
 * Called by the feed's own thread, one event after the other, within a child of the trace in which
 * the event was added. `meta` and `event` are borrowed for the call; meta->delivery counts the
 * attempts with this feed. MESH_OK: on to the next one. Any other code, whatever it is: the same
 * event comes again after a pause of 0.05 s to 1 s, and all later ones wait behind it; so it is for
 * trouble that passes (memory ran out), and what can never be handled is answered MESH_OK.
 */
typedef mesh_code mesh_feed_fn(void *self, const mesh_event *meta, const ProtobufCMessage *event,
                               mesh_error *err);

typedef struct mesh_feed_event {
    const mesh_event_descriptor *event; /* NULL ends a table */
    mesh_feed_fn *handler;
} mesh_feed_event;

typedef struct mesh_feed_options {
    const char *url;               /* nats://HOST:PORT[,...]; copied */
    const char *service;           /* name of the connection; copied */
    const mesh_feed_event *events; /* copied; the descriptors are borrowed for the feed's life */
    void *self;                    /* of the handlers, borrowed */
    int64_t since_ms; /* begins with what was stored so long before the start (by the clocks of this
                         machine and the broker's), or later; default 0 */
} mesh_feed_options;

/*
 * Does not connect yet. INVALID_ARGUMENT: a malformed url or name of a service (as
 * mesh_events_create), no events, one twice, a negative since_ms; RESOURCE_EXHAUSTED: out of
 * memory.
 */
mesh_code mesh_feed_create(const mesh_feed_options *options, mesh_feed **feed, mesh_error *err);

/* Connects in the background, and reads. RESOURCE_EXHAUSTED: a thread cannot be started; called
 * again, it goes on from there. Called by one thread at a time. */
mesh_code mesh_feed_start(mesh_feed *feed, mesh_error *err);

/*
 * MESH_OK while it is connected, has handled all that was in the stream when it was connected, and
 * no event waits for its handler to succeed, or for memory. Else UNAVAILABLE, and the message says
 * what is missing. A broker that falls silent is noticed within 3 s, a lost connection at once.
 * Never waits.
 */
mesh_code mesh_feed_ready(mesh_feed *feed, mesh_error *err);

/*
 * How often it has read a past that may not be whole: the stream may have lost events of the last
 * `since_ms`, since it was made later (by a new mesh, or after its end), was emptied or evicted the
 * oldest. What is missing has to come from elsewhere. As long as the number stays the same while
 * the feed is ready, nothing more is.
 */
uint64_t mesh_feed_gaps(mesh_feed *feed);

/* When it was connected last, by the wall clock: older events are of the past. 0: never. */
int64_t mesh_feed_begun_ns(mesh_feed *feed);

/* Figures for metrics; they grow from the creation on. */
typedef struct mesh_feed_stats {
    uint64_t handled;   /* events whose handler said MESH_OK */
    uint64_t malformed; /* events that are none, or larger in memory than one may be; left out and
                           logged at error level */
    uint64_t retries;   /* attempts that failed and were made again */
    uint64_t resets;    /* how often reading began again, at the last event or at since_ms */
} mesh_feed_stats;

void mesh_feed_get_stats(mesh_feed *feed, mesh_feed_stats *stats);

/* At any time, but not from a handler; waits for one that runs, and a few seconds at most for a
 * broker that does not answer. NULL is accepted. */
void mesh_feed_destroy(mesh_feed *feed);

#endif
