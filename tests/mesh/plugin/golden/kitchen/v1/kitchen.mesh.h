/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/kitchen.proto: do not edit. */
#ifndef MESH_GEN_kitchen__v1__kitchen_proto_H
#define MESH_GEN_kitchen__v1__kitchen_proto_H

#include "kitchen/v1/kitchen.pb-c.h"

#include "google/api/annotations.mesh.h"
#include "google/protobuf/empty.mesh.h"
#include "kitchen/v1/types.mesh.h"
#include "mesh/v1/options.mesh.h"
#include "pantry/v1/pantry.mesh.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of kitchen/v1/kitchen.proto, for server reflection. */
extern const mesh_file kitchen__v1__kitchen_proto__file;

/* Presence of `taste`; set keeps the pointer it is given. */
static inline bool kitchen__v1__dish__has_taste(
    const Kitchen__V1__Dish *message)
{
    return message->_taste_case == KITCHEN__V1__DISH___TASTE_TASTE;
}
static inline void kitchen__v1__dish__set_taste(
    Kitchen__V1__Dish *message, Kitchen__V1__Taste value)
{
    message->_taste_case = KITCHEN__V1__DISH___TASTE_TASTE;
    message->taste = value;
}
static inline void kitchen__v1__dish__clear_taste(
    Kitchen__V1__Dish *message)
{
    message->_taste_case = KITCHEN__V1__DISH___TASTE__NOT_SET;
}

/*
 * Cooks. * / int main(void); / * A comment that tries to be more than one.
 *
 * What it says about / * nesting * /, ? ?/ trigraphs, a backslash at the end
 * and text in disguise abc is text. "Quotes" and % signs, too: 100 %.
 * / Three slashes.
 */
extern const mesh_api_descriptor kitchen__v1__kitchen__descriptor;
extern const mesh_method kitchen__v1__kitchen__methods[];

/* Indexes of the methods in the table. */
enum {
    KITCHEN__V1__KITCHEN__COOK = 0,
    KITCHEN__V1__KITCHEN__GET_DISH = 1,
    KITCHEN__V1__KITCHEN__DELETE = 2,
    KITCHEN__V1__KITCHEN__SMELL = 3,
    KITCHEN__V1__KITCHEN__FILL = 4,
    KITCHEN__V1__KITCHEN__DO = 5,
    KITCHEN__V1__KITCHEN__ASK = 6,
    KITCHEN__V1__KITCHEN__LISTEN = 7,
};

/* `smell` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct kitchen__v1__kitchen__smell__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream,
        const Google__Protobuf__Empty *request, mesh_error *err);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} kitchen__v1__kitchen__smell__events;

/* `fill` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct kitchen__v1__kitchen__fill__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Pantry__V1__Jar *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} kitchen__v1__kitchen__fill__events;

/* `do_` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct kitchen__v1__kitchen__do__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream, mesh_error *err);
    mesh_code (*on_message)(void *self, mesh_stream *stream,
        const Kitchen__V1__CookRequest *message, mesh_error *err);
    void (*on_end)(void *self, mesh_stream *stream);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} kitchen__v1__kitchen__do__events;

/* `listen` with events, see mesh/rpc/stream.h; any of them may be NULL. */
typedef struct kitchen__v1__kitchen__listen__events {
    mesh_code (*on_open)(void *self, mesh_stream *stream,
        const Kitchen__V1__CookRequest *request, mesh_error *err);
    void (*on_writable)(void *self, mesh_stream *stream);
    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);
} kitchen__v1__kitchen__listen__events;

