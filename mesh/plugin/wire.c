#include "mesh/plugin/wire.h"

#include "mesh/base/wire.h"
#include "mesh/plugin/memory.h"
#include "mesh/rpc/unpack.h"

static bool check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size,
                  int depth)
{
    mesh_wire_reader reader = {.at = data, .end = data + size};
    mesh_wire_field field;
    if (depth > MESH_WIRE_MAX_DEPTH)
        return false;
    while (mesh_wire_next(&reader, &field)) {
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(
            type, field.number);
        if (known != NULL && known->type == PROTOBUF_C_TYPE_MESSAGE &&
            field.type == MESH_WIRE_BYTES &&
            !check(known->descriptor, field.data, field.size, depth + 1))
            return false;
    }
    return reader.at == reader.end;
}

ProtobufCMessage *wire_unpack(mesh_arena *arena, const ProtobufCMessageDescriptor *type,
                              const uint8_t *data, size_t size)
{
    ProtobufCAllocator allocator = mesh_arena_allocator(arena);
    if (size > 0 && !check(type, data, size, 1))
        return NULL;
    ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, size, data);
    if (message == NULL && mesh_arena_overflowed(arena))
        memory_exhausted();
    return message;
}
