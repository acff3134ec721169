/*
 * The rpcs by the files that have them; handlers.c has the rest, and the table of all. `self` is
 * the user_service.
 */
#ifndef SERVICES_USER_HANDLERS_H
#define SERVICES_USER_HANDLERS_H

#include "services/user/store.h"

/* What the store needs of a call. */
user_scope user_scope_of(const user_service *service, mesh_call *call);

/* sign_up.c: accounts that are made. */
mesh_code user_rpc_sign_up_regular(void *self, mesh_call *call,
                                   const User__V1__SignUpRegularRequest *request,
                                   User__V1__User *response, mesh_error *err);
mesh_code user_rpc_sign_up_staff(void *self, mesh_call *call,
                                 const User__V1__SignUpStaffRequest *request,
                                 User__V1__User *response, mesh_error *err);

/* account.c: the caller's own account. */
mesh_code user_rpc_get_current_user(void *self, mesh_call *call,
                                    const User__V1__GetCurrentUserRequest *request,
                                    User__V1__User *response, mesh_error *err);
mesh_code user_rpc_update_user(void *self, mesh_call *call,
                               const User__V1__UpdateUserRequest *request, User__V1__User *response,
                               mesh_error *err);

#endif
