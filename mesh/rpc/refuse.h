/*
 * What is said when there is no more of something: RESOURCE_EXHAUSTED, and when to try again.
 * Internal.
 */
#ifndef MESH_RPC_REFUSE_H
#define MESH_RPC_REFUSE_H

#include "mesh/base/error.h"

/* "the service is busy: " and why, with a reason of reason.h. Returns RESOURCE_EXHAUSTED. */
mesh_code mesh_refuse(mesh_error *err, const char *reason, const char *format, ...)
    MESH_PRINTF(3, 4);

/* The same of memory_budget_bytes. */
mesh_code mesh_refuse_memory(mesh_error *err);

#endif
