/*
 * The public keys whose signatures are believed, by their ids: a JSON Web Key Set (RFC 7517,
 * section 5) of Ed25519 keys. It is replaced as a whole while others look into it: keys come and go
 * without a restart.
 *
 * The text comes from outside and is read strictly; one bad key refuses all of it, and what was
 * there before stays. Members that are not known are ignored. All functions but destroy: any
 * thread.
 */
#ifndef MESH_AUTH_KEYS_H
#define MESH_AUTH_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/auth/key.h"
#include "mesh/base/error.h"

enum {
    MESH_KEYS_MAX = 16,
    MESH_KEYS_MAX_BYTES = 64 * 1024 /* of the text */
};

typedef struct mesh_keys mesh_keys;

/* An empty set. RESOURCE_EXHAUSTED: out of memory. INTERNAL: libsodium does not start. */
mesh_code mesh_keys_create(mesh_keys **keys, mesh_error *err);

/* Frees it, after all verifiers that look into it. NULL is accepted. */
void mesh_keys_destroy(mesh_keys *keys);

/*
 * Makes the keys of `jwks`, {"keys":[...]}, those of the set. From its return on, no key that is
 * not among them is believed. INVALID_ARGUMENT: the text is too large, no JSON, has no keys or more
 * than MESH_KEYS_MAX, a member or an id twice, a key without an id, one that is no Ed25519 key for
 * signatures, or the private half of one, which its owner should then replace.
 */
mesh_code mesh_keys_replace(mesh_keys *keys, const char *jwks, size_t size, mesh_error *err);

/* One of them, for mesh/auth/verifier.h. */
typedef struct mesh_public_key {
    char id[MESH_KEY_ID_BYTES];
    uint8_t x[32];
    uint64_t generation; /* of the set when it was seen there */
} mesh_public_key;

/* True until the first set of keys came: nothing can be said of any key then. */
bool mesh_keys_are_missing(mesh_keys *keys);

/* Copies the key of that id; false: there is none. */
bool mesh_keys_find(mesh_keys *keys, const char *id, mesh_public_key *key);

/* True when the key is in the set now, as it was; then its generation is the set's. Costs one load
 * while the set stays the same. */
bool mesh_keys_holds(mesh_keys *keys, mesh_public_key *key);

#endif
