/*
 * For a process that has no relay: tells the relays of others that something was committed. Not by
 * a NOTIFY in the committing transaction, since those commit one after the other, but by a thread
 * that sends one for all commits that came meanwhile. Thread-safe.
 */
#ifndef MESH_EVENTS_NOTIFY_H
#define MESH_EVENTS_NOTIFY_H

#include "mesh/db/db.h"

typedef struct mesh_notifier mesh_notifier;

/* `db` is borrowed for the notifier's life. */
mesh_code mesh_notifier_create(mesh_db *db, mesh_notifier **notifier, mesh_error *err);

/* Starts the thread; does nothing once it was started. By one thread at a time. */
mesh_code mesh_notifier_start(mesh_notifier *notifier, mesh_error *err);

/* Something was committed. Never waits. */
void mesh_notifier_wake(void *notifier);

/* Ends the thread. NULL is accepted. */
void mesh_notifier_destroy(mesh_notifier *notifier);

#endif
