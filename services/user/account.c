#include "services/user/handlers.h"

#include <string.h>

#include "mesh/auth/guard.h"
#include "services/user/attempt_store.h"
#include "services/user/change.h"
#include "services/user/check.h"
#include "services/user/guess.h"

mesh_code user_rpc_get_current_user(void *self, mesh_call *call,
                                    const User__V1__GetCurrentUserRequest *request,
                                    User__V1__User *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    (void)request;
    return user_store_get(&scope, mesh_call_caller(call)->user, response, err);
}

/* The kind never changes, so the caller's roles tell it, whatever their age. */
static User__V1__User__Kind kind_of(const mesh_caller *caller)
{
    static const struct {
        const char *role;
        User__V1__User__Kind kind;
    } kinds[] = {
        {USER__V1__ROLE__CONSUMER__NAME, USER__V1__USER__KIND__CONSUMER},
        {USER__V1__ROLE__CUSTOMER__NAME, USER__V1__USER__KIND__CUSTOMER},
        {USER__V1__ROLE__EMPLOYEE__NAME, USER__V1__USER__KIND__EMPLOYEE},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        for (size_t j = 0; caller->roles[j] != NULL; j++)
            if (strcmp(caller->roles[j], kinds[i].role) == 0)
                return kinds[i].kind;
    return USER__V1__USER__KIND__STAFF;
}

static bool differs(const char *wanted, const char *is)
{
    return wanted != NULL && strcmp(wanted, is) != 0;
}

typedef struct own_update {
    const User__V1__UpdateUserRequest *request;
    user_attempt attempt;
} own_update;

/* Counted with the row locked, and only where there is something to change. */
static mesh_code update(mesh_tx *tx, const User__V1__User *before, void *context, bool *changed,
                        mesh_error *err)
{
    static const char EMAIL[] = "UPDATE users SET email = nullif($2, '') WHERE id = $1";
    static const char NAMES[] = "UPDATE profile SET first_name = coalesce($2, first_name),"
                                " last_name = coalesce($3, last_name) WHERE user_id = $1";
    own_update *own = context;
    const User__V1__UpdateUserRequest *request = own->request;
    const bool email = differs(request->email, before->email);
    const bool names = differs(request->first_name, before->profile->first_name) ||
                       differs(request->last_name, before->profile->last_name);
    mesh_code code = MESH_OK;
    *changed = email || names;
    if (*changed)
        code = user_attempt_check(&own->attempt, tx, 0, err);
    if (code == MESH_OK && *changed)
        code = user_attempt_begin(&own->attempt, tx, 0, err);
    if (code == MESH_OK && email)
        code = mesh_tx_query(
            tx, EMAIL, MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id), MESH_SQL_TEXT(request->email)),
            NULL, NULL, err);
    if (code == MESH_ALREADY_EXISTS)
        return user_taken(mesh_tx_constraint(tx), err);
    if (code == MESH_OK && names)
        code = mesh_tx_query(tx, NAMES,
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id),
                                             MESH_SQL_TEXT(request->first_name),
                                             MESH_SQL_TEXT(request->last_name)),
                             NULL, NULL, err);
    return code;
}

mesh_code user_rpc_update_user(void *self, mesh_call *call,
                               const User__V1__UpdateUserRequest *request, User__V1__User *response,
                               mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    const mesh_caller *caller = mesh_call_caller(call);
    own_update own = {.request = request, .attempt = user_attempt_to_change(self, caller->user)};

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = user_check_update(request, kind_of(caller), err);
    if (code != MESH_OK)
        return code;

    /* 2. What is another than before, and the event, in one transaction. */
    code = user_change(&scope, caller->user, USER_EVENT_UPDATED, update, &own, response, err);

    /* 3. An e-mail that is taken counts as well, or one could look which are; the count went with
     * the transaction. */
    mesh_code counted = MESH_OK;
    if (code == MESH_ALREADY_EXISTS)
        counted = user_attempt_begin(&own.attempt, NULL, scope.deadline_ns, err);
    return counted == MESH_OK ? code : counted;
}

/* The password is the caller's, and gets its successor, which is already hashed. */
static mesh_code change_password(const user_service *service, mesh_call *call,
                                 const User__V1__ChangePasswordRequest *request, mesh_error *err)
{
    const user_scope scope = user_scope_of(service, call);
    const mesh_caller *caller = mesh_call_caller(call);
    user_secret secret;
    char hash[USER_HASH_BYTES];
    mesh_code code = user_store_find_secret(&scope, caller->user, &secret, err);
    if (code != MESH_OK)
        return code;
    const user_guess guess = {.whose = user_guess_of_user(scope.arena, caller->user),
                              .password = request->old_password,
                              .known = secret.hash,
                              .next = request->new_password};
    code = user_guess_try(service, call, &guess, hash, err);
    if (code == MESH_OK)
        code = user_store_change_password(&scope, caller->user, secret.serial, hash,
                                          caller->session, err);
    return code;
}

mesh_code user_rpc_change_password(void *self, mesh_call *call,
                                   const User__V1__ChangePasswordRequest *request,
                                   Google__Protobuf__Empty *response, mesh_error *err)
{
    (void)response;
    mesh_code code = user_check_change_password(request, err);
    if (code == MESH_OK)
        code = change_password(self, call, request, err);
    user_password_wipe(request->old_password);
    user_password_wipe(request->new_password);
    return code;
}
