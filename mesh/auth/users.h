/*
 * mesh_users: what users are now, where their tokens may say something else. A token says what its
 * user was when it was issued; who changed since then (roles, a ban, the end) has an entry here,
 * which events of the user service feed, for as long as a token from before can live.
 *
 * All functions but create and destroy are thread-safe.
 */
#ifndef MESH_AUTH_USERS_H
#define MESH_AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

enum {
    MESH_USER_ID_BYTES_MAX = 64,
    MESH_ROLES_MAX = 8,
    MESH_ROLE_BYTES = 32 /* of a name, with its NUL */
};

/* What a user is. */
typedef struct mesh_user_state {
    int64_t version; /* of the user, as its events have it: the latest counts */
    bool refused;    /* banned, or deleted: no token of the user is worth anything */
    size_t role_count;
    char roles[MESH_ROLES_MAX][MESH_ROLE_BYTES];
} mesh_user_state;

typedef struct mesh_users mesh_users;

/*
 * `keep_ms`: how long an entry stays after its last change; at least as long as a token lives. NULL
 * when out of memory.
 */
mesh_users *mesh_users_create(int64_t keep_ms);

/* NULL is accepted. */
void mesh_users_destroy(mesh_users *users);

/*
 * A user has changed. Copied. A version that is not later than the one that is known changes
 * nothing, so events may come twice and in any order. INVALID_ARGUMENT: the id is empty or too
 * long, or there are more than MESH_ROLES_MAX roles. RESOURCE_EXHAUSTED: out of memory, and nothing
 * was changed: the event has to come again.
 */
mesh_code mesh_users_put(mesh_users *users, const char *id, const mesh_user_state *state,
                         mesh_error *err);

/*
 * What was heard of the user last. It counts for tokens of versions before that one: one that comes
 * late, after a later one was forgotten, says nothing of tokens that were issued meanwhile. False:
 * the user has not changed for so long that its token is right.
 */
bool mesh_users_find(mesh_users *users, const char *id, mesh_user_state *state);

/* How many entries there are; forgets those whose time is over. */
size_t mesh_users_count(mesh_users *users);

#endif
