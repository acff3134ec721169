/*
 * How often passwords were wrong lately, for each one whose they should be and each address, how
 * many accounts each address made, and how often each user changed the own one: who guesses is
 * stopped before passwords are looked at. It is counted in the database, so of all instances
 * together, and over restarts.
 *
 * An attempt is counted before it is made, by one statement that counts no more than may be: so
 * attempts made at once, wherever, are never more than that. What an instance that dies meanwhile
 * has counted stays until the window ends.
 *
 * Of a login, address or user a digest is kept, with a key that is no part of the database
 * (user_signer_digest): the login as it was written may be a password in the wrong field, which a
 * digest without a key would let be found by trying. When the signing key is replaced, what was
 * counted is forgotten. Thread-safe.
 */
#ifndef SERVICES_USER_ATTEMPT_STORE_H
#define SERVICES_USER_ATTEMPT_STORE_H

#include "services/user/store.h"

/* One row of the table. */
typedef struct user_count {
    int64_t kind; /* 0: none */
    uint8_t digest[USER_DIGEST_BYTES];
    int64_t max;
    int64_t end_ns; /* of the window that it was counted in; 0: it was not */
} user_count;

/* What counts as one; made by the functions below. */
typedef struct user_attempt {
    const user_service *service; /* borrowed */
    const char *refusal;         /* what is said when there were too many */
    user_count counts[2];
} user_attempt;

/* At a password; `login` is any text that stands for whose it should be. */
user_attempt user_attempt_at_password(const user_service *service, const char *login,
                                      const char *address);

/* To make an account. */
user_attempt user_attempt_to_sign_up(const user_service *service, const char *address);

/* To change the own account. */
user_attempt user_attempt_to_change(const user_service *service, const char *user_id);

/*
 * Looks whether it may be made, and counts nothing: for who is to wait for a turn first.
 * RESOURCE_EXHAUSTED: TOO_MANY_ATTEMPTS with the time to wait, when there were as many as may be;
 * passwords that are looked at now have not failed yet. `tx` is one that goes on; NULL: none, and
 * `deadline_ns` is the call's.
 */
mesh_code user_attempt_check(const user_attempt *attempt, mesh_tx *tx, int64_t deadline_ns,
                             mesh_error *err);

/*
 * Counts it, all or nothing; one at a password is to be followed by user_attempt_end.
 * RESOURCE_EXHAUSTED: TOO_MANY_ATTEMPTS, to come back in a second, when those that go on may all
 * fail, or others came first since it was checked. With `tx`, what rolls that back takes the count
 * along.
 */
mesh_code user_attempt_begin(user_attempt *attempt, mesh_tx *tx, int64_t deadline_ns,
                             mesh_error *err);

typedef enum user_attempt_result {
    USER_ATTEMPT_FAILED,   /* the password was wrong: it stays counted */
    USER_ATTEMPT_UNKNOWN,  /* nobody looked at the password: as if it had not been made */
    USER_ATTEMPT_SUCCEEDED /* not counted, and the login's earlier failures are forgotten */
} user_attempt_result;

/*
 * Has no deadline but the database's: that of a call must not make a failure of what was right.
 * When it fails, the attempt stays counted.
 */
mesh_code user_attempt_end(const user_attempt *attempt, user_attempt_result result,
                           mesh_error *err);

#endif
