/*
 * What a message's bytes must be before protobuf-c unpacks them, which trusts its input too much:
 * it recurses as deep as a message is nested, and takes a string that is not UTF-8, or ends at a
 * NUL in its middle. Private to mesh/.
 */
#ifndef MESH_RPC_WIRE_CHECK_H
#define MESH_RPC_WIRE_CHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

MESH_BEGIN_DECLS

enum {
    MESH_WIRE_CHECK_DEPTH =
        100 /* messages within the message; the limit of protobuf's own parsers */
};

/* What the bytes ask of whoever unpacks them. */
typedef struct mesh_wire_needs {
    size_t memory; /* bytes that protobuf-c allocates, without those for packed fields: no more than
                      it will need */
    size_t messages; /* within the message */
    bool in_parts;   /* one that is not repeated may come in several parts (mesh_wire_merge) */
} mesh_wire_needs;

/*
 * Checks `size` encoded bytes (borrowed for the call; may be NULL when `size` is 0) of a message in
 * one pass: well-formed, not nested too deep, every string UTF-8 without a NUL, packed fields
 * whole.
 *
 * MESH_OK means that protobuf_c_message_unpack succeeds on these bytes if there is memory (and, in
 * proto2, if all required fields are there). INVALID_ARGUMENT otherwise; `err` names the field by
 * its path ("lines[2].product_id", an entry of a map by its place) as mesh_error_field does, or the
 * message alone when the bytes are malformed outside of any field.
 *
 * Unknown fields pass. What protobuf-c does not unpack is refused here, by name: groups, and a
 * known field in another wire type than its own (repeated scalars may be packed or not).
 *
 * Any thread. No allocation; the path is only built on failure. `needs` is written when MESH_OK.
 */
MESH_MUST_CHECK mesh_code mesh_wire_check(const ProtobufCMessageDescriptor *descriptor,
                                          const uint8_t *data, size_t size, mesh_wire_needs *needs,
                                          mesh_error *err);

/* The field with that number; NULL when the message has none. */
const ProtobufCFieldDescriptor *mesh_wire_find_field(const ProtobufCMessageDescriptor *descriptor,
                                                     uint32_t number);

MESH_END_DECLS

#endif
