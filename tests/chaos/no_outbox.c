/*
 * A producer without the outbox, to see that its absence is found: an event is published when its
 * transaction has committed, as a program would that knows nothing better.
 */
#include <inttypes.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"
#include "tests/chaos/settings.h"

typedef struct pending {
    const mesh_event_descriptor *event;
    const ProtobufCMessage *message;
} pending;

static pthread_once_t connected = PTHREAD_ONCE_INIT;
static natsConnection *connection;
static jsCtx *js;

static void connect_once(void)
{
    if (natsConnection_ConnectTo(&connection, setting_text("CHAOS_NATS")) != NATS_OK ||
        natsConnection_JetStream(&js, connection, NULL) != NATS_OK)
        abort();
}

static void set_headers(natsMsg *message, const pending *self)
{
    char id[MESH_UUID_TEXT_BYTES], time[MESH_TIME_TEXT_BYTES], version[24];
    int64_t number = self->event->version != NULL ? self->event->version(self->message) : 0;
    mesh_uuid_v7(id);
    mesh_clock_format(mesh_clock_wall_ns(), time);
    snprintf(version, sizeof version, "%" PRId64, number);
    const char *const headers[][2] = {
        {"ce-specversion", "1.0"},
        {"ce-id", id},
        {"ce-type", self->event->message->name},
        {"ce-source", "/ledger"},
        {"ce-subject", self->event->aggregate_id(self->message)},
        {"ce-time", time},
        {"ce-aggregatetype", self->event->aggregate_type},
        {"ce-aggregateversion", version},
        {"content-type", "application/protobuf"},
        {"Nats-Msg-Id", id},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        (void)natsMsgHeader_Set(message, headers[i][0], headers[i][1]);
}

/* After the commit. The event lives as long as its transaction: the arena has a copy. */
static void publish(void *context)
{
    const pending *self = context;
    char subject[256];
    uint8_t data[256];
    natsMsg *message = NULL;
    snprintf(subject, sizeof subject, "events.%s", self->event->subject);
    int size = (int)protobuf_c_message_pack(self->message, data);
    if (natsMsg_Create(&message, subject, NULL, (const char *)data, size) != NATS_OK)
        return;
    set_headers(message, self);
    (void)js_PublishMsgAsync(js, &message, NULL);
    natsMsg_Destroy(message);
}

static void *arena_allocate(void *arena, size_t size)
{
    return mesh_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *data)
{
    (void)arena;
    (void)data;
}

mesh_code __wrap_mesh_event_add(mesh_tx *tx, const mesh_event_descriptor *event,
                                const ProtobufCMessage *message, mesh_error *err);

mesh_code __wrap_mesh_event_add(mesh_tx *tx, const mesh_event_descriptor *event,
                                const ProtobufCMessage *message, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(tx);
    ProtobufCAllocator allocator = {arena_allocate, arena_free, arena};
    uint8_t data[256];
    pthread_once(&connected, connect_once);
    size_t size = protobuf_c_message_pack(message, data);
    pending *self = mesh_arena_alloc(arena, sizeof *self);
    ProtobufCMessage *copy = protobuf_c_message_unpack(event->message, &allocator, size, data);
    if (self == NULL || copy == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *self = (pending){.event = event, .message = copy};
    return mesh_tx_after_commit(tx, publish, self, err);
}
