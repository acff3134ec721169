/* Between wire bytes and protobuf-c messages. Internal. */
#ifndef MESH_RPC_CODEC_H
#define MESH_RPC_CODEC_H

#include "mesh/rpc/transport.h"

/*
 * Messages whose type is only known at run time (mesh_method without descriptors) travel as this:
 * `base` is never looked at, so a pointer to it serves wherever a ProtobufCMessage is passed.
 */
typedef struct mesh_raw_message {
    ProtobufCMessage base;
    const uint8_t *data;
    size_t size;
} mesh_raw_message;

enum {
    MESH_MESSAGE_UNCOUNTED_BYTES = 4096 /* a message of so few costs less than its call */
};

/*
 * Counts a message against a budget until it is released, and what becomes of it in mesh_decode.
 * False: there is no room; it is released, and mesh_decode will say so.
 */
bool mesh_message_hold(mesh_message *message, mesh_budget *budget);

/*
 * Copies a message that is kept beyond its event. What it is a slice of may be much larger than
 * itself, a buffer that others came in, too, and would be kept with it; a `compact` one stays.
 * Without memory mesh_decode will say so.
 */
void mesh_message_keep(mesh_message *message);

/* Whether to decode it takes long, so that it is no work for the transport's threads. */
static inline bool mesh_message_is_slow(const mesh_message *message)
{
    return message->compressed && message->slice_count > 0;
}

/* Whether that may take a processor for so long that few should do it at a time. */
bool mesh_message_is_heavy(const mesh_message *message);

/*
 * Inflates, checks and unpacks a received message into the arena and releases it, whatever is
 * returned. `descriptor` NULL gives a mesh_raw_message. INVALID_ARGUMENT: malformed, names the
 * field; RESOURCE_EXHAUSTED: does not fit the arena or the budget, or too large once inflated;
 * INTERNAL: cannot be inflated, or nobody says how.
 */
mesh_code mesh_decode(const ProtobufCMessageDescriptor *descriptor, mesh_message *message,
                      mesh_arena *arena, ProtobufCMessage **out, mesh_error *err);

/* What a message takes on the wire. */
size_t mesh_encoded_size(const ProtobufCMessageDescriptor *descriptor,
                         const ProtobufCMessage *message);

/* Packs it into `size` bytes, which are so many, of the transport's. RESOURCE_EXHAUSTED: out of
 * memory. */
mesh_code mesh_encode(const mesh_transport *transport, const ProtobufCMessageDescriptor *descriptor,
                      const ProtobufCMessage *message, size_t size, mesh_buffer *buffer,
                      mesh_error *err);

/* A new, initialised message in the arena; NULL on overflow. */
ProtobufCMessage *mesh_message_create(const ProtobufCMessageDescriptor *descriptor,
                                      mesh_arena *arena);

#endif
