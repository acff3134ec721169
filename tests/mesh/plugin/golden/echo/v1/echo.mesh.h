/* Written by protoc-gen-mesh 0.1.0 from echo/v1/echo.proto: do not edit. */
#ifndef MESH_GEN_echo__v1__echo_proto_H
#define MESH_GEN_echo__v1__echo_proto_H

#include "echo/v1/echo.pb-c.h"

#include "mesh/v1/options.mesh.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of echo/v1/echo.proto, for server reflection. */
extern const mesh_file echo__v1__echo_proto__file;

/* Presence of `value`; set keeps the pointer it is given. */
static inline bool echo__v1__number__has_value(
    const Echo__V1__Number *message)
{
    return message->_value_case == ECHO__V1__NUMBER___VALUE_VALUE;
}
static inline void echo__v1__number__set_value(
    Echo__V1__Number *message, int32_t value)
{
    message->_value_case = ECHO__V1__NUMBER___VALUE_VALUE;
    message->value = value;
}
static inline void echo__v1__number__clear_value(
    Echo__V1__Number *message)
{
    message->_value_case = ECHO__V1__NUMBER___VALUE__NOT_SET;
}

extern const mesh_api_descriptor echo__v1__echo__descriptor;
extern const mesh_method echo__v1__echo__methods[];

/* Indexes of the methods in the table. */
enum {
    ECHO__V1__ECHO__DOUBLE = 0,
    ECHO__V1__ECHO__COUNT = 1,
    ECHO__V1__ECHO__SUM = 2,
    ECHO__V1__ECHO__TALK = 3,
};

/* `count` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct echo__v1__echo__count__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream,
        const Echo__V1__Number *request, mesh_error *err);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} echo__v1__echo__count__events;

/* `sum` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct echo__v1__echo__sum__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Echo__V1__Number *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} echo__v1__echo__sum__events;

/* `talk` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct echo__v1__echo__talk__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Echo__V1__Number *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} echo__v1__echo__talk__events;

/*
 * Handlers of echo.v1.Echo; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct echo__v1__echo__handlers {
    /*
     * Twice the number; INVALID_ARGUMENT without one.
     */
    mesh_code (*double_)(void *self, mesh_call *call,
        const Echo__V1__Number *request, Echo__V1__Number *response, mesh_error *err);
    mesh_code (*double__inline)(void *self, mesh_call *call,
        const Echo__V1__Number *request, Echo__V1__Number *response, mesh_error *err);
    /*
     * 1, 2, ... up to the number.
     */
    mesh_code (*count)(void *self, mesh_call *call,
        const Echo__V1__Number *request, mesh_stream *stream, mesh_error *err);
    const echo__v1__echo__count__events *count__events;
    /*
     * The sum of all numbers.
     */
    mesh_code (*sum)(void *self, mesh_call *call,
        mesh_stream *stream, Echo__V1__Number *response, mesh_error *err);
    const echo__v1__echo__sum__events *sum__events;
    /*
     * Twice each number.
     */
    mesh_code (*talk)(void *self, mesh_call *call,
        mesh_stream *stream, mesh_error *err);
    const echo__v1__echo__talk__events *talk__events;
} echo__v1__echo__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api echo__v1__echo__api(
    const echo__v1__echo__handlers *handlers, void *self)
{
    return mesh_api_make(&echo__v1__echo__descriptor, handlers, self);
}

/*
 * Twice the number; INVALID_ARGUMENT without one.
 */
MESH_API mesh_code echo__v1__echo__double(mesh_channel *channel,
    const Echo__V1__Number *request, Echo__V1__Number **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void echo__v1__echo__double__done(void *context, mesh_code code,
    const Echo__V1__Number *response, const mesh_error *err);
MESH_API mesh_code echo__v1__echo__double__async(mesh_channel *channel,
    const Echo__V1__Number *request, const mesh_call_options *options,
    echo__v1__echo__double__done *done, void *context);

/*
 * 1, 2, ... up to the number.
 */
static inline mesh_code echo__v1__echo__count(mesh_channel *channel,
    const Echo__V1__Number *request, mesh_stream **stream,
    const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &echo__v1__echo__methods[ECHO__V1__ECHO__COUNT],
        (const ProtobufCMessage *)request, options, stream, err);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code echo__v1__echo__count__next(
    mesh_stream *stream, const Echo__V1__Number **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Echo__V1__Number *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code echo__v1__echo__count__reply(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code echo__v1__echo__count__try_reply(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

/*
 * The sum of all numbers.
 */
static inline mesh_code echo__v1__echo__sum(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &echo__v1__echo__methods[ECHO__V1__ECHO__SUM],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code echo__v1__echo__sum__send(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the one response, as mesh_stream_finish_response. */
static inline mesh_code echo__v1__echo__sum__finish(
    mesh_stream *stream, Echo__V1__Number **response, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_stream_finish_response(stream, &answer, err);
    if (code == MESH_OK && response != NULL)
        *response = (Echo__V1__Number *)answer;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code echo__v1__echo__sum__receive(
    mesh_stream *stream, const Echo__V1__Number **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Echo__V1__Number *)next;
    return code;
}

/* Handler with events: sends the one response, before mesh_stream_end. */
static inline mesh_code echo__v1__echo__sum__reply(
    mesh_stream *stream, const Echo__V1__Number *response)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)response);
}

/*
 * Twice each number.
 */
static inline mesh_code echo__v1__echo__talk(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &echo__v1__echo__methods[ECHO__V1__ECHO__TALK],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code echo__v1__echo__talk__send(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code echo__v1__echo__talk__next(
    mesh_stream *stream, const Echo__V1__Number **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Echo__V1__Number *)next;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code echo__v1__echo__talk__receive(
    mesh_stream *stream, const Echo__V1__Number **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Echo__V1__Number *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code echo__v1__echo__talk__reply(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code echo__v1__echo__talk__try_reply(
    mesh_stream *stream, const Echo__V1__Number *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

MESH_END_DECLS

#endif
