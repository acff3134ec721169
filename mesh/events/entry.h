/*
 * An event on its way out: encoded when it is added, with all that its message to the broker needs.
 */
#ifndef MESH_EVENTS_ENTRY_H
#define MESH_EVENTS_ENTRY_H

#include <nats/nats.h>

#include "mesh/events/aggregate.h"
#include "mesh/events/events.h"

enum {
    MESH_EVENTS_AGGREGATE_ID_BYTES = 512, /* longest aggregate id */
    MESH_EVENTS_SUBJECT_BYTES = 200,      /* longest subject of an event */
    /* What headers take at most, with all of an id escaped. */
    MESH_ENTRY_HEADERS_MAX_BYTES = 4096
};

/* What it points to belongs to whoever made it, and lives as long. */
typedef struct mesh_entry {
    struct mesh_entry *next; /* for whoever has it */
    int64_t position;        /* in the outbox; 0 before it is there */
    const char *id;          /* UUID */
    const char *subject;
    const char *type;
    mesh_aggregate_name aggregate; /* without the hash until it is read from the outbox */
    int64_t version;
    int64_t time_ns;         /* since the Unix epoch */
    const char *traceparent; /* "": added without a trace */
    const void *payload;
    size_t size;
} mesh_entry;

/* Encodes an event into the arena, with a new id, the time and the thread's trace. As
 * mesh_event_add: INVALID_ARGUMENT, but for what the broker takes; RESOURCE_EXHAUSTED. */
mesh_code mesh_entry_make(mesh_arena *arena, const mesh_event_descriptor *event,
                          const ProtobufCMessage *message, mesh_entry **entry, mesh_error *err);

/* Its message to the broker, for the caller to destroy; `source` is the header ce-source, `reply`
 * the subject for the answer. */
natsStatus mesh_entry_message(const mesh_entry *entry, const char *source, const char *reply,
                              natsMsg **message);

/* What the broker's max_payload counts of that message: headers, in the form of the protocol, and
 * payload. */
size_t mesh_entry_message_size(const mesh_entry *entry, const char *source);

/* A line at error level that tells which event it is about. */
void mesh_entry_log(const mesh_entry *entry, const char *message, const char *cause,
                    int jetstream_code);

#endif
