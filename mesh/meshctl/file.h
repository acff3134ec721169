/* Reading a file whole. */
#ifndef MESH_MESHCTL_FILE_H
#define MESH_MESHCTL_FILE_H

#include <stddef.h>

#include "mesh/base/arena.h"

enum {
    CTL_FILE_MOST_BYTES = 64 * 1024 * 1024
};

/* The content with a NUL behind it, in the arena. Returns 0 or an errno; EFBIG when it is too
 * large. */
int ctl_file_read(const char *path, mesh_arena *arena, const char **data, size_t *size);

#endif
