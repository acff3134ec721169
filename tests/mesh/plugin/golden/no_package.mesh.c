/* Written by protoc-gen-mesh 0.1.0 from no_package.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "no_package.mesh.h"

static const uint8_t file_bytes[80] = {
    10,16,110,111,95,112,97,99,107,97,103,101,46,112,114,111,116,111,34,21,
    10,5,80,108,97,105,110,18,12,10,1,110,24,1,32,1,40,5,82,1,
    110,50,29,10,4,66,97,114,101,18,21,10,3,71,101,116,18,6,46,80,
    108,97,105,110,26,6,46,80,108,97,105,110,98,6,112,114,111,116,111,51,
};

const mesh_file no_package_proto__file = {
    .name = "no_package.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
};

/* How a method is handled, by which of its slots are filled. */
static inline mesh_handler_style
mesh_style(bool worker, bool other, mesh_handler_style style)
{
    if (worker)
        return other ? MESH_HANDLER_CONFLICT : MESH_HANDLER_WORKER;
    return other ? style : MESH_HANDLER_NONE;
}

static mesh_handler_style bare__get__style(const void *handlers)
{
    const bare__handlers *slots = (const bare__handlers *)handlers;
    return mesh_style(slots->get != NULL, slots->get__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code bare__get__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const bare__handlers *slots = (const bare__handlers *)handlers;
    (void)stream;
    return (slots->get != NULL ? slots->get : slots->get__inline)(
        self, call, (const Plain *)request, (Plain *)response, err);
}

const mesh_method bare__methods[] = {
    [BARE__GET] = {
        .path = "/Bare/Get",
        .name = "Get",
        .api = &bare__descriptor,
        .kind = MESH_UNARY,
        .request = &plain__descriptor,
        .response = &plain__descriptor,
        .style = bare__get__style,
        .invoke = bare__get__invoke,
    },
};

const mesh_api_descriptor bare__descriptor = {
    .name = "Bare",
    .file = &no_package_proto__file,
    .methods = bare__methods,
    .method_count = 1,
    .version = 1000,
};

mesh_code bare__get(mesh_channel *channel,
    const Plain *request, Plain **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &bare__methods[BARE__GET],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Plain *)answer;
    return code;
}

static void bare__get__answer(const mesh_answer *answer)
{
    bare__get__done *done = (bare__get__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Plain *)answer->response,
            answer->err);
}

mesh_code bare__get__async(mesh_channel *channel,
    const Plain *request, const mesh_call_options *options,
    bare__get__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &bare__methods[BARE__GET],
        (const ProtobufCMessage *)request, options, &answer, bare__get__answer);
}
