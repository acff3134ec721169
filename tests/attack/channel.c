#include "tests/attack/channel.h"

#include "attack/v1/target.mesh.h"
#include "google/protobuf/empty.pb-c.h"

enum {
    KEEPALIVE_MS = 600000 /* longer than any attack */
};

mesh_channel *channel_connect(const attempt *attempt, int purpose)
{
    const mesh_tls_options tls = {.ca_file = attempt->ca, .server_name = "localhost"};
    mesh_channel *channel = NULL;

    (void)mesh_channel_create(attempt->target,
                              &(mesh_channel_options){.tls = attempt->ca != NULL ? &tls : NULL,
                                                      .keepalive_ms = KEEPALIVE_MS + purpose},
                              &channel, NULL);
    return channel;
}

mesh_method channel_method(const char *path, mesh_method_kind kind)
{
    mesh_method method = attack__v1__target__methods[ATTACK__V1__TARGET__ECHO];

    method.path = path;
    method.kind = kind;
    method.request = method.response = kind == MESH_UNARY ? &google__protobuf__empty__descriptor
                                                          : NULL;
    return method;
}

bool channel_call(mesh_channel *channel, const mesh_method *method, int64_t timeout_ms)
{
    const Google__Protobuf__Empty request = GOOGLE__PROTOBUF__EMPTY__INIT;
    mesh_arena *arena = mesh_arena_create(256, 64 * 1024);
    ProtobufCMessage *response;
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    if (arena != NULL)
        code = mesh_unary_call(channel, method, &request.base, &response,
                               &(mesh_call_options){.arena = arena, .timeout_ms = timeout_ms},
                               NULL);
    mesh_arena_destroy(arena);
    return code == MESH_OK;
}
