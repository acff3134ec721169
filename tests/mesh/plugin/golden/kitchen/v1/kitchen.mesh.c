/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/kitchen.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "kitchen/v1/kitchen.mesh.h"

static const uint8_t file_bytes[1206] = {
    10,24,107,105,116,99,104,101,110,47,118,49,47,107,105,116,99,104,101,110,
    46,112,114,111,116,111,18,10,107,105,116,99,104,101,110,46,118,49,26,28,
    103,111,111,103,108,101,47,97,112,105,47,97,110,110,111,116,97,116,105,111,
    110,115,46,112,114,111,116,111,26,27,103,111,111,103,108,101,47,112,114,111,
    116,111,98,117,102,47,101,109,112,116,121,46,112,114,111,116,111,26,22,107,
    105,116,99,104,101,110,47,118,49,47,116,121,112,101,115,46,112,114,111,116,
    111,26,21,109,101,115,104,47,118,49,47,111,112,116,105,111,110,115,46,112,
    114,111,116,111,26,22,112,97,110,116,114,121,47,118,49,47,112,97,110,116,
    114,121,46,112,114,111,116,111,34,69,10,11,67,111,111,107,82,101,113,117,
    101,115,116,18,20,10,5,115,104,101,108,102,24,1,32,1,40,9,82,5,
    115,104,101,108,102,18,32,10,3,106,97,114,24,2,32,1,40,11,50,14,
    46,112,97,110,116,114,121,46,118,49,46,74,97,114,82,3,106,97,114,34,
    36,10,14,71,101,116,68,105,115,104,82,101,113,117,101,115,116,18,18,10,
    4,110,97,109,101,24,1,32,1,40,9,82,4,110,97,109,101,34,82,10,
    4,68,105,115,104,18,18,10,4,110,97,109,101,24,1,32,1,40,9,82,
    4,110,97,109,101,18,44,10,5,116,97,115,116,101,24,2,32,1,40,14,
    50,17,46,107,105,116,99,104,101,110,46,118,49,46,84,97,115,116,101,72,
    0,82,5,116,97,115,116,101,136,1,1,66,8,10,6,95,116,97,115,116,
    101,50,202,5,10,7,75,105,116,99,104,101,110,18,176,1,10,4,67,111,
    111,107,18,23,46,107,105,116,99,104,101,110,46,118,49,46,67,111,111,107,
    82,101,113,117,101,115,116,26,16,46,107,105,116,99,104,101,110,46,118,49,
    46,68,105,115,104,34,125,162,187,24,23,34,9,100,105,115,104,46,99,111,
    111,107,48,1,58,8,8,1,16,129,202,181,238,1,130,211,228,147,2,92,
    34,28,47,118,49,47,123,115,104,101,108,102,61,115,104,101,108,118,101,115,
    47,42,125,47,100,105,115,104,101,115,58,3,106,97,114,90,33,26,22,47,
    118,49,47,100,105,115,104,101,115,47,123,106,97,114,46,108,97,98,101,108,
    125,58,1,42,98,4,110,97,109,101,90,20,66,18,10,4,72,69,65,68,
    18,10,47,118,49,47,100,105,115,104,101,115,18,91,10,7,71,101,116,68,
    105,115,104,18,26,46,107,105,116,99,104,101,110,46,118,49,46,71,101,116,
    68,105,115,104,82,101,113,117,101,115,116,26,16,46,107,105,116,99,104,101,
    110,46,118,49,46,68,105,115,104,34,34,144,2,1,162,187,24,2,8,1,
    130,211,228,147,2,19,18,17,47,118,49,47,100,105,115,104,101,115,47,123,
    110,97,109,101,125,18,111,10,6,68,101,108,101,116,101,18,26,46,107,105,
    116,99,104,101,110,46,118,49,46,71,101,116,68,105,115,104,82,101,113,117,
    101,115,116,26,22,46,103,111,111,103,108,101,46,112,114,111,116,111,98,117,
    102,46,69,109,112,116,121,34,49,144,2,2,162,187,24,17,26,4,99,111,
    111,107,26,9,115,111,117,115,95,99,104,101,102,130,211,228,147,2,19,42,
    17,47,118,49,47,100,105,115,104,101,115,47,123,110,97,109,101,125,18,59,
    10,5,83,109,101,108,108,18,22,46,103,111,111,103,108,101,46,112,114,111,
    116,111,98,117,102,46,69,109,112,116,121,26,16,46,107,105,116,99,104,101,
    110,46,118,49,46,68,105,115,104,34,6,162,187,24,2,16,1,48,1,18,
    81,10,4,70,105,108,108,18,14,46,112,97,110,116,114,121,46,118,49,46,
    74,97,114,26,19,46,107,105,116,99,104,101,110,46,118,49,46,78,111,116,
    104,105,110,103,34,34,162,187,24,30,42,6,112,97,110,116,114,121,42,16,
    115,104,101,108,102,32,34,116,104,101,34,32,98,101,115,116,58,2,16,1,
    40,1,18,59,10,2,68,111,18,23,46,107,105,116,99,104,101,110,46,118,
    49,46,67,111,111,107,82,101,113,117,101,115,116,26,16,46,107,105,116,99,
    104,101,110,46,118,49,46,68,105,115,104,34,6,162,187,24,2,8,1,40,
    1,48,1,18,53,10,3,65,115,107,18,23,46,107,105,116,99,104,101,110,
    46,118,49,46,67,111,111,107,82,101,113,117,101,115,116,26,16,46,107,105,
    116,99,104,101,110,46,118,49,46,68,105,115,104,34,3,136,2,1,18,58,
    10,6,76,105,115,116,101,110,18,23,46,107,105,116,99,104,101,110,46,118,
    49,46,67,111,111,107,82,101,113,117,101,115,116,26,16,46,107,105,116,99,
    104,101,110,46,118,49,46,68,105,115,104,34,3,136,2,1,48,1,50,110,
    10,6,87,97,105,116,101,114,18,46,10,5,83,101,114,118,101,18,16,46,
    107,105,116,99,104,101,110,46,118,49,46,68,105,115,104,26,19,46,107,105,
    116,99,104,101,110,46,118,49,46,78,111,116,104,105,110,103,18,52,10,11,
    72,84,84,80,83,101,114,118,101,86,50,18,16,46,107,105,116,99,104,101,
    110,46,118,49,46,68,105,115,104,26,19,46,107,105,116,99,104,101,110,46,
    118,49,46,78,111,116,104,105,110,103,50,6,10,4,73,100,108,101,98,6,
    112,114,111,116,111,51,
};

