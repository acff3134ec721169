/* -H 'key: value' as metadata. */
#ifndef MESH_MESHCTL_HEADER_H
#define MESH_MESHCTL_HEADER_H

#include "mesh/meshctl/ctl.h"

/*
 * Reads one header: the key in lower case, the value without blanks around it; base64 (either
 * alphabet, padding or not) when the key ends in -bin. INVALID_ARGUMENT says what is wrong.
 */
mesh_code ctl_header_parse(const char *text, mesh_arena *arena, mesh_metadata *entry,
                           ctl_failure *failure);

/* Reads all headers of the command line into run->headers. Errors of ctl_header_parse. */
mesh_code ctl_headers(ctl *run, ctl_failure *failure);

/* Decodes base64 (either alphabet, padding or not) in place; false when it is none. */
bool ctl_base64_decode(char *text, size_t *size);

/* Shows an entry: "key: value", binary values as base64. */
void ctl_header_print(FILE *out, const mesh_metadata *entry);

enum {
    CTL_BASE64_BYTES = 3, /* become */
    CTL_BASE64_DIGITS = 4
};

/* The digits of the next bytes, of which `left` are there, 1 at least. */
void ctl_base64_next(const uint8_t *data, size_t left, char digits[CTL_BASE64_DIGITS]);

#endif
