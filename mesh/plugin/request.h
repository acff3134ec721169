/*
 * Reading a CodeGeneratorRequest: the bytes are checked before they are unpacked, and what was
 * unpacked before anything relies on it, so that no input crashes the plugin. protoc itself only
 * sends requests that pass.
 */
#ifndef MESH_PLUGIN_REQUEST_H
#define MESH_PLUGIN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "mesh/base/arena.h"
#include "mesh/plugin/text.h"

typedef Google__Protobuf__Compiler__CodeGeneratorRequest code_request;

/*
 * Unpacks `data` into the arena and checks it: every name is there and an identifier, every index
 * in range, every file that is to be generated or imported is in the request. NULL when something
 * is wrong; `why` then says what.
 */
code_request *request_read(mesh_arena *arena, const uint8_t *data, size_t size, text *why);

#endif
