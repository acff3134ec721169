/* The user service from the inside: what its files share. */
#ifndef SERVICES_USER_USER_H
#define SERVICES_USER_USER_H

#include "mesh/db/db.h"
#include "services/user/attempts.h"
#include "services/user/password.h"
#include "services/user/signer.h"
#include "user/v1/user.mesh.h"

/* `self` of every handler; immutable once the service runs. */
typedef struct user_service {
    mesh_db *db;
    user_passwords *passwords;
    user_attempts *attempts;
    user_signer *signer;
    int64_t session_ms; /* how long a session lasts without a refresh */
} user_service;

/* The rpcs; `self` is a user_service. */
extern const user__v1__user_service__handlers user_handlers;

#endif
