/* Written by protoc-gen-mesh 0.1.0 from odd/int/class/v1/names.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "odd/int/class/v1/names.mesh.h"

static const uint8_t file_bytes[1185] = {
    10,28,111,100,100,47,105,110,116,47,99,108,97,115,115,47,118,49,47,110,
    97,109,101,115,46,112,114,111,116,111,18,16,111,100,100,46,105,110,116,46,
    99,108,97,115,115,46,118,49,34,145,6,10,6,115,116,114,117,99,116,18,
    26,10,8,114,101,115,116,114,105,99,116,24,1,32,1,40,9,82,8,114,
    101,115,116,114,105,99,116,18,24,10,7,110,117,108,108,112,116,114,24,2,
    32,3,40,5,82,7,110,117,108,108,112,116,114,18,69,10,9,99,111,110,
    115,116,101,120,112,114,24,3,32,3,40,11,50,39,46,111,100,100,46,105,
    110,116,46,99,108,97,115,115,46,118,49,46,115,116,114,117,99,116,46,67,
    111,110,115,116,101,120,112,114,69,110,116,114,121,82,9,99,111,110,115,116,
    101,120,112,114,18,28,10,7,97,108,105,103,110,97,115,24,4,32,1,40,
    12,66,2,24,1,82,7,97,108,105,103,110,97,115,18,50,10,7,116,121,
    112,101,100,101,102,24,5,32,1,40,11,50,24,46,111,100,100,46,105,110,
    116,46,99,108,97,115,115,46,118,49,46,115,116,114,117,99,116,82,7,116,
    121,112,101,100,101,102,18,51,10,5,117,110,105,111,110,24,6,32,1,40,
    14,50,29,46,111,100,100,46,105,110,116,46,99,108,97,115,115,46,118,49,
    46,115,116,114,117,99,116,46,101,110,117,109,82,5,117,110,105,111,110,18,
    28,10,8,100,101,99,108,116,121,112,101,24,7,32,1,40,12,72,0,82,
    8,100,101,99,108,116,121,112,101,18,24,10,6,101,120,112,111,114,116,24,
    8,32,1,40,5,72,0,82,6,101,120,112,111,114,116,18,20,10,4,97,
    117,116,111,24,9,32,1,40,9,72,0,82,4,97,117,116,111,18,57,10,
    6,115,116,97,116,105,99,24,10,32,1,40,11,50,33,46,111,100,100,46,
    105,110,116,46,99,108,97,115,115,46,118,49,46,115,116,114,117,99,116,46,
    116,101,109,112,108,97,116,101,82,6,115,116,97,116,105,99,18,31,10,8,
    110,111,101,120,99,101,112,116,24,11,32,1,40,9,72,1,82,8,110,111,
    101,120,99,101,112,116,136,1,1,18,61,10,8,114,101,113,117,105,114,101,
    115,24,12,32,3,40,11,50,33,46,111,100,100,46,105,110,116,46,99,108,
    97,115,115,46,118,49,46,115,116,114,117,99,116,46,116,101,109,112,108,97,
    116,101,82,8,114,101,113,117,105,114,101,115,18,20,10,5,108,105,110,117,
    120,24,13,32,1,40,9,82,5,108,105,110,117,120,18,21,10,6,115,105,
    122,101,95,116,24,14,32,1,40,9,82,5,115,105,122,101,84,18,24,10,
    7,109,101,115,115,97,103,101,24,15,32,1,40,9,82,7,109,101,115,115,
    97,103,101,18,20,10,5,118,97,108,117,101,24,16,32,1,40,9,82,5,
    118,97,108,117,101,26,60,10,14,67,111,110,115,116,101,120,112,114,69,110,
    116,114,121,18,16,10,3,107,101,121,24,1,32,1,40,9,82,3,107,101,
    121,18,20,10,5,118,97,108,117,101,24,2,32,1,40,9,82,5,118,97,
    108,117,101,58,2,56,1,26,74,10,8,116,101,109,112,108,97,116,101,18,
    18,10,4,98,111,111,108,24,1,32,1,40,8,82,4,98,111,111,108,18,
    42,10,4,99,104,97,114,24,2,32,1,40,11,50,22,46,111,100,100,46,
    105,110,116,46,99,108,97,115,115,46,118,49,46,99,104,97,114,82,4,99,
    104,97,114,34,26,10,4,101,110,117,109,18,8,10,4,118,111,105,100,16,
    0,18,8,10,4,110,117,108,108,16,1,66,10,10,8,114,101,103,105,115,
    116,101,114,66,11,10,9,95,110,111,101,120,99,101,112,116,34,6,10,4,
    99,104,97,114,34,6,10,4,78,85,76,76,50,194,2,10,8,111,112,101,
    114,97,116,111,114,18,55,10,3,110,101,119,18,22,46,111,100,100,46,105,
    110,116,46,99,108,97,115,115,46,118,49,46,99,104,97,114,26,24,46,111,
    100,100,46,105,110,116,46,99,108,97,115,115,46,118,49,46,115,116,114,117,
    99,116,18,62,10,6,100,101,108,101,116,101,18,22,46,111,100,100,46,105,
    110,116,46,99,108,97,115,115,46,118,49,46,99,104,97,114,26,24,46,111,
    100,100,46,105,110,116,46,99,108,97,115,115,46,118,49,46,115,116,114,117,
    99,116,40,1,48,1,18,62,10,8,116,121,112,101,110,97,109,101,18,22,
    46,111,100,100,46,105,110,116,46,99,108,97,115,115,46,118,49,46,99,104,
    97,114,26,24,46,111,100,100,46,105,110,116,46,99,108,97,115,115,46,118,
    49,46,115,116,114,117,99,116,48,1,18,65,10,11,115,116,97,116,105,99,
    95,99,97,115,116,18,22,46,111,100,100,46,105,110,116,46,99,108,97,115,
    115,46,118,49,46,99,104,97,114,26,24,46,111,100,100,46,105,110,116,46,
    99,108,97,115,115,46,118,49,46,115,116,114,117,99,116,40,1,18,58,10,
    8,114,101,115,116,114,105,99,116,18,22,46,111,100,100,46,105,110,116,46,
    99,108,97,115,115,46,118,49,46,99,104,97,114,26,22,46,111,100,100,46,
    105,110,116,46,99,108,97,115,115,46,118,49,46,78,85,76,76,98,6,112,
    114,111,116,111,51,
};

const mesh_file odd__int__class__v1__names_proto__file = {
    .name = "odd/int/class/v1/names.proto",
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

static mesh_handler_style odd__int__class__v1__operator__new__style(const void *handlers)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    return mesh_style(slots->new_ != NULL, slots->new__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code odd__int__class__v1__operator__new__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    (void)stream;
    return (slots->new_ != NULL ? slots->new_ : slots->new__inline)(
        self, call, (const Odd__Int__Class__V1__Char *)request, (Odd__Int__Class__V1__Struct *)response, err);
}

static mesh_handler_style odd__int__class__v1__operator__delete__style(const void *handlers)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    return mesh_style(slots->delete_ != NULL, slots->delete__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code odd__int__class__v1__operator__delete__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    (void)request;
    (void)response;
    return slots->delete_(self, call, stream, err);
}

static mesh_code odd__int__class__v1__operator__delete__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const odd__int__class__v1__operator__delete__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->delete__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code odd__int__class__v1__operator__delete__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const odd__int__class__v1__operator__delete__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->delete__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Odd__Int__Class__V1__Char *)message, err);
}

static void odd__int__class__v1__operator__delete__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const odd__int__class__v1__operator__delete__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->delete__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void odd__int__class__v1__operator__delete__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const odd__int__class__v1__operator__delete__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->delete__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void odd__int__class__v1__operator__delete__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const odd__int__class__v1__operator__delete__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->delete__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter odd__int__class__v1__operator__delete__adapter = {
    .on_open = odd__int__class__v1__operator__delete__on_open,
    .on_message = odd__int__class__v1__operator__delete__on_message,
    .on_end = odd__int__class__v1__operator__delete__on_end,
    .on_writable = odd__int__class__v1__operator__delete__on_writable,
    .on_close = odd__int__class__v1__operator__delete__on_close,
};

static mesh_handler_style odd__int__class__v1__operator__typename__style(const void *handlers)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    return mesh_style(slots->typename_ != NULL, slots->typename__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code odd__int__class__v1__operator__typename__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    (void)response;
    return slots->typename_(
        self, call, (const Odd__Int__Class__V1__Char *)request, stream, err);
}

static mesh_code odd__int__class__v1__operator__typename__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const odd__int__class__v1__operator__typename__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->typename__events;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, (const Odd__Int__Class__V1__Char *)request, err);
}

static void odd__int__class__v1__operator__typename__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const odd__int__class__v1__operator__typename__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->typename__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void odd__int__class__v1__operator__typename__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const odd__int__class__v1__operator__typename__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->typename__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter odd__int__class__v1__operator__typename__adapter = {
    .on_open = odd__int__class__v1__operator__typename__on_open,
    .on_writable = odd__int__class__v1__operator__typename__on_writable,
    .on_close = odd__int__class__v1__operator__typename__on_close,
};

static mesh_handler_style odd__int__class__v1__operator__static_cast__style(const void *handlers)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    return mesh_style(slots->static_cast_ != NULL, slots->static_cast__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code odd__int__class__v1__operator__static_cast__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    (void)request;
    return slots->static_cast_(
        self, call, stream, (Odd__Int__Class__V1__Struct *)response, err);
}

static mesh_code odd__int__class__v1__operator__static_cast__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const odd__int__class__v1__operator__static_cast__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->static_cast__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code odd__int__class__v1__operator__static_cast__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const odd__int__class__v1__operator__static_cast__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->static_cast__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Odd__Int__Class__V1__Char *)message, err);
}

static void odd__int__class__v1__operator__static_cast__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const odd__int__class__v1__operator__static_cast__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->static_cast__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void odd__int__class__v1__operator__static_cast__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const odd__int__class__v1__operator__static_cast__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->static_cast__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void odd__int__class__v1__operator__static_cast__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const odd__int__class__v1__operator__static_cast__events *events =
        ((const odd__int__class__v1__operator__handlers *)handlers)->static_cast__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter odd__int__class__v1__operator__static_cast__adapter = {
    .on_open = odd__int__class__v1__operator__static_cast__on_open,
    .on_message = odd__int__class__v1__operator__static_cast__on_message,
    .on_end = odd__int__class__v1__operator__static_cast__on_end,
    .on_writable = odd__int__class__v1__operator__static_cast__on_writable,
    .on_close = odd__int__class__v1__operator__static_cast__on_close,
};

static mesh_handler_style odd__int__class__v1__operator__restrict__style(const void *handlers)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    return mesh_style(slots->restrict_ != NULL, slots->restrict__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code odd__int__class__v1__operator__restrict__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const odd__int__class__v1__operator__handlers *slots = (const odd__int__class__v1__operator__handlers *)handlers;
    (void)stream;
    return (slots->restrict_ != NULL ? slots->restrict_ : slots->restrict__inline)(
        self, call, (const Odd__Int__Class__V1__Char *)request, (Odd__Int__Class__V1__NULL *)response, err);
}

const mesh_method odd__int__class__v1__operator__methods[] = {
    [ODD__INT__CLASS__V1__OPERATOR__NEW] = {
        .path = "/odd.int.class.v1.operator/new",
        .name = "new",
        .api = &odd__int__class__v1__operator__descriptor,
        .kind = MESH_UNARY,
        .request = &odd__int__class__v1__char__descriptor,
        .response = &odd__int__class__v1__struct__descriptor,
        .style = odd__int__class__v1__operator__new__style,
        .invoke = odd__int__class__v1__operator__new__invoke,
    },
    [ODD__INT__CLASS__V1__OPERATOR__DELETE] = {
        .path = "/odd.int.class.v1.operator/delete",
        .name = "delete",
        .api = &odd__int__class__v1__operator__descriptor,
        .kind = MESH_BIDI_STREAMING,
        .request = &odd__int__class__v1__char__descriptor,
        .response = &odd__int__class__v1__struct__descriptor,
        .style = odd__int__class__v1__operator__delete__style,
        .invoke = odd__int__class__v1__operator__delete__invoke,
        .events = &odd__int__class__v1__operator__delete__adapter,
    },
    [ODD__INT__CLASS__V1__OPERATOR__TYPENAME] = {
        .path = "/odd.int.class.v1.operator/typename",
        .name = "typename",
        .api = &odd__int__class__v1__operator__descriptor,
        .kind = MESH_SERVER_STREAMING,
        .request = &odd__int__class__v1__char__descriptor,
        .response = &odd__int__class__v1__struct__descriptor,
        .style = odd__int__class__v1__operator__typename__style,
        .invoke = odd__int__class__v1__operator__typename__invoke,
        .events = &odd__int__class__v1__operator__typename__adapter,
    },
    [ODD__INT__CLASS__V1__OPERATOR__STATIC_CAST] = {
        .path = "/odd.int.class.v1.operator/static_cast",
        .name = "static_cast",
        .api = &odd__int__class__v1__operator__descriptor,
        .kind = MESH_CLIENT_STREAMING,
        .request = &odd__int__class__v1__char__descriptor,
        .response = &odd__int__class__v1__struct__descriptor,
        .style = odd__int__class__v1__operator__static_cast__style,
        .invoke = odd__int__class__v1__operator__static_cast__invoke,
        .events = &odd__int__class__v1__operator__static_cast__adapter,
    },
    [ODD__INT__CLASS__V1__OPERATOR__RESTRICT] = {
        .path = "/odd.int.class.v1.operator/restrict",
        .name = "restrict",
        .api = &odd__int__class__v1__operator__descriptor,
        .kind = MESH_UNARY,
        .request = &odd__int__class__v1__char__descriptor,
        .response = &odd__int__class__v1__null__descriptor,
        .style = odd__int__class__v1__operator__restrict__style,
        .invoke = odd__int__class__v1__operator__restrict__invoke,
    },
};

const mesh_api_descriptor odd__int__class__v1__operator__descriptor = {
    .name = "odd.int.class.v1.operator",
    .file = &odd__int__class__v1__names_proto__file,
    .methods = odd__int__class__v1__operator__methods,
    .method_count = 5,
    .version = 1000,
};

mesh_code odd__int__class__v1__operator__new(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__Struct **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__NEW],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Odd__Int__Class__V1__Struct *)answer;
    return code;
}

static void odd__int__class__v1__operator__new__answer(const mesh_answer *answer)
{
    odd__int__class__v1__operator__new__done *done = (odd__int__class__v1__operator__new__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Odd__Int__Class__V1__Struct *)answer->response,
            answer->err);
}

mesh_code odd__int__class__v1__operator__new__async(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, const mesh_call_options *options,
    odd__int__class__v1__operator__new__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__NEW],
        (const ProtobufCMessage *)request, options, &answer, odd__int__class__v1__operator__new__answer);
}

mesh_code odd__int__class__v1__operator__restrict(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__NULL **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__RESTRICT],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Odd__Int__Class__V1__NULL *)answer;
    return code;
}

static void odd__int__class__v1__operator__restrict__answer(const mesh_answer *answer)
{
    odd__int__class__v1__operator__restrict__done *done = (odd__int__class__v1__operator__restrict__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Odd__Int__Class__V1__NULL *)answer->response,
            answer->err);
}

mesh_code odd__int__class__v1__operator__restrict__async(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, const mesh_call_options *options,
    odd__int__class__v1__operator__restrict__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__RESTRICT],
        (const ProtobufCMessage *)request, options, &answer, odd__int__class__v1__operator__restrict__answer);
}
