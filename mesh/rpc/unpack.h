/*
 * From encoded bytes, checked first, to a protobuf-c message in an arena. Private to mesh/.
 */
#ifndef MESH_RPC_UNPACK_H
#define MESH_RPC_UNPACK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

/* The arena as protobuf-c wants it: what is unpacked with it is not freed by itself. */
ProtobufCAllocator mesh_arena_allocator(mesh_arena *arena);

/*
 * Checks `size` bytes as mesh_wire_check does and unpacks them into the arena, which keeps no
 * pointer to them; messages that come in several parts are merged, as protobuf wants it.
 * INVALID_ARGUMENT: they are not this message; RESOURCE_EXHAUSTED (CALL_MEMORY_EXCEEDED): they need
 * more memory than the arena's limit leaves, which is mostly known before anything is unpacked, or
 * the arena overflowed.
 */
MESH_MUST_CHECK mesh_code mesh_unpack(const ProtobufCMessageDescriptor *descriptor,
                                      const uint8_t *bytes, size_t size, mesh_arena *arena,
                                      ProtobufCMessage **out, mesh_error *err);

MESH_END_DECLS

#endif
