/* The command that makes an admin: the first one, who then gives other staff their accounts. */
#ifndef SERVICES_USER_ADMIN_H
#define SERVICES_USER_ADMIN_H

#include <stdio.h>

#include "services/user/user.h"

/*
 * Makes an admin whose password is the first line of `input`, and writes "admin USERNAME ID" to
 * `output`. Errors of user_password_hash and user_store_add; INVALID_ARGUMENT with every field that
 * breaks the contract's limits, which for the password include those of a call's text: UTF-8
 * without a NUL.
 */
mesh_code user_create_admin(const user_service *service, const char *username, const char *email,
                            FILE *input, FILE *output, mesh_error *err);

#endif
