/*
 * Who publishes the events that are added in transactions of a pool: mesh/events hangs itself onto
 * the mesh_db, so that an event needs nothing but its transaction. The pool only keeps the pointer.
 * Thread-safe.
 */
#ifndef MESH_DB_PUBLISHER_H
#define MESH_DB_PUBLISHER_H

#include "mesh/db/db.h"

MESH_BEGIN_DECLS

/* Sets the publisher (borrowed), or removes it with NULL. False: there is another one already. */
bool mesh_db_set_publisher(mesh_db *db, void *publisher);

/* NULL when there is none. */
void *mesh_db_publisher(mesh_db *db);

/* The context with which `fn` is registered to run before the commit; NULL: it is not. */
void *mesh_tx_before_commit_context(const mesh_tx *tx, mesh_before_commit_fn *fn);

MESH_END_DECLS

#endif
