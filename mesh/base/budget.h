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

/* Takes all of it or, where a limit would be passed, nothing. */
static inline bool mesh_budget_take(mesh_budget *budget, size_t bytes)
{
    size_t held = atomic_fetch_add_explicit(&budget->held, bytes, memory_order_relaxed);

    if (bytes <= budget->limit && held <= budget->limit - bytes &&
        (budget->whole == NULL || mesh_budget_take(budget->whole, bytes)))
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
