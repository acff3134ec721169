/*
 * An event as it comes from the bus: the headers of a message, read into what a handler sees.
 */
#ifndef MESH_EVENTS_ENVELOPE_H
#define MESH_EVENTS_ENVELOPE_H

#include <nats/nats.h>

#include "mesh/base/log.h"
#include "mesh/events/events.h"
#include "mesh/events/stored_event.h"

enum {
    MESH_EVENT_ARENA_BYTES = 16 * 1024, /* of an event when it is unpacked: first block, limit */
    MESH_EVENT_ARENA_LIMIT_BYTES = 16 * 1024 * 1024
};

/* The event's subject, without "events."; borrowed. */
const char *mesh_envelope_subject(natsMsg *message);

/* Whether that is the subject of an event, or of one whose place it takes. */
bool mesh_event_takes(const mesh_event_descriptor *event, const char *subject);

/*
 * Whether the headers of an event that a consumer was given are longer than
 * MESH_EVENTS_MAX_HEADER_BYTES. They are not to be read then, and what follows takes them for
 * missing: the library (3.4) passes all of the same name before each one, which takes half a second
 * for the 64 KB that JetStream stores.
 */
bool mesh_envelope_is_overlong(const natsMsg *message);

/* Of its headers and payload. */
size_t mesh_envelope_bytes(const natsMsg *message);

/* The event's id and the type of its aggregate, borrowed; NULL: the message has none (or, of an id,
 * no UUIDv7). */
const char *mesh_envelope_id(natsMsg *message);
const char *mesh_envelope_aggregate_type(natsMsg *message);

/* The id of the aggregate as it stands there, borrowed, and its version: "" and 0 when there is
 * none, or a malformed one. */
const char *mesh_envelope_aggregate_id(natsMsg *message);
int64_t mesh_envelope_version(natsMsg *message);

/* The id as a handler sees it, in the arena; NULL: there is none, or one that mesh_entry_make would
 * not take, and no row could have. */
const char *mesh_envelope_read_aggregate_id(natsMsg *message, mesh_arena *arena);

/*
 * Headers of a stored message for who only shows them, whatever they are: "" and 0 for one that is
 * missing or malformed. A text is percent-encoded there. The strings are the arena's.
 */
const char *mesh_envelope_header(natsMsg *message, mesh_arena *arena, const char *name);
const char *mesh_envelope_text(natsMsg *message, mesh_arena *arena, const char *name);
int64_t mesh_envelope_time(natsMsg *message, const char *name);

/* All of an event that its message says, but for its place and subject, which depend on the stream.
 * The payload is the message's. */
void mesh_envelope_show(natsMsg *message, mesh_arena *arena, mesh_stored_event *event);

/*
 * Reads the headers of a message of the stream. Strings are borrowed from the message or live in
 * the arena. `trace` is the trace of who added the event, or none. INVALID_ARGUMENT: a header is
 * missing or malformed; what came before it is filled in.
 */
mesh_code mesh_envelope_read(natsMsg *message, mesh_arena *arena, mesh_event *meta,
                             mesh_trace *trace, mesh_error *err);

/*
 * Unpacks the payload into the arena, after a check of its bytes, and turns an older event into
 * `event`. INVALID_ARGUMENT: they are not this message, the header names another one, or it needs
 * more memory than the arena has: that is no trouble that passes, for which an event would come
 * again without end. Errors of the upcaster.
 */
mesh_code mesh_envelope_unpack(natsMsg *message, const mesh_event_descriptor *event,
                               mesh_arena *arena, const ProtobufCMessage **unpacked,
                               mesh_error *err);

/* A line about an event with all that is known of it; `trace` is as mesh_envelope_read left it. */
void mesh_envelope_log(mesh_log_level level, const char *message, const mesh_event *meta,
                       const mesh_trace *trace, const mesh_error *err);

#endif
