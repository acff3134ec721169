/*
 * What a message's bytes must be before protobuf-c unpacks them, which trusts its input too much:
 * it recurses as deep as a message is nested, and takes a string that is not UTF-8, or ends at a
 * NUL in its middle. Private to mesh/.
 */
#ifndef MESH_RPC_WIRE_CHECK_H
#define MESH_RPC_WIRE_CHECK_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

MESH_BEGIN_DECLS

enum {
    MESH_WIRE_CHECK_DEPTH =
        100 /* messages within the message; the limit of protobuf's own parsers */
};

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
 * Any thread. No allocation; the path is only built on failure.
 */
MESH_MUST_CHECK mesh_code mesh_wire_check(const ProtobufCMessageDescriptor *descriptor,
                                          const uint8_t *data, size_t size, mesh_error *err);

MESH_END_DECLS

#endif
