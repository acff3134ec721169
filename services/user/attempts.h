/*
 * How often signing in failed lately, for each login and each address: who guesses passwords is
 * stopped before they are looked at. The table has a fixed size; when its part for a key is full,
 * the entry that ends first is forgotten (to push one out takes many thousand failures, of which
 * each waits for a password's hash). Of this process alone. Thread-safe.
 */
#ifndef SERVICES_USER_ATTEMPTS_H
#define SERVICES_USER_ATTEMPTS_H

#include <stdbool.h>
#include <stdint.h>

#include "mesh/base/error.h"

typedef struct user_attempts user_attempts;

typedef struct user_attempts_options {
    int64_t login_max;   /* failures of a login in a window; 1 at least, as the next ones */
    int64_t address_max; /* failures from an address in a window */
    int64_t window_ms;   /* from the first failure on */
} user_attempts_options;

/* RESOURCE_EXHAUSTED: out of memory. */
mesh_code user_attempts_create(const user_attempts_options *options, user_attempts **attempts,
                               mesh_error *err);

/* NULL is accepted. */
void user_attempts_destroy(user_attempts *attempts);

/*
 * Counts an attempt as failed, until it is told otherwise: so those made at once count, too.
 * `login` is in one case. RESOURCE_EXHAUSTED: TOO_MANY_ATTEMPTS with the time to wait, when the
 * login or the address has failed as often as it may; nothing is counted then.
 */
mesh_code user_attempt_begin(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err);

/* The attempt that began so did not fail by its password: it counts no more. `succeeded`: nor do
 * the login's earlier failures. */
void user_attempt_forget(user_attempts *attempts, const char *login, const char *address,
                         bool succeeded);

#endif
