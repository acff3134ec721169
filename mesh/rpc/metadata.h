/* Metadata as the runtime handles it. Internal. */
#ifndef MESH_RPC_METADATA_H
#define MESH_RPC_METADATA_H

#include "mesh/rpc/transport.h"

enum {
    MESH_METADATA_MAX = 64
}; /* entries that one side may add */

/*
 * Checks key and value as the public functions promise, copies them into the arena and adds them to the list.
 * RESOURCE_EXHAUSTED: more than MESH_METADATA_MAX entries, or no memory.
 */
mesh_code mesh_metadata_add(mesh_metadata_list *list, mesh_arena *arena, const char *key,
                            const void *value, size_t size, mesh_error *err);

/* Copies all received metadata into the arena, keys NUL-terminated. */
mesh_code mesh_metadata_copy(mesh_tcall *call, bool trailing, mesh_arena *arena,
                             mesh_metadata_list *list);

/* The `index`-th entry of a key, or NULL. */
const mesh_metadata *mesh_metadata_find(const mesh_metadata_list *list, const char *key,
                                        size_t index);

#endif
