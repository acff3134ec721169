/*
 * Dead letters: events that a service has given up, in a stream of its own ("DEAD-order"), whole,
 * with what was the matter. The stream takes no more when it is full, and forgets nothing.
 */
#ifndef MESH_EVENTS_DEAD_H
#define MESH_EVENTS_DEAD_H

#include "mesh/events/broker.h"
#include "mesh/events/operate.h"

/* Why an event is given up; all borrowed. */
typedef struct mesh_dead_cause {
    const char *key;     /* the event's id, or its place in the stream */
    const char *subject; /* without "events." */
    uint64_t sequence;
    int deliveries;
    const mesh_error *error;
    const char *history;
} mesh_dead_cause;

/* Stores the event as a dead letter of the service; again for one that is stored already, that does
 * nothing for ten minutes. `arena` for what is needed meanwhile. */
natsStatus mesh_dead_store(jsCtx *js, const char *service, natsMsg *event,
                           const mesh_dead_cause *cause, mesh_arena *arena);

/* The first letter at or after this number: NATS_NOT_FOUND, or the message, for the caller to
 * destroy. One that cannot be read (mesh_broker_is_unseen) is passed over. */
natsStatus mesh_dead_next(mesh_link *link, const char *service, uint64_t number, natsMsg **message);

/* What a letter says, in the arena, but for the payload, which is the message's. */
void mesh_dead_read(natsMsg *message, const char *service, mesh_arena *arena,
                    mesh_dead_letter *letter);

/* Removes a letter, if it is there. */
natsStatus mesh_dead_remove(mesh_link *link, const char *service, uint64_t number);

#endif