static const mesh_file *const file_imports[] = {
    &google__api__annotations_proto__file,
    &google__protobuf__empty_proto__file,
    &kitchen__v1__types_proto__file,
    &mesh__v1__options_proto__file,
    &pantry__v1__pantry_proto__file,
};

const mesh_file kitchen__v1__kitchen_proto__file = {
    .name = "kitchen/v1/kitchen.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 5,
};

/* How a method is handled, by which of its slots are filled. */
static inline mesh_handler_style
mesh_style(bool worker, bool other, mesh_handler_style style)
{
    if (worker)
        return other ? MESH_HANDLER_CONFLICT : MESH_HANDLER_WORKER;
    return other ? style : MESH_HANDLER_NONE;
}

static mesh_handler_style kitchen__v1__kitchen__cook__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->cook != NULL, slots->cook__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__kitchen__cook__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)stream;
    return (slots->cook != NULL ? slots->cook : slots->cook__inline)(
        self, call, (const Kitchen__V1__CookRequest *)request, (Kitchen__V1__Dish *)response, err);
}

static const mesh_http_rule kitchen__v1__kitchen__cook__http[] = {
    {"POST", "/v1/{shelf=shelves/*}/dishes", "jar", ""},
    {"PUT", "/v1/dishes/{jar.label}", "*", "name"},
    {"HEAD", "/v1/dishes", "", ""},
};

