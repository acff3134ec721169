/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/events.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "kitchen/v1/events.mesh.h"

#include <stdarg.h>
#include <stdio.h>

static const uint8_t file_bytes[546] = {
    10,23,107,105,116,99,104,101,110,47,118,49,47,101,118,101,110,116,115,46,
    112,114,111,116,111,18,10,107,105,116,99,104,101,110,46,118,49,26,21,109,
    101,115,104,47,118,49,47,111,112,116,105,111,110,115,46,112,114,111,116,111,
    34,192,1,10,10,68,105,115,104,67,111,111,107,101,100,18,23,10,7,100,
    105,115,104,95,105,100,24,1,32,1,40,9,82,6,100,105,115,104,73,100,
    18,24,10,7,118,101,114,115,105,111,110,24,2,32,1,40,3,82,7,118,
    101,114,115,105,111,110,26,80,10,6,84,97,115,116,101,100,18,20,10,5,
    99,108,97,115,115,24,1,32,1,40,9,82,5,99,108,97,115,115,58,48,
    170,187,24,44,10,28,107,105,116,99,104,101,110,46,118,49,46,68,105,115,
    104,67,111,111,107,101,100,46,84,97,115,116,101,100,18,5,99,108,97,115,
    115,34,5,116,97,115,116,101,58,45,170,187,24,41,10,21,107,105,116,99,
    104,101,110,46,118,49,46,68,105,115,104,67,111,111,107,101,100,18,7,100,
    105,115,104,95,105,100,26,7,118,101,114,115,105,111,110,34,59,10,4,79,
    118,101,110,34,51,10,6,82,101,97,115,111,110,18,22,10,18,82,69,65,
    83,79,78,95,85,78,83,80,69,67,73,70,73,69,68,16,0,18,11,10,
    7,84,79,79,95,72,79,84,16,7,26,4,176,187,24,1,34,133,1,10,
    10,68,105,115,104,83,101,114,118,101,100,18,23,10,7,100,105,115,104,95,
    105,100,24,1,32,1,40,9,82,6,100,105,115,104,73,100,18,24,10,7,
    118,101,114,115,105,111,110,24,2,32,1,40,3,82,7,118,101,114,115,105,
    111,110,58,68,170,187,24,64,10,21,107,105,116,99,104,101,110,46,118,49,
    46,68,105,115,104,83,101,114,118,101,100,18,7,100,105,115,104,95,105,100,
    26,7,118,101,114,115,105,111,110,42,21,107,105,116,99,104,101,110,46,118,
    49,46,68,105,115,104,67,111,111,107,101,100,42,84,10,11,69,114,114,111,
    114,82,101,97,115,111,110,18,28,10,24,69,82,82,79,82,95,82,69,65,
    83,79,78,95,85,78,83,80,69,67,73,70,73,69,68,16,0,18,14,10,
    10,68,73,83,72,95,66,85,82,78,84,16,1,18,17,10,13,79,85,84,
    95,79,70,95,83,65,76,84,95,50,16,2,26,4,176,187,24,1,98,6,
    112,114,111,116,111,51,
};

static const mesh_file *const file_imports[] = {
    &mesh__v1__options_proto__file,
};

const mesh_file kitchen__v1__events_proto__file = {
    .name = "kitchen/v1/events.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 1,
};

static const char *kitchen__v1__dish_cooked__aggregate_id(const ProtobufCMessage *event)
{
    return ((const Kitchen__V1__DishCooked *)event)->dish_id;
}

static int64_t kitchen__v1__dish_cooked__version(const ProtobufCMessage *event)
{
    return ((const Kitchen__V1__DishCooked *)event)->version;
}

const mesh_event_descriptor kitchen__v1__dish_cooked__event = {
    .subject = "kitchen.v1.DishCooked",
    .message = &kitchen__v1__dish_cooked__descriptor,
    .aggregate_type = "kitchen",
    .aggregate_id = kitchen__v1__dish_cooked__aggregate_id,
    .version = kitchen__v1__dish_cooked__version,
    .version_field = "version",
};

mesh_code kitchen__v1__dish_cooked__add(
    mesh_tx *tx, const Kitchen__V1__DishCooked *event, mesh_error *err)
{
    return mesh_event_add(tx, &kitchen__v1__dish_cooked__event, (const ProtobufCMessage *)event, err);
}

mesh_code kitchen__v1__dish_cooked__consume(void (*handler)(void), void *self, mesh_tx *tx,
    const mesh_event *meta, const ProtobufCMessage *event, mesh_error *err)
{
    return ((kitchen__v1__dish_cooked__handler *)handler)(
        self, tx, meta, (const Kitchen__V1__DishCooked *)event, err);
}

mesh_code kitchen__v1__dish_cooked__consume_batch(void (*handler)(void), void *self,
    mesh_tx *tx, const mesh_received *received, size_t count, mesh_error *err)
{
    kitchen__v1__dish_cooked__received *typed =
        mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *typed);
    if (typed == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        typed[i].meta = received[i].meta;
        typed[i].event = (const Kitchen__V1__DishCooked *)received[i].event;
    }
    return ((kitchen__v1__dish_cooked__batch_handler *)handler)(self, tx, typed, count, err);
}

