#include "mesh/events/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/events/broker.h"
#include "mesh/events/escape.h"

mesh_code mesh_entry_make(mesh_arena *arena, const mesh_event_descriptor *event,
                          const ProtobufCMessage *message, mesh_entry **out, mesh_error *err)
{
    const char *aggregate_id = event->aggregate_id(message);
    if (aggregate_id == NULL || aggregate_id[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: the id of its %s is empty",
                              event->subject, event->aggregate_type);
    if (strlen(aggregate_id) > MESH_EVENTS_AGGREGATE_ID_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: the id of its %s is too long",
                              event->subject, event->aggregate_type);
    if (strlen(event->subject) > MESH_EVENTS_SUBJECT_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: too long for a subject",
                              event->subject);
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > MESH_EVENT_MAX_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %zu bytes are too long for an event",
                              event->subject, size);
    size_t id_size = mesh_event_escaped_size(aggregate_id);
    size_t total_size = sizeof(mesh_entry) + id_size + size;
    mesh_entry *e = mesh_arena_alloc(arena, total_size);
    if (e == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *e = (mesh_entry){
        .subject = event->subject,
        .type = event->message->name,
        .aggregate_type = event->aggregate_type,
        .version = event->version != NULL ? event->version(message) : 0,
        .total_size = total_size,
        .aggregate_id_size = id_size,
        .size = size,
    };
    mesh_uuid_v7(e->id);
    mesh_clock_format(mesh_clock_wall_ns(), e->time);
    const mesh_trace *trace = mesh_trace_current();
    if (trace != NULL && mesh_trace_valid(trace))
        mesh_trace_format(trace, e->traceparent);
    mesh_event_escape(aggregate_id, e->follows);
    e->aggregate_hash = mesh_hash_text(MESH_HASH_EMPTY, e->follows);
    protobuf_c_message_pack(message, (uint8_t *)e->follows + id_size);
    *out = e;
    return MESH_OK;
}

enum {
    HEADERS_MAX = 12,
    VERSION_BYTES = 24
};

typedef struct header {
    const char *name;
    const char *value;
} header;

/* Lists the headers of an event; how many. They live as long as the entry and `version`. */
static size_t list_headers(const mesh_entry *e, const char *source, char version[VERSION_BYTES],
                           header headers[HEADERS_MAX])
{
    size_t count = 0;
    snprintf(version, VERSION_BYTES, "%" PRId64, e->version);
    headers[count++] = (header){"ce-specversion", "1.0"};
    headers[count++] = (header){"ce-id", e->id};
    headers[count++] = (header){"ce-type", e->type};
    headers[count++] = (header){"ce-source", source};
    headers[count++] = (header){"ce-subject", e->follows};
    headers[count++] = (header){"ce-time", e->time};
    headers[count++] = (header){"ce-aggregatetype", e->aggregate_type};
    headers[count++] = (header){"ce-aggregateversion", version};
    headers[count++] = (header){"content-type", "application/protobuf"};
    headers[count++] = (header){"Nats-Msg-Id", e->id};
    headers[count++] = (header){"Nats-Expected-Stream", MESH_EVENTS_STREAM};
    if (e->traceparent[0] != '\0')
        headers[count++] = (header){"traceparent", e->traceparent};
    return count;
}

size_t mesh_entry_message_size(const mesh_entry *e, const char *source)
{
    header headers[HEADERS_MAX];
    char version[VERSION_BYTES];
    size_t size = strlen("NATS/1.0\r\n\r\n") + e->size;
    size_t count = list_headers(e, source, version, headers);
    for (size_t i = 0; i < count; i++)
        size += strlen(headers[i].name) + strlen(": \r\n") + strlen(headers[i].value);
    return size;
}

natsStatus mesh_entry_message(const mesh_entry *e, const char *source, natsMsg **message)
{
    char subject[sizeof MESH_EVENTS_PREFIX + MESH_EVENTS_SUBJECT_BYTES];
    header headers[HEADERS_MAX];
    char version[VERSION_BYTES];
    snprintf(subject, sizeof subject, MESH_EVENTS_PREFIX "%s", e->subject);
    natsStatus status = natsMsg_Create(message, subject, NULL, e->follows + e->aggregate_id_size,
                                       (int)e->size);
    size_t count = list_headers(e, source, version, headers);
    for (size_t i = 0; status == NATS_OK && i < count; i++)
        status = natsMsgHeader_Set(*message, headers[i].name, headers[i].value);
    return status;
}

bool mesh_entry_same_aggregate(const mesh_entry *a, const mesh_entry *b)
{
    return a->aggregate_hash == b->aggregate_hash && strcmp(a->follows, b->follows) == 0;
}

void mesh_entry_log(const mesh_entry *e, const char *message, const char *cause, int jetstream_code)
{
    mesh_log(MESH_LOG_ERROR, message, MESH_LOG_S("cause", cause),
             MESH_LOG_I("jetstream_code", jetstream_code), MESH_LOG_S("event_id", e->id),
             MESH_LOG_S("subject", e->subject), MESH_LOG_S("aggregate_id", e->follows),
             MESH_LOG_I("version", e->version));
}
