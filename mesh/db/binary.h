/*
 * Rows whose values travel as the server has them in memory, not as text: where many are read, that
 * is cheaper for both sides.
 */
#ifndef MESH_DB_BINARY_H
#define MESH_DB_BINARY_H

#include "mesh/db/db.h"

/* As mesh_tx_query, for columns of these types: text, bytea, bool, int2/4/8, timestamptz. The value
 * of another one cannot be read (assert): cast it. */
mesh_code mesh_tx_query_binary(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                               mesh_error *err);

#endif
