/* Written by protoc-gen-mesh 0.1.0 from pantry/v1/pantry.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "pantry/v1/pantry.mesh.h"

static const uint8_t file_bytes[139] = {
    10,22,112,97,110,116,114,121,47,118,49,47,112,97,110,116,114,121,46,112,
    114,111,116,111,18,9,112,97,110,116,114,121,46,118,49,26,20,112,97,110,
    116,114,121,47,118,49,47,117,110,105,116,46,112,114,111,116,111,34,70,10,
    3,74,97,114,18,20,10,5,108,97,98,101,108,24,1,32,1,40,9,82,
    5,108,97,98,101,108,18,41,10,6,97,109,111,117,110,116,24,2,32,1,
    40,11,50,17,46,112,97,110,116,114,121,46,118,49,46,65,109,111,117,110,
    116,82,6,97,109,111,117,110,116,80,0,98,6,112,114,111,116,111,51,
};

static const mesh_file *const file_imports[] = {
    &pantry__v1__unit_proto__file,
};

const mesh_file pantry__v1__pantry_proto__file = {
    .name = "pantry/v1/pantry.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 1,
};
