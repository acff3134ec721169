/* The limits of the contract (proto/user/v1/user.proto), checked before anything else is done. */
#ifndef SERVICES_USER_CHECK_H
#define SERVICES_USER_CHECK_H

#include "mesh/resource/check.h"
#include "user/v1/user.mesh.h"

enum {
    USER_USERNAME_MAX = 32,
    USER_EMAIL_MAX = 254,      /* RFC 5321, 4.5.3.1.3: 256 with the angle brackets */
    USER_EMAIL_LOCAL_MAX = 64, /* 4.5.3.1.1 */
    USER_PASSWORD_MIN = 8,
    USER_PASSWORD_MAX = 128,
    USER_NAME_MAX = 100,
    USER_LOGIN_MAX = USER_EMAIL_MAX,
    USER_ID_MAX = 64,
    USER_GROUPS_MAX = 16, /* in a request */
    USER_GROUP_MAX = 64
};

/* Violations of a single field go to `check`; none shows a password. */
void user_check_username(mesh_check *check, const char *username);
void user_check_email(mesh_check *check, const char *email);
void user_check_password(mesh_check *check, const char *field, const char *password);

/*
 * MESH_OK and the kind that the account is to have, or MESH_INVALID_ARGUMENT with every violation.
 */
mesh_code user_check_sign_up_regular(const User__V1__SignUpRegularRequest *request,
                                     User__V1__User__Kind *kind, mesh_error *err);

/* As all below: MESH_OK, or MESH_INVALID_ARGUMENT with every violation. */
mesh_code user_check_sign_up_staff(const User__V1__SignUpStaffRequest *request, mesh_error *err);

/* What a user of this kind may change. */
mesh_code user_check_update(const User__V1__UpdateUserRequest *request, User__V1__User__Kind kind,
                            mesh_error *err);

mesh_code user_check_change_password(const User__V1__ChangePasswordRequest *request,
                                     mesh_error *err);
mesh_code user_check_sign_in(const User__V1__SignInRequest *request, mesh_error *err);

mesh_code user_check_id(const char *user_id, mesh_error *err);
mesh_code user_check_role(const User__V1__ChangeRoleRequest *request, mesh_error *err);
mesh_code user_check_level(const User__V1__ChangeLevelRequest *request, mesh_error *err);
mesh_code user_check_groups(const User__V1__ChangeGroupsRequest *request, mesh_error *err);
mesh_code user_check_permission(const User__V1__CheckPermissionRequest *request, mesh_error *err);

#endif
