/*
 * Pages of a list (AIP-158): `page_size` and `page_token` of a request, `next_page_token` of an
 * answer. Lists go on after the last key shown (keyset pagination), so that a page costs the same
 * wherever it is and however many rows there are, and no row is shown twice or left out because
 * others came or went in between.
 *
 * A token holds the key and a checksum over the key and its scope, which names the method and
 * whatever else must stay the same from page to page. Another method's token, one with another
 * filter, and a damaged one are so refused. A token is not a secret and grants nothing: it is valid
 * for good, with every instance. Thread-safe.
 */
#ifndef MESH_RESOURCE_PAGE_H
#define MESH_RESOURCE_PAGE_H

#include "mesh/base/arena.h"
#include "mesh/resource/check.h"

MESH_BEGIN_DECLS

enum {
    MESH_PAGE_SIZE_DEFAULT = 50,
    MESH_PAGE_SIZE_MAX = 100, /* a larger page_size counts as this */
    MESH_PAGE_KEY_BYTES = 128 /* of a key, with its NUL */
};

typedef struct mesh_page {
    size_t size;                     /* rows at most */
    char after[MESH_PAGE_KEY_BYTES]; /* the page begins after this key; "" for the first page */
} mesh_page;

/*
 * Reads both fields of a request. Violations go to `check`, with the fields' names "page_size"
 * (negative) and "page_token" (not a token of this scope).
 */
MESH_API void mesh_page_read(mesh_page *page, mesh_check *check, const char *scope,
                             int32_t page_size, const char *page_token);

/* The token of the page after `key`, which must not be empty, allocated from the arena. */
MESH_API char *mesh_page_token(mesh_arena *arena, const char *scope, const char *key);

/* The key of a token; false when it is none of this scope. `key` has MESH_PAGE_KEY_BYTES. */
MESH_API bool mesh_page_token_key(const char *token, const char *scope, char *key);

MESH_END_DECLS

#endif