static mesh_handler_style kitchen__v1__kitchen__get_dish__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->get_dish != NULL, slots->get_dish__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__kitchen__get_dish__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)stream;
    return (slots->get_dish != NULL ? slots->get_dish : slots->get_dish__inline)(
        self, call, (const Kitchen__V1__GetDishRequest *)request, (Kitchen__V1__Dish *)response, err);
}

static const mesh_http_rule kitchen__v1__kitchen__get_dish__http[] = {
    {"GET", "/v1/dishes/{name}", "", ""},
};

static mesh_handler_style kitchen__v1__kitchen__delete__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->delete_ != NULL, slots->delete__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__kitchen__delete__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)stream;
    return (slots->delete_ != NULL ? slots->delete_ : slots->delete__inline)(
        self, call, (const Kitchen__V1__GetDishRequest *)request, (Google__Protobuf__Empty *)response, err);
}

static const char *const kitchen__v1__kitchen__delete__names[] = {
    "cook",
    "sous_chef",
    NULL,
};

static const mesh_http_rule kitchen__v1__kitchen__delete__http[] = {
    {"DELETE", "/v1/dishes/{name}", "", ""},
};

static mesh_handler_style kitchen__v1__kitchen__smell__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->smell != NULL, slots->smell__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code kitchen__v1__kitchen__smell__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)response;
    return slots->smell(
        self, call, (const Google__Protobuf__Empty *)request, stream, err);
}

static mesh_code kitchen__v1__kitchen__smell__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const kitchen__v1__kitchen__smell__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->smell__events;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, (const Google__Protobuf__Empty *)request, err);
}

static void kitchen__v1__kitchen__smell__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__smell__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->smell__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void kitchen__v1__kitchen__smell__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const kitchen__v1__kitchen__smell__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->smell__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter kitchen__v1__kitchen__smell__adapter = {
    .on_open = kitchen__v1__kitchen__smell__on_open,
    .on_writable = kitchen__v1__kitchen__smell__on_writable,
    .on_close = kitchen__v1__kitchen__smell__on_close,
};

static mesh_handler_style kitchen__v1__kitchen__fill__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->fill != NULL, slots->fill__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code kitchen__v1__kitchen__fill__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)request;
    return slots->fill(
        self, call, stream, (Kitchen__V1__Nothing *)response, err);
}

static mesh_code kitchen__v1__kitchen__fill__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const kitchen__v1__kitchen__fill__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->fill__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code kitchen__v1__kitchen__fill__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const kitchen__v1__kitchen__fill__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->fill__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Pantry__V1__Jar *)message, err);
}

static void kitchen__v1__kitchen__fill__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__fill__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->fill__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void kitchen__v1__kitchen__fill__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__fill__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->fill__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void kitchen__v1__kitchen__fill__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const kitchen__v1__kitchen__fill__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->fill__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter kitchen__v1__kitchen__fill__adapter = {
    .on_open = kitchen__v1__kitchen__fill__on_open,
    .on_message = kitchen__v1__kitchen__fill__on_message,
    .on_end = kitchen__v1__kitchen__fill__on_end,
    .on_writable = kitchen__v1__kitchen__fill__on_writable,
    .on_close = kitchen__v1__kitchen__fill__on_close,
};

static const char *const kitchen__v1__kitchen__fill__names[] = {
    "pantry",
    "shelf \"the\" best",
    NULL,
};

static mesh_handler_style kitchen__v1__kitchen__do__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->do_ != NULL, slots->do__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code kitchen__v1__kitchen__do__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)request;
    (void)response;
    return slots->do_(self, call, stream, err);
}

static mesh_code kitchen__v1__kitchen__do__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const kitchen__v1__kitchen__do__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->do__events;
    (void)request;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, err);
}

