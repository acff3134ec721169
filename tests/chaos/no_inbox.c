/*
 * A consumer without the inbox, to see that its absence is found: nothing is inserted there, and
 * every event is a new one.
 */
#include <string.h>

#include "mesh/db/db.h"

mesh_code __real_mesh_tx_query(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                               int64_t *affected, mesh_error *err);
mesh_code __wrap_mesh_tx_query(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                               int64_t *affected, mesh_error *err);

mesh_code __wrap_mesh_tx_query(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                               int64_t *affected, mesh_error *err)
{
    if (strstr(sql, "INSERT INTO mesh_inbox (") != NULL)
        sql = "SELECT id, $1::text FROM unnest($2::uuid[]) AS given (id)";
    return __real_mesh_tx_query(tx, sql, params, rows, affected, err);
}
