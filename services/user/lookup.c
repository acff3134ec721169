#include <string.h>

#include "mesh/base/uuid.h"
#include "mesh/rpc/call.h"
#include "services/user/check.h"
#include "services/user/handlers.h"
#include "services/user/lookup_store.h"

enum {
    LARGE_DEFAULT = 500, /* users in a page for services */
    LARGE_MAX = 1000
};

static const char EMPLOYEES[] = "user.v1.UserService/ListEmployees";
static const char SNAPSHOT[] = "user.v1.UserService/SnapshotUsers";
static const char CHANGED[] = "user.v1.UserService/ListChangedUsers";

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
static void check_page(mesh_page *page, mesh_check *check, const char *list, int32_t page_size,
                       const char *page_token)
{
    static const char before_all[] = "00000000-0000-0000-0000-000000000000";
    mesh_page_read(page, check, list, page_size, page_token);
    if (page->after[0] == '\0')
        memcpy(page->after, before_all, sizeof before_all);
    mesh_check_that(check, mesh_uuid_valid(page->after), "page_token", "is of no page");
}

static mesh_code read_page(mesh_page *page, const char *list, int32_t page_size,
                           const char *page_token, mesh_error *err)
{
    mesh_check check = {.err = err};
    check_page(page, &check, list, page_size, page_token);
    return check.code;
}

/* Pages that services ask for are larger. */
static size_t large_size(int32_t page_size)
{
    return page_size == 0 ? LARGE_DEFAULT : page_size > LARGE_MAX ? LARGE_MAX : (size_t)page_size;
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
    page.size = large_size(request->page_size);
    code = user_store_list(&scope, USER__V1__USER__KIND__KIND_UNSPECIFIED, &page, &response->users,
                           &response->n_users, err);
    if (code != MESH_OK || response->n_users <= page.size)
        return code;
    response->n_users = page.size;
    response->next_page_token = mesh_page_token(scope.arena, SNAPSHOT,
                                                response->users[page.size - 1]->id);
    return MESH_OK;
}

/* A time that fits into 64 bits of nanoseconds. */
static bool read_time(const Google__Protobuf__Timestamp *time, int64_t *wall_ns)
{
    static const int64_t NS_PER_S = 1000000000;
    if (time == NULL || time->seconds < 0 || time->seconds >= INT64_MAX / NS_PER_S ||
        time->nanos < 0 || time->nanos >= NS_PER_S)
        return false;
    *wall_ns = time->seconds * NS_PER_S + time->nanos;
    return true;
}

/* As SnapshotUsers. */
mesh_code user_rpc_list_changed_users(void *self, mesh_call *call,
                                      const User__V1__ListChangedUsersRequest *request,
                                      User__V1__ListChangedUsersResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    mesh_check check = {.err = err};
    int64_t since_ns = 0;
    mesh_page page;
    mesh_check_that(&check, read_time(request->since, &since_ns), "since", "must be a time");
    check_page(&page, &check, CHANGED, request->page_size, request->page_token);
    if (check.code != MESH_OK)
        return check.code;
    page.size = large_size(request->page_size);
    mesh_code code = user_store_list_changed(&scope, since_ns, &page, &response->users,
                                             &response->n_users, err);
    if (code != MESH_OK || response->n_users <= page.size)
        return code;
    response->n_users = page.size;
    response->next_page_token = mesh_page_token(scope.arena, CHANGED,
                                                response->users[page.size - 1]->user_id);
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
