/* The user service from the inside: what its files share. */
#ifndef SERVICES_USER_USER_H
#define SERVICES_USER_USER_H

#include "mesh/db/db.h"
#include "services/user/password.h"
#include "user/v1/user.mesh.h"

/* `self` of every handler; immutable once the service runs. */
typedef struct user_service {
    mesh_db *db;
    user_passwords *passwords;
} user_service;

/* The rpcs; `self` is a user_service. */
extern const user__v1__user_service__handlers user_handlers;

#endif
