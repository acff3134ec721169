/*
 * The constant tables that protoc-gen-mesh writes for every file and service: what the contract
 * says, as data. Immutable and of static storage, so any thread reads them at any time. They keep
 * their size (mesh/base/api.h); in a table of an older plugin what came later is NULL.
 */
#ifndef MESH_RPC_METHOD_H
#define MESH_RPC_METHOD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

MESH_BEGIN_DECLS

typedef struct mesh_call mesh_call;     /* mesh/rpc/call.h */
typedef struct mesh_stream mesh_stream; /* mesh/rpc/stream.h */

/* A compiled .proto file: what server reflection hands out. */
typedef struct mesh_file mesh_file;
struct mesh_file {
    const char *name;          /* "order/v1/order.proto" */
    const uint8_t *descriptor; /* encoded google.protobuf.FileDescriptorProto */
    size_t descriptor_size;
    const mesh_file *const *dependencies; /* direct imports */
    size_t dependency_count;
    const void *reserved[2];
};

typedef enum mesh_method_kind {
    MESH_UNARY,
    MESH_CLIENT_STREAMING,
    MESH_SERVER_STREAMING,
    MESH_BIDI_STREAMING
} mesh_method_kind;

/* Who may call: the option (mesh.v1.method) of the contract. */
typedef enum mesh_policy_kind {
    MESH_POLICY_UNDECLARED, /* a server with such a method refuses to start */
    MESH_POLICY_PUBLIC,
    MESH_POLICY_AUTHENTICATED,
    MESH_POLICY_ROLES,
    MESH_POLICY_PERMISSION,
    MESH_POLICY_SERVICES
} mesh_policy_kind;

typedef struct mesh_policy {
    mesh_policy_kind kind;
    const char *permission;   /* for PERMISSION: "product.delete", else NULL */
    const char *const *names; /* for ROLES and SERVICES: the names, NULL at the end; else NULL */
    bool sensitive;           /* a cached permission is not good enough */
} mesh_policy;

/* descriptor.proto's idempotency_level. */
typedef enum mesh_idempotency {
    MESH_IDEMPOTENCY_UNKNOWN,
    MESH_NO_SIDE_EFFECTS,
    MESH_IDEMPOTENT
} mesh_idempotency;

/* google.api.http: one rule; additional bindings follow as further entries. */
typedef struct mesh_http_rule {
    const char *verb;          /* "GET", or the kind of a custom pattern */
    const char *path;          /* "/products/{id}" */
    const char *body;          /* "", "*" or a field */
    const char *response_body; /* "" or a field */
} mesh_http_rule;

/* How a handler of a method is run, told by which slot of the handler table was filled. */
typedef enum mesh_handler_style {
    MESH_HANDLER_NONE,   /* empty slot: UNIMPLEMENTED */
    MESH_HANDLER_WORKER, /* on the bounded worker pool: may block */
    /*
     * Unary only: on the transport's thread, must not block; with a request that came compressed,
     * on a worker like the others, since it has to be inflated. It runs as soon as the request is
     * there; the other styles wait until the client has sent all, and answer UNIMPLEMENTED if that
     * is more than one message
     * (https://grpc.github.io/grpc/core/md_doc_statuscodes.html, request cardinality).
     */
    MESH_HANDLER_INLINE,
    MESH_HANDLER_EVENTS,  /* streams only: callbacks, mesh/rpc/stream.h; must not block */
    MESH_HANDLER_CONFLICT /* more than one slot of the method is filled: the server refuses to start
                           */
} mesh_handler_style;

typedef struct mesh_method mesh_method;
typedef struct mesh_api_descriptor mesh_api_descriptor;

/*
 * Generated adapters from the untyped runtime to a typed handler table. `request` and `response`
 * are of the method's message types; those that a kind does not have are NULL:
 *
 *   kind              request   response   stream
 *   unary             yes       yes        NULL
 *   client streaming  NULL      yes        yes
 *   server streaming  yes       NULL       yes
 *   bidi streaming    NULL      NULL       yes
 */
typedef mesh_code mesh_invoke_fn(const void *handlers, void *self, mesh_call *call,
                                 const ProtobufCMessage *request, ProtobufCMessage *response,
                                 mesh_stream *stream, mesh_error *err);

/* Adapters of an evented stream; see mesh/rpc/stream.h for when each is called. */
typedef struct mesh_events_adapter {
    mesh_code (*on_open)(const void *handlers, void *self, mesh_stream *stream,
                         const ProtobufCMessage *request, mesh_error *err);
    mesh_code (*on_message)(const void *handlers, void *self, mesh_stream *stream,
                            const ProtobufCMessage *message, mesh_error *err);
    void (*on_end)(const void *handlers, void *self, mesh_stream *stream);
    void (*on_writable)(const void *handlers, void *self, mesh_stream *stream);
    void (*on_close)(const void *handlers, void *self, mesh_stream *stream, mesh_code code);
    const void *reserved[2];
} mesh_events_adapter;

struct mesh_method {
    const char *path;               /* "/order.v1.OrderService/CreateOrder" */
    const char *name;               /* "CreateOrder" */
    const mesh_api_descriptor *api; /* never NULL */
    mesh_method_kind kind;
    mesh_idempotency idempotency;
    const ProtobufCMessageDescriptor
        *request; /* NULL: bytes, for tools that learn types at run time */
    const ProtobufCMessageDescriptor *response;
    mesh_policy policy;
    int64_t deadline_ms; /* the contract's default, 0: none */
    const mesh_http_rule *http;
    size_t http_count;
    bool deprecated;

    mesh_handler_style (*style)(const void *handlers);
    mesh_invoke_fn *invoke;
    const mesh_events_adapter *events; /* NULL for unary methods */
    const void *reserved[4];
};

struct mesh_api_descriptor {
    const char *name; /* "order.v1.OrderService" */
    const mesh_file *file;
    const mesh_method *methods;
    size_t method_count;
    /* MESH_VERSION_NUMBER of the plugin that wrote it. A server does not take a service that is
     * newer than its library, nor does a channel call it: FAILED_PRECONDITION. */
    uint32_t version;
    const void *reserved[2];
};

/* A service's implementation: the generated `<package>__<service>__api(&handlers, self)` makes it.
 */
typedef struct mesh_api {
    const mesh_api_descriptor *descriptor;
    const void *handlers; /* borrowed for the server's life */
    void *self;           /* handed to every handler */
    const void *reserved[2];
} mesh_api;

/* For generated code, which does not say what else an api may have. */
static inline mesh_api mesh_api_make(const mesh_api_descriptor *descriptor, const void *handlers,
                                     void *self)
{
    mesh_api api = {descriptor, handlers, self, {NULL, NULL}};

    return api;
}

MESH_END_DECLS

#endif
