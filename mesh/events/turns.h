/*
 * What the instances of a service tell each other, so that an event that waits for a version which
 * another instance handles goes on when that is committed, and not at the next look at the
 * database. These are hints: one that is lost costs time, one that is wrong a transaction that
 * finds so. Who holds events says that it waits; who has heard that of another instance says for
 * some time which versions it handled.
 *
 * They are messages to "_INBOX_order.turns": 8 bytes that tell the instances apart, and nothing
 * more when it waits; otherwise 16 bytes for each version, the hash of the aggregate's id before
 * it. Numbers are little-endian.
 */
#ifndef MESH_EVENTS_TURNS_H
#define MESH_EVENTS_TURNS_H

#include <nats/nats.h>
#include <pthread.h>

#include "mesh/events/broker.h"

enum {
    MESH_TURNS_MAX = MESH_BATCH_MAX, /* in a message */
    MESH_TURNS_OTHERS = 64           /* instances that are told apart; more count as so many */
};

/* A version that was handled. */
typedef struct mesh_turn {
    uint64_t hash; /* of the aggregate's id */
    int64_t version;
} mesh_turn;

/* One that another instance handled. `mu` is held. */
typedef void mesh_turns_fn(void *context, const mesh_turn *turn);

typedef struct mesh_turns {
    /* Immutable. */
    const char *service; /* borrowed */
    pthread_mutex_t *mu; /* the same */
    mesh_turns_fn *on_turn;
    void *context;
    uint64_t self;

    natsSubscription *subscription; /* of who begins and ends; NULL: it hears nothing */
    pthread_t listener;
    /* Guarded by mu. */
    struct {
        uint64_t id;
        int64_t until_ns;
    } others[MESH_TURNS_OTHERS]; /* that said that they wait, and for how long that holds */
    int64_t say_ns;              /* when it may say the next time that it waits */
} mesh_turns;

/* `mu` is the caller's, held by its threads. */
void mesh_turns_init(mesh_turns *turns, const char *service, pthread_mutex_t *mu,
                     mesh_turns_fn *on_turn, void *context);

/* Hears the others on this connection, until end, after which on_turn is not called. When it cannot
 * listen there are no hints, which the log says. By one thread. */
void mesh_turns_begin(mesh_turns *turns, natsConnection *connection);
void mesh_turns_end(mesh_turns *turns);

/* How many others wait for what this instance, or another one, handles. Held. */
size_t mesh_turns_others(const mesh_turns *turns);

/* Tells the others of versions that were committed, 1 to MESH_TURNS_MAX. Not held. */
void mesh_turns_tell(const mesh_turns *turns, natsConnection *connection, const mesh_turn *handled,
                     size_t count);

/* Tells them that this one waits, unless it did a moment ago. Held. */
void mesh_turns_wait(mesh_turns *turns, natsConnection *connection);

#endif
