/* Written by protoc-gen-mesh 0.1.0 from legacy-2.proto: do not edit. */
#ifndef PROTOBUF_C__NO_DEPRECATED
#define PROTOBUF_C__NO_DEPRECATED
#endif

#include "legacy-2.mesh.h"

static const uint8_t file_bytes[262] = {
    10,14,108,101,103,97,99,121,45,50,46,112,114,111,116,111,18,6,108,101,
    103,97,99,121,26,32,103,111,111,103,108,101,47,112,114,111,116,111,98,117,
    102,47,100,101,115,99,114,105,112,116,111,114,46,112,114,111,116,111,34,148,
    1,10,3,79,108,100,18,14,10,2,105,100,24,1,32,2,40,5,82,2,
    105,100,18,43,10,4,110,97,109,101,24,2,32,1,40,9,58,12,97,32,
    34,110,97,109,101,34,32,63,63,47,66,9,162,237,24,5,110,111,116,101,
    100,82,4,110,97,109,101,18,25,10,5,114,97,116,105,111,24,3,32,1,
    40,1,58,3,49,46,53,82,5,114,97,116,105,111,18,18,10,4,116,97,
    103,115,24,4,32,3,40,9,82,4,116,97,103,115,18,26,10,4,100,97,
    116,97,24,5,32,1,40,12,58,6,97,92,48,48,48,98,82,4,100,97,
    116,97,42,5,8,100,16,200,1,58,51,10,4,110,111,116,101,18,29,46,
    103,111,111,103,108,101,46,112,114,111,116,111,98,117,102,46,70,105,101,108,
    100,79,112,116,105,111,110,115,24,212,141,3,32,1,40,9,82,4,110,111,
    116,101,
};

static const mesh_file *const file_imports[] = {
    &google__protobuf__descriptor_proto__file,
};

static const char *const file_symbols[] = {
    "legacy.Old",
    "legacy.note",
};

const mesh_file legacy_2_proto__file = {
    .name = "legacy-2.proto",
    .descriptor = file_bytes,
    .descriptor_size = sizeof file_bytes,
    .dependencies = file_imports,
    .dependency_count = 1,
    .symbols = file_symbols,
    .symbol_count = 2,
};
