/*
 * Who signs in, and the sessions' table; as store.h.
 */
#ifndef SERVICES_USER_SESSION_STORE_H
#define SERVICES_USER_SESSION_STORE_H

#include "mesh/base/uuid.h"
#include "services/user/refresh.h"
#include "services/user/store.h"

enum {
    USER_SESSIONS_MAX = 32 /* of a user; a new one takes the place of the one unused for longest */
};

/*
 * Fills the user who has the login (in lower case: a username or e-mail), and is of the staff or is
 * not, with the password's hash in the arena. *found is false when there is none.
 */
mesh_code user_store_find_login(const user_scope *scope, const char *login, bool staff,
                                User__V1__User *user, const char **password_hash, bool *found,
                                mesh_error *err);

/* Replaces a user's hash, if it still is `old`, by another one of the same password. */
mesh_code user_store_rehash(const user_scope *scope, const char *user_id, const char *old,
                            const char *password_hash, mesh_error *err);

/*
 * Begins a session until `expire_ns` (wall clock). PERMISSION_DENIED: USER_BANNED, or the user was
 * deleted meanwhile.
 */
mesh_code user_session_add(const user_scope *scope, const char *user_id,
                           const user_refresh *refresh, int64_t expire_ns,
                           char session_id[MESH_UUID_TEXT_BYTES], mesh_error *err);

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
