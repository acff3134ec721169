/*
 * A look at encoded bytes before protobuf-c unpacks them: it recurses for every level of nesting
 * without a limit, so that a small message can exhaust the stack.
 */
#ifndef MESH_PLUGIN_WIRE_H
#define MESH_PLUGIN_WIRE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when `data` is a well-formed message, nested at most MESH_WIRE_MAX_DEPTH deep. */
bool wire_check(const ProtobufCMessageDescriptor *type, const uint8_t *data, size_t size);

#endif
