/*
 * Values of CloudEvents headers: printable ASCII as it is; a space, a double quote, a per cent sign
 * and everything else as %XX, byte by byte of the UTF-8 text (HTTP protocol binding 1.0.2, 3.1.3.2,
 * which the NATS binding follows). So no value can end its header.
 */
#ifndef MESH_EVENTS_ESCAPE_H
#define MESH_EVENTS_ESCAPE_H

#include "mesh/base/arena.h"

/* Bytes of the escaped text, its NUL included. */
size_t mesh_event_escaped_size(const char *text);

/* Writes them. */
void mesh_event_escape(const char *text, char *out);

/* The text again; NULL when it is malformed (a per cent sign without two hexadecimal digits, or a
 * NUL) or the arena is full. */
char *mesh_event_unescape(mesh_arena *arena, const char *escaped);

#endif
