/* The server that users write: typed messages, generated stubs. Listens on a free port and prints
 * it. */
#include <stdio.h>
#include <unistd.h>

#include "bench/v1/echo.mesh.h"
#include "mesh/rpc/server.h"

static mesh_code call(void *self, mesh_call *context, const Bench__V1__Order *request,
                      Bench__V1__Order *response, mesh_error *err)
{
    (void)self;
    (void)context;
    (void)err;
    *response = *request;
    return MESH_OK;
}

static const bench__v1__echo__handlers echo = {.call__inline = call};

int main(void)
{
    mesh_server_options options = {.listen = "127.0.0.1:0", .poller_count = 1};
    mesh_server *server;
    mesh_error err;

    if (mesh_server_create(&options, &server, &err) != MESH_OK ||
        mesh_server_add(server, bench__v1__echo__api(&echo, NULL), &err) != MESH_OK ||
        mesh_server_start(server, &err) != MESH_OK) {
        fprintf(stderr, "typed_echo: %s\n", err.message);
        return 1;
    }
    printf("%d\n", mesh_server_port(server));
    fflush(stdout);
    for (;;)
        (void)pause();
}
