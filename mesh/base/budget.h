/*
 * How many bytes may be held at once, counted over all threads. A budget may be part of another one
 * (a connection's of its server's); what is taken counts in both. Internal.
 */
#ifndef MESH_BASE_BUDGET_H
#define MESH_BASE_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct mesh_budget {
    struct mesh_budget *whole; /* immutable, as `limit`; NULL: part of no other */
    size_t limit;
    atomic_size_t held;
} mesh_budget;

/* A share of what is there, in percent; at least one of it. */
static inline size_t mesh_share_of(size_t whole, size_t percent)
{
    return whole / 100 * percent + (whole % 100 * percent + 99) / 100;
}

/* Raises a count unless it would pass `most`. It is not touched then, so that nobody sees it. */
static inline bool mesh_count_raise(atomic_size_t *count, size_t by, size_t most)
{
    size_t before = atomic_load_explicit(count, memory_order_relaxed);

    do {
        if (by > most || before > most - by)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(count, &before, before + by,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/*
 * Takes all of it or, where a limit would be passed, nothing. What the whole has no room for is
 * held by its part for a moment, and by no other.
 */
static inline bool mesh_budget_take(mesh_budget *budget, size_t bytes)
{
    if (!mesh_count_raise(&budget->held, bytes, budget->limit))
        return false;
    if (budget->whole == NULL || mesh_budget_take(budget->whole, bytes))
        return true;
    atomic_fetch_sub_explicit(&budget->held, bytes, memory_order_relaxed);
    return false;
}

static inline void mesh_budget_give(mesh_budget *budget, size_t bytes)
{
    for (; budget != NULL; budget = budget->whole)
        atomic_fetch_sub_explicit(&budget->held, bytes, memory_order_relaxed);
}

#endif