static mesh_code kitchen__v1__kitchen__do__on_message(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *message, mesh_error *err)
{
    const kitchen__v1__kitchen__do__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->do__events;
    return events->on_message == NULL ? MESH_OK : events->on_message(self, stream, (const Kitchen__V1__CookRequest *)message, err);
}

static void kitchen__v1__kitchen__do__on_end(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__do__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->do__events;
    if (events->on_end != NULL)
        events->on_end(self, stream);
}

static void kitchen__v1__kitchen__do__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__do__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->do__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void kitchen__v1__kitchen__do__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const kitchen__v1__kitchen__do__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->do__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter kitchen__v1__kitchen__do__adapter = {
    .on_open = kitchen__v1__kitchen__do__on_open,
    .on_message = kitchen__v1__kitchen__do__on_message,
    .on_end = kitchen__v1__kitchen__do__on_end,
    .on_writable = kitchen__v1__kitchen__do__on_writable,
    .on_close = kitchen__v1__kitchen__do__on_close,
};

static mesh_handler_style kitchen__v1__kitchen__ask__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->ask != NULL, slots->ask__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__kitchen__ask__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)stream;
    return (slots->ask != NULL ? slots->ask : slots->ask__inline)(
        self, call, (const Kitchen__V1__CookRequest *)request, (Kitchen__V1__Dish *)response, err);
}

static mesh_handler_style kitchen__v1__kitchen__listen__style(const void *handlers)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    return mesh_style(slots->listen != NULL, slots->listen__events != NULL,
        MESH_HANDLER_EVENTS);
}

static mesh_code kitchen__v1__kitchen__listen__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__kitchen__handlers *slots = (const kitchen__v1__kitchen__handlers *)handlers;
    (void)response;
    return slots->listen(
        self, call, (const Kitchen__V1__CookRequest *)request, stream, err);
}

static mesh_code kitchen__v1__kitchen__listen__on_open(const void *handlers, void *self,
    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)
{
    const kitchen__v1__kitchen__listen__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->listen__events;
    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, (const Kitchen__V1__CookRequest *)request, err);
}

static void kitchen__v1__kitchen__listen__on_writable(const void *handlers, void *self,
    mesh_stream *stream)
{
    const kitchen__v1__kitchen__listen__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->listen__events;
    if (events->on_writable != NULL)
        events->on_writable(self, stream);
}

static void kitchen__v1__kitchen__listen__on_close(const void *handlers, void *self,
    mesh_stream *stream, mesh_code code)
{
    const kitchen__v1__kitchen__listen__events *events =
        ((const kitchen__v1__kitchen__handlers *)handlers)->listen__events;
    if (events->on_close != NULL)
        events->on_close(self, stream, code);
}

static const mesh_events_adapter kitchen__v1__kitchen__listen__adapter = {
    .on_open = kitchen__v1__kitchen__listen__on_open,
    .on_writable = kitchen__v1__kitchen__listen__on_writable,
    .on_close = kitchen__v1__kitchen__listen__on_close,
};

