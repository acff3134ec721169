/*
 * Tokens that were found right, with their claims: a check of one costs a hash and a comparison
 * instead of a signature's verification. An entry is one whole token; it is worth nothing from
 * its `exp` on, nor when its key has left the set, nor after it was put out for others.
 *
 * Bounded in bytes; the entry that was used longest ago goes first. Any thread; locks are in shards
 * and held for a lookup or a copy. Internal.
 */
#ifndef MESH_AUTH_TOKEN_CACHE_H
#define MESH_AUTH_TOKEN_CACHE_H

#include "mesh/auth/claims.h"
#include "mesh/auth/keys.h"
#include "mesh/base/arena.h"

typedef struct mesh_token_cache mesh_token_cache;

/* Of at most `bytes`, all shards together; `keys` is borrowed. NULL: out of memory. */
mesh_token_cache *mesh_token_cache_create(size_t bytes, mesh_keys *keys);

/* NULL is accepted. */
void mesh_token_cache_destroy(mesh_token_cache *cache);

/* Its claims, copied into the arena. NOT_FOUND: it is not here (any more). RESOURCE_EXHAUSTED: the
 * arena is full. */
mesh_code mesh_token_cache_get(mesh_token_cache *cache, const char *token, size_t size,
                               int64_t now_s, mesh_arena *arena, const mesh_claims **claims);

/* Keeps one that was verified with `key`; without memory it does not. */
void mesh_token_cache_put(mesh_token_cache *cache, const char *token, size_t size,
                          const mesh_public_key *key, const mesh_claims *claims);

#endif
