/*
 * Timers of a loop: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) of nodes that their
 * owners bring, so that to set one cannot fail. Internal to mesh/rpc/h2.
 */
#ifndef MESH_RPC_H2_H2_TIMER_H
#define MESH_RPC_H2_H2_TIMER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct h2_timer {
    int64_t due_ns;
    void (*fire)(struct h2_timer *timer);
    bool is_set;
    struct h2_timer *child;
    struct h2_timer *next;     /* sibling */
    struct h2_timer *previous; /* sibling, or the parent of the first child */
} h2_timer;

/* Sets it, also when it is set already. */
void h2_timer_set(h2_timer **timers, h2_timer *timer, int64_t due_ns);
void h2_timer_clear(h2_timer **timers, h2_timer *timer);

/* Runs what is due; each is cleared before it fires. */
void h2_timers_fire(h2_timer **timers, int64_t now_ns);

#endif
