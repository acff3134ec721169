/* Written by protoc-gen-mesh 0.1.0 from kitchen/v1/events.proto: do not edit. */
#ifndef MESH_GEN_kitchen__v1__events_proto_H
#define MESH_GEN_kitchen__v1__events_proto_H

#include "kitchen/v1/events.pb-c.h"

#include "mesh/v1/options.mesh.h"
#include "mesh/events/events.h"
#include "mesh/rpc/method.h"

#if MESH_VERSION_NUMBER < 1000
#error "written by protoc-gen-mesh 0.1.0, which needs a runtime of at least that version"
#endif

MESH_BEGIN_DECLS

/* The descriptor of kitchen/v1/events.proto, for server reflection. */
extern const mesh_file kitchen__v1__events_proto__file;

/* Event kitchen.v1.DishCooked: added to a transaction, handled by a consumer. */
/*
 * A dish is ready.
 */
extern const mesh_event_descriptor kitchen__v1__dish_cooked__event;

MESH_API mesh_code kitchen__v1__dish_cooked__add(
    mesh_tx *tx, const Kitchen__V1__DishCooked *event, mesh_error *err);

typedef mesh_code kitchen__v1__dish_cooked__handler(void *self, mesh_tx *tx,
    const mesh_event *meta, const Kitchen__V1__DishCooked *event, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_fn kitchen__v1__dish_cooked__consume;

static inline mesh_consumer kitchen__v1__dish_cooked__consumer(
    kitchen__v1__dish_cooked__handler *handler, void *self)
{
    return mesh_consumer_make(
        &kitchen__v1__dish_cooked__event, kitchen__v1__dish_cooked__consume, (void (*)(void))handler, self);
}

typedef struct kitchen__v1__dish_cooked__received {
    const mesh_event *meta;
    const Kitchen__V1__DishCooked *event;
} kitchen__v1__dish_cooked__received;

/* Handles 1 to MESH_BATCH_MAX events, in their order: as many of this kind as
 * follow each other in the transaction. When it fails, each comes again alone. */
typedef mesh_code kitchen__v1__dish_cooked__batch_handler(void *self, mesh_tx *tx,
    const kitchen__v1__dish_cooked__received *received, size_t count, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_batch_fn kitchen__v1__dish_cooked__consume_batch;

static inline mesh_consumer kitchen__v1__dish_cooked__batch_consumer(
    kitchen__v1__dish_cooked__batch_handler *handler, void *self)
{
    return mesh_batch_consumer_make(
        &kitchen__v1__dish_cooked__event, kitchen__v1__dish_cooked__consume_batch, (void (*)(void))handler, self);
}

/* Event kitchen.v1.DishCooked.Tasted: added to a transaction, handled by a consumer. */
/*
 * Somebody ate of it: an event within another message, without a version, with keywords as fields.
 */
extern const mesh_event_descriptor kitchen__v1__dish_cooked__tasted__event;

MESH_API mesh_code kitchen__v1__dish_cooked__tasted__add(
    mesh_tx *tx, const Kitchen__V1__DishCooked__Tasted *event, mesh_error *err);

typedef mesh_code kitchen__v1__dish_cooked__tasted__handler(void *self, mesh_tx *tx,
    const mesh_event *meta, const Kitchen__V1__DishCooked__Tasted *event, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_fn kitchen__v1__dish_cooked__tasted__consume;

static inline mesh_consumer kitchen__v1__dish_cooked__tasted__consumer(
    kitchen__v1__dish_cooked__tasted__handler *handler, void *self)
{
    return mesh_consumer_make(
        &kitchen__v1__dish_cooked__tasted__event, kitchen__v1__dish_cooked__tasted__consume, (void (*)(void))handler, self);
}

typedef struct kitchen__v1__dish_cooked__tasted__received {
    const mesh_event *meta;
    const Kitchen__V1__DishCooked__Tasted *event;
} kitchen__v1__dish_cooked__tasted__received;

/* Handles 1 to MESH_BATCH_MAX events, in their order: as many of this kind as
 * follow each other in the transaction. When it fails, each comes again alone. */
typedef mesh_code kitchen__v1__dish_cooked__tasted__batch_handler(void *self, mesh_tx *tx,
    const kitchen__v1__dish_cooked__tasted__received *received, size_t count, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_batch_fn kitchen__v1__dish_cooked__tasted__consume_batch;

static inline mesh_consumer kitchen__v1__dish_cooked__tasted__batch_consumer(
    kitchen__v1__dish_cooked__tasted__batch_handler *handler, void *self)
{
    return mesh_batch_consumer_make(
        &kitchen__v1__dish_cooked__tasted__event, kitchen__v1__dish_cooked__tasted__consume_batch, (void (*)(void))handler, self);
}

/* mesh_error_reason with a reason of Kitchen__V1__Oven__Reason. */
MESH_API mesh_code kitchen__v1__oven__reason__set(mesh_error *err, mesh_code code,
    Kitchen__V1__Oven__Reason reason, const char *format, ...) MESH_PRINTF(4, 5);

/* Event kitchen.v1.DishServed: added to a transaction, handled by a consumer. */
/*
 * A dish is on the table; in the place of what was told when it was ready.
 */
extern const mesh_event_descriptor kitchen__v1__dish_served__event;

MESH_API mesh_code kitchen__v1__dish_served__add(
    mesh_tx *tx, const Kitchen__V1__DishServed *event, mesh_error *err);

typedef mesh_code kitchen__v1__dish_served__handler(void *self, mesh_tx *tx,
    const mesh_event *meta, const Kitchen__V1__DishServed *event, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_fn kitchen__v1__dish_served__consume;

static inline mesh_consumer kitchen__v1__dish_served__consumer(
    kitchen__v1__dish_served__handler *handler, void *self)
{
    return mesh_consumer_make(
        &kitchen__v1__dish_served__event, kitchen__v1__dish_served__consume, (void (*)(void))handler, self);
}

typedef struct kitchen__v1__dish_served__received {
    const mesh_event *meta;
    const Kitchen__V1__DishServed *event;
} kitchen__v1__dish_served__received;

/* Handles 1 to MESH_BATCH_MAX events, in their order: as many of this kind as
 * follow each other in the transaction. When it fails, each comes again alone. */
typedef mesh_code kitchen__v1__dish_served__batch_handler(void *self, mesh_tx *tx,
    const kitchen__v1__dish_served__received *received, size_t count, mesh_error *err);

/* Between the runtime and a handler; not called by hand. */
extern mesh_consume_batch_fn kitchen__v1__dish_served__consume_batch;

static inline mesh_consumer kitchen__v1__dish_served__batch_consumer(
    kitchen__v1__dish_served__batch_handler *handler, void *self)
{
    return mesh_batch_consumer_make(
        &kitchen__v1__dish_served__event, kitchen__v1__dish_served__consume_batch, (void (*)(void))handler, self);
}

/* The upcaster, written by hand: fills `event`, initialised, from a
 * kitchen.v1.DishCooked; strings may be borrowed from that one, the rest is the
 * arena's. Not MESH_OK: the delivery failed. */
mesh_code kitchen__v1__dish_served__upcast(
    mesh_arena *arena, const Kitchen__V1__DishCooked *from, Kitchen__V1__DishServed *event, mesh_error *err);

/* mesh_error_reason with a reason of Kitchen__V1__ErrorReason. */
MESH_API mesh_code kitchen__v1__error_reason__set(mesh_error *err, mesh_code code,
    Kitchen__V1__ErrorReason reason, const char *format, ...) MESH_PRINTF(4, 5);

MESH_END_DECLS

#endif
