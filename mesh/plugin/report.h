/*
 * report: all mistakes of a contract, one a line, in protoc's own form "file:line:column: what".
 * protoc shows them as they are.
 */
#ifndef MESH_PLUGIN_REPORT_H
#define MESH_PLUGIN_REPORT_H

#include "mesh/plugin/schema.h"
#include "mesh/plugin/text.h"

struct report {
    text lines;
    size_t count;
};

/*
 * Adds a mistake at `path` of `file`, or, where the path has no location, at the nearest thing
 * around it. `file` NULL: it belongs to no file.
 */
void report_add(report *problems, const file_proto *file, schema_path path, const char *format, ...)
    MESH_PRINTF(4, 5);

void report_free(report *problems);

#endif
