/*
 * Events on their way to the broker in one go, published asynchronously, and what became of each.
 */
#ifndef MESH_EVENTS_WINDOW_H
#define MESH_EVENTS_WINDOW_H

#include "mesh/events/entry.h"

enum {
    MESH_WINDOW_MAX = 256 /* events */
};

typedef enum mesh_outcome {
    MESH_NO_WORD, /* it may be stored or not */
    MESH_STORED,
    MESH_REFUSED
} mesh_outcome;

typedef struct mesh_slot {
    const mesh_entry *entry;
    natsMsg *message; /* while its answer is missing; only compared with */
    mesh_outcome outcome;
    uint64_t sequence; /* stored: its place in the stream ... */
    bool duplicate;    /* ... which it had already */
    const char *cause; /* why it is not stored, static; NULL: not known */
    int jetstream_code;
} mesh_slot;

/*
 * Begins as {.count = 0}. Not more than one event of an aggregate: when the broker refuses that
 * one, a later one must not be stored before it. Sending both again would not put them in order,
 * since the broker keeps the place of what it has stored already (Nats-Msg-Id).
 */
typedef struct mesh_window {
    mesh_slot slots[MESH_WINDOW_MAX];
    int count;
    int unanswered;
    struct mesh_window *next;
} mesh_window;

/* The context to publish windows with; the caller destroys it. */
natsStatus mesh_window_context(natsConnection *connection, jsCtx **js);

/* Adds an event (borrowed); false: it is full, or has one of the same aggregate. */
bool mesh_window_add(mesh_window *window, const mesh_entry *entry);

/* Publishes all of it and waits for all answers, or until the connection is lost. */
void mesh_window_publish(mesh_window *window, jsCtx *js, natsConnection *connection,
                         const char *source);

#endif
