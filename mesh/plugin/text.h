/*
 * text: a growing output buffer with small templates. Not thread-safe. A process that runs out of
 * memory says so and exits with 1: a generator has nothing better to do.
 */
#ifndef MESH_PLUGIN_TEXT_H
#define MESH_PLUGIN_TEXT_H

#include <stddef.h>

#include "mesh/base/api.h"

typedef struct text {
    char *data; /* NUL-terminated once something was added */
    size_t size;
    size_t capacity;
} text;

/* A variable of a template: `$name$` becomes `value`. An entry without a name ends the array. */
typedef struct text_var {
    const char *name;
    const char *value;
} text_var;

void text_add(text *out, const char *string);
void text_add_bytes(text *out, const char *data, size_t size);
void text_addf(text *out, const char *format, ...) MESH_PRINTF(2, 3);

/* Adds a template. A name between two `$` that `vars` does not have is a programmer's error. */
void text_fill(text *out, const text_var *vars, const char *pattern);

/* Adds `value` as a C string literal with its quotes. NULL is written as NULL. */
void text_add_literal(text *out, const char *value);

/* Frees the memory and makes it empty again. */
void text_free(text *out);

#endif
