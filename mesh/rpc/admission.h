/*
 * Who comes in, and how much of the server each call, connection, and all of them may take: calls,
 * workers, memory. Internal.
 */
#ifndef MESH_RPC_ADMISSION_H
#define MESH_RPC_ADMISSION_H

#include "mesh/rpc/server_impl.h"

/* What one connection may have of memory_budget_bytes; the options have their defaults. */
size_t mesh_admission_share_bytes(const mesh_server_options *options);

/*
 * What the options of the server let in; they have their defaults. Ended by
 * mesh_connections_destroy.
 */
void mesh_admission_init(mesh_server *server);

/*
 * Counts a call that the transport brought, before anything else is done with it. `connection`: as
 * in mesh_open.
 */
void mesh_admission_enter(mesh_call *call, const void *connection);

/*
 * The last touch of a call, which has given all its memory back, and one atomic step at its end:
 * who ends a call may be any thread, and the server freed next.
 */
void mesh_admission_leave(mesh_server *server, mesh_admission admission);

/*
 * Trace, limits, and the interceptors in order. Not MESH_OK: the call is to be answered with that.
 * RESOURCE_EXHAUSTED: what there is of something is taken; the error says of what, and advises when
 * to try again.
 */
mesh_code mesh_admission_check(mesh_call *call, bool too_much_metadata, mesh_error *err);

/* The same of the interceptors that are left, for a call that one of them had suspended. */
mesh_code mesh_admission_go_on(mesh_call *call, mesh_error *err);

/* What the options say of the workers; they have their defaults. `cores`: of the machine. */
mesh_pool_options mesh_admission_pool(const mesh_server_options *options, size_t cores);

/*
 * Gives the call's job to a worker, in turn with the jobs of other connections. RESOURCE_EXHAUSTED:
 * the connection has its share of the workers and their queue, or all are taken.
 */
mesh_code mesh_admission_submit(mesh_call *call, mesh_error *err);

#endif
