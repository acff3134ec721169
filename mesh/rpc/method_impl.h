/* What the runtime asks of generated tables before it uses them. Internal. */
#ifndef MESH_RPC_METHOD_IMPL_H
#define MESH_RPC_METHOD_IMPL_H

#include "mesh/rpc/method.h"

/* FAILED_PRECONDITION: the service was generated for a later version, which the message says. */
MESH_MUST_CHECK mesh_code mesh_api_descriptor_check(const mesh_api_descriptor *api,
                                                    mesh_error *err);

#endif
