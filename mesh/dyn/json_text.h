/*
 * JSON as text: where a value ends, what is wrong with it and where, and laying it out. No types,
 * no values in memory. Strict as RFC 8259, UTF-8 only. Any thread.
 */
#ifndef MESH_DYN_JSON_TEXT_H
#define MESH_DYN_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "mesh/dyn/text.h"

typedef enum mesh_json_result {
    MESH_JSON_VALUE,   /* a whole value; text may follow it */
    MESH_JSON_NOTHING, /* only blanks */
    MESH_JSON_PARTIAL, /* the text ends within a value */
    MESH_JSON_BAD      /* not JSON */
} mesh_json_result;

typedef struct mesh_json_scan {
    size_t begin;    /* of the value */
    size_t end;      /* behind it */
    bool has_type;   /* an object in it has the key "@type" */
    unsigned depth;  /* nesting of objects and arrays */
    size_t position; /* PARTIAL and BAD: where */
    const char *why; /* PARTIAL and BAD: "expected ':'"; static */
} mesh_json_scan;

/* Scans the first value. More than `max_depth` objects and arrays inside each other are BAD. A
 * number at the very end of the text counts as whole. */
mesh_json_result mesh_json_scan_value(const char *json, size_t size, unsigned max_depth,
                                      mesh_json_scan *scan);

/* Line and column (from 1, in characters) of a position. */
void mesh_json_locate(const char *json, size_t size, size_t position, unsigned *line,
                      unsigned *column);

/* Adds the path of the last name or value that begins before a position ("lines[2].quantity", "" at
 * the top) and returns where that begins. */
size_t mesh_json_path(const char *json, size_t size, size_t position, mesh_text *path);

/* Adds a valid value laid out with `indent` spaces a level. */
void mesh_json_indent(const char *json, size_t size, unsigned indent, mesh_text *out);

/* Adds a string (UTF-8) in quotes, escaped. */
void mesh_json_quote(const char *string, size_t size, mesh_text *out);

#endif
