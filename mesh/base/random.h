/*
 * Random bytes for identifiers, private to mesh/base: from getrandom(2), fetched in batches for
 * each thread, since ids are made for every call. Keys take mesh_random_bytes (mesh/base/uuid.h),
 * which keeps nothing.
 */
#ifndef MESH_BASE_RANDOM_H
#define MESH_BASE_RANDOM_H

#include <stddef.h>

/* `size` random bytes, size <= 64. Thread-safe; a forked child never sees its parent's bytes. */
void mesh_random_id(void *data, size_t size);

#endif
