/*
 * mesh_text: text that grows in an arena, up to a limit. What does not fit is left out and the text
 * is marked, so that only the end result has to be looked at. One thread at a time.
 */
#ifndef MESH_DYN_TEXT_H
#define MESH_DYN_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "mesh/base/arena.h"

typedef struct mesh_text {
    mesh_arena *arena; /* borrowed */
    char *data;        /* NUL-terminated once something was added */
    size_t size;
    size_t capacity;
    size_t limit; /* largest size; 0: none */
    bool failed;  /* the limit or the arena's was reached */
} mesh_text;

#define MESH_TEXT_INIT(where, most) ((mesh_text){.arena = (where), .limit = (most)})

void mesh_text_add(mesh_text *text, const void *data, size_t size);
void mesh_text_puts(mesh_text *text, const char *string);
void mesh_text_fill(mesh_text *text, char c, size_t count);
void mesh_text_printf(mesh_text *text, const char *format, ...) MESH_PRINTF(2, 3);

/* The text, "" when nothing was added. */
const char *mesh_text_string(const mesh_text *text);

#endif
