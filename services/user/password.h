/*
 * Passwords, kept as argon2id hashes (RFC 9106) by libsodium. A hash takes tens of milliseconds and
 * megabytes by design, so only a few are made at once, and only a few callers wait for that: what
 * else the process does goes on, however many people sign in. Who signs up has turns of its own,
 * so that no flood of new users keeps the known ones out. Thread-safe; all that takes a turn or
 * needs one blocks, so it is for workers, not for a transport's threads.
 *
 * Nothing here logs a password, or puts one into an error.
 */
#ifndef SERVICES_USER_PASSWORD_H
#define SERVICES_USER_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/rpc/call.h"
#include "services/user/turns.h"

enum {
    USER_HASH_BYTES = 128,                   /* of a hash as text, with its NUL */
    USER_HASH_MEMORY_MIN = 19 * 1024 * 1024, /* these two are OWASP's smallest for argon2id */
    USER_HASH_PASSES_MIN = 2,
    USER_HASH_WAITING = 2, /* callers that may wait for each one whose turn it is */
    USER_HASH_WAIT_MS = 2000
};

/* What a password is hashed for. */
typedef enum user_hash_use {
    USER_HASH_KNOWN, /* of somebody who has an account */
    USER_HASH_NEW,   /* of an account that is to be made: half as many turns, rounded up */
    USER_HASH_USES
} user_hash_use;

/* How many are hashed at once by `concurrency`, of a use or of all (USER_HASH_USES). */
int64_t user_hashes_at_once(int64_t concurrency, user_hash_use use);

typedef struct user_passwords user_passwords;

typedef struct user_passwords_options {
    int64_t memory_bytes; /* of each hash; USER_HASH_MEMORY_MIN at least */
    int64_t passes;       /* over that memory; USER_HASH_PASSES_MIN at least */
    int64_t concurrency;  /* hashes of USER_HASH_KNOWN worked on at once, 1 at least */
} user_passwords_options;

/*
 * INVALID_ARGUMENT: a number is below its minimum, or more than libsodium takes.
 * RESOURCE_EXHAUSTED: out of memory. INTERNAL: libsodium cannot be used.
 */
mesh_code user_passwords_create(const user_passwords_options *options, user_passwords **passwords,
                                mesh_error *err);

/* No other function may be running. NULL is accepted. */
void user_passwords_destroy(user_passwords *passwords);

/*
 * Waits for a turn; MESH_OK is followed by user_turn_end. Errors of user_turn_take (turns.h), with
 * USER_HASH_WAIT_MS and the deadline of `call`, which stops waiting when it is cancelled; it takes
 * one turn, and has no other use for mesh_call_on_cancel. NULL: no call, so neither. `me` says
 * whose login and address it is, and lives as long as the call, in its arena: it may be cancelled
 * long after its turn. NULL: RESOURCE_EXHAUSTED, there was no room for it.
 */
mesh_code user_password_turn_take(user_passwords *passwords, user_hash_use use, mesh_call *call,
                                  user_waiter *me, mesh_error *err);

/*
 * The hash of a password, with a salt of its own; the caller has a turn. RESOURCE_EXHAUSTED: no
 * memory for it.
 */
mesh_code user_password_hash(user_passwords *passwords, const char *password,
                             char hash[USER_HASH_BYTES], mesh_error *err);

/*
 * Whether the password is that of the hash; the caller has a turn. NULL for the hash, of a user who
 * does not exist, is a wrong password like any other: it takes the same time. *outdated: it is
 * right, and the hash was made with other numbers than those in force, so that a new one should
 * take its place. RESOURCE_EXHAUSTED: no memory for it.
 */
mesh_code user_password_verify(user_passwords *passwords, const char *password, const char *hash,
                               bool *right, bool *outdated, mesh_error *err);

/* Overwrites a password that is not needed any more. */
void user_password_wipe(char *password);

#endif