const mesh_method kitchen__v1__kitchen__methods[] = {
    [KITCHEN__V1__KITCHEN__COOK] = {
        .path = "/kitchen.v1.Kitchen/Cook",
        .name = "Cook",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_UNARY,
        .request = &kitchen__v1__cook_request__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .policy.kind = MESH_POLICY_PERMISSION,
        .policy.permission = "dish.cook",
        .policy.sensitive = true,
        .deadline_ms = INT64_C(1501),
        .http = kitchen__v1__kitchen__cook__http,
        .http_count = 3,
        .style = kitchen__v1__kitchen__cook__style,
        .invoke = kitchen__v1__kitchen__cook__invoke,
    },
    [KITCHEN__V1__KITCHEN__GET_DISH] = {
        .path = "/kitchen.v1.Kitchen/GetDish",
        .name = "GetDish",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_UNARY,
        .idempotency = MESH_NO_SIDE_EFFECTS,
        .request = &kitchen__v1__get_dish_request__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .http = kitchen__v1__kitchen__get_dish__http,
        .http_count = 1,
        .style = kitchen__v1__kitchen__get_dish__style,
        .invoke = kitchen__v1__kitchen__get_dish__invoke,
    },
    [KITCHEN__V1__KITCHEN__DELETE] = {
        .path = "/kitchen.v1.Kitchen/Delete",
        .name = "Delete",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_UNARY,
        .idempotency = MESH_IDEMPOTENT,
        .request = &kitchen__v1__get_dish_request__descriptor,
        .response = &google__protobuf__empty__descriptor,
        .policy.kind = MESH_POLICY_ROLES,
        .policy.names = kitchen__v1__kitchen__delete__names,
        .http = kitchen__v1__kitchen__delete__http,
        .http_count = 1,
        .style = kitchen__v1__kitchen__delete__style,
        .invoke = kitchen__v1__kitchen__delete__invoke,
    },
    [KITCHEN__V1__KITCHEN__SMELL] = {
        .path = "/kitchen.v1.Kitchen/Smell",
        .name = "Smell",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_SERVER_STREAMING,
        .request = &google__protobuf__empty__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .policy.kind = MESH_POLICY_AUTHENTICATED,
        .style = kitchen__v1__kitchen__smell__style,
        .invoke = kitchen__v1__kitchen__smell__invoke,
        .events = &kitchen__v1__kitchen__smell__adapter,
    },
    [KITCHEN__V1__KITCHEN__FILL] = {
        .path = "/kitchen.v1.Kitchen/Fill",
        .name = "Fill",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_CLIENT_STREAMING,
        .request = &pantry__v1__jar__descriptor,
        .response = &kitchen__v1__nothing__descriptor,
        .policy.kind = MESH_POLICY_SERVICES,
        .policy.names = kitchen__v1__kitchen__fill__names,
        .deadline_ms = INT64_C(1),
        .style = kitchen__v1__kitchen__fill__style,
        .invoke = kitchen__v1__kitchen__fill__invoke,
        .events = &kitchen__v1__kitchen__fill__adapter,
    },
    [KITCHEN__V1__KITCHEN__DO] = {
        .path = "/kitchen.v1.Kitchen/Do",
        .name = "Do",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_BIDI_STREAMING,
        .request = &kitchen__v1__cook_request__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .policy.kind = MESH_POLICY_PUBLIC,
        .style = kitchen__v1__kitchen__do__style,
        .invoke = kitchen__v1__kitchen__do__invoke,
        .events = &kitchen__v1__kitchen__do__adapter,
    },
    [KITCHEN__V1__KITCHEN__ASK] = {
        .path = "/kitchen.v1.Kitchen/Ask",
        .name = "Ask",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_UNARY,
        .request = &kitchen__v1__cook_request__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .deprecated = true,
        .style = kitchen__v1__kitchen__ask__style,
        .invoke = kitchen__v1__kitchen__ask__invoke,
    },
    [KITCHEN__V1__KITCHEN__LISTEN] = {
        .path = "/kitchen.v1.Kitchen/Listen",
        .name = "Listen",
        .api = &kitchen__v1__kitchen__descriptor,
        .kind = MESH_SERVER_STREAMING,
        .request = &kitchen__v1__cook_request__descriptor,
        .response = &kitchen__v1__dish__descriptor,
        .deprecated = true,
        .style = kitchen__v1__kitchen__listen__style,
        .invoke = kitchen__v1__kitchen__listen__invoke,
        .events = &kitchen__v1__kitchen__listen__adapter,
    },
};

const mesh_api_descriptor kitchen__v1__kitchen__descriptor = {
    .name = "kitchen.v1.Kitchen",
    .file = &kitchen__v1__kitchen_proto__file,
    .methods = kitchen__v1__kitchen__methods,
    .method_count = 8,
    .version = 1000,
};

