/*
 * Events on their way to the broker in one go, and what became of each.
 *
 * They are sent without the library's js_PublishMsgAsync, which keeps each message, by a random
 * name and with a timer, until its answer has come: here the answer's subject says which one it is
 * for.
 */
#ifndef MESH_EVENTS_WINDOW_H
#define MESH_EVENTS_WINDOW_H

#include "mesh/base/uuid.h"
#include "mesh/events/broker.h"
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
    bool asked; /* its answer is missing */
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
    uint64_t hashes[MESH_WINDOW_MAX]; /* of the aggregates */
    int count;
    natsMsg *messages[2 * MESH_WINDOW_MAX]; /* sent and received, to be destroyed */
    int message_count;
} mesh_window;

/* Sends windows on one connection. */
typedef struct mesh_sender {
    natsConnection *connection; /* borrowed, as the next one */
    const char *source;         /* the header ce-source */
    natsSubscription *answers;
    uint64_t windows; /* that were sent */
    char inbox[sizeof MESH_EVENTS_INBOX ".." + MESH_EVENTS_SERVICE_MAX + MESH_UUID_TEXT_BYTES];
} mesh_sender;

/* Begins to hear answers; `source` is "/" and the service's name. */
natsStatus mesh_sender_begin(mesh_sender *sender, natsConnection *connection, const char *source);
void mesh_sender_end(mesh_sender *sender);

/* Adds an event (borrowed); false: it is full, or has one of the same aggregate. */
bool mesh_window_add(mesh_window *window, const mesh_entry *entry);

/* Publishes all of it and waits for all answers, or until the connection is lost. */
void mesh_window_publish(mesh_window *window, mesh_sender *sender);

#endif
