/*
 * An event on its way out: encoded when it is added, with all that its message to the broker needs.
 */
#ifndef MESH_EVENTS_ENTRY_H
#define MESH_EVENTS_ENTRY_H

#include <nats/nats.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"
#include "mesh/events/events.h"

enum {
    MESH_EVENTS_AGGREGATE_ID_BYTES = 512, /* longest aggregate id */
    MESH_EVENTS_SUBJECT_BYTES = 200       /* longest subject of an event */
};

/* In one piece, so that it can be copied: what the pointers do not name follows the struct. */
typedef struct mesh_entry {
    struct mesh_entry *next; /* for whoever has it */
    const char *subject;     /* of the descriptor, static, as the types are */
    const char *type;
    const char *aggregate_type;
    char id[MESH_UUID_TEXT_BYTES];
    char time[MESH_TIME_TEXT_BYTES];
    char traceparent[MESH_TRACEPARENT_BYTES]; /* "": added without a trace */
    int64_t version;
    size_t total_size; /* of the struct and what follows it */
    size_t aggregate_id_size;
    uint64_t aggregate_hash; /* of its id */
    size_t size;             /* of the payload */
    bool refused;            /* by the broker, at least once */
    char follows[];          /* aggregate id (escaped, with its NUL), payload */
} mesh_entry;

/* Encodes an event into the arena, with a new id, the time and the thread's trace. As
 * mesh_event_add: INVALID_ARGUMENT, but for what the broker takes; RESOURCE_EXHAUSTED. */
mesh_code mesh_entry_make(mesh_arena *arena, const mesh_event_descriptor *event,
                          const ProtobufCMessage *message, mesh_entry **entry, mesh_error *err);

/* Its message to the broker, for the caller to destroy; `source` is the header ce-source. */
natsStatus mesh_entry_message(const mesh_entry *entry, const char *source, natsMsg **message);

/* What the broker's max_payload counts of that message: headers, in the form of the protocol, and
 * payload. */
size_t mesh_entry_message_size(const mesh_entry *entry, const char *source);

/* They have to be stored in the order in which they were added. */
bool mesh_entry_same_aggregate(const mesh_entry *a, const mesh_entry *b);

/* A line at error level that tells which event it is about. */
void mesh_entry_log(const mesh_entry *entry, const char *message, const char *cause,
                    int jetstream_code);

#endif
