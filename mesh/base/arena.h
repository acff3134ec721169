/*
 * Arena: memory that is freed in one step. Every call has one; requests are unpacked into it,
 * responses are built in it, and nothing in a handler is freed by hand.
 *
 * Used by one thread at a time. Memory is aligned to 16 bytes. There is a byte limit: an allocation
 * beyond it (or one that malloc refuses) returns NULL and marks the arena as overflowed for good. A
 * call whose arena overflowed is answered RESOURCE_EXHAUSTED whatever its handler returned, so a
 * handler may use mesh_arena_strdup and mesh_arena_printf without looking at each result: those
 * return "" then.
 */
#ifndef MESH_BASE_ARENA_H
#define MESH_BASE_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

typedef struct mesh_arena mesh_arena;

/*
 * Creates an arena. The first block of `first_bytes` is kept over resets; more blocks come from
 * malloc as needed, at most `limit_bytes` in all (0: no limit). NULL when out of memory.
 */
MESH_API mesh_arena *mesh_arena_create(size_t first_bytes, size_t limit_bytes);

/* Frees the arena and all that was allocated from it. NULL is accepted. */
MESH_API void mesh_arena_destroy(mesh_arena *arena);

/* Forgets all that was allocated and the overflow mark; keeps the first block only. */
MESH_API void mesh_arena_reset(mesh_arena *arena);

/* `size` bytes, not initialised; NULL on overflow. A size of 0 gives a valid pointer. */
MESH_API void *mesh_arena_alloc(mesh_arena *arena, size_t size);

/* An array of `count` zeroed elements; NULL on overflow, of the arena or of the multiplication. */
MESH_API void *mesh_arena_calloc(mesh_arena *arena, size_t count, size_t size);

/* A copy of `size` bytes; NULL on overflow. */
MESH_API void *mesh_arena_memdup(mesh_arena *arena, const void *data, size_t size);

/* Copies of strings, and a formatted one. Never NULL: "" (static) on overflow. */
MESH_API char *mesh_arena_strdup(mesh_arena *arena, const char *text);
MESH_API char *mesh_arena_strndup(mesh_arena *arena, const char *text, size_t size);
MESH_API char *mesh_arena_printf(mesh_arena *arena, const char *format, ...) MESH_PRINTF(2, 3);
MESH_API char *mesh_arena_vprintf(mesh_arena *arena, const char *format, va_list args)
    MESH_PRINTF(2, 0);

/* True once an allocation failed. */
MESH_API bool mesh_arena_overflowed(const mesh_arena *arena);

/* Bytes handed out since creation or the last reset. */
MESH_API size_t mesh_arena_used(const mesh_arena *arena);

MESH_END_DECLS

#endif
