#include "mesh/rpc/call.h"
#include "services/user/attempt_store.h"
#include "services/user/check.h"
#include "services/user/guess.h"
#include "services/user/handlers.h"

/* The role that signing up gives to each kind. */
static User__V1__Role first_role(User__V1__User__Kind kind)
{
    return kind == USER__V1__USER__KIND__CUSTOMER   ? USER__V1__ROLE__CUSTOMER
           : kind == USER__V1__USER__KIND__EMPLOYEE ? USER__V1__ROLE__EMPLOYEE
                                                    : USER__V1__ROLE__CONSUMER;
}

/* In its turn. `attempt`: to make an account; NULL: one that is not counted. */
static mesh_code hash_in_turn(const user_service *service, mesh_call *call, user_attempt *attempt,
                              const char *password, char *hash, mesh_error *err)
{
    const int64_t deadline_ns = mesh_call_deadline_ns(call);
    user_waiter *waiter = user_waiter_of(call, NULL);
    mesh_code code = MESH_OK;
    if (attempt != NULL)
        code = user_attempt_check(attempt, NULL, deadline_ns, err);
    if (code == MESH_OK)
        code = user_password_turn_take(service->passwords, USER_HASH_NEW, call, waiter, err);
    if (code != MESH_OK)
        return code;
    if (attempt != NULL)
        code = user_attempt_begin(attempt, NULL, deadline_ns, err);
    if (code == MESH_OK)
        code = user_password_hash(service->passwords, password, hash, err);
    user_turn_end(waiter);
    return code;
}

/* What is kept of the password, unless the request was refused; the password itself is forgotten,
 * whatever comes of it. */
static mesh_code hash_password(const user_service *service, mesh_call *call, user_attempt *attempt,
                               char *password, mesh_code checked, char hash[USER_HASH_BYTES],
                               mesh_error *err)
{
    mesh_code code = checked;
    if (code == MESH_OK)
        code = hash_in_turn(service, call, attempt, password, hash, err);
    user_password_wipe(password);
    return code;
}

mesh_code user_rpc_sign_up_regular(void *self, mesh_call *call,
                                   const User__V1__SignUpRegularRequest *request,
                                   User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    User__V1__User__Kind kind = USER__V1__USER__KIND__KIND_UNSPECIFIED;
    user_attempt attempt = user_attempt_to_sign_up(self, user_address_of(call));
    char hash[USER_HASH_BYTES];

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = user_check_sign_up_regular(request, &kind, err);

    /* 2. The password, when its turn comes, unless many have come from there. */
    code = hash_password(self, call, &attempt, request->password, code, hash, err);
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

/* As the other one, but an admin makes as many as it takes. */
mesh_code user_rpc_sign_up_staff(void *self, mesh_call *call,
                                 const User__V1__SignUpStaffRequest *request,
                                 User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    char hash[USER_HASH_BYTES];
    mesh_code code = user_check_sign_up_staff(request, err);
    code = hash_password(self, call, NULL, request->password, code, hash, err);
    if (code != MESH_OK)
        return code;
    const user_account account = {.username = request->username,
                                  .email = request->email,
                                  .password_hash = hash,
                                  .kind = USER__V1__USER__KIND__STAFF,
                                  .role = USER__V1__ROLE__LEVEL1,
                                  .first_name = request->first_name,
                                  .last_name = request->last_name};
    return user_store_add(&scope, &account, response, err);
}
