/* The inside of mesh_server, for the files that run it. Internal. */
#ifndef MESH_RPC_SERVER_IMPL_H
#define MESH_RPC_SERVER_IMPL_H

#include "mesh/rpc/call_impl.h"
#include "mesh/rpc/pool.h"

enum {
    MESH_METHODS_MAX = 1024
};

struct mesh_server {
    mesh_server_options options; /* defaults filled in; immutable */
    char *listen;
    mesh_interceptor *interceptors;
    bool authorizes;
    const mesh_transport *transport;
    mesh_tserver *tserver;
    mesh_pool *pool;
    mesh_api *apis;
    size_t api_count;
    mesh_handler *handlers[MESH_METHODS_MAX];
    size_t handler_count;
    bool start_tried;
    bool started;
    int port;
    atomic_size_t active;   /* all that have not ended, for the drain */
    atomic_size_t admitted; /* of these, at most max_calls: not those that were answered at once */
    mesh_budget memory;     /* received messages, and the calls' arenas */
    mesh_connections connections;
    size_t connection_calls; /* that one may have admitted; immutable, as is the next */
    size_t connection_jobs;
    atomic_bool closed; /* the drain is over: whatever the transport still brings is refused */
    atomic_bool drained;
};

/* What the transport tells: the calls' way in, dispatch.c. */
extern const mesh_server_events mesh_server_dispatch;

#endif
