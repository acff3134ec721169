/* Files that are read and written as a whole. */
#ifndef MESH_MESHCTL_FILE_H
#define MESH_MESHCTL_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"

enum {
    CTL_FILE_MOST_BYTES = 64 * 1024 * 1024
};

/* The content with a NUL behind it, in the arena. Returns 0 or an errno; EFBIG when it is too
 * large. */
int ctl_file_read(const char *path, mesh_arena *arena, const char **data, size_t *size);

/* Makes the folders that a file will be in, where they are missing, of mode 0700. 0 or an errno. */
int ctl_file_make_folders(const char *path);

/*
 * Replaces a file by another one of mode 0600: whoever reads it meanwhile sees the old or the new
 * one, and so does who reads it after a crash. With the file's lock held. 0 or an errno.
 */
int ctl_file_replace(const char *path, const void *data, size_t size);

/*
 * Locks a file, which need not exist, against others who lock it: PATH.lock is made for that and
 * stays. Waits up to `end_ns` of the monotonic clock, then ETIMEDOUT. 0 or an errno; the lock is
 * closed with ctl_file_unlock.
 */
int ctl_file_lock(const char *path, int64_t end_ns, int *lock);
void ctl_file_unlock(int lock);

#endif