static const char *kitchen__v1__dish_cooked__tasted__aggregate_id(const ProtobufCMessage *event)
{
    return ((const Kitchen__V1__DishCooked__Tasted *)event)->class_;
}

const mesh_event_descriptor kitchen__v1__dish_cooked__tasted__event = {
    .subject = "kitchen.v1.DishCooked.Tasted",
    .message = &kitchen__v1__dish_cooked__tasted__descriptor,
    .aggregate_type = "taste",
    .aggregate_id = kitchen__v1__dish_cooked__tasted__aggregate_id,
};

mesh_code kitchen__v1__dish_cooked__tasted__add(
    mesh_tx *tx, const Kitchen__V1__DishCooked__Tasted *event, mesh_error *err)
{
    return mesh_event_add(tx, &kitchen__v1__dish_cooked__tasted__event, (const ProtobufCMessage *)event, err);
}

mesh_code kitchen__v1__dish_cooked__tasted__consume(void (*handler)(void), void *self, mesh_tx *tx,
    const mesh_event *meta, const ProtobufCMessage *event, mesh_error *err)
{
    return ((kitchen__v1__dish_cooked__tasted__handler *)handler)(
        self, tx, meta, (const Kitchen__V1__DishCooked__Tasted *)event, err);
}

mesh_code kitchen__v1__dish_cooked__tasted__consume_batch(void (*handler)(void), void *self,
    mesh_tx *tx, const mesh_received *received, size_t count, mesh_error *err)
{
    kitchen__v1__dish_cooked__tasted__received *typed =
        mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *typed);
    if (typed == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        typed[i].meta = received[i].meta;
        typed[i].event = (const Kitchen__V1__DishCooked__Tasted *)received[i].event;
    }
    return ((kitchen__v1__dish_cooked__tasted__batch_handler *)handler)(self, tx, typed, count, err);
}

mesh_code kitchen__v1__oven__reason__set(mesh_error *err, mesh_code code,
    Kitchen__V1__Oven__Reason reason, const char *format, ...)
{
    /* Room for one character more, so that mesh_error_reason is the one to cut. */
    char message[MESH_ERROR_MESSAGE_BYTES + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&kitchen__v1__oven__reason__descriptor, (int)reason);
    return mesh_error_reason(err, code, "kitchen.v1",
        value != NULL ? value->name : "", "%s", message);
}

static const char *kitchen__v1__dish_served__aggregate_id(const ProtobufCMessage *event)
{
    return ((const Kitchen__V1__DishServed *)event)->dish_id;
}

static int64_t kitchen__v1__dish_served__version(const ProtobufCMessage *event)
{
    return ((const Kitchen__V1__DishServed *)event)->version;
}

static mesh_code kitchen__v1__dish_served__upcast_from(mesh_arena *arena, const ProtobufCMessage *from,
    ProtobufCMessage *event, mesh_error *err)
{
    return kitchen__v1__dish_served__upcast(
        arena, (const Kitchen__V1__DishCooked *)from, (Kitchen__V1__DishServed *)event, err);
}

const mesh_event_descriptor kitchen__v1__dish_served__event = {
    .subject = "kitchen.v1.DishServed",
    .message = &kitchen__v1__dish_served__descriptor,
    .aggregate_type = "kitchen",
    .aggregate_id = kitchen__v1__dish_served__aggregate_id,
    .version = kitchen__v1__dish_served__version,
    .version_field = "version",
    .older = &kitchen__v1__dish_cooked__event,
    .upcast = kitchen__v1__dish_served__upcast_from,
};

mesh_code kitchen__v1__dish_served__add(
    mesh_tx *tx, const Kitchen__V1__DishServed *event, mesh_error *err)
{
    return mesh_event_add(tx, &kitchen__v1__dish_served__event, (const ProtobufCMessage *)event, err);
}

mesh_code kitchen__v1__dish_served__consume(void (*handler)(void), void *self, mesh_tx *tx,
    const mesh_event *meta, const ProtobufCMessage *event, mesh_error *err)
{
    return ((kitchen__v1__dish_served__handler *)handler)(
        self, tx, meta, (const Kitchen__V1__DishServed *)event, err);
}

mesh_code kitchen__v1__dish_served__consume_batch(void (*handler)(void), void *self,
    mesh_tx *tx, const mesh_received *received, size_t count, mesh_error *err)
{
    kitchen__v1__dish_served__received *typed =
        mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *typed);
    if (typed == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        typed[i].meta = received[i].meta;
        typed[i].event = (const Kitchen__V1__DishServed *)received[i].event;
    }
    return ((kitchen__v1__dish_served__batch_handler *)handler)(self, tx, typed, count, err);
}

mesh_code kitchen__v1__error_reason__set(mesh_error *err, mesh_code code,
    Kitchen__V1__ErrorReason reason, const char *format, ...)
{
    /* Room for one character more, so that mesh_error_reason is the one to cut. */
    char message[MESH_ERROR_MESSAGE_BYTES + 4];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&kitchen__v1__error_reason__descriptor, (int)reason);
    return mesh_error_reason(err, code, "kitchen.v1",
        value != NULL ? value->name : "", "%s", message);
}
