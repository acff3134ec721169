/*
 * A tail: a look at the stream beside all consumers, message by message, from any place on and
 * whatever it holds. For operators. The broker remembers nothing of it: a tail is a place in the
 * stream, and each event is asked for by itself. Internal; a tail is used by one thread at a time.
 *
 *   mesh_tail_begin(events, &(mesh_tail_start){.subject = "order.>"}, &tail, &err);
 *   mesh_tail_last(events, &last, &err);
 *   while (mesh_tail_next(events, &tail, last, arena, &event, &err) == MESH_OK)
 *       tail.next = event.sequence + 1;
 */
#ifndef MESH_EVENTS_TAIL_H
#define MESH_EVENTS_TAIL_H

#include "mesh/events/events.h"
#include "mesh/events/stored_event.h"

enum {
    MESH_TAIL_SUBJECT_BYTES = 201 /* of a filter, its NUL included */
};

/* Where it begins; all zero: with what is stored from now on, whatever it is. */
typedef struct mesh_tail_start {
    const char *subject; /* as NATS has it, without "events."; NULL or "": all */
    uint64_t sequence;   /* this place in the stream; 0: what follows counts */
    int64_t time_ns;     /* with what was stored then or later, since the Unix epoch; 0: now */
} mesh_tail_start;

typedef struct mesh_tail {
    uint64_t next; /* the place that is looked at next; its owner moves it on */
    char filter[MESH_TAIL_SUBJECT_BYTES + 8];
} mesh_tail;

/* True for what may stand in `subject`. */
bool mesh_tail_subject_valid(const char *subject);

/*
 * Finds the place; one that the stream does not have yet is its end. INVALID_ARGUMENT: the subject
 * is malformed; UNAVAILABLE: the broker cannot be asked.
 */
mesh_code mesh_tail_begin(mesh_events *events, const mesh_tail_start *start, mesh_tail *tail,
                          mesh_error *err);

/* The place of the last event in the stream; 0: there was none yet. UNAVAILABLE. */
mesh_code mesh_tail_last(mesh_events *events, uint64_t *last, mesh_error *err);

/*
 * The next event up to the place `last`, which is one of mesh_tail_last; what it points to is in
 * the arena. The tail stays where it is, so that an event that could not be passed on is found
 * again. MESH_EOF: there is none, and the tail stands behind `last`; or it takes longer to find
 * one, which the next call goes on with. A stream whose end lies before
 * the tail is another one, and is read from its beginning. UNAVAILABLE; RESOURCE_EXHAUSTED.
 */
mesh_code mesh_tail_next(mesh_events *events, mesh_tail *tail, uint64_t last, mesh_arena *arena,
                         mesh_stored_event *event, mesh_error *err);

#endif
