/* Whether somebody knows a password: tried when its turn comes, and counted. */
#ifndef SERVICES_USER_GUESS_H
#define SERVICES_USER_GUESS_H

#include "mesh/rpc/call.h"
#include "services/user/session_store.h"

typedef struct user_guess {
    const char *whose;    /* what failures are counted for, with the caller's address */
    const char *password; /* as the caller has it */
    const char *known;    /* the hash that it should have; NULL: of nobody, which takes as long */
    const char *next;     /* the password that is to be hashed when it is right; NULL: the same one,
                             if its hash is outdated */
} user_guess;

/*
 * The text for `whose`: a login as it was written, in one case, at one of the two sign-ins; or a
 * user who has already signed in. A login is counted alike whether it is somebody's or nobody's:
 * were it counted for its user, a lock-out would tell which username and e-mail belong together.
 */
const char *user_guess_of_login(mesh_arena *arena, const char *login, bool staff);
const char *user_guess_of_user(mesh_arena *arena, const char *user_id);

/* Whose address it is, for those who count: what one client has as a whole. */
const char *user_address_of(mesh_call *call);

/* Who waits for a turn to have a password hashed, in the arena of the call whose address it has;
 * NULL for the login: none yet. NULL: no room. */
user_waiter *user_waiter_of(mesh_call *call, const char *login);

/*
 * MESH_OK: it is the password, and `hash` is what was to be hashed, or "". UNAUTHENTICATED:
 * WRONG_CREDENTIALS. RESOURCE_EXHAUSTED: TOO_MANY_ATTEMPTS, TOO_MANY_PASSWORDS, with the time to
 * wait; or no memory. DEADLINE_EXCEEDED and CANCELLED while it waits; then nothing was hashed.
 */
mesh_code user_guess_try(const user_service *service, mesh_call *call, const user_guess *guess,
                         char hash[USER_HASH_BYTES], mesh_error *err);

#endif
