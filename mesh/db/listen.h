/*
 * Hears what is notified on a channel (NOTIFY in PostgreSQL's manual), with a thread and a
 * connection of its own beside the pool's.
 */
#ifndef MESH_DB_LISTEN_H
#define MESH_DB_LISTEN_H

#include "mesh/db/db.h"

typedef struct mesh_db_listener mesh_db_listener;

/*
 * `fn` is called by that thread after one or more notifications, and after each new connection,
 * since some may have been missed; it should not wait. `channel` is a constant of the program; `db`
 * is borrowed. Connects in the background, again and again. RESOURCE_EXHAUSTED: out of memory, or
 * the thread cannot be started.
 */
mesh_code mesh_db_listener_create(mesh_db *db, const char *channel, void (*fn)(void *context),
                                  void *context, mesh_db_listener **listener, mesh_error *err);

/* Ends the thread, after at most the pool's connect_timeout_ms; `fn` is not called any more. NULL
 * is accepted. */
void mesh_db_listener_destroy(mesh_db_listener *listener);

#endif
