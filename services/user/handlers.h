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
mesh_code user_rpc_change_password(void *self, mesh_call *call,
                                   const User__V1__ChangePasswordRequest *request,
                                   Google__Protobuf__Empty *response, mesh_error *err);

/* manage.c: what staff changes about users. */
mesh_code user_rpc_change_role(void *self, mesh_call *call,
                               const User__V1__ChangeRoleRequest *request, User__V1__User *response,
                               mesh_error *err);
mesh_code user_rpc_change_level(void *self, mesh_call *call,
                                const User__V1__ChangeLevelRequest *request,
                                User__V1__User *response, mesh_error *err);
mesh_code user_rpc_change_groups(void *self, mesh_call *call,
                                 const User__V1__ChangeGroupsRequest *request,
                                 User__V1__User *response, mesh_error *err);
mesh_code user_rpc_confirm_employee(void *self, mesh_call *call,
                                    const User__V1__ConfirmEmployeeRequest *request,
                                    User__V1__User *response, mesh_error *err);
mesh_code user_rpc_ban_user(void *self, mesh_call *call, const User__V1__BanUserRequest *request,
                            User__V1__User *response, mesh_error *err);
mesh_code user_rpc_unban_user(void *self, mesh_call *call,
                              const User__V1__UnbanUserRequest *request, User__V1__User *response,
                              mesh_error *err);
mesh_code user_rpc_delete_user(void *self, mesh_call *call,
                               const User__V1__DeleteUserRequest *request,
                               Google__Protobuf__Empty *response, mesh_error *err);

/* lookup.c: what users and groups are. */
mesh_code user_rpc_get_user(void *self, mesh_call *call, const User__V1__GetUserRequest *request,
                            User__V1__User *response, mesh_error *err);
mesh_code user_rpc_list_users(void *self, mesh_call *call,
                              const User__V1__ListUsersRequest *request,
                              User__V1__ListUsersResponse *response, mesh_error *err);
mesh_code user_rpc_list_employees(void *self, mesh_call *call,
                                  const User__V1__ListEmployeesRequest *request,
                                  User__V1__ListEmployeesResponse *response, mesh_error *err);
mesh_code user_rpc_list_groups(void *self, mesh_call *call,
                               const User__V1__ListGroupsRequest *request,
                               User__V1__ListGroupsResponse *response, mesh_error *err);
mesh_code user_rpc_check_user(void *self, mesh_call *call,
                              const User__V1__CheckUserRequest *request,
                              User__V1__CheckUserResponse *response, mesh_error *err);
mesh_code user_rpc_check_permission(void *self, mesh_call *call,
                                    const User__V1__CheckPermissionRequest *request,
                                    User__V1__CheckPermissionResponse *response, mesh_error *err);
mesh_code user_rpc_snapshot_users(void *self, mesh_call *call,
                                  const User__V1__SnapshotUsersRequest *request,
                                  User__V1__SnapshotUsersResponse *response, mesh_error *err);
mesh_code user_rpc_list_changed_users(void *self, mesh_call *call,
                                      const User__V1__ListChangedUsersRequest *request,
                                      User__V1__ListChangedUsersResponse *response,
                                      mesh_error *err);

#endif
