/* Decompression of received messages. Internal. */
#ifndef MESH_RPC_INFLATE_H
#define MESH_RPC_INFLATE_H

#include "mesh/rpc/transport.h"

/*
 * Inflates gzip (RFC 1952) or zlib (RFC 1950) data into the arena. OUT_OF_RANGE: more than `limit`
 * bytes. RESOURCE_EXHAUSTED: out of memory, or the arena overflowed. INTERNAL: cut off, broken, or
 * followed by more. `out` and `out_size` are written only on success.
 *
 * A message that says itself that it is too large is refused before anything is inflated, and no
 * more is allocated than it says, or than so many bytes can become.
 */
mesh_code mesh_inflate(const mesh_slice *slices, size_t slice_count, size_t limit,
                       mesh_arena *arena, const uint8_t **out, size_t *out_size);

/* How many bytes of it mesh_inflate inflates at most; 0: it is refused before. */
size_t mesh_inflate_most(const mesh_slice *slices, size_t slice_count, size_t limit);

#endif