mesh_code kitchen__v1__kitchen__cook(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__COOK],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Dish *)answer;
    return code;
}

static void kitchen__v1__kitchen__cook__answer(const mesh_answer *answer)
{
    kitchen__v1__kitchen__cook__done *done = (kitchen__v1__kitchen__cook__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Kitchen__V1__Dish *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__kitchen__cook__async(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__cook__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__COOK],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__kitchen__cook__answer);
}

mesh_code kitchen__v1__kitchen__get_dish(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__GET_DISH],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Dish *)answer;
    return code;
}

static void kitchen__v1__kitchen__get_dish__answer(const mesh_answer *answer)
{
    kitchen__v1__kitchen__get_dish__done *done = (kitchen__v1__kitchen__get_dish__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Kitchen__V1__Dish *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__kitchen__get_dish__async(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__get_dish__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__GET_DISH],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__kitchen__get_dish__answer);
}

mesh_code kitchen__v1__kitchen__delete(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, Google__Protobuf__Empty **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__DELETE],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Google__Protobuf__Empty *)answer;
    return code;
}

static void kitchen__v1__kitchen__delete__answer(const mesh_answer *answer)
{
    kitchen__v1__kitchen__delete__done *done = (kitchen__v1__kitchen__delete__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Google__Protobuf__Empty *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__kitchen__delete__async(mesh_channel *channel,
    const Kitchen__V1__GetDishRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__delete__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__DELETE],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__kitchen__delete__answer);
}

mesh_code kitchen__v1__kitchen__ask(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, Kitchen__V1__Dish **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__ASK],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Dish *)answer;
    return code;
}

