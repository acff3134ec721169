/*
 * What staff changes about users; as store.h. Each is a change (change.h): NOT_FOUND:
 * USER_NOT_FOUND. Where there is nothing to change the user is filled as it is.
 */
#ifndef SERVICES_USER_MANAGE_STORE_H
#define SERVICES_USER_MANAGE_STORE_H

#include "services/user/store.h"

/* CONSUMER or PRO. FAILED_PRECONDITION: KIND_MISMATCH, the user is no consumer. */
mesh_code user_store_change_role(const user_scope *scope, const char *user_id, User__V1__Role role,
                                 User__V1__User *user, mesh_error *err);

/*
 * ADMIN, LEVEL2 or LEVEL1. FAILED_PRECONDITION: KIND_MISMATCH, the user is not of the staff;
 * LAST_ADMIN.
 */
mesh_code user_store_change_level(const user_scope *scope, const char *user_id,
                                  User__V1__Role level, User__V1__User *user, mesh_error *err);

/* Makes the user a member of exactly these. INVALID_ARGUMENT: GROUP_UNKNOWN. */
mesh_code user_store_change_groups(const user_scope *scope, const char *user_id,
                                   const char *const *groups, size_t count, User__V1__User *user,
                                   mesh_error *err);

/* FAILED_PRECONDITION: KIND_MISMATCH, the user is no employee. */
mesh_code user_store_confirm(const user_scope *scope, const char *user_id, User__V1__User *user,
                             mesh_error *err);

/* Ends the user's sessions, too. FAILED_PRECONDITION: LAST_ADMIN. */
mesh_code user_store_ban(const user_scope *scope, const char *user_id, User__V1__User *user,
                         mesh_error *err);

mesh_code user_store_unban(const user_scope *scope, const char *user_id, User__V1__User *user,
                           mesh_error *err);

/* With all that belongs to the user. FAILED_PRECONDITION: LAST_ADMIN. */
mesh_code user_store_delete(const user_scope *scope, const char *user_id, mesh_error *err);

#endif
