/*
 * Asks the server to end statements whose time is up, on a thread of its own: libpq can only do
 * that with a connection and an answer that it waits for without any limit. The thread lives while
 * there is something to ask for. Thread-safe.
 */
#ifndef MESH_DB_CANCEL_H
#define MESH_DB_CANCEL_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    MESH_DB_CANCELS_MAX = 16 /* that wait; more are dropped: statement_timeout ends those */
};

typedef struct mesh_db_canceller mesh_db_canceller;

/* NULL: out of memory. */
mesh_db_canceller *mesh_db_canceller_create(void);

/* Does not wait: what waits is dropped, and the thread frees the rest when it can end. NULL is
 * accepted. */
void mesh_db_canceller_destroy(mesh_db_canceller *canceller);

/* Does not wait either. The number of the request, or 0 when it was dropped. `pg` may be closed
 * after the call. */
uint64_t mesh_db_canceller_ask(mesh_db_canceller *canceller, PGconn *pg);

/* Waits until the server took the request, or it failed: from then on it cannot hit a later
 * statement of the connection. False when that took too long. */
bool mesh_db_canceller_wait(mesh_db_canceller *canceller, uint64_t number, int64_t deadline_ns);

#endif
