#include "mesh/auth/token_cache.h"

#include <pthread.h>
#include <string.h>

#include "mesh/auth/claims_impl.h"
#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"

enum {
    SHARDS = 16,
    BUCKET_SHARE_BYTES = 1024, /* about what an entry of a usual token takes */
    HASHED_BYTES = 32          /* of a token's end: as much of its signature, in base64url */
};

typedef struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* by their last use */
    uint64_t hash;               /* immutable, as all below but for key.generation */
    size_t bytes;                /* of the entry */
    mesh_public_key key;         /* that verified it */
    mesh_claims claims;          /* texts in `data` */
    size_t token_size, text_size;
    char data[]; /* the token, then the claims' texts */
} entry;

typedef struct shard {
    pthread_mutex_t mu;
    entry **buckets; /* guarded by mu, as all below and the entries */
    entry *newest, *oldest;
    size_t bytes;
} shard;

struct mesh_token_cache {
    mesh_keys *keys; /* immutable, as all but what is in the shards */
    size_t shard_bytes;
    size_t bucket_count; /* of a shard */
    shard shards[SHARDS];
};

/* --- a shard; its mu is held ------------------------------------------------------------------ */

static entry **bucket_of(const mesh_token_cache *cache, shard *shard, uint64_t hash)
{
    return &shard->buckets[hash / SHARDS % cache->bucket_count];
}

static entry *find(const mesh_token_cache *cache, shard *shard, uint64_t hash, const char *token,
                   size_t size)
{
    entry *at = *bucket_of(cache, shard, hash);

    /* Who does not know the signature does not get to the comparison, so how long that takes tells
     * nothing of tokens. */
    while (at != NULL &&
           (at->hash != hash || at->token_size != size || memcmp(at->data, token, size) != 0))
        at = at->next;
    return at;
}

static void link_newest(shard *shard, entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    if (shard->newest != NULL)
        shard->newest->newer = entry;
    else
        shard->oldest = entry;
    shard->newest = entry;
}

static void unlink_age(shard *shard, const entry *entry)
{
    if (entry->newer != NULL)
        entry->newer->older = entry->older;
    else
        shard->newest = entry->older;
    if (entry->older != NULL)
        entry->older->newer = entry->newer;
    else
        shard->oldest = entry->newer;
}

static void drop(const mesh_token_cache *cache, shard *shard, entry *gone)
{
    entry **at = bucket_of(cache, shard, gone->hash);

    while (*at != gone)
        at = &(*at)->next;
    *at = gone->next;
    unlink_age(shard, gone);
    shard->bytes -= gone->bytes;
    mesh_free(gone);
}

static void add(const mesh_token_cache *cache, shard *shard, entry *entry)
{
    struct entry **bucket = bucket_of(cache, shard, entry->hash);

    while (shard->bytes + entry->bytes > cache->shard_bytes)
        drop(cache, shard, shard->oldest);
    entry->next = *bucket;
    *bucket = entry;
    link_newest(shard, entry);
    shard->bytes += entry->bytes;
}

/* --- the cache -------------------------------------------------------------------------------- */

mesh_token_cache *mesh_token_cache_create(size_t bytes, mesh_keys *keys)
{
    mesh_token_cache *cache = mesh_calloc(1, sizeof *cache);

    if (cache == NULL)
        return NULL;
    cache->keys = keys;
    cache->shard_bytes = bytes / SHARDS;
    cache->bucket_count = cache->shard_bytes / BUCKET_SHARE_BYTES + 1;
    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&cache->shards[i].mu, NULL);
        cache->shards[i].buckets = mesh_calloc(cache->bucket_count,
                                               sizeof *cache->shards[i].buckets);
    }
    for (size_t i = 0; i < SHARDS; i++)
        if (cache->shards[i].buckets == NULL) {
            mesh_token_cache_destroy(cache);
            return NULL;
        }
    return cache;
}

void mesh_token_cache_destroy(mesh_token_cache *cache)
{
    if (cache == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        shard *shard = &cache->shards[i];

        while (shard->oldest != NULL)
            drop(cache, shard, shard->oldest);
        mesh_free(shard->buckets);
        pthread_mutex_destroy(&shard->mu);
    }
    mesh_free(cache);
}

/*
 * Of the signature alone: all that are kept are right, so their signatures are as good as random,
 * and nobody can choose them so that they meet.
 */
static uint64_t hash_of(const char *token, size_t size)
{
    size_t skip = size > HASHED_BYTES ? size - HASHED_BYTES : 0;

    return mesh_hash_quick(MESH_HASH_EMPTY, token + skip, size - skip);
}

mesh_code mesh_token_cache_get(mesh_token_cache *cache, const char *token, size_t size,
                               int64_t now_s, mesh_arena *arena, const mesh_claims **claims)
{
    uint64_t hash = hash_of(token, size);
    shard *shard = &cache->shards[hash % SHARDS];
    mesh_code code = MESH_NOT_FOUND;
    const mesh_claims *copy = NULL;
    entry *found;

    pthread_mutex_lock(&shard->mu);
    found = find(cache, shard, hash, token, size);
    if (found != NULL &&
        (now_s >= found->claims.expires_s || !mesh_keys_holds(cache->keys, &found->key))) {
        drop(cache, shard, found);
        found = NULL;
    }
    if (found != NULL) {
        unlink_age(shard, found);
        link_newest(shard, found);
        copy = mesh_claims_dup_block(&found->claims, found->data + found->token_size,
                                     found->text_size, arena);
        code = copy != NULL ? MESH_OK : MESH_RESOURCE_EXHAUSTED;
    }
    pthread_mutex_unlock(&shard->mu);
    if (code == MESH_OK)
        *claims = copy;
    return code;
}

void mesh_token_cache_put(mesh_token_cache *cache, const char *token, size_t size,
                          const mesh_public_key *key, const mesh_claims *claims)
{
    uint64_t hash = hash_of(token, size);
    shard *shard = &cache->shards[hash % SHARDS];
    size_t text_size = mesh_claims_text_bytes(claims);
    size_t bytes = sizeof(entry) + size + text_size;
    entry *made = bytes <= cache->shard_bytes ? mesh_malloc(bytes) : NULL;

    if (made == NULL)
        return;
    made->hash = hash;
    made->bytes = bytes;
    made->key = *key;
    made->token_size = size;
    made->text_size = text_size;
    memcpy(made->data, token, size);
    mesh_claims_copy(claims, made->data + size, &made->claims);
    pthread_mutex_lock(&shard->mu);
    if (find(cache, shard, hash, token, size) == NULL) {
        add(cache, shard, made);
        made = NULL;
    }
    pthread_mutex_unlock(&shard->mu);
    mesh_free(made); /* another thread was first */
}
