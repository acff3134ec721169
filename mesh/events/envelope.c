#include "mesh/events/envelope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/utf8.h"
#include "mesh/base/uuid.h"
#include "mesh/db/time_text.h"
#include "mesh/events/broker.h"
#include "mesh/events/entry.h"
#include "mesh/events/escape.h"
#include "mesh/rpc/unpack.h"

const char *mesh_envelope_subject(natsMsg *message)
{
    return natsMsg_GetSubject(message) + strlen(MESH_EVENTS_PREFIX);
}

bool mesh_event_takes(const mesh_event_descriptor *event, const char *subject)
{
    for (; event != NULL; event = event->older)
        if (strcmp(event->subject, subject) == 0)
            return true;
    return false;
}

/* The library keeps a message that came in one piece: subject, reply, headers and payload, each
 * with a NUL behind it. It has no function that tells how long the headers are before it reads
 * them. */
static size_t header_bytes(const natsMsg *message)
{
    const char *reply = natsMsg_GetReply(message), *data = natsMsg_GetData(message);
    if (reply == NULL || data == NULL)
        return 0;
    return (size_t)((uintptr_t)data - (uintptr_t)reply - strlen(reply) - 1);
}

size_t mesh_envelope_bytes(const natsMsg *message)
{
    return header_bytes(message) + (size_t)natsMsg_GetDataLength(message);
}

bool mesh_envelope_is_overlong(const natsMsg *message)
{
    return header_bytes(message) > MESH_EVENTS_MAX_HEADER_BYTES;
}

/* A header's value; NULL when it is not there. */
static const char *header(natsMsg *message, const char *name)
{
    const char *value = NULL;
    if (mesh_envelope_is_overlong(message))
        return NULL;
    return natsMsgHeader_Get(message, name, &value) == NATS_OK ? value : NULL;
}

static mesh_code bad_header(mesh_error *err, const char *name)
{
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "the event's header %s is missing or malformed", name);
}

static bool read_version(const char *text, int64_t *version)
{
    char *end;
    if (text == NULL) {
        *version = 0; /* from others than us */
        return true;
    }
    errno = 0;
    *version = strtoll(text, &end, 10);
    /* The greatest number has none that follows it. */
    return errno == 0 && end != text && *end == '\0' && *version >= 0 && *version < INT64_MAX;
}

const char *mesh_envelope_id(natsMsg *message)
{
    const char *id = header(message, "ce-id");
    /* Version 7: the inbox finds its old rows by the time in them. */
    return id != NULL && mesh_uuid_valid(id) && id[14] == '7' ? id : NULL;
}

const char *mesh_envelope_aggregate_type(natsMsg *message)
{
    return header(message, "ce-aggregatetype");
}

const char *mesh_envelope_aggregate_id(natsMsg *message)
{
    const char *id = header(message, "ce-subject");
    return id != NULL ? id : "";
}

int64_t mesh_envelope_version(natsMsg *message)
{
    int64_t version = 0;
    return read_version(header(message, "ce-aggregateversion"), &version) ? version : 0;
}

const char *mesh_envelope_header(natsMsg *message, mesh_arena *arena, const char *name)
{
    const char *value = header(message, name);
    return value != NULL ? mesh_arena_strdup(arena, value) : "";
}

const char *mesh_envelope_text(natsMsg *message, mesh_arena *arena, const char *name)
{
    const char *value = header(message, name);
    const char *text = value != NULL ? mesh_event_unescape(arena, value) : NULL;
    return text != NULL ? text : "";
}

int64_t mesh_envelope_time(natsMsg *message, const char *name)
{
    int64_t wall_ns = 0;
    const char *value = header(message, name);
    return value != NULL && mesh_time_parse(value, &wall_ns) ? wall_ns : 0;
}

const char *mesh_envelope_read_aggregate_id(natsMsg *message, mesh_arena *arena)
{
    const char *escaped = header(message, "ce-subject");
    if (escaped == NULL || strlen(escaped) > 3 * MESH_EVENTS_AGGREGATE_ID_BYTES)
        return NULL;
    const char *id = mesh_event_unescape(arena, escaped);
    size_t size = id != NULL ? strlen(id) : 0;
    if (size == 0 || size > MESH_EVENTS_AGGREGATE_ID_BYTES)
        return NULL;
    return mesh_utf8_is_text((const uint8_t *)id, size) ? id : NULL;
}

void mesh_envelope_show(natsMsg *message, mesh_arena *arena, mesh_stored_event *event)
{
    *event = (mesh_stored_event){
        .id = mesh_envelope_header(message, arena, "ce-id"),
        .type = mesh_envelope_header(message, arena, "ce-type"),
        .source = mesh_envelope_header(message, arena, "ce-source"),
        .aggregate_type = mesh_envelope_header(message, arena, "ce-aggregatetype"),
        .aggregate_id = mesh_envelope_text(message, arena, "ce-subject"),
        .version = strtoll(mesh_envelope_header(message, arena, "ce-aggregateversion"), NULL, 10),
        .time_ns = mesh_envelope_time(message, "ce-time"),
        .traceparent = mesh_envelope_header(message, arena, "traceparent"),
        .payload = (const uint8_t *)natsMsg_GetData(message),
        .payload_size = (size_t)natsMsg_GetDataLength(message),
    };
}

