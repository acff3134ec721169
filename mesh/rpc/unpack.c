#include "mesh/rpc/unpack.h"

#include "mesh/base/arena_budget.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/wire_check.h"
#include "mesh/rpc/wire_merge.h"

static void *allocate(void *arena, size_t size)
{
    return mesh_arena_alloc(arena, size);
}

static void do_not_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

ProtobufCAllocator mesh_arena_allocator(mesh_arena *arena)
{
    return (ProtobufCAllocator){.alloc = allocate, .free = do_not_free, .allocator_data = arena};
}

static mesh_code no_memory(const ProtobufCMessageDescriptor *descriptor, size_t size,
                           mesh_error *err)
{
    return mesh_error_reason(
        err, MESH_RESOURCE_EXHAUSTED, MESH_RPC_DOMAIN, MESH_RPC_CALL_MEMORY_EXCEEDED,
        "%s of %zu bytes: needs more memory than a call may have", descriptor->name, size);
}

/* Unpacks bytes that were checked and hold no message in parts. */
static mesh_code unpack_whole(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                              size_t size, const mesh_wire_needs *needs, mesh_arena *arena,
                              ProtobufCMessage **out, mesh_error *err)
{
    ProtobufCAllocator allocator = mesh_arena_allocator(arena);
    ProtobufCMessage *unpacked;

    if (!mesh_arena_may_fit(arena, needs->memory))
        return no_memory(descriptor, size, err);
    unpacked = protobuf_c_message_unpack(descriptor, &allocator, size, bytes);
    if (mesh_arena_overflowed(arena))
        return no_memory(descriptor, size, err);
    if (unpacked == NULL)
        return mesh_error_reason(err, MESH_INVALID_ARGUMENT, MESH_RPC_DOMAIN,
                                 MESH_RPC_MESSAGE_MALFORMED, "%s: malformed", descriptor->name);
    *out = unpacked;
    return MESH_OK;
}

/* Puts together what is in parts, and goes on with that. */
static mesh_code unpack_parts(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                              size_t size, mesh_wire_needs *needs, mesh_arena *arena,
                              ProtobufCMessage **out, mesh_error *err)
{
    mesh_arena *scratch = mesh_arena_create_beside(arena);
    mesh_code code = MESH_RESOURCE_EXHAUSTED;

    if (scratch != NULL)
        code = mesh_wire_merge(descriptor, bytes, size, needs->messages, scratch, &bytes, &size);
    if (code != MESH_OK)
        code = no_memory(descriptor, size, err);
    else
        code = mesh_wire_check(descriptor, bytes, size, needs, err);
    if (code == MESH_OK)
        code = unpack_whole(descriptor, bytes, size, needs, arena, out, err);
    mesh_arena_destroy(scratch);
    return code;
}

mesh_code mesh_unpack(const ProtobufCMessageDescriptor *descriptor, const uint8_t *bytes,
                      size_t size, mesh_arena *arena, ProtobufCMessage **out, mesh_error *err)
{
    mesh_wire_needs needs;
    mesh_code code = mesh_wire_check(descriptor, bytes, size, &needs, err);

    if (code != MESH_OK)
        return code;
    if (needs.in_parts)
        return unpack_parts(descriptor, bytes, size, &needs, arena, out, err);
    return unpack_whole(descriptor, bytes, size, &needs, arena, out, err);
}
