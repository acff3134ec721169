/*
 * What operators do with a service's events: look at the state of its consumer, pause it, look
 * after its dead letters, and publish one. For the runtime, which offers it by gRPC; all functions
 * are thread-safe and take at most a few seconds, but for a replay, which takes as long as the
 * event's handler.
 */
#ifndef MESH_EVENTS_OPERATE_H
#define MESH_EVENTS_OPERATE_H

#include "mesh/base/uuid.h"
#include "mesh/events/events.h"
#include "mesh/events/stored_event.h"

/* An event that was given up. Texts are "" where the letter did not say. */
typedef struct mesh_dead_letter {
    uint64_t number; /* names it; grows from letter to letter */
    mesh_stored_event
        event;           /* without the time when it was stored, and in a list without payload */
    int64_t given_up_ns; /* since the Unix epoch */
    int deliveries;
    const char *code; /* "INVALID_ARGUMENT": how the last attempt ended */
    const char *cause;
    const char *history; /* its attempts, a line each: delivery, time, outcome, code, cause */
} mesh_dead_letter;

/*
 * Letters with numbers above `after`, in order, at most `max` (and at most 1,000); what they point
 * to is in the arena. UNAVAILABLE: the broker cannot be asked; RESOURCE_EXHAUSTED: the arena is
 * full; FAILED_PRECONDITION: the service has no consumers.
 */
mesh_code mesh_dead_letters_list(mesh_events *events, uint64_t after, size_t max, mesh_arena *arena,
                                 mesh_dead_letter **letters, size_t *count, mesh_error *err);

/* One letter. NOT_FOUND: it is not there (any more). The errors of the list. */
mesh_code mesh_dead_letter_get(mesh_events *events, uint64_t number, mesh_arena *arena,
                               mesh_dead_letter *letter, mesh_error *err);

/*
 * Handles the event now, here, as if it had just come, and removes the letter when that is done; it
 * is done, too, when the event turns out to be handled already. Nothing is published: no other
 * service hears of it. `force`: also when earlier versions of its aggregate are missing, which are
 * past then, or when the aggregate began in the middle, behind this one. FAILED_PRECONDITION: one
 * is missing (its letter comes first), or there is no handler any more. The errors of
 * mesh_dead_letter_get and of the handler; the letter stays then.
 */
mesh_code mesh_dead_letter_replay(mesh_events *events, uint64_t number, bool force,
                                  mesh_error *err);

/*
 * Removes a letter without handling it: its version is skipped, so that what follows it in its
 * aggregate can be handled. `force`: also when earlier versions are missing, which are past then;
 * FAILED_PRECONDITION without it. The errors of mesh_dead_letter_get and of mesh_tx_query.
 */
mesh_code mesh_dead_letter_drop(mesh_events *events, uint64_t number, bool force, mesh_error *err);

/* Stops all instances from taking events, or lets them go on; within a second. What a handler has
 * begun it ends. Stays when instances are started again. Errors of mesh_db_exec. */
mesh_code mesh_consumer_pause(mesh_events *events, bool paused, mesh_error *err);

/* An event that was published for an operator. */
typedef struct mesh_published {
    char id[MESH_UUID_TEXT_BYTES];
    uint64_t sequence; /* in the stream; 0: not there yet */
} mesh_published;

/*
 * Adds an event in a transaction of its own, and waits until the broker has stored it, two seconds
 * at most: later it is published as all others. `deadline_ns` as in mesh_tx_options. Errors of
 * mesh_event_add, mesh_tx_begin and mesh_tx_commit.
 */
mesh_code mesh_event_publish(mesh_db *db, const mesh_event_descriptor *event,
                             const ProtobufCMessage *message, int64_t deadline_ns,
                             mesh_published *published, mesh_error *err);

enum {
    MESH_GAPS_SHOWN = 100
};

/* An aggregate of which a version has not come, and later ones have. */
typedef struct mesh_gap {
    const char *aggregate_type;
    const char *aggregate_id;
    int64_t missing;  /* the version */
    bool dead;        /* it, or one after it, is a dead letter */
    int64_t waits_ms; /* for it */
    size_t events;    /* that are held until it comes */
} mesh_gap;

/* How the service's consumer stands, for all its instances but where it says otherwise. */
typedef struct mesh_consumer_state {
    const char *name; /* borrowed from `events` */
    bool paused;
    int64_t paused_ns;      /* since when, since the Unix epoch; 0: it is not */
    bool stalled;           /* here: there is work, and none gets done */
    uint64_t waiting;       /* events in the stream that no instance was given yet */
    uint64_t unanswered;    /* given to an instance, or sent back for later */
    uint64_t delivered;     /* the last event's number in the stream that was given to one */
    uint64_t answered;      /* all up to this one are done */
    uint64_t dead_letters;  /* in the stream of dead letters */
    int64_t oldest_held_ms; /* here: age of the oldest event that waits for a handler or has one */
    uint64_t held;          /* here: of those unanswered, kept until an earlier version has come */
    const mesh_gap *gaps;   /* here: the aggregates that those are of, the longest first */
    size_t gap_count;       /* MESH_GAPS_SHOWN at most */
} mesh_consumer_state;

/* The gaps are in the arena. UNAVAILABLE: broker or database cannot be asked; FAILED_PRECONDITION:
 * no consumers; RESOURCE_EXHAUSTED: the arena is full. */
mesh_code mesh_consumer_get_state(mesh_events *events, mesh_arena *arena,
                                  mesh_consumer_state *state, mesh_error *err);

#endif
