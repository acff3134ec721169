/*
 * Who signs in, and the sessions' table; as store.h.
 */
#ifndef SERVICES_USER_SESSION_STORE_H
#define SERVICES_USER_SESSION_STORE_H

#include "mesh/base/uuid.h"
#include "services/user/refresh.h"
#include "services/user/store.h"

enum {
    USER_SESSIONS_MAX = 32, /* of a user; a new one takes the place of the one unused for longest */
    USER_SWEPT = 10         /* at once: more than are added, so that expired ones become fewer */
};

/* What is kept of a password. */
typedef struct user_secret {
    const char *hash; /* NULL: there is no such user */
    int64_t serial;   /* another password has a higher one; another hash of the same has not */
} user_secret;

/*
 * Fills the user who has the login (in lower case: a username or e-mail), and is of the staff or is
 * not, and the secret in the arena.
 */
mesh_code user_store_find_login(const user_scope *scope, const char *login, bool staff,
                                User__V1__User *user, user_secret *secret, mesh_error *err);

/* The secret of a user. */
mesh_code user_store_find_secret(const user_scope *scope, const char *user_id, user_secret *secret,
                                 mesh_error *err);

/* Replaces a user's hash, if it still is `old`, by another one of the same password. */
mesh_code user_store_rehash(const user_scope *scope, const char *user_id, const char *old,
                            const char *password_hash, mesh_error *err);

/*
 * Gives the user another password and ends all sessions but the one with the id (which may be none
 * at all). UNAUTHENTICATED: WRONG_CREDENTIALS, the password has changed since it had the serial.
 */
mesh_code user_store_change_password(const user_scope *scope, const char *user_id, int64_t serial,
                                     const char *password_hash, const char *session_id,
                                     mesh_error *err);

/*
 * Begins a session until `expire_ns` (wall clock) of who has shown the password with the serial.
 * PERMISSION_DENIED: USER_BANNED. UNAUTHENTICATED: WRONG_CREDENTIALS, the password has changed, or
 * the user was deleted, meanwhile.
 */
mesh_code user_session_add(const user_scope *scope, const char *user_id, int64_t serial,
                           const user_refresh *refresh, int64_t expire_ns,
                           char session_id[MESH_UUID_TEXT_BYTES], mesh_error *err);

/* Forgets some sessions and some counts of attempts that have expired, USER_SWEPT of each at most,
 * of anybody. */
mesh_code user_store_sweep(const user_scope *scope, mesh_error *err);

/* UNAUTHENTICATED: WRONG_CREDENTIALS, whatever it is that does not fit. */
mesh_code user_wrong_credentials(mesh_error *err);

/*
 * Replaces the secret of a session, which then lasts until `expire_ns`, and fills its user and id.
 * UNAUTHENTICATED: SESSION_ENDED, there is none, or `old` is not its last token: then it ends.
 * PERMISSION_DENIED: USER_BANNED; then it ends, too.
 */
mesh_code user_session_renew(const user_scope *scope, const user_refresh *old,
                             const user_refresh *refresh, int64_t expire_ns, User__V1__User *user,
                             char session_id[MESH_UUID_TEXT_BYTES], mesh_error *err);

/* Ends the session, if there is one. */
mesh_code user_session_end(const user_scope *scope, const user_refresh *refresh, mesh_error *err);

#endif
