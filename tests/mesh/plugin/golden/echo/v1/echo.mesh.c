/* Written by protoc-gen-mesh 0.1.0 from echo/v1/echo.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "echo/v1/echo.mesh.h"

static const uint8_t file_bytes[326] = {
    10,18,101,99,104,111,47,118,49,47,101,99,104,111,46,112,114,111,116,111,
    18,7,101,99,104,111,46,118,49,26,21,109,101,115,104,47,118,49,47,111,
    112,116,105,111,110,115,46,112,114,111,116,111,34,45,10,6,78,117,109,98,
    101,114,18,25,10,5,118,97,108,117,101,24,1,32,1,40,5,72,0,82,
    5,118,97,108,117,101,136,1,1,66,8,10,6,95,118,97,108,117,101,50,
    216,1,10,4,69,99,104,111,18,50,10,6,68,111,117,98,108,101,18,15,
    46,101,99,104,111,46,118,49,46,78,117,109,98,101,114,26,15,46,101,99,
    104,111,46,118,49,46,78,117,109,98,101,114,34,6,162,187,24,2,8,1,
    18,51,10,5,67,111,117,110,116,18,15,46,101,99,104,111,46,118,49,46,
    78,117,109,98,101,114,26,15,46,101,99,104,111,46,118,49,46,78,117,109,
    98,101,114,34,6,162,187,24,2,8,1,48,1,18,49,10,3,83,117,109,
    18,15,46,101,99,104,111,46,118,49,46,78,117,109,98,101,114,26,15,46,
    101,99,104,111,46,118,49,46,78,117,109,98,101,114,34,6,162,187,24,2,
    8,1,40,1,18,52,10,4,84,97,108,107,18,15,46,101,99,104,111,46,
    118,49,46,78,117,109,98,101,114,26,15,46,101,99,104,111,46,118,49,46,
    78,117,109,98,101,114,34,6,162,187,24,2,8,1,40,1,48,1,98,6,
    112,114,111,116,111,51,
};

static const mesh_file *const file_imports[] = {
    &mesh__v1__options_proto__file,
};

const mesh_file echo__v1__echo_proto__file = {
    .name = "echo/v1/echo.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 1,
};

/* How a method is handled, by which of its slots are filled. */
static inline mesh_handler_style
mesh_style(bool worker, bool other, mesh_handler_style style)
{
    if (worker)
        return other ? MESH_HANDLER_CONFLICT : MESH_HANDLER_WORKER;
    return other ? style : MESH_HANDLER_NONE;
}

static mesh_handler_style echo__v1__echo__double__style(const void *handlers)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    return mesh_style(slots->double_ != NULL, slots->double__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code echo__v1__echo__double__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    (void)stream;
    return (slots->double_ != NULL ? slots->double_ : slots->double__inline)(
        self, call, (const Echo__V1__Number *)request, (Echo__V1__Number *)response, err);
}

static mesh_handler_style echo__v1__echo__count__style(const void *handlers)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    return mesh_style(slots->count != NULL, slots->count__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code echo__v1__echo__count__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    (void)response;
    return slots->count(
        self, call, (const Echo__V1__Number *)request, stream, err);
}

static mesh_code echo__v1__echo__count__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const echo__v1__echo__count__events *events =
        ((const echo__v1__echo__handlers *)handlers)->count__events;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, (const Echo__V1__Number *)request, err);
}

static void echo__v1__echo__count__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const echo__v1__echo__count__events *events =
        ((const echo__v1__echo__handlers *)handlers)->count__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void echo__v1__echo__count__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const echo__v1__echo__count__events *events =
        ((const echo__v1__echo__handlers *)handlers)->count__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter echo__v1__echo__count__adapter = {
    .on_open = echo__v1__echo__count__on_open,
    .on_writable = echo__v1__echo__count__on_writable,
    .on_close = echo__v1__echo__count__on_close,
};

static mesh_handler_style echo__v1__echo__sum__style(const void *handlers)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    return mesh_style(slots->sum != NULL, slots->sum__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code echo__v1__echo__sum__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    (void)request;
    return slots->sum(
        self, call, stream, (Echo__V1__Number *)response, err);
}

static mesh_code echo__v1__echo__sum__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const echo__v1__echo__sum__events *events =
        ((const echo__v1__echo__handlers *)handlers)->sum__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code echo__v1__echo__sum__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const echo__v1__echo__sum__events *events =
        ((const echo__v1__echo__handlers *)handlers)->sum__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Echo__V1__Number *)message, err);
}

static void echo__v1__echo__sum__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const echo__v1__echo__sum__events *events =
        ((const echo__v1__echo__handlers *)handlers)->sum__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void echo__v1__echo__sum__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const echo__v1__echo__sum__events *events =
        ((const echo__v1__echo__handlers *)handlers)->sum__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void echo__v1__echo__sum__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const echo__v1__echo__sum__events *events =
        ((const echo__v1__echo__handlers *)handlers)->sum__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter echo__v1__echo__sum__adapter = {
    .on_open = echo__v1__echo__sum__on_open,
    .on_message = echo__v1__echo__sum__on_message,
    .on_end = echo__v1__echo__sum__on_end,
    .on_writable = echo__v1__echo__sum__on_writable,
    .on_close = echo__v1__echo__sum__on_close,
};

