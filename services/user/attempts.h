/*
 * How often passwords were wrong lately, for each one whose they should be and each address, how
 * many accounts each address made, and how often each user changed the own one: who guesses is
 * stopped before passwords are looked at. The table has a fixed size; when its part for a key is
 * full, the entry that ends first is forgotten.
 * Entries are made for who has a turn to have a password hashed, or has an account: so to push one
 * out takes many thousand of these, and each costs a hash. Of this process alone. Thread-safe.
 */
#ifndef SERVICES_USER_ATTEMPTS_H
#define SERVICES_USER_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "mesh/base/error.h"

typedef struct user_attempts user_attempts;

typedef struct user_attempts_options {
    int64_t login_max;   /* failures of one login in a window; 1 at least, as the next ones */
    int64_t address_max; /* failures from an address in a window */
    int64_t sign_up_max; /* sign-ups from an address in a window */
    int64_t change_max;  /* changes of the own account by a user in a window */
    int64_t window_ms;   /* from the first attempt on */
} user_attempts_options;

/* RESOURCE_EXHAUSTED: out of memory. */
mesh_code user_attempts_create(const user_attempts_options *options, user_attempts **attempts,
                               mesh_error *err);

/* NULL is accepted. */
void user_attempts_destroy(user_attempts *attempts);

/*
 * Looks whether an attempt may be made, and counts nothing: for who is to wait for a turn first.
 * `login` is any text that stands for whose the password should be. RESOURCE_EXHAUSTED:
 * TOO_MANY_ATTEMPTS with the time to wait, when the login or the address has failed as often as it
 * may.
 */
mesh_code user_attempt_check(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err);

/*
 * The same, and begins the attempt; MESH_OK is followed by user_attempt_end. Refused, too, for a
 * moment, when the failures and the attempts that go on are as many as may fail: so guesses made at
 * once are not more than that.
 */
mesh_code user_attempt_begin(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err);

typedef enum user_attempt_result {
    USER_ATTEMPT_FAILED,   /* the password was wrong: counted */
    USER_ATTEMPT_UNKNOWN,  /* nobody looked at the password: as if it had not been made */
    USER_ATTEMPT_SUCCEEDED /* not counted, and the login's earlier failures are forgotten */
} user_attempt_result;

void user_attempt_end(user_attempts *attempts, const char *login, const char *address,
                      user_attempt_result result);

/*
 * Whether an address may make another account; `now` counts it, otherwise it is a look.
 * RESOURCE_EXHAUSTED: TOO_MANY_ATTEMPTS with the time to wait.
 */
mesh_code user_attempt_sign_up(user_attempts *attempts, const char *address, bool now,
                               mesh_error *err);

/*
 * Whether a user may change the own account once more, and counts it. RESOURCE_EXHAUSTED:
 * TOO_MANY_ATTEMPTS with the time to wait.
 */
mesh_code user_attempt_change(user_attempts *attempts, const char *user_id, mesh_error *err);

#endif
