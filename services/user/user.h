/* The user service from the inside: what its files share. */
#ifndef SERVICES_USER_USER_H
#define SERVICES_USER_USER_H

#include "mesh/db/db.h"
#include "services/user/password.h"
#include "services/user/signer.h"
#include "user/v1/user.mesh.h"

/* How often something may be tried in a window; 1 at least, each. */
typedef struct user_limits {
    int64_t login_max;   /* wrong passwords for one login */
    int64_t address_max; /* wrong passwords from an address */
    int64_t sign_up_max; /* sign-ups from an address */
    int64_t change_max;  /* changes of the own account by a user */
    int64_t window_ms;   /* from the first one on */
} user_limits;

/* `self` of every handler; immutable once the service runs. */
typedef struct user_service {
    mesh_db *db;
    user_passwords *passwords;
    user_signer *signer;
    user_limits limits;
    int64_t session_ms; /* how long a session lasts without a refresh */
} user_service;

/* The rpcs; `self` is a user_service. */
extern const user__v1__user_service__handlers user_handlers;

#endif