static mesh_code read_headers(natsMsg *message, mesh_arena *arena, mesh_event *meta,
                              mesh_error *err)
{
    if (mesh_envelope_is_overlong(message))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the event's headers are longer than %d bytes",
                              MESH_EVENTS_MAX_HEADER_BYTES);
    const char *id = mesh_envelope_id(message);
    if (id == NULL)
        return bad_header(err, "ce-id");
    meta->id = id;
    const char *spec = header(message, "ce-specversion");
    if (spec == NULL || strcmp(spec, "1.0") != 0)
        return bad_header(err, "ce-specversion");
    const char *source = header(message, "ce-source");
    if (source == NULL || source[0] == '\0')
        return bad_header(err, "ce-source");
    meta->source = source;
    const char *aggregate_id = mesh_envelope_read_aggregate_id(message, arena);
    if (aggregate_id == NULL)
        return bad_header(err, "ce-subject");
    meta->aggregate_id = aggregate_id;
    const char *time = header(message, "ce-time");
    if (time == NULL || !mesh_time_parse(time, &meta->time_ns))
        return bad_header(err, "ce-time");
    if (!read_version(header(message, "ce-aggregateversion"), &meta->version))
        return bad_header(err, "ce-aggregateversion");
    return MESH_OK;
}

mesh_code mesh_envelope_read(natsMsg *message, mesh_arena *arena, mesh_event *meta,
                             mesh_trace *trace, mesh_error *err)
{
    const char *parent = header(message, "traceparent");
    if (parent == NULL || !mesh_trace_parse(trace, parent, strlen(parent)))
        *trace = (mesh_trace){.flags = 0}; /* a broken one must not stop the event */
    return read_headers(message, arena, meta, err);
}

static mesh_code too_large(mesh_error *err)
{
    /* Trouble that stays: what is too large now is too large whenever it is delivered. */
    return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the event takes more memory than it may");
}

static mesh_code unpack_payload(natsMsg *message, const ProtobufCMessageDescriptor *type,
                                mesh_arena *arena, const ProtobufCMessage **unpacked,
                                mesh_error *err)
{
    const uint8_t *data = (const uint8_t *)natsMsg_GetData(message);
    size_t size = (size_t)natsMsg_GetDataLength(message);
    ProtobufCMessage *whole;
    mesh_code code = mesh_unpack(type, data, size, arena, &whole, err);
    if (code == MESH_RESOURCE_EXHAUSTED)
        return too_large(err);
    if (code == MESH_OK)
        *unpacked = whole;
    return code;
}

static mesh_code upcast(const mesh_event_descriptor *event, const ProtobufCMessage *older,
                        mesh_arena *arena, const ProtobufCMessage **upcasted, mesh_error *err)
{
    ProtobufCMessage *made = mesh_arena_alloc(arena, event->message->sizeof_message);
    if (made == NULL)
        return too_large(err);
    event->message->message_init(made);
    mesh_code code = event->upcast(arena, older, made, err);
    if (code == MESH_OK && mesh_arena_overflowed(arena))
        return too_large(err);
    if (code == MESH_OK)
        *upcasted = made;
    return code;
}

/* As deep as there are generations of the event between its own and the one that is wanted. */
static mesh_code unpack_as(natsMsg *message, const char *type, const mesh_event_descriptor *event,
                           mesh_arena *arena, const ProtobufCMessage **unpacked, mesh_error *err)
{
    if (strcmp(type, event->message->name) == 0)
        return unpack_payload(message, event->message, arena, unpacked, err);
    if (event->older == NULL)
        return bad_header(err, "ce-type");
    const ProtobufCMessage *older = NULL;
    mesh_code code = unpack_as(message, type, event->older, arena, &older, err);
    return code == MESH_OK ? upcast(event, older, arena, unpacked, err) : code;
}

mesh_code mesh_envelope_unpack(natsMsg *message, const mesh_event_descriptor *event,
                               mesh_arena *arena, const ProtobufCMessage **unpacked,
                               mesh_error *err)
{
    const char *type = header(message, "ce-type");
    if (type == NULL)
        return bad_header(err, "ce-type");
    return unpack_as(message, type, event, arena, unpacked, err);
}

void mesh_envelope_log(mesh_log_level level, const char *message, const mesh_event *meta,
                       const mesh_trace *trace, const mesh_error *err)
{
    char traceparent[MESH_TRACEPARENT_BYTES] = "";
    if (mesh_trace_valid(trace))
        mesh_trace_format(trace, traceparent);
    mesh_log(level, message, MESH_LOG_S("subject", meta->subject), MESH_LOG_S("event_id", meta->id),
             MESH_LOG_S("source", meta->source), MESH_LOG_S("aggregate_id", meta->aggregate_id),
             MESH_LOG_I("version", meta->version), MESH_LOG_S("stream", MESH_EVENTS_STREAM),
             MESH_LOG_I("sequence", (int64_t)meta->sequence),
             MESH_LOG_I("delivery", meta->delivery), MESH_LOG_S("code", mesh_code_name(err->code)),
             MESH_LOG_S("cause", err->message), MESH_LOG_S("reason", err->reason),
             MESH_LOG_S("traceparent", traceparent));
}
