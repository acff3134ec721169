/* Any messages to the reflection and health services of a server. */
#include "mesh/health/health.h"
#include "mesh/reflection/reflection.h"
#include "tests/mesh/rpc/fuzz_server.h"

mesh_server *fuzz_server_start(void)
{
    mesh_server *server = NULL;
    mesh_reflection *reflection;
    mesh_health *health;
    mesh_error err;

    mesh_error_clear(&err);
    FUZZ_CHECK(mesh_health_create(&health, &err) == MESH_OK);
    FUZZ_CHECK(mesh_health_set(health, "order.v1.OrderService", MESH_HEALTH_SERVING, &err) ==
               MESH_OK);
    FUZZ_CHECK(mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = "127.0.0.1:0",
                                               .worker_count = 1, .transport = FUZZ_TRANSPORT),
                                  &server, &err) == MESH_OK);
    FUZZ_CHECK(mesh_server_add(server, mesh_health_api(health), &err) == MESH_OK);
    FUZZ_CHECK(mesh_reflection_create(server, &reflection, &err) == MESH_OK);
    FUZZ_CHECK(mesh_server_add(server, mesh_reflection_api(reflection), &err) == MESH_OK);
    FUZZ_CHECK(mesh_server_add(server, mesh_reflection_api_v1alpha(reflection), &err) == MESH_OK);
    FUZZ_CHECK(mesh_server_start(server, &err) == MESH_OK);
    return server;
}
