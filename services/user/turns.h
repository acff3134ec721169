/*
 * Turns: a few callers at a time do something costly, a few more wait until it is their turn, in
 * the order in which they came, and everybody else is sent away at once. So is who comes with a
 * login, or from an address, that has its share of the places already: neither can take them all.
 * Blocks, so it is for workers. Thread-safe.
 */
#ifndef SERVICES_USER_TURNS_H
#define SERVICES_USER_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "mesh/base/error.h"

/* One who wants a turn, or has one. */
typedef struct user_waiter user_waiter;

typedef struct user_turns {
    int64_t running_max, places_max; /* immutable, as are the next ones; some places are to wait */
    int64_t login_max, address_max;  /* places of one login, and of one address */
    int64_t wait_ms;

    pthread_mutex_t mu;
    pthread_cond_t changed; /* a turn ended, or somebody gave up */
    user_waiter *first;     /* guarded by mu; the first running_max of the list have their turns */
} user_turns;

struct user_waiter {
    user_turns *turns;
    const char *login, *address; /* whose place it takes, borrowed; NULL: nobody's */
    int64_t deadline_ns;         /* on the monotonic clock */
    bool gave_up;                /* false at first; guarded by the turns' mu, as is the next one */
    user_waiter *next;           /* who came after it */
};

/*
 * As many have turns as `running_max` says, and `waiting_max` wait for one, for wait_ms at most.
 * One login has a third of all these places, rounded up, and one address two thirds: so nobody is
 * kept out by another login, nor by another address.
 */
void user_turns_init(user_turns *turns, int64_t running_max, int64_t waiting_max, int64_t wait_ms);

/* Nobody may have a turn or wait for one. */
void user_turns_destroy(user_turns *turns);

/*
 * Waits for a turn; MESH_OK is followed by user_turn_end, and `me` stays where it is until then.
 * RESOURCE_EXHAUSTED: TOO_MANY_PASSWORDS, with a retry delay of wait_ms, when all places are taken
 * or all that its login or address may have, or it took longer than wait_ms. DEADLINE_EXCEEDED: the
 * deadline passed first. CANCELLED: it was given up.
 */
mesh_code user_turn_take(user_waiter *me, mesh_error *err);
void user_turn_end(user_waiter *me);

/* It does not want its turn any more, and stops waiting at once; one that it has stays. Any
 * thread. */
void user_turn_give_up(user_waiter *waiter);

#endif
