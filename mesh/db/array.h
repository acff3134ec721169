/*
 * Arrays as parameters of a statement: text of the form that PostgreSQL reads
 * ("Array Input and Output Syntax" in its manual), to be passed with MESH_SQL_TEXT and cast in the
 * SQL. One statement so works on many values:
 *
 *   SELECT ... FROM unnest($1::text[], $2::bigint[]) AS line (product_id, quantity)
 *
 * The texts are allocated from the arena; "" when it overflowed. Thread-safe.
 */
#ifndef MESH_DB_ARRAY_H
#define MESH_DB_ARRAY_H

#include "mesh/base/arena.h"

#include <stdint.h>

MESH_BEGIN_DECLS

/* {"a","b"}; every item is quoted, whatever it holds. Items are not NULL. */
MESH_API const char *mesh_array_of_texts(mesh_arena *arena, const char *const *items, size_t count);

/* {1,2,3} */
MESH_API const char *mesh_array_of_integers(mesh_arena *arena, const int64_t *items, size_t count);

MESH_END_DECLS

#endif
