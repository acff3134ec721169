/*
 * Identifiers: UUID version 7 (RFC 9562, section 5.7). They sort by creation time, so they are good
 * primary keys. Thread-safe.
 */
#ifndef MESH_BASE_UUID_H
#define MESH_BASE_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

enum {
    MESH_UUID_TEXT_BYTES = 37
}; /* 36 characters and the NUL */

/*
 * Writes a new UUIDv7 as lower-case text. Ids of one process never go backwards, also when the
 * clock does. Random bits come from getrandom(2); a process without it aborts, since it could not
 * be safe.
 */
MESH_API void mesh_uuid_v7(char *text);

/* True for 36 characters in the 8-4-4-4-12 form (any version, any case). */
MESH_API bool mesh_uuid_valid(const char *text);

/* `size` random bytes from getrandom(2). */
MESH_API void mesh_random_bytes(void *data, size_t size);

MESH_END_DECLS

#endif
