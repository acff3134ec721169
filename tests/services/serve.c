#include "tests/services/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

void serve_start(serve *serve, mesh_api api)
{
    serve_start_with(serve, api, NULL);
}

void serve_start_with(serve *serve, mesh_api api, const mesh_interceptor *interceptor)
{
    const mesh_server_options options = {.listen = "127.0.0.1:0",
                                         .interceptors = interceptor,
                                         .interceptor_count = interceptor != NULL};
    mesh_error err;
    mesh_error_clear(&err);
    if (mesh_server_create(&options, &serve->server, &err) != MESH_OK ||
        mesh_server_add(serve->server, api, &err) != MESH_OK ||
        mesh_server_start(serve->server, &err) != MESH_OK)
        fail_msg("cannot serve: %s", err.message);

    char target[32];
    snprintf(target, sizeof target, "127.0.0.1:%d", mesh_server_port(serve->server));
    if (mesh_channel_create(target, NULL, &serve->channel, &err) != MESH_OK)
        fail_msg("no channel to %s: %s", target, err.message);
}

void serve_stop(serve *serve)
{
    mesh_channel_destroy(serve->channel);
    mesh_server_drain(serve->server, 1000);
    mesh_server_destroy(serve->server);
    serve->channel = NULL;
    serve->server = NULL;
}
