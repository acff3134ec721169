/* Written by protoc-gen-mesh 0.1.0 from odd/int/class/v1/names.proto: do not edit. */
#ifndef MESH_GEN_odd__int__class__v1__names_proto_H
#define MESH_GEN_odd__int__class__v1__names_proto_H

#include "odd/int/class/v1/names.pb-c.h"

#include "mesh/rpc/channel.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of odd/int/class/v1/names.proto, for server reflection. */
extern const mesh_file odd__int__class__v1__names_proto__file;

/* Presence of `noexcept`; set keeps the pointer it is given. */
static inline bool odd__int__class__v1__struct__has_noexcept(
    const Odd__Int__Class__V1__Struct *message)
{
    return message->_noexcept_case == ODD__INT__CLASS__V1__STRUCT___NOEXCEPT_NOEXCEPT;
}
static inline void odd__int__class__v1__struct__set_noexcept(
    Odd__Int__Class__V1__Struct *message, const char *value)
{
    message->_noexcept_case = ODD__INT__CLASS__V1__STRUCT___NOEXCEPT_NOEXCEPT;
    message->noexcept_ = (char *)value;
}
static inline void odd__int__class__v1__struct__clear_noexcept(
    Odd__Int__Class__V1__Struct *message)
{
    message->_noexcept_case = ODD__INT__CLASS__V1__STRUCT___NOEXCEPT__NOT_SET;
}

extern const mesh_api_descriptor odd__int__class__v1__operator__descriptor;
extern const mesh_method odd__int__class__v1__operator__methods[];

/* Indexes of the methods in the table. */
enum {
    ODD__INT__CLASS__V1__OPERATOR__NEW = 0,
    ODD__INT__CLASS__V1__OPERATOR__DELETE = 1,
    ODD__INT__CLASS__V1__OPERATOR__TYPENAME = 2,
    ODD__INT__CLASS__V1__OPERATOR__STATIC_CAST = 3,
    ODD__INT__CLASS__V1__OPERATOR__RESTRICT = 4,
};

/* `delete_` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct odd__int__class__v1__operator__delete__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Odd__Int__Class__V1__Char *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} odd__int__class__v1__operator__delete__events;

/* `typename_` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct odd__int__class__v1__operator__typename__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream,
        const Odd__Int__Class__V1__Char *request, mesh_error *err);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} odd__int__class__v1__operator__typename__events;

/* `static_cast_` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct odd__int__class__v1__operator__static_cast__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Odd__Int__Class__V1__Char *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} odd__int__class__v1__operator__static_cast__events;

/*
 * Handlers of odd.int.class.v1.operator; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct odd__int__class__v1__operator__handlers {
    mesh_code (*new_)(void *self, mesh_call *call,
        const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__Struct *response, mesh_error *err);
    mesh_code (*new__inline)(void *self, mesh_call *call,
        const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__Struct *response, mesh_error *err);
    mesh_code (*delete_)(void *self, mesh_call *call,
        mesh_stream *stream, mesh_error *err);
    const odd__int__class__v1__operator__delete__events *delete__events;
    mesh_code (*typename_)(void *self, mesh_call *call,
        const Odd__Int__Class__V1__Char *request, mesh_stream *stream, mesh_error *err);
    const odd__int__class__v1__operator__typename__events *typename__events;
    mesh_code (*static_cast_)(void *self, mesh_call *call,
        mesh_stream *stream, Odd__Int__Class__V1__Struct *response, mesh_error *err);
    const odd__int__class__v1__operator__static_cast__events *static_cast__events;
    mesh_code (*restrict_)(void *self, mesh_call *call,
        const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__NULL *response, mesh_error *err);
    mesh_code (*restrict__inline)(void *self, mesh_call *call,
        const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__NULL *response, mesh_error *err);
} odd__int__class__v1__operator__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api odd__int__class__v1__operator__api(
    const odd__int__class__v1__operator__handlers *handlers, void *self)
{
    return mesh_api_make(&odd__int__class__v1__operator__descriptor, handlers, self);
}

MESH_API mesh_code odd__int__class__v1__operator__new(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__Struct **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void odd__int__class__v1__operator__new__done(void *context, mesh_code code,
    const Odd__Int__Class__V1__Struct *response, const mesh_error *err);
MESH_API mesh_code odd__int__class__v1__operator__new__async(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, const mesh_call_options *options,
    odd__int__class__v1__operator__new__done *done, void *context);

static inline mesh_code odd__int__class__v1__operator__delete(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__DELETE],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code odd__int__class__v1__operator__delete__send(
    mesh_stream *stream, const Odd__Int__Class__V1__Char *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code odd__int__class__v1__operator__delete__next(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Odd__Int__Class__V1__Struct *)next;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code odd__int__class__v1__operator__delete__receive(
    mesh_stream *stream, const Odd__Int__Class__V1__Char **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Odd__Int__Class__V1__Char *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code odd__int__class__v1__operator__delete__reply(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code odd__int__class__v1__operator__delete__try_reply(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

static inline mesh_code odd__int__class__v1__operator__typename(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, mesh_stream **stream,
    const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__TYPENAME],
        (const ProtobufCMessage *)request, options, stream, err);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code odd__int__class__v1__operator__typename__next(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Odd__Int__Class__V1__Struct *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code odd__int__class__v1__operator__typename__reply(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code odd__int__class__v1__operator__typename__try_reply(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

static inline mesh_code odd__int__class__v1__operator__static_cast(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &odd__int__class__v1__operator__methods[ODD__INT__CLASS__V1__OPERATOR__STATIC_CAST],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code odd__int__class__v1__operator__static_cast__send(
    mesh_stream *stream, const Odd__Int__Class__V1__Char *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the one response, as mesh_stream_finish_response. */
static inline mesh_code odd__int__class__v1__operator__static_cast__finish(
    mesh_stream *stream, Odd__Int__Class__V1__Struct **response, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_stream_finish_response(stream, &answer, err);
    if (code == MESH_OK && response != NULL)
        *response = (Odd__Int__Class__V1__Struct *)answer;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code odd__int__class__v1__operator__static_cast__receive(
    mesh_stream *stream, const Odd__Int__Class__V1__Char **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Odd__Int__Class__V1__Char *)next;
    return code;
}

/* Handler with events: sends the one response, before mesh_stream_end. */
static inline mesh_code odd__int__class__v1__operator__static_cast__reply(
    mesh_stream *stream, const Odd__Int__Class__V1__Struct *response)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)response);
}

MESH_API mesh_code odd__int__class__v1__operator__restrict(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, Odd__Int__Class__V1__NULL **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void odd__int__class__v1__operator__restrict__done(void *context, mesh_code code,
    const Odd__Int__Class__V1__NULL *response, const mesh_error *err);
MESH_API mesh_code odd__int__class__v1__operator__restrict__async(mesh_channel *channel,
    const Odd__Int__Class__V1__Char *request, const mesh_call_options *options,
    odd__int__class__v1__operator__restrict__done *done, void *context);

MESH_END_DECLS

#endif
