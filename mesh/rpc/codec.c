#include "mesh/rpc/codec.h"

#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena_budget.h"
#include "mesh/rpc/inflate.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/refuse.h"
#include "mesh/rpc/unpack.h"

enum {
    HEAVY_BYTES = 128 << 10 /* inflated */
};

bool mesh_message_is_heavy(const mesh_message *message)
{
    size_t most = message->size;

    if (mesh_message_is_slow(message))
        most = mesh_inflate_most(message->slices, message->slice_count, message->limit);
    return message->slice_count > 0 && most > HEAVY_BYTES;
}

/* Copies all of it, one slice after the other. */
static void gather(const mesh_message *message, uint8_t *bytes)
{
    for (size_t i = 0; i < message->slice_count; i++) {
        memcpy(bytes, message->slices[i].data, message->slices[i].size);
        bytes += message->slices[i].size;
    }
}

static const uint8_t *join(const mesh_message *message, mesh_arena *arena)
{
    uint8_t *bytes = mesh_arena_alloc(arena, message->size);

    if (bytes != NULL)
        gather(message, bytes);
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

/* Inflates or joins a message in `scratch`, and releases it. */
static mesh_code assemble(mesh_message *message, mesh_arena *scratch, const uint8_t **bytes,
                          size_t *size, mesh_error *err)
{
    mesh_code code = MESH_OK;

    if (message->compressed)
        code = mesh_inflate(message->slices, message->slice_count, message->limit, scratch, bytes,
                            size);
    else
        *bytes = join(message, scratch);
    mesh_message_release(message);
    if (mesh_arena_over_budget(scratch))
        return mesh_refuse_memory(err);
    if (mesh_arena_overflowed(scratch) || code == MESH_RESOURCE_EXHAUSTED)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for a message");
    if (code == MESH_OUT_OF_RANGE)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "a compressed message is too large when inflated");
    if (code != MESH_OK)
        return mesh_error_reason(err, code, MESH_RPC_DOMAIN, MESH_RPC_MESSAGE_MALFORMED,
                                 "a compressed message cannot be inflated");
    return MESH_OK;
}

/*
 * The bytes of a message, in one run: its only slice, or what was made in `*scratch`, which the
 * caller destroys in any case. That is not the call's arena: without them there the answer can be
 * packed into the same memory, while that is in the processor's cache.
 */
static mesh_code read_bytes(mesh_message *message, mesh_arena **scratch, const uint8_t **bytes,
                            size_t *size, mesh_error *err)
{
    if (message->refused)
        return mesh_refuse_memory(err);
    if (message->code == MESH_INTERNAL) /* without a reason, as whatever gRPC itself defines */
        return mesh_error_set(err, MESH_INTERNAL,
                              "a message is compressed, and its call does not say how");
    if (message->code == MESH_UNIMPLEMENTED)
        return mesh_error_set(err, MESH_UNIMPLEMENTED,
                              "a message is compressed in a way that is not known here");
    if (message->code != MESH_OK)
        return mesh_error_set(err, message->code, "out of memory for a message");
    *size = message->size;
    if (!message->compressed && message->slice_count <= 1) {
        *bytes = message->slice_count == 1 ? message->slices[0].data : NULL;
        return MESH_OK;
    }
    *scratch = mesh_arena_create(0, 0);
    if (*scratch == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for a message");
    mesh_arena_set_budget(*scratch, message->budget);
    return assemble(message, *scratch, bytes, size, err);
}

bool mesh_message_hold(mesh_message *message, mesh_budget *budget)
{
    message->budget = budget;
    if (message->size <= MESH_MESSAGE_UNCOUNTED_BYTES)
        return true;
    if (mesh_budget_take(budget, message->size)) {
        message->held = message->size;
        return true;
    }
    mesh_message_release(message);
    message->slice_count = 0;
    message->refused = true;
    return false;
}

/* A message in one run of memory of its own. */
typedef struct kept {
    mesh_slice slice;
    uint8_t bytes[];
} kept;

void mesh_message_keep(mesh_message *message)
{
    kept *copy;

    if (message->slice_count == 0 || message->compact)
        return;
    copy = mesh_malloc(sizeof *copy + message->size);
    if (copy != NULL) {
        copy->slice = (mesh_slice){copy->bytes, message->size};
        gather(message, copy->bytes);
    } else {
        message->code = MESH_RESOURCE_EXHAUSTED;
    }
    message->release(message->owner);
    message->slices = copy != NULL ? &copy->slice : NULL;
    message->slice_count = copy != NULL;
    message->owner = copy;
    message->release = mesh_free;
    message->compact = true;
}

mesh_code mesh_decode(const ProtobufCMessageDescriptor *descriptor, mesh_message *message,
                      mesh_arena *arena, ProtobufCMessage **out, mesh_error *err)
{
    mesh_arena *scratch = NULL;
    const uint8_t *bytes = NULL;
    size_t size = 0;
    mesh_code code = read_bytes(message, &scratch, &bytes, &size, err);

    if (code == MESH_OK && descriptor == NULL)
        code = copy_raw(bytes, size, arena, out, err);
    else if (code == MESH_OK)
        code = mesh_unpack(descriptor, bytes, size, arena, out, err);
    if (code != MESH_OK && mesh_arena_over_budget(arena))
        code = mesh_refuse_memory(err);
    mesh_arena_destroy(scratch);
    mesh_message_release(message);
    return code;
}

static const mesh_raw_message *raw_of(const ProtobufCMessage *message)
{
    return (const mesh_raw_message *)(const void *)message;
}

size_t mesh_encoded_size(const ProtobufCMessageDescriptor *descriptor,
                         const ProtobufCMessage *message)
{
    return descriptor == NULL ? raw_of(message)->size : protobuf_c_message_get_packed_size(message);
}

mesh_code mesh_encode(const mesh_transport *transport, const ProtobufCMessageDescriptor *descriptor,
                      const ProtobufCMessage *message, size_t size, mesh_buffer *buffer,
                      mesh_error *err)
{
    if (!transport->reserve(size, buffer))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory for %zu bytes", size);
    if (descriptor != NULL)
        (void)protobuf_c_message_pack(message, buffer->data);
    else if (size > 0)
        memcpy(buffer->data, raw_of(message)->data, size);
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
