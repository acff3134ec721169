#include "mesh/rpc/codec.h"

#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/inflate.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/unpack.h"

static uint8_t *join(const mesh_message *message)
{
    uint8_t *bytes = mesh_malloc(message->size);
    size_t at = 0;

    for (size_t i = 0; bytes != NULL && i < message->slice_count; i++) {
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

/*
 * The bytes of a message, in one run. `*owned` is what the caller frees in any case: the content of
 * a compressed message, or of several slices, else NULL. It is not the arena's: without it there
 * the answer can be packed into the same memory, while that is in the processor's cache.
 */
static mesh_code read_bytes(const mesh_message *message, uint8_t **owned, const uint8_t **bytes,
                            size_t *size, mesh_error *err)
{
    mesh_code code = message->code;

    if (code != MESH_OK)
        return mesh_error_set(err, code, "no memory for a message");
    if (message->compressed) {
        code = mesh_inflate(message->slices, message->slice_count, message->limit, owned, size);
        *bytes = *owned;
        if (code == MESH_RESOURCE_EXHAUSTED)
            return mesh_error_set(err, code, "a compressed message is too large when inflated");
        if (code != MESH_OK)
            return mesh_error_reason(err, code, MESH_RPC_DOMAIN, MESH_RPC_MESSAGE_MALFORMED,
                                     "a compressed message cannot be inflated");
        return MESH_OK;
    }
    *size = message->size;
    if (message->slice_count == 1) {
        *bytes = message->slices[0].data;
    } else if (message->slice_count > 1) {
        *bytes = *owned = join(message);
        if (*bytes == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory for a message");
    }
    return MESH_OK;
}

mesh_code mesh_decode(const ProtobufCMessageDescriptor *descriptor, mesh_message *message,
                      mesh_arena *arena, ProtobufCMessage **out, mesh_error *err)
{
    uint8_t *owned = NULL;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    mesh_code code = read_bytes(message, &owned, &bytes, &size, err);

    if (owned != NULL)
        mesh_message_release(message);
    if (code == MESH_OK && descriptor == NULL)
        code = copy_raw(bytes, size, arena, out, err);
    else if (code == MESH_OK)
        code = mesh_unpack(descriptor, bytes, size, arena, out, err);
    mesh_free(owned);
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