static void kitchen__v1__kitchen__ask__answer(const mesh_answer *answer)
{
    kitchen__v1__kitchen__ask__done *done = (kitchen__v1__kitchen__ask__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Kitchen__V1__Dish *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__kitchen__ask__async(mesh_channel *channel,
    const Kitchen__V1__CookRequest *request, const mesh_call_options *options,
    kitchen__v1__kitchen__ask__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__kitchen__methods[KITCHEN__V1__KITCHEN__ASK],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__kitchen__ask__answer);
}

static mesh_handler_style kitchen__v1__waiter__serve__style(const void *handlers)
{
    const kitchen__v1__waiter__handlers *slots = (const kitchen__v1__waiter__handlers *)handlers;
    return mesh_style(slots->serve != NULL, slots->serve__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__waiter__serve__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__waiter__handlers *slots = (const kitchen__v1__waiter__handlers *)handlers;
    (void)stream;
    return (slots->serve != NULL ? slots->serve : slots->serve__inline)(
        self, call, (const Kitchen__V1__Dish *)request, (Kitchen__V1__Nothing *)response, err);
}

static mesh_handler_style kitchen__v1__waiter__httpserve_v2__style(const void *handlers)
{
    const kitchen__v1__waiter__handlers *slots = (const kitchen__v1__waiter__handlers *)handlers;
    return mesh_style(slots->httpserve_v2 != NULL, slots->httpserve_v2__inline != NULL,
        MESH_HANDLER_INLINE);
}

static mesh_code kitchen__v1__waiter__httpserve_v2__invoke(const void *handlers, void *self,
    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,
    mesh_stream *stream, mesh_error *err)
{
    const kitchen__v1__waiter__handlers *slots = (const kitchen__v1__waiter__handlers *)handlers;
    (void)stream;
    return (slots->httpserve_v2 != NULL ? slots->httpserve_v2 : slots->httpserve_v2__inline)(
        self, call, (const Kitchen__V1__Dish *)request, (Kitchen__V1__Nothing *)response, err);
}

const mesh_method kitchen__v1__waiter__methods[] = {
    [KITCHEN__V1__WAITER__SERVE] = {
        .path = "/kitchen.v1.Waiter/Serve",
        .name = "Serve",
        .api = &kitchen__v1__waiter__descriptor,
        .kind = MESH_UNARY,
        .request = &kitchen__v1__dish__descriptor,
        .response = &kitchen__v1__nothing__descriptor,
        .style = kitchen__v1__waiter__serve__style,
        .invoke = kitchen__v1__waiter__serve__invoke,
    },
    [KITCHEN__V1__WAITER__HTTPSERVE_V2] = {
        .path = "/kitchen.v1.Waiter/HTTPServeV2",
        .name = "HTTPServeV2",
        .api = &kitchen__v1__waiter__descriptor,
        .kind = MESH_UNARY,
        .request = &kitchen__v1__dish__descriptor,
        .response = &kitchen__v1__nothing__descriptor,
        .style = kitchen__v1__waiter__httpserve_v2__style,
        .invoke = kitchen__v1__waiter__httpserve_v2__invoke,
    },
};

const mesh_api_descriptor kitchen__v1__waiter__descriptor = {
    .name = "kitchen.v1.Waiter",
    .file = &kitchen__v1__kitchen_proto__file,
    .methods = kitchen__v1__waiter__methods,
    .method_count = 2,
    .version = 1000,
};

mesh_code kitchen__v1__waiter__serve(mesh_channel *channel,
    const Kitchen__V1__Dish *request, Kitchen__V1__Nothing **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__waiter__methods[KITCHEN__V1__WAITER__SERVE],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Nothing *)answer;
    return code;
}

static void kitchen__v1__waiter__serve__answer(const mesh_answer *answer)
{
    kitchen__v1__waiter__serve__done *done = (kitchen__v1__waiter__serve__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Kitchen__V1__Nothing *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__waiter__serve__async(mesh_channel *channel,
    const Kitchen__V1__Dish *request, const mesh_call_options *options,
    kitchen__v1__waiter__serve__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__waiter__methods[KITCHEN__V1__WAITER__SERVE],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__waiter__serve__answer);
}

mesh_code kitchen__v1__waiter__httpserve_v2(mesh_channel *channel,
    const Kitchen__V1__Dish *request, Kitchen__V1__Nothing **response,
    const mesh_call_options *options, mesh_error *err)
{
    ProtobufCMessage *answer = NULL;
    mesh_code code = mesh_unary_call(channel, &kitchen__v1__waiter__methods[KITCHEN__V1__WAITER__HTTPSERVE_V2],
        (const ProtobufCMessage *)request, &answer, options, err);
    if (code == MESH_OK && response != NULL)
        *response = (Kitchen__V1__Nothing *)answer;
    return code;
}

static void kitchen__v1__waiter__httpserve_v2__answer(const mesh_answer *answer)
{
    kitchen__v1__waiter__httpserve_v2__done *done = (kitchen__v1__waiter__httpserve_v2__done *)answer->callback;
    if (done != NULL)
        done(answer->context, answer->code, (const Kitchen__V1__Nothing *)answer->response,
            answer->err);
}

mesh_code kitchen__v1__waiter__httpserve_v2__async(mesh_channel *channel,
    const Kitchen__V1__Dish *request, const mesh_call_options *options,
    kitchen__v1__waiter__httpserve_v2__done *done, void *context)
{
    const mesh_answer answer = {.callback = (void (*)(void))done, .context = context};
    return mesh_unary_call_async(channel, &kitchen__v1__waiter__methods[KITCHEN__V1__WAITER__HTTPSERVE_V2],
        (const ProtobufCMessage *)request, options, &answer, kitchen__v1__waiter__httpserve_v2__answer);
}

const mesh_method kitchen__v1__idle__methods[] = {
    {0},
};

const mesh_api_descriptor kitchen__v1__idle__descriptor = {
    .name = "kitchen.v1.Idle",
    .file = &kitchen__v1__kitchen_proto__file,
    .methods = kitchen__v1__idle__methods,
    .method_count = 0,
    .version = 1000,
};
