/*
 * The pool: at most `pool_max` connections, handed out first come, first served.
 */
#ifndef MESH_DB_POOL_H
#define MESH_DB_POOL_H

#include "mesh/db/conn.h"

/* Immutable after the creation. */
const mesh_db_settings *mesh_db_pool_settings(const mesh_db *db);

/*
 * A connection for one transaction. `fresh` tells whether it was just made; else it may have died
 * without our notice. RESOURCE_EXHAUSTED, UNAVAILABLE, DEADLINE_EXCEEDED as mesh_tx_begin.
 */
mesh_code mesh_db_pool_acquire(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn, bool *fresh,
                               mesh_error *err);

/* Replaces an acquired connection that is dead by a fresh one, in the same place of the pool. On
 * failure the place is given back, too. */
mesh_code mesh_db_pool_replace(mesh_db *db, int64_t deadline_ns, mesh_db_conn **conn,
                               mesh_error *err);

/* Gives it back; one that is not reusable, or too old, is closed. */
void mesh_db_pool_release(mesh_db *db, mesh_db_conn *conn);

/* Counts a statement. */
void mesh_db_pool_count_query(mesh_db *db, int64_t duration_ns, bool failed);

#endif
