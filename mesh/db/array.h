/*
 * Arrays as parameters of a statement: but for bytes it is text of the form that PostgreSQL reads
 * ("Array Input and Output Syntax" in its manual), to be passed with MESH_SQL_TEXT and cast in the
 * SQL. One statement so works on many values:
 *
 *   SELECT ... FROM unnest($1::text[], $2::bigint[]) AS line (product_id, quantity)
 *
 * The texts are allocated from the arena; "" when it overflowed. Thread-safe.
 */
#ifndef MESH_DB_ARRAY_H
#define MESH_DB_ARRAY_H

#include <stdint.h>

#include "mesh/base/arena.h"

MESH_BEGIN_DECLS

/* {"a","b"}; every item is quoted, whatever it holds. Items are not NULL. */
MESH_API const char *mesh_array_of_texts(mesh_arena *arena, const char *const *items, size_t count);

/* {1,2,3} */
MESH_API const char *mesh_array_of_integers(mesh_arena *arena, const int64_t *items, size_t count);

/* Bytes, in the binary form, for MESH_SQL_BYTES(array.data, array.size) and a cast to bytea[]; NULL
 * when the arena overflowed. */
typedef struct mesh_bytes {
    const void *data;
    size_t size; /* at most INT32_MAX */
} mesh_bytes;
MESH_API mesh_bytes mesh_array_of_bytes(mesh_arena *arena, const mesh_bytes *items, size_t count);

MESH_END_DECLS

#endif
