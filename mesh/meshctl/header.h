/* -H 'key: value' as metadata. */
#ifndef MESH_MESHCTL_HEADER_H
#define MESH_MESHCTL_HEADER_H

#include "mesh/meshctl/ctl.h"
#include "mesh/rpc/call.h"

/*
 * Reads one header: the key in lower case, the value without blanks around it; base64 (either
 * alphabet, padding or not) when the key ends in -bin. INVALID_ARGUMENT says what is wrong.
 */
mesh_code ctl_header_parse(const char *text, mesh_arena *arena, mesh_metadata *entry,
                           ctl_failure *failure);

/* All headers of the command line. */
mesh_code ctl_headers(ctl *run, const mesh_metadata **entries, size_t *count, ctl_failure *failure);

/* Shows an entry: "key: value", binary values as base64. */
void ctl_header_print(FILE *out, const mesh_metadata *entry);

#endif