static mesh_handler_style echo__v1__echo__talk__style(const void *handlers)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    return mesh_style(slots->talk != NULL, slots->talk__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code echo__v1__echo__talk__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const echo__v1__echo__handlers *slots = (const echo__v1__echo__handlers *)handlers;
    (void)request;
    (void)response;
    return slots->talk(self, call, stream, err);
}

static mesh_code echo__v1__echo__talk__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const echo__v1__echo__talk__events *events =
        ((const echo__v1__echo__handlers *)handlers)->talk__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code echo__v1__echo__talk__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const echo__v1__echo__talk__events *events =
        ((const echo__v1__echo__handlers *)handlers)->talk__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Echo__V1__Number *)message, err);
}

static void echo__v1__echo__talk__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const echo__v1__echo__talk__events *events =
        ((const echo__v1__echo__handlers *)handlers)->talk__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void echo__v1__echo__talk__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const echo__v1__echo__talk__events *events =
        ((const echo__v1__echo__handlers *)handlers)->talk__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void echo__v1__echo__talk__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const echo__v1__echo__talk__events *events =
        ((const echo__v1__echo__handlers *)handlers)->talk__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter echo__v1__echo__talk__adapter = {
    .on_open = echo__v1__echo__talk__on_open,
    .on_message = echo__v1__echo__talk__on_message,
    .on_end = echo__v1__echo__talk__on_end,
    .on_writable = echo__v1__echo__talk__on_writable,
    .on_close = echo__v1__echo__talk__on_close,
};

const mesh_method echo__v1__echo__methods[] = {
    [ECHO__V1__ECHO__DOUBLE] = {
        .path = "/echo.v1.Echo/Double",
        .name = "Double",
        .api = &echo__v1__echo__descriptor,
        .kind = MESH_UNARY,
        .request = &echo__v1__number__descriptor,
        .response = &echo__v1__number__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .style = echo__v1__echo__double__style,
        .invoke = echo__v1__echo__double__invoke,
    },
    [ECHO__V1__ECHO__COUNT] = {
        .path = "/echo.v1.Echo/Count",
        .name = "Count",
        .api = &echo__v1__echo__descriptor,
        .kind = MESH_SERVER_STREAMING,
        .request = &echo__v1__number__descriptor,
        .response = &echo__v1__number__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .style = echo__v1__echo__count__style,
        .invoke = echo__v1__echo__count__invoke,
        .events = &echo__v1__echo__count__adapter,
    },
    [ECHO__V1__ECHO__SUM] = {
        .path = "/echo.v1.Echo/Sum",
        .name = "Sum",
        .api = &echo__v1__echo__descriptor,
        .kind = MESH_CLIENT_STREAMING,
        .request = &echo__v1__number__descriptor,
        .response = &echo__v1__number__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .style = echo__v1__echo__sum__style,
        .invoke = echo__v1__echo__sum__invoke,
        .events = &echo__v1__echo__sum__adapter,
    },
    [ECHO__V1__ECHO__TALK] = {
        .path = "/echo.v1.Echo/Talk",
        .name = "Talk",
        .api = &echo__v1__echo__descriptor,
        .kind = MESH_BIDI_STREAMING,
        .request = &echo__v1__number__descriptor,
        .response = &echo__v1__number__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .style = echo__v1__echo__talk__style,
        .invoke = echo__v1__echo__talk__invoke,
        .events = &echo__v1__echo__talk__adapter,
    },
};

const mesh_api_descriptor echo__v1__echo__descriptor = {
    .name = "echo.v1.Echo",
    .file = &echo__v1__echo_proto__file,
    .methods = echo__v1__echo__methods,
    .method_count = 4,
    .version = 1000,
};

mesh_code echo__v1__echo__double(mesh_channel *channel,
    const Echo__V1__Number *request, Echo__V1__Number **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &echo__v1__echo__methods[ECHO__V1__ECHO__DOUBLE],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Echo__V1__Number *)answer;
    return code;
}

static void echo__v1__echo__double__answer(const mesh_answer *answer)
{
    echo__v1__echo__double__done *done = (echo__v1__echo__double__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Echo__V1__Number *)answer->response,
            answer->err);
}

mesh_code echo__v1__echo__double__async(mesh_channel *channel,
    const Echo__V1__Number *request, const mesh_call_options *options,
    echo__v1__echo__double__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &echo__v1__echo__methods[ECHO__V1__ECHO__DOUBLE],
        (const ProtobufCMessage *)request, options, &answer, echo__v1__echo__double__answer);
}
