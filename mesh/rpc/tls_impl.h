/* The caller's TLS options, as much of them as this library knows. Internal. */
#ifndef MESH_RPC_TLS_IMPL_H
#define MESH_RPC_TLS_IMPL_H

#include "mesh/base/options.h"
#include "mesh/rpc/tls.h"

/* Points *tls, unless it is NULL, to `known` with what it said. */
static inline mesh_code mesh_known_tls_options(const mesh_tls_options **tls,
                                               mesh_tls_options *known, mesh_error *err)
{
    const mesh_tls_options *given = *tls;

    if (given == NULL)
        return MESH_OK;
    *tls = known;
    return MESH_OPTIONS_READ(mesh_tls_options, server_name, known, given, err);
}

#endif
