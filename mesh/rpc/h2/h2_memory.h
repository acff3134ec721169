/*
 * Memory that is used again: buffers for messages and headers, and nghttp2's small blocks. Internal
 * to mesh/rpc/h2.
 *
 * A buffer may be taken on one thread and let go of on another. A loop keeps what it lets go of in
 * its own cache, without a lock; all other threads share a depot. Both have a cap, beyond which
 * memory goes back to the system. The depot is there while a server is.
 */
#ifndef MESH_RPC_H2_H2_MEMORY_H
#define MESH_RPC_H2_H2_MEMORY_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/rpc/transport.h"

enum {
    H2_BUFFER_SIZES = 31,          /* 256 bytes to 8 MiB: see size_of */
    H2_CACHE_BYTES_MAX = 16 << 20, /* of a loop */
    H2_DEPOT_BYTES_MAX = 32 << 20, /* of the process */
    H2_BLOCK_SIZES = 16,           /* of nghttp2: up to 1 KiB in steps of 64 bytes */
    H2_BLOCKS_BYTES_MAX = 4 << 20  /* of a loop */
};

typedef struct h2_buffer {
    struct h2_buffer *next; /* the owner's, and of a cache */
    size_t capacity;
    mesh_slice view;    /* what is in it */
    uint8_t size_class; /* H2_BUFFER_SIZES: too large to be kept */
    bool shared;        /* came from a thread without a cache, and goes back to the depot */
    alignas(max_align_t) uint8_t bytes[];
} h2_buffer;

/* Buffers that nobody uses, of one thread. */
typedef struct h2_cache {
    h2_buffer *free[H2_BUFFER_SIZES];
    size_t bytes;
} h2_cache;

/* `cache` is the calling thread's own; NULL: it has none. NULL: out of memory. */
h2_buffer *h2_buffer_take(h2_cache *cache, size_t capacity);
void h2_buffer_give(h2_cache *cache, h2_buffer *buffer); /* NULL is accepted */
void h2_cache_clear(h2_cache *cache);

/* Whoever needs the depot: the first one makes it, the last one empties it. */
void h2_depot_enter(void);
void h2_depot_leave(void);

/* Blocks of a loop's nghttp2 sessions: nghttp2_mem calls these with it. */
typedef struct h2_block_head h2_block_head;
typedef struct h2_blocks {
    h2_block_head *free[H2_BLOCK_SIZES];
    size_t bytes;
} h2_blocks;

void *h2_blocks_malloc(size_t size, void *blocks);
void *h2_blocks_calloc(size_t count, size_t size, void *blocks);
void *h2_blocks_realloc(void *memory, size_t size, void *blocks);
void h2_blocks_free(void *memory, void *blocks);
void h2_blocks_clear(h2_blocks *blocks);

#endif
