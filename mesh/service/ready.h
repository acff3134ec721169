/*
 * Ready means ready: the thread that brings up what a service needs, in order, and then keeps its
 * health true. Internal.
 *
 * Database answers -> migrations applied -> consumers started -> broker in place -> what users are
 * now is known -> SERVING. After that it looks at all of these again every second: NOT_SERVING
 * while something is away, SERVING when it is back.
 * It has a thread of its own since asking may take as long as a connection's time-out.
 */
#ifndef MESH_SERVICE_READY_H
#define MESH_SERVICE_READY_H

#include "mesh/service/app.h"

typedef struct mesh_ready mesh_ready;

/*
 * Brings up the same on the calling thread, once, and says nothing of it to anybody. Errors: what
 * is missing after MESH_STARTUP_TIMEOUT, or why the migrations failed.
 */
mesh_code mesh_ready_wait(mesh_app *app, mesh_error *err);

/*
 * Starts the thread. When it gives up (MESH_STARTUP_TIMEOUT passed, or a migration failed) it logs
 * why and calls mesh_app_stop. RESOURCE_EXHAUSTED: no thread to be had.
 */
mesh_code mesh_ready_start(mesh_app *app, mesh_ready **ready, mesh_error *err);

/* Asks the thread to end, without waiting. NULL is accepted. */
void mesh_ready_stop(mesh_ready *ready);

/*
 * Waits until it has ended, i.e. for the query or migration that it is in, at most `timeout_ms`,
 * and frees it. False: it is still in there; it is left behind, so the parts of the app must not be
 * destroyed any more. *gave_up says whether it gave up starting. NULL is accepted.
 */
bool mesh_ready_join(mesh_ready *ready, int64_t timeout_ms, bool *gave_up);

#endif
