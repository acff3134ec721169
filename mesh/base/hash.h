/*
 * Hashes for tables, lanes and checksums against mistakes. Who chooses the text can choose its
 * hash: not against attackers. Private to this tree.
 *
 * mesh_hash_bytes is FNV-1a, 64 bits (draft-eastlake-fnv), which is the same on every machine.
 * mesh_hash_quick takes eight bytes at a time and is for tables in memory alone.
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

/* As mesh_hash_bytes, but other hashes: multiplied and folded, so that all bits of the bytes count
 * in all of the hash. */
static inline uint64_t mesh_hash_quick(uint64_t hash, const void *data, size_t size)
{
    const uint8_t *at = data;
    uint64_t word;

    for (; size >= sizeof word; at += sizeof word, size -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
    }
    word = 0;
    memcpy(&word, at, size);
    hash = (hash ^ word ^ (uint64_t)size << 56) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

#endif
