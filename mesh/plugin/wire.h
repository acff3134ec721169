/*
 * A look at encoded bytes before protobuf-c unpacks them: it recurses for every level of nesting
 * without a limit, so that a small message can exhaust the stack. Looser than mesh_unpack, which
 * refuses strings that are not UTF-8: protoc passes on comments as they are.
 */
#ifndef MESH_PLUGIN_WIRE_H
#define MESH_PLUGIN_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"

/*
 * Unpacks a message into the arena. NULL when `data` is no well-formed one, nested at most
 * MESH_WIRE_MAX_DEPTH deep.
 */
ProtobufCMessage *wire_unpack(mesh_arena *arena, const ProtobufCMessageDescriptor *type,
                              const uint8_t *data, size_t size);

#endif
