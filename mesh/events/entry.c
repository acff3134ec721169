#include "mesh/events/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/base/utf8.h"
#include "mesh/base/uuid.h"
#include "mesh/events/broker.h"
#include "mesh/events/escape.h"

/* An entry and what it points to, in one piece of memory. */
typedef struct made_entry {
    mesh_entry entry;
    char id[MESH_UUID_TEXT_BYTES];
    char traceparent[MESH_TRACEPARENT_BYTES];
    char follows[]; /* aggregate id with its NUL, payload */
} made_entry;

static mesh_code check_names(const mesh_event_descriptor *event, const char *aggregate_id,
                             mesh_error *err)
{
    const char *wrong = NULL;
    if (aggregate_id == NULL || aggregate_id[0] == '\0')
        wrong = "empty";
    else if (strlen(aggregate_id) > MESH_EVENTS_AGGREGATE_ID_BYTES)
        wrong = "too long";
    else if (!mesh_utf8_is_text((const uint8_t *)aggregate_id, strlen(aggregate_id)))
        wrong = "not UTF-8";
    if (wrong != NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: the id of its %s is %s",
                              event->subject, event->aggregate_type, wrong);
    if (strlen(event->subject) > MESH_EVENTS_SUBJECT_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: too long for a subject",
                              event->subject);
    return MESH_OK;
}

mesh_code mesh_entry_make(mesh_arena *arena, const mesh_event_descriptor *event,
                          const ProtobufCMessage *message, mesh_entry **out, mesh_error *err)
{
    const char *aggregate_id = event->aggregate_id(message);
    mesh_code code = check_names(event, aggregate_id, err);
    if (code != MESH_OK)
        return code;
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > MESH_EVENT_MAX_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %zu bytes are too long for an event",
                              event->subject, size);
    size_t id_size = strlen(aggregate_id) + 1;
    made_entry *made = mesh_arena_alloc(arena, sizeof *made + id_size + size);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->entry = (mesh_entry){
        .id = made->id,
        .subject = event->subject,
        .type = event->message->name,
        .aggregate_type = event->aggregate_type,
        .aggregate_id = memcpy(made->follows, aggregate_id, id_size),
        .version = event->version != NULL ? event->version(message) : 0,
        .time_ns = mesh_clock_wall_ns(),
        .traceparent = made->traceparent,
        .payload = made->follows + id_size,
        .size = size,
    };
    mesh_uuid_v7(made->id);
    made->traceparent[0] = '\0';
    const mesh_trace *trace = mesh_trace_current();
    if (trace != NULL && mesh_trace_valid(trace))
        mesh_trace_format(trace, made->traceparent);
    protobuf_c_message_pack(message, (uint8_t *)made->follows + id_size);
    *out = &made->entry;
    return MESH_OK;
}

uint64_t mesh_entry_hash(const char *aggregate_id)
{
    return mesh_hash_text(MESH_HASH_EMPTY, aggregate_id);
}

enum {
    HEADERS_MAX = 12,
    VERSION_BYTES = 24
};

typedef struct headers {
    struct {
        const char *name;
        const char *value;
    } items[HEADERS_MAX];
    size_t count;
    char version[VERSION_BYTES];
    char time[MESH_TIME_TEXT_BYTES];
    char aggregate_id[3 * MESH_EVENTS_AGGREGATE_ID_BYTES + 1]; /* escaped */
} headers;

static void put(headers *h, const char *name, const char *value)
{
    h->items[h->count].name = name;
    h->items[h->count++].value = value;
}

/* They live as long as the entry and `source`. */
static void list_headers(const mesh_entry *e, const char *source, headers *h)
{
    h->count = 0;
    snprintf(h->version, sizeof h->version, "%" PRId64, e->version);
    mesh_clock_format(e->time_ns, h->time);
    mesh_event_escape(e->aggregate_id, h->aggregate_id);
    put(h, "ce-specversion", "1.0");
    put(h, "ce-id", e->id);
    put(h, "ce-type", e->type);
    put(h, "ce-source", source);
    put(h, "ce-subject", h->aggregate_id);
    put(h, "ce-time", h->time);
    put(h, "ce-aggregatetype", e->aggregate_type);
    put(h, "ce-aggregateversion", h->version);
    put(h, "content-type", "application/protobuf");
    put(h, "Nats-Msg-Id", e->id);
    put(h, "Nats-Expected-Stream", MESH_EVENTS_STREAM);
    if (e->traceparent[0] != '\0')
        put(h, "traceparent", e->traceparent);
}

size_t mesh_entry_message_size(const mesh_entry *e, const char *source)
{
    headers h;
    size_t size = strlen("NATS/1.0\r\n\r\n") + e->size;
    list_headers(e, source, &h);
    for (size_t i = 0; i < h.count; i++)
        size += strlen(h.items[i].name) + strlen(": \r\n") + strlen(h.items[i].value);
    return size;
}

natsStatus mesh_entry_message(const mesh_entry *e, const char *source, natsMsg **message)
{
    char subject[sizeof MESH_EVENTS_PREFIX + MESH_EVENTS_SUBJECT_BYTES];
    headers h;
    snprintf(subject, sizeof subject, MESH_EVENTS_PREFIX "%s", e->subject);
    natsStatus status = natsMsg_Create(message, subject, NULL, e->payload, (int)e->size);
    list_headers(e, source, &h);
    for (size_t i = 0; status == NATS_OK && i < h.count; i++)
        status = natsMsgHeader_Set(*message, h.items[i].name, h.items[i].value);
    return status;
}

bool mesh_entry_same_aggregate(const mesh_entry *a, const mesh_entry *b)
{
    return a->aggregate_hash == b->aggregate_hash &&
           strcmp(a->aggregate_id, b->aggregate_id) == 0 &&
           strcmp(a->aggregate_type, b->aggregate_type) == 0;
}

void mesh_entry_log(const mesh_entry *e, const char *message, const char *cause, int jetstream_code)
{
    mesh_log(MESH_LOG_ERROR, message, MESH_LOG_S("cause", cause),
             MESH_LOG_I("jetstream_code", jetstream_code), MESH_LOG_S("event_id", e->id),
             MESH_LOG_S("subject", e->subject), MESH_LOG_S("aggregate_id", e->aggregate_id),
             MESH_LOG_I("version", e->version));
}
