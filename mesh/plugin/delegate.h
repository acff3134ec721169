/*
 * x.pb-c.h and x.pb-c.c: written by protoc-gen-c, which gets a request without what it cannot do
 * and whose output is mended where strict compilers refuse it. docs/adr/0002 says why.
 */
#ifndef MESH_PLUGIN_DELEGATE_H
#define MESH_PLUGIN_DELEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/plugin/schema.h"
#include "mesh/plugin/text.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse code_response;

/*
 * Runs `program` (searched in PATH when it has no slash) with the request `data` rewritten, and
 * returns its answer, which lives in the arena. NULL when it failed; `why` then says how.
 */
code_response *delegate_run(mesh_arena *arena, const char *program, const uint8_t *data,
                            size_t size, text *why);

/* Adds `content` of the file `name` (x.pb-c.h or x.pb-c.c of `file`), mended. */
void delegate_mend(text *out, const schema *all, const schema_file *file, const char *name,
                   const char *content);

#endif
