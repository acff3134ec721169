/* A service's api on a server and a channel in the test's own process. */
#ifndef TESTS_SERVICES_SERVE_H
#define TESTS_SERVICES_SERVE_H

#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"

typedef struct serve {
    mesh_server *server;
    mesh_channel *channel;
} serve;

/* Serves on a free port, and makes a channel to it. Fails the test when it cannot. */
void serve_start(serve *serve, mesh_api api);
void serve_start_with(serve *serve, mesh_api api, const mesh_interceptor *interceptor);

/* Gives up the channel, then drains for at most a second. */
void serve_stop(serve *serve);

#endif
