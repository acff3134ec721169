/* Metadata as the runtime handles it. Internal. */
#ifndef MESH_RPC_METADATA_H
#define MESH_RPC_METADATA_H

#include "mesh/rpc/transport.h"

/* What one side may add to a call. */
enum {
    MESH_METADATA_MAX = 64, /* entries of a list */
    /*
     * As the wire counts them. Peers take 16 KiB of metadata at a time, and some give the whole
     * connection up beyond it; this leaves room for gRPC's own: a status with its details.
     */
    MESH_METADATA_BYTES_MAX = 12 << 10
};

/*
 * Checks key and value as the public functions promise, copies them into the arena and adds them
 * to the list. `beside` counts, too: it may be sent together with the list; NULL: none is.
 * RESOURCE_EXHAUSTED: more than the limits above, or no memory.
 */
mesh_code mesh_metadata_add(mesh_metadata_list *list, const mesh_metadata_list *beside,
                            mesh_arena *arena, const mesh_metadata *given, mesh_error *err);

/* Lists what a server call received, keys NUL-terminated, as long as the call lives. */
mesh_code mesh_metadata_list_received(mesh_tcall *call, mesh_arena *arena,
                                      mesh_metadata_list *list);

/* Copies all received metadata into the arena, keys NUL-terminated. */
mesh_code mesh_metadata_copy(mesh_tcall *call, bool trailing, mesh_arena *arena,
                             mesh_metadata_list *list);

/* The `index`-th entry of a key, or NULL. */
const mesh_metadata *mesh_metadata_find(const mesh_metadata_list *list, const char *key,
                                        size_t index);

#endif