/*
 * Handlers of kitchen.v1.Kitchen; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct kitchen__v1__kitchen__handlers {
    /*
     * Cooks one dish.
     */
    mesh_code (*cook)(void *self, mesh_call *call,
        const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    mesh_code (*cook__inline)(void *self, mesh_call *call,
        const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    /*
     * Shows a dish.
     */
    mesh_code (*get_dish)(void *self, mesh_call *call,
        const Kitchen__V1__GetDishRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    mesh_code (*get_dish__inline)(void *self, mesh_call *call,
        const Kitchen__V1__GetDishRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    /*
     * Throws a dish away; a keyword as a method.
     */
    mesh_code (*delete_)(void *self, mesh_call *call,
        const Kitchen__V1__GetDishRequest *request, Google__Protobuf__Empty *response, mesh_error *err);
    mesh_code (*delete__inline)(void *self, mesh_call *call,
        const Kitchen__V1__GetDishRequest *request, Google__Protobuf__Empty *response, mesh_error *err);
    /*
     * Smells come by, one after the other.
     */
    mesh_code (*smell)(void *self, mesh_call *call,
        const Google__Protobuf__Empty *request, mesh_stream *stream, mesh_error *err);
    const kitchen__v1__kitchen__smell__events *smell__events;
    /*
     * Fills the pantry.
     */
    mesh_code (*fill)(void *self, mesh_call *call,
        mesh_stream *stream, Kitchen__V1__Nothing *response, mesh_error *err);
    const kitchen__v1__kitchen__fill__events *fill__events;
    /*
     * Talks.
     */
    mesh_code (*do_)(void *self, mesh_call *call,
        mesh_stream *stream, mesh_error *err);
    const kitchen__v1__kitchen__do__events *do__events;
    /*
     * Nobody asks any more.
     */
    mesh_code (*ask)(void *self, mesh_call *call,
        const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    mesh_code (*ask__inline)(void *self, mesh_call *call,
        const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish *response, mesh_error *err);
    /*
     * Nor does anybody listen.
     */
    mesh_code (*listen)(void *self, mesh_call *call,
        const Kitchen__V1__CookRequest *request, mesh_stream *stream, mesh_error *err);
    const kitchen__v1__kitchen__listen__events *listen__events;
} kitchen__v1__kitchen__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api kitchen__v1__kitchen__api(
    const kitchen__v1__kitchen__handlers *handlers, void *self)
{
    return mesh_api_make(&kitchen__v1__kitchen__descriptor, handlers, self);
}

/*
 * Cooks one dish.
 */
MESH_API mesh_code kitchen__v1__kitchen__cook(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__kitchen__cook__done(void *context, mesh_code code,
    const Kitchen__V1__Dish *response, const mesh_error *err);
MESH_API mesh_code kitchen__v1__kitchen__cook__async(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__cook__done *done, void *context);

/*
 * Shows a dish.
 */
MESH_API mesh_code kitchen__v1__kitchen__get_dish(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__kitchen__get_dish__done(void *context, mesh_code code,
    const Kitchen__V1__Dish *response, const mesh_error *err);
MESH_API mesh_code kitchen__v1__kitchen__get_dish__async(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__get_dish__done *done, void *context);

/*
 * Throws a dish away; a keyword as a method.
 */
MESH_API mesh_code kitchen__v1__kitchen__delete(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, Google__Protobuf__Empty **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__kitchen__delete__done(void *context, mesh_code code,
    const Google__Protobuf__Empty *response, const mesh_error *err);
MESH_API mesh_code kitchen__v1__kitchen__delete__async(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__delete__done *done, void *context);

/*
 * Smells come by, one after the other.
 */
static inline mesh_code kitchen__v1__kitchen__smell(mesh_channel *channel,
    const Google__Protobuf__Empty *request, mesh_stream **stream,
    const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__SMELL],
        (const ProtobufCMessage *)request, options, stream, err);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code kitchen__v1__kitchen__smell__next(
    mesh_stream *stream, const Kitchen__V1__Dish **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Kitchen__V1__Dish *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code kitchen__v1__kitchen__smell__reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code kitchen__v1__kitchen__smell__try_reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

/*
 * Fills the pantry.
 */
static inline mesh_code kitchen__v1__kitchen__fill(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__FILL],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code kitchen__v1__kitchen__fill__send(
    mesh_stream *stream, const Pantry__V1__Jar *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the one response, as mesh_stream_finish_response. */
static inline mesh_code kitchen__v1__kitchen__fill__finish(
    mesh_stream *stream, Kitchen__V1__Nothing **response, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_stream_finish_response(stream, &answer, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Nothing *)answer;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code kitchen__v1__kitchen__fill__receive(
    mesh_stream *stream, const Pantry__V1__Jar **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Pantry__V1__Jar *)next;
    return code;
}

/* Handler with events: sends the one response, before mesh_stream_end. */
static inline mesh_code kitchen__v1__kitchen__fill__reply(
    mesh_stream *stream, const Kitchen__V1__Nothing *response)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)response);
}

/*
 * Talks.
 */
static inline mesh_code kitchen__v1__kitchen__do(mesh_channel *channel,
    mesh_stream **stream, const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__DO],
        NULL, options, stream, err);
}

/* Client: sends a message, as mesh_stream_send. */
static inline mesh_code kitchen__v1__kitchen__do__send(
    mesh_stream *stream, const Kitchen__V1__CookRequest *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code kitchen__v1__kitchen__do__next(
    mesh_stream *stream, const Kitchen__V1__Dish **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Kitchen__V1__Dish *)next;
    return code;
}

/* Handler: the client's next message, as mesh_stream_next. */
static inline mesh_code kitchen__v1__kitchen__do__receive(
    mesh_stream *stream, const Kitchen__V1__CookRequest **message, mesh_error *err)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, err);
    if (code == MESH_OK)
        *message = (const Kitchen__V1__CookRequest *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code kitchen__v1__kitchen__do__reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code kitchen__v1__kitchen__do__try_reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

/*
 * Nobody asks any more.
 */
__attribute__((deprecated)) MESH_API mesh_code kitchen__v1__kitchen__ask(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__kitchen__ask__done(void *context, mesh_code code,
    const Kitchen__V1__Dish *response, const mesh_error *err);
__attribute__((deprecated)) MESH_API mesh_code kitchen__v1__kitchen__ask__async(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__ask__done *done, void *context);

/*
 * Nor does anybody listen.
 */
__attribute__((deprecated)) static inline mesh_code kitchen__v1__kitchen__listen(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, mesh_stream **stream,
    const mesh_call_options *options, mesh_error *err)
{
    return mesh_stream_open(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__LISTEN],
        (const ProtobufCMessage *)request, options, stream, err);
}

/* Client: the next message, as mesh_stream_next. */
static inline mesh_code kitchen__v1__kitchen__listen__next(
    mesh_stream *stream, const Kitchen__V1__Dish **message)
{
    const ProtobufCMessage *next = NULL;
    mesh_code code = mesh_stream_next(stream, &next, NULL);
    if (code == MESH_OK)
        *message = (const Kitchen__V1__Dish *)next;
    return code;
}

/* Handler: sends a message and waits for room, as mesh_stream_send. */
static inline mesh_code kitchen__v1__kitchen__listen__reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_send(stream, (const ProtobufCMessage *)message);
}

/* Handler: sends a message if there is room, as mesh_stream_try_send. */
static inline mesh_code kitchen__v1__kitchen__listen__try_reply(
    mesh_stream *stream, const Kitchen__V1__Dish *message)
{
    return mesh_stream_try_send(stream, (const ProtobufCMessage *)message);
}

/*
 * Another service in the same file.
 */
extern const mesh_api_descriptor kitchen__v1__waiter__descriptor;
extern const mesh_method kitchen__v1__waiter__methods[];

/* Indexes of the methods in the table. */
enum {
    KITCHEN__V1__WAITER__SERVE = 0,
    KITCHEN__V1__WAITER__HTTPSERVE_V2 = 1,
};

/*
 * Handlers of kitchen.v1.Waiter; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct kitchen__v1__waiter__handlers {
    mesh_code (*serve)(void *self, mesh_call *call,
        const Kitchen__V1__Dish *request, Kitchen__V1__Nothing *response, mesh_error *err);
    mesh_code (*serve__inline)(void *self, mesh_call *call,
        const Kitchen__V1__Dish *request, Kitchen__V1__Nothing *response, mesh_error *err);
    mesh_code (*httpserve_v2)(void *self, mesh_call *call,
        const Kitchen__V1__Dish *request, Kitchen__V1__Nothing *response, mesh_error *err);
    mesh_code (*httpserve_v2__inline)(void *self, mesh_call *call,
        const Kitchen__V1__Dish *request, Kitchen__V1__Nothing *response, mesh_error *err);
} kitchen__v1__waiter__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api kitchen__v1__waiter__api(
    const kitchen__v1__waiter__handlers *handlers, void *self)
{
    return mesh_api_make(&kitchen__v1__waiter__descriptor, handlers, self);
}

MESH_API mesh_code kitchen__v1__waiter__serve(mesh_channel *channel,
    const Kitchen__V1__Dish *request, Kitchen__V1__Nothing **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__waiter__serve__done(void *context, mesh_code code,
    const Kitchen__V1__Nothing *response, const mesh_error *err);
MESH_API mesh_code kitchen__v1__waiter__serve__async(mesh_channel *channel,
    const Kitchen__V1__Dish *request, const mesh_call_options *options,
    kitchen__v1__waiter__serve__done *done, void *context);

MESH_API mesh_code kitchen__v1__waiter__httpserve_v2(mesh_channel *channel,
    const Kitchen__V1__Dish *request, Kitchen__V1__Nothing **response,
    const mesh_call_options *options, mesh_error *err);

/* The same without waiting, see mesh_unary_call_async; `done` may be NULL. */
typedef void kitchen__v1__waiter__httpserve_v2__done(void *context, mesh_code code,
    const Kitchen__V1__Nothing *response, const mesh_error *err);
MESH_API mesh_code kitchen__v1__waiter__httpserve_v2__async(mesh_channel *channel,
    const Kitchen__V1__Dish *request, const mesh_call_options *options,
    kitchen__v1__waiter__httpserve_v2__done *done, void *context);

/*
 * A service without methods.
 */
extern const mesh_api_descriptor kitchen__v1__idle__descriptor;
extern const mesh_method kitchen__v1__idle__methods[];

/*
 * Handlers of kitchen.v1.Idle; an empty slot answers UNIMPLEMENTED, and one method fills one slot.
 * Plain slots run on the worker pool and may block; `__inline` ones and events run on the
 * transport's thread and must not.
 */
typedef struct kitchen__v1__idle__handlers {
    void *none; /* the service has no methods */
} kitchen__v1__idle__handlers;

/* The service as a server takes it. `handlers` are borrowed for its life. */
static inline mesh_api kitchen__v1__idle__api(
    const kitchen__v1__idle__handlers *handlers, void *self)
{
    return mesh_api_make(&kitchen__v1__idle__descriptor, handlers, self);
}

MESH_END_DECLS

#endif
