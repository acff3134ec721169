/*
 * Turns: a few callers at a time do something costly, a few more wait until it is their turn, and
 * everybody else is sent away at once. Blocks, so it is for workers. Thread-safe.
 */
#ifndef SERVICES_USER_TURNS_H
#define SERVICES_USER_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "mesh/base/error.h"

typedef struct user_turns {
    int64_t running_max, waiting_max, wait_ms; /* immutable */

    pthread_mutex_t mu;
    pthread_cond_t changed; /* a turn ended, or somebody gave up */
    int64_t running;        /* guarded by mu */
    int64_t waiting;        /* guarded by mu */
} user_turns;

/* Who wants a turn. */
typedef struct user_waiter {
    user_turns *turns;
    int64_t deadline_ns; /* on the monotonic clock */
    bool gave_up;        /* false at first; guarded by the turns' mu */
} user_waiter;

void user_turns_init(user_turns *turns, int64_t running_max, int64_t waiting_max, int64_t wait_ms);

/* Nobody may have a turn or wait for one. */
void user_turns_destroy(user_turns *turns);

/*
 * Waits for a turn; MESH_OK is followed by user_turn_end. RESOURCE_EXHAUSTED: TOO_MANY_PASSWORDS,
 * with a retry delay of wait_ms, when as many as may wait already, or it took longer than wait_ms.
 * DEADLINE_EXCEEDED: the deadline passed first. CANCELLED: it was given up.
 */
mesh_code user_turn_take(user_waiter *me, mesh_error *err);
void user_turn_end(user_turns *turns);

/* It does not want its turn any more, and stops waiting at once; one that it has stays. Any
 * thread. */
void user_turn_give_up(user_waiter *waiter);

#endif
