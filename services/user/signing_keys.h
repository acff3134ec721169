/*
 * The private keys of a file: a JSON Web Key Set (mesh/auth/key.h). The first one signs, all are
 * believed. Immutable; its functions are for any thread.
 */
#ifndef SERVICES_USER_SIGNING_KEYS_H
#define SERVICES_USER_SIGNING_KEYS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mesh/auth/keys.h"

enum {
    USER_DIGEST_KEY_BYTES = 32
};

typedef struct user_signing_keys {
    size_t count;
    mesh_key *keys[MESH_KEYS_MAX];
    char jwks[MESH_KEYS_MAX * MESH_KEY_TEXT_BYTES + 32]; /* their public halves */
    uint8_t digest_key[USER_DIGEST_KEY_BYTES]; /* a secret that follows from the first one */
} user_signing_keys;

/* What a file was when it was read, to see whether it is another one now. All zero: none. */
typedef struct user_file_stamp {
    struct stat file;
    int failure; /* errno of what kept us from opening it */
} user_file_stamp;

/*
 * Reads the file, unless it is what the stamp says, and changes the stamp: then *keys is a new set,
 * for user_signing_keys_destroy, else NULL. A file is replaced by renaming another one to its
 * name, so that it is never seen half written.
 *
 * INVALID_ARGUMENT: it cannot be read, is no regular file or too large, or no such set; the message
 * says which and shows nothing of it. RESOURCE_EXHAUSTED: out of memory, and the stamp is as it
 * was.
 */
mesh_code user_signing_keys_read(const char *path, user_file_stamp *stamp, user_signing_keys **keys,
                                 mesh_error *err);

/* Overwrites them. NULL is accepted. */
void user_signing_keys_destroy(user_signing_keys *keys);

#endif
