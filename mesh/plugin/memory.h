/*
 * Memory of one run: an arena that is freed at its end. Running out of it ends the process with a
 * message, so that no caller has to look.
 */
#ifndef MESH_PLUGIN_MEMORY_H
#define MESH_PLUGIN_MEMORY_H

#include <stddef.h>

#include "mesh/base/arena.h"

/* `count` zeroed elements. */
void *memory_take(mesh_arena *arena, size_t count, size_t size);

/* Ends the process: there is no more memory. */
_Noreturn void memory_exhausted(void);

#endif
