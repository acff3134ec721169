#include "mesh/rpc/refuse.h"

#include <stdarg.h>
#include <stdio.h>

#include "mesh/rpc/reason.h"

enum {
    RETRY_AFTER_MS = 100 /* advice to the caller */
};

mesh_code mesh_refuse(mesh_error *err, const char *reason, const char *format, ...)
{
    char why[192];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    (void)mesh_error_reason(err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, reason,
                            "the service is busy: %s", why);
    mesh_error_retry_after(err, RETRY_AFTER_MS);
    return MESH_RESOURCE_EXHAUSTED;
}

mesh_code mesh_refuse_memory(mesh_error *err)
{
    return mesh_refuse(err, MESH_RPC_MEMORY_FULL,
                       "messages and their calls hold as much memory as they may "
                       "(memory_budget_bytes, connection_share_percent)");
}
