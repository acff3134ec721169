/* Written by protoc-gen-mesh 0.1.0 from no_package.proto: do not edit. */
#ifndef MESH_GEN_no_package_proto_H
#define MESH_GEN_no_package_proto_H

#include "no_package.pb-c.h"

#include "mesh/rpc/channel.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of no_package.proto, for server reflection. */
extern const mesh_file no_package_proto__file;

extern const mesh_api_descriptor bare__descriptor;
extern const mesh_method bare__methods[];

/* Indexes of the methods in the table. */
enum {
    BARE__GET = 0,
};

/*
 * Handlers of Bare; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct bare__handlers {
    mesh_code (*get)(void *self, mesh_call *call,
        const Plain *request, Plain *response, mesh_error *err);
    mesh_code (*get__inline)(void *self, mesh_call *call,
        const Plain *request, Plain *response, mesh_error *err);
} bare__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api bare__api(
    const bare__handlers *handlers, void *self)
{
    return mesh_api_make(&bare__descriptor, handlers, self);
}

MESH_API mesh_code bare__get(mesh_channel *channel,
    const Plain *request, Plain **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void bare__get__done(void *context, mesh_code code,
    const Plain *response, const mesh_error *err);
MESH_API mesh_code bare__get__async(mesh_channel *channel,
    const Plain *request, const mesh_call_options *options,
    bare__get__done *done, void *context);

MESH_END_DECLS

#endif
