#include "mesh/rpc/call.h"
#include "services/user/check.h"
#include "services/user/store.h"

static user_scope scope_of(const user_service *service, mesh_call *call)
{
    return (user_scope){.db = service->db,
                        .arena = mesh_call_arena(call),
                        .deadline_ns = mesh_call_deadline_ns(call)};
}

/* The role that signing up gives to each kind. */
static User__V1__Role first_role(User__V1__User__Kind kind)
{
    return kind == USER__V1__USER__KIND__CUSTOMER   ? USER__V1__ROLE__CUSTOMER
           : kind == USER__V1__USER__KIND__EMPLOYEE ? USER__V1__ROLE__EMPLOYEE
                                                    : USER__V1__ROLE__CONSUMER;
}

static mesh_code sign_up_regular(void *self, mesh_call *call,
                                 const User__V1__SignUpRegularRequest *request,
                                 User__V1__User *response, mesh_error *err)
{
    const user_service *service = self;
    const user_scope scope = scope_of(service, call);
    User__V1__User__Kind kind = USER__V1__USER__KIND__KIND_UNSPECIFIED;
    char hash[USER_HASH_BYTES];

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = user_check_sign_up_regular(request, &kind, err);

    /* 2. What is kept of the password; the password itself is forgotten, whatever comes of it. */
    if (code == MESH_OK)
        code = user_password_hash(service->passwords, request->password, scope.deadline_ns, hash,
                                  err);
    user_password_wipe(request->password);
    if (code != MESH_OK)
        return code;

    /* 3. User, profile and event, in one transaction. */
    const user_account account = {.username = request->username,
                                  .email = request->email,
                                  .password_hash = hash,
                                  .kind = kind,
                                  .role = first_role(kind),
                                  .first_name = request->first_name,
                                  .last_name = request->last_name};
    return user_store_add(&scope, &account, response, err);
}

const user__v1__user_service__handlers user_handlers = {
    .sign_up_regular = sign_up_regular,
};
