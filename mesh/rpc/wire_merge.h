/*
 * Messages that come in several parts. A parser has to merge what it reads more than once of a
 * field that is not repeated (https://protobuf.dev/programming-guides/encoding/#last-one-wins),
 * which is the same as one field with the contents of all, one after the other. protobuf-c merges,
 * too, but loses fields that are in one part only. Private to mesh/.
 */
#ifndef MESH_RPC_WIRE_MERGE_H
#define MESH_RPC_WIRE_MERGE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

/*
 * Writes the same message without such parts into the arena. Members of a oneof are put together as
 * far as no other one comes between. The bytes passed mesh_wire_check, which counted `messages`.
 * The time it takes is linear in `size`. RESOURCE_EXHAUSTED: the arena overflowed.
 */
MESH_MUST_CHECK mesh_code mesh_wire_merge(const ProtobufCMessageDescriptor *descriptor,
                                          const uint8_t *data, size_t size, size_t messages,
                                          mesh_arena *arena, const uint8_t **out, size_t *out_size);

MESH_END_DECLS

#endif
