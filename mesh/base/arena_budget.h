/* Arenas whose memory is counted together with that of others. Internal. */
#ifndef MESH_BASE_ARENA_BUDGET_H
#define MESH_BASE_ARENA_BUDGET_H

#include "mesh/base/arena.h"
#include "mesh/base/budget.h"

/*
 * What the arena takes beyond its first block counts against `budget`, borrowed, until a reset or
 * the end gives it back; where that has no room the arena overflows. NULL: against none. Only while
 * the arena has its first block alone, as after a reset.
 */
void mesh_arena_set_budget(mesh_arena *arena, mesh_budget *budget);

/* Whether it overflowed for want of room in the budget. */
bool mesh_arena_over_budget(const mesh_arena *arena);

/* Whether it overflowed at its own limit: the same allocations will overflow it again, however much
 * memory there is. */
bool mesh_arena_over_limit(const mesh_arena *arena);

/* An arena with the same limit and the same budget, without a first block; NULL: out of memory. */
mesh_arena *mesh_arena_create_beside(const mesh_arena *arena);

/* Whether its limit lets so many bytes fit: if not, allocating them will overflow it. */
bool mesh_arena_may_fit(const mesh_arena *arena, size_t bytes);

#endif
