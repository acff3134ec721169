/*
 * FNV-1a, 64 bits (draft-eastlake-fnv): for tables, lanes and checksums against mistakes. Who
 * chooses the text can choose its hash: not against attackers. Private to this tree.
 */
#ifndef MESH_BASE_HASH_H
#define MESH_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The hash of nothing, with which every other one begins. */
#define MESH_HASH_EMPTY UINT64_C(14695981039346656037)

/* The hash of what `hash` is the hash of, and these bytes behind it. */
static inline uint64_t mesh_hash_bytes(uint64_t hash, const void *data, size_t size)
{
    for (const uint8_t *at = data, *end = at + size; at < end; at++)
        hash = (hash ^ *at) * UINT64_C(1099511628211);
    return hash;
}

/* The same for a text without its NUL. */
static inline uint64_t mesh_hash_text(uint64_t hash, const char *text)
{
    return mesh_hash_bytes(hash, text, strlen(text));
}

#endif
