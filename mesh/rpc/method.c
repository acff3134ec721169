#include "mesh/rpc/method_impl.h"

mesh_code mesh_api_descriptor_check(const mesh_api_descriptor *api, mesh_error *err)
{
    if (api->version <= MESH_VERSION_NUMBER)
        return MESH_OK;
    return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                          "%s was generated for version %u.%u.%u, and this library is " MESH_VERSION
                          ": run with a newer one, or generate it again",
                          api->name, api->version / 1000000, api->version / 1000 % 1000,
                          api->version % 1000);
}
