#include <string.h>

#include "mesh/base/uuid.h"
#include "mesh/rpc/call.h"
#include "services/user/check.h"
#include "services/user/handlers.h"
#include "services/user/lookup_store.h"

enum {
    SNAPSHOT_DEFAULT = 500, /* users in a page */
    SNAPSHOT_MAX = 1000
};

static const char EMPLOYEES[] = "user.v1.UserService/ListEmployees";
static const char SNAPSHOT[] = "user.v1.UserService/SnapshotUsers";

/* What tokens of ListUsers are for; NULL: there is no such kind. */
static const char *list_of(User__V1__User__Kind kind)
{
    switch (kind) {
    case USER__V1__USER__KIND__KIND_UNSPECIFIED:
        return "user.v1.UserService/ListUsers";
    case USER__V1__USER__KIND__CONSUMER:
        return "user.v1.UserService/ListUsers CONSUMER";
    case USER__V1__USER__KIND__CUSTOMER:
        return "user.v1.UserService/ListUsers CUSTOMER";
    case USER__V1__USER__KIND__EMPLOYEE:
        return "user.v1.UserService/ListUsers EMPLOYEE";
    case USER__V1__USER__KIND__STAFF:
        return "user.v1.UserService/ListUsers STAFF";
    default:
        return NULL;
    }
}

/* A token can be made up, with something else than the id of a user in it. */
static mesh_code read_page(mesh_page *page, const char *list, int32_t page_size,
                           const char *page_token, mesh_error *err)
{
    static const char before_all[] = "00000000-0000-0000-0000-000000000000";
    mesh_check check = {.err = err};
    mesh_page_read(page, &check, list, page_size, page_token);
    if (page->after[0] == '\0')
        memcpy(page->after, before_all, sizeof before_all);
    mesh_check_that(&check, mesh_uuid_valid(page->after), "page_token", "is of no page");
    return check.code;
}

mesh_code user_rpc_get_user(void *self, mesh_call *call, const User__V1__GetUserRequest *request,
                            User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    return user_store_get(&scope, request->user_id, response, err);
}

mesh_code user_rpc_list_users(void *self, mesh_call *call,
                              const User__V1__ListUsersRequest *request,
                              User__V1__ListUsersResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    const char *list = list_of(request->kind);
    mesh_page page;

    /* 1. Which page of which list. */
    if (list == NULL)
        return mesh_error_field(err, "kind", "must be CONSUMER, CUSTOMER, EMPLOYEE or STAFF");
    mesh_code code = read_page(&page, list, request->page_size, request->page_token, err);
    if (code != MESH_OK)
        return code;

    /* 2. Its users, and one more when another page follows. */
    code = user_store_list(&scope, request->kind, &page, &response->users, &response->n_users, err);
    if (code != MESH_OK || response->n_users <= page.size)
        return code;

    /* 3. The token names the last one shown. */
    response->n_users = page.size;
    response->next_page_token = mesh_page_token(scope.arena, list,
                                                response->users[page.size - 1]->id);
    return MESH_OK;
}

/* As ListUsers, but for what is shown. */
mesh_code user_rpc_list_employees(void *self, mesh_call *call,
                                  const User__V1__ListEmployeesRequest *request,
                                  User__V1__ListEmployeesResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_page page;
    mesh_code code = read_page(&page, EMPLOYEES, request->page_size, request->page_token, err);
    if (code != MESH_OK)
        return code;
    code = user_store_list_employees(&scope, &page, &response->employees, &response->n_employees,
                                     err);
    if (code != MESH_OK || response->n_employees <= page.size)
        return code;
    response->n_employees = page.size;
    response->next_page_token = mesh_page_token(scope.arena, EMPLOYEES,
                                                response->employees[page.size - 1]->id);
    return MESH_OK;
}

/* As ListUsers of all kinds, with larger pages. */
mesh_code user_rpc_snapshot_users(void *self, mesh_call *call,
                                  const User__V1__SnapshotUsersRequest *request,
                                  User__V1__SnapshotUsersResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_page page;
    mesh_code code = read_page(&page, SNAPSHOT, request->page_size, request->page_token, err);
    if (code != MESH_OK)
        return code;
    page.size = request->page_size == 0             ? SNAPSHOT_DEFAULT
                : request->page_size > SNAPSHOT_MAX ? SNAPSHOT_MAX
                                                    : (size_t)request->page_size;
    code = user_store_list(&scope, USER__V1__USER__KIND__KIND_UNSPECIFIED, &page, &response->users,
                           &response->n_users, err);
    if (code != MESH_OK || response->n_users <= page.size)
        return code;
    response->n_users = page.size;
    response->next_page_token = mesh_page_token(scope.arena, SNAPSHOT,
                                                response->users[page.size - 1]->id);
    return MESH_OK;
}

mesh_code user_rpc_list_groups(void *self, mesh_call *call,
                               const User__V1__ListGroupsRequest *request,
                               User__V1__ListGroupsResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    (void)request;
    return user_store_list_groups(&scope, &response->groups, &response->n_groups, err);
}

mesh_code user_rpc_check_user(void *self, mesh_call *call,
                              const User__V1__CheckUserRequest *request,
                              User__V1__CheckUserResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    User__V1__User user = USER__V1__USER__INIT;
    mesh_code code = user_check_id(request->user_id, err);
    if (code != MESH_OK)
        return code;
    code = user_store_get(&scope, request->user_id, &user, err);
    if (code == MESH_NOT_FOUND) {
        mesh_error_clear(err);
        return MESH_OK;
    }
    if (code != MESH_OK)
        return code;
    response->exists = true;
    response->first_name = user.profile->first_name;
    response->last_name = user.profile->last_name;
    return MESH_OK;
}

mesh_code user_rpc_check_permission(void *self, mesh_call *call,
                                    const User__V1__CheckPermissionRequest *request,
                                    User__V1__CheckPermissionResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    bool allowed = false;
    mesh_code code = user_check_permission(request, err);
    if (code == MESH_OK)
        code = user_store_has_permission(&scope, request->user_id, request->permission, &allowed,
                                         err);
    response->allowed = allowed;
    return code;
}
