/* Claims as JSON, and copies of them. Any thread. Internal. */
#ifndef MESH_AUTH_CLAIMS_IMPL_H
#define MESH_AUTH_CLAIMS_IMPL_H

#include "mesh/auth/claims.h"
#include "mesh/base/arena.h"

enum {
    /* The JSON of the longest claims: names, quotes and times, and the texts. */
    MESH_CLAIMS_JSON_BYTES = 256 + (5 + MESH_CLAIMS_ROLES) * (MESH_CLAIM_MAX_BYTES + 3)
};

/* NULL, or what is wrong with them (static): what claims.h says of them does not hold. */
const char *mesh_claims_check(const mesh_claims *claims);

/* Writes claims that passed the check into MESH_CLAIMS_JSON_BYTES bytes; returns how many they are,
 * without a NUL. */
size_t mesh_claims_write(const mesh_claims *claims, char *json);

/*
 * Reads and checks claims; their texts are in `json`, which is changed for that. NULL, or what is
 * wrong with them (static). `nbf` is refused, since RFC 7519 wants it to be obeyed and nobody here
 * writes it; so is more than one audience. Members that are not known are ignored.
 */
const char *mesh_claims_read(char *json, size_t size, mesh_claims *claims);

/* Bytes of all texts with their NULs. */
size_t mesh_claims_text_bytes(const mesh_claims *claims);

/* Copies them; the texts of the copy are in `text`, of mesh_claims_text_bytes bytes. */
void mesh_claims_copy(const mesh_claims *from, char *text, mesh_claims *to);

/* The same as one block of an arena; NULL: it is full. */
const mesh_claims *mesh_claims_dup(const mesh_claims *from, mesh_arena *arena);

/* The same, quicker, of a copy whose texts are the `size` bytes of `block`. */
const mesh_claims *mesh_claims_dup_block(const mesh_claims *from, const char *block, size_t size,
                                         mesh_arena *arena);

#endif
