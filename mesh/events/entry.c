#include "mesh/events/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/clock.h"
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
    int64_t version = event->version != NULL ? event->version(message) : 0;
    if (event->version != NULL && version < 1)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%s: %s is %" PRId64 ": it is the version of the %s, 1 at first and "
                              "one more with each event",
                              event->subject,
                              event->version_field != NULL ? event->version_field : "its version",
                              version, event->aggregate_type);
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
        .aggregate = {.type = event->aggregate_type,
                      .id = memcpy(made->follows, aggregate_id, id_size)},
        .version = version,
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

enum {
    VERSION_BYTES = 24
};

/* All headers but the last one, "name: value" lines as they are sent. */
typedef struct headers {
    char text[MESH_ENTRY_HEADERS_MAX_BYTES];
    size_t size; /* more than that: they have no room */
} headers;

#define LAST_NAME "Nats-Expected-Stream"
#define LAST_VALUE MESH_EVENTS_STREAM

static void append(headers *h, const char *text)
{
    size_t size = strlen(text);
    if (h->size + size < sizeof h->text)
        memcpy(h->text + h->size, text, size + 1);
    h->size += size;
}

static void put(headers *h, const char *name, const char *value)
{
    append(h, name);
    append(h, ": ");
    append(h, value);
    append(h, "\r\n");
}

static void list_headers(const mesh_entry *e, const char *source, headers *h)
{
    char aggregate_id[3 * MESH_EVENTS_AGGREGATE_ID_BYTES + 1];
    char version[VERSION_BYTES];
    char time[MESH_TIME_TEXT_BYTES];
    h->size = 0;
    mesh_event_escape(e->aggregate.id, aggregate_id);
    snprintf(version, sizeof version, "%" PRId64, e->version);
    mesh_clock_format(e->time_ns, time);
    put(h, "Nats-Msg-Id", e->id);
    put(h, "ce-specversion", "1.0");
    put(h, "ce-id", e->id);
    put(h, "ce-type", e->type);
    put(h, "ce-source", source);
    put(h, "ce-subject", aggregate_id);
    put(h, "ce-time", time);
    put(h, "ce-aggregatetype", e->aggregate.type);
    put(h, "ce-aggregateversion", version);
    put(h, "content-type", "application/protobuf");
    if (e->traceparent[0] != '\0')
        put(h, "traceparent", e->traceparent);
}

size_t mesh_entry_message_size(const mesh_entry *e, const char *source)
{
    headers h;
    list_headers(e, source, &h);
    return strlen("NATS/1.0\r\n" LAST_NAME ": " LAST_VALUE "\r\n\r\n") + h.size + e->size;
}

/*
 * The library keeps headers in a hash table, with six allocations for each, which is most of what
 * publishing would cost. It writes a name as it is: so one name has all of the lines in front of
 * it. No value can end its line: the aggregate's id is escaped, the others are names of the
 * contract or made here.
 */
natsStatus mesh_entry_message(const mesh_entry *e, const char *source, const char *reply,
                              natsMsg **message)
{
    char subject[sizeof MESH_EVENTS_PREFIX + MESH_EVENTS_SUBJECT_BYTES];
    headers h;
    snprintf(subject, sizeof subject, MESH_EVENTS_PREFIX "%s", e->subject);
    list_headers(e, source, &h);
    append(&h, LAST_NAME);
    if (h.size >= sizeof h.text)
        return NATS_INSUFFICIENT_BUFFER;
    natsMsg *made = NULL;
    natsStatus status = natsMsg_Create(&made, subject, reply, e->payload, (int)e->size);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(made, h.text, LAST_VALUE);
    if (status == NATS_OK)
        *message = made;
    else
        natsMsg_Destroy(made);
    return status;
}

void mesh_entry_log(const mesh_entry *e, const char *message, const char *cause, int jetstream_code)
{
    mesh_log(MESH_LOG_ERROR, message, MESH_LOG_S("cause", cause),
             MESH_LOG_I("jetstream_code", jetstream_code), MESH_LOG_S("event_id", e->id),
             MESH_LOG_S("subject", e->subject), MESH_LOG_S("aggregate_id", e->aggregate.id),
             MESH_LOG_I("version", e->version));
}
