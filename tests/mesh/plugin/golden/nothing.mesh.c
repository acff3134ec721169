/* Written by protoc-gen-mesh 0.1.0 from nothing.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "nothing.mesh.h"

static const uint8_t file_bytes[23] = {
    10,13,110,111,116,104,105,110,103,46,112,114,111,116,111,98,6,112,114,111,
    116,111,51,
};

const mesh_file nothing_proto__file = {
    .name = "nothing.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
};
