#include "mesh/rpc/call.h"
#include "services/user/check.h"
#include "services/user/handlers.h"
#include "services/user/manage_store.h"

mesh_code user_rpc_change_role(void *self, mesh_call *call,
                               const User__V1__ChangeRoleRequest *request, User__V1__User *response,
                               mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_role(request, err);
    if (code != MESH_OK)
        return code;
    return user_store_change_role(&scope, request->user_id, request->role, response, err);
}

mesh_code user_rpc_change_level(void *self, mesh_call *call,
                                const User__V1__ChangeLevelRequest *request,
                                User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_level(request, err);
    if (code != MESH_OK)
        return code;
    return user_store_change_level(&scope, request->user_id, request->level, response, err);
}

mesh_code user_rpc_change_groups(void *self, mesh_call *call,
                                 const User__V1__ChangeGroupsRequest *request,
                                 User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_groups(request, err);
    if (code != MESH_OK)
        return code;
    return user_store_change_groups(&scope, request->user_id, (const char *const *)request->groups,
                                    request->n_groups, response, err);
}

mesh_code user_rpc_confirm_employee(void *self, mesh_call *call,
                                    const User__V1__ConfirmEmployeeRequest *request,
                                    User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    return user_store_confirm(&scope, request->user_id, response, err);
}

mesh_code user_rpc_ban_user(void *self, mesh_call *call, const User__V1__BanUserRequest *request,
                            User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    return user_store_ban(&scope, request->user_id, response, err);
}

mesh_code user_rpc_unban_user(void *self, mesh_call *call,
                              const User__V1__UnbanUserRequest *request, User__V1__User *response,
                              mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    return user_store_unban(&scope, request->user_id, response, err);
}

mesh_code user_rpc_delete_user(void *self, mesh_call *call,
                               const User__V1__DeleteUserRequest *request,
                               Google__Protobuf__Empty *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    (void)response;
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    return user_store_delete(&scope, request->user_id, err);
}
