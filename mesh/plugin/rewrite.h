/*
 * A CodeGeneratorRequest as protoc-gen-c 1.4 can take it: without services (it would write structs
 * whose members may be keywords), without the mark of proto3 `optional` (it refuses it; the
 * one-member oneof that protoc made of the field stays and gives presence), with the names kept in
 * descriptors, and with comments that no compiler minds.
 */
#ifndef MESH_PLUGIN_REWRITE_H
#define MESH_PLUGIN_REWRITE_H

#include "mesh/plugin/request.h"

/* Changes a request of its own, unpacked into the arena. */
void rewrite_request(mesh_arena *arena, code_request *request);

#endif
