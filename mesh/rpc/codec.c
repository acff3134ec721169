#include "mesh/rpc/codec.h"

#include <string.h>

#include "mesh/rpc/reason.h"
#include "mesh/rpc/unpack.h"

/* One contiguous run of bytes: the only slice, or a copy in the arena. */
static const uint8_t *flatten(const mesh_message *message, mesh_arena *arena)
{
    static const uint8_t nothing[1];
    uint8_t *bytes;
    size_t at = 0;

    if (message->size == 0)
        return nothing;
    if (message->slice_count == 1)
        return message->slices[0].data;
    bytes = mesh_arena_alloc(arena, message->size);
    if (bytes == NULL)
        return NULL;
    for (size_t i = 0; i < message->slice_count; i++) {
        memcpy(bytes + at, message->slices[i].data, message->slices[i].size);
        at += message->slices[i].size;
    }
    return bytes;
}

static mesh_code copy_raw(const uint8_t *bytes, size_t size, mesh_arena *arena,
                          ProtobufCMessage **out, mesh_error *err)
{
    mesh_raw_message *raw = mesh_arena_calloc(arena, 1, sizeof *raw);

    if (raw != NULL)
        raw->data = mesh_arena_memdup(arena, bytes, size);
    if (raw == NULL || raw->data == NULL)
        return mesh_error_reason(
            err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, MESH_RPC_CALL_MEMORY_EXCEEDED,
            "a message of %zu bytes: needs more memory than a call may have", size);
    raw->size = size;
    *out = &raw->base;
    return MESH_OK;
}

mesh_code mesh_decode(const ProtobufCMessageDescriptor *descriptor, mesh_message *message,
                      mesh_arena *arena, ProtobufCMessage **out, mesh_error *err)
{
    const uint8_t *bytes = flatten(message, arena);
    mesh_code code;

    if (message->code != MESH_OK)
        code = message->code == MESH_RESOURCE_EXHAUSTED
                   ? mesh_error_set(err, message->code,
                                    "a compressed message is too large when inflated")
                   : mesh_error_reason(err, message->code, MESH_RPC_DOMAIN,
                                       MESH_RPC_MESSAGE_MALFORMED,
                                       "a compressed message cannot be inflated");
    else if (bytes == NULL)
        code = mesh_error_reason(
            err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, MESH_RPC_CALL_MEMORY_EXCEEDED,
            "a message of %zu bytes: needs more memory than a call may have", message->size);
    else if (descriptor == NULL)
        code = copy_raw(bytes, message->size, arena, out, err);
    else
        code = mesh_unpack(descriptor, bytes, message->size, arena, out, err);
    mesh_message_release(message);
    return code;
}

mesh_code mesh_encode(const mesh_transport *transport, const ProtobufCMessageDescriptor *descriptor,
                      const ProtobufCMessage *message, mesh_buffer *buffer, mesh_error *err)
{
    const mesh_raw_message *raw = (const mesh_raw_message *)(const void *)message;
    size_t size = descriptor == NULL ? raw->size : protobuf_c_message_get_packed_size(message);

    if (!transport->reserve(size, buffer))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for %zu bytes", size);
    if (descriptor != NULL)
        (void)protobuf_c_message_pack(message, buffer->data);
    else if (size > 0)
        memcpy(buffer->data, raw->data, size);
    return MESH_OK;
}

ProtobufCMessage *mesh_message_create(const ProtobufCMessageDescriptor *descriptor,
                                      mesh_arena *arena)
{
    ProtobufCMessage *message = mesh_arena_alloc(arena, descriptor->sizeof_message);

    if (message != NULL)
        descriptor->message_init(message);
    return message;
}
