#include "services/user/handlers.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/resource/timestamp.h"
#include "mesh/rpc/call.h"
#include "services/user/check.h"
#include "services/user/guess.h"
#include "services/user/session_store.h"

user_scope user_scope_of(const user_service *service, mesh_call *call)
{
    return (user_scope){.db = service->db,
                        .arena = mesh_call_arena(call),
                        .deadline_ns = mesh_call_deadline_ns(call)};
}

/* In one case, as the table's keys are; what is not ASCII belongs to nobody. */
static char *lower(mesh_arena *arena, const char *text)
{
    char *copy = mesh_arena_strdup(arena, text);
    for (char *at = copy; *at != '\0'; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    return copy;
}

/*
 * The user whose login and password it is, and the serial of the password. UNAUTHENTICATED:
 * WRONG_CREDENTIALS, whatever it is that does not fit.
 */
static mesh_code find_by_password(const user_service *service, mesh_call *call,
                                  const User__V1__SignInRequest *request, bool staff,
                                  User__V1__User *user, int64_t *serial, mesh_error *err)
{
    const user_scope scope = user_scope_of(service, call);
    const char *login = lower(scope.arena, request->login);
    user_secret secret;
    char hash[USER_HASH_BYTES];
    mesh_code code = user_store_find_login(&scope, login, staff, user, &secret, err);
    if (code != MESH_OK)
        return code;
    const user_guess guess = {.whose = user_guess_of_login(scope.arena, login, staff),
                              .password = request->password,
                              .known = secret.hash};
    code = user_guess_try(service, call, &guess, hash, err);
    if (code != MESH_OK)
        return code;
    *serial = secret.serial;

    /* A hash with the numbers in force, in place of an older one; if not now, another time. */
    mesh_error why;
    mesh_error_clear(&why);
    if (hash[0] != '\0' && user_store_rehash(&scope, user->id, secret.hash, hash, &why) != MESH_OK)
        mesh_log(MESH_LOG_WARN, "an outdated hash of a password was kept",
                 MESH_LOG_S("user_id", user->id), MESH_LOG_S("error", why.message));
    return MESH_OK;
}

static int64_t session_end_ns(const user_service *service)
{
    return mesh_clock_add_ms(mesh_clock_wall_ns(), service->session_ms);
}

/* What the bearer of a session gets. */
static mesh_code write_tokens(const user_service *service, const user_scope *scope,
                              const User__V1__User *user, const char *session_id,
                              const char *refresh_text, int64_t end_ns, User__V1__Tokens *tokens,
                              mesh_error *err)
{
    const char *access;
    int64_t expire_s;
    mesh_code code = user_signer_sign(service->signer, user, session_id,
                                      mesh_clock_wall_ns() / 1000000000, scope->arena, &access,
                                      &expire_s, err);
    if (code != MESH_OK)
        return code;
    tokens->access_token = (char *)access;
    tokens->access_expire_time = mesh_timestamp(scope->arena, expire_s * 1000000000);
    tokens->refresh_token = mesh_arena_strdup(scope->arena, refresh_text);
    tokens->refresh_expire_time = mesh_timestamp(scope->arena, end_ns);
    return MESH_OK;
}

/* Begins a session of a user whose password was right. */
static mesh_code begin_session(const user_service *service, const user_scope *scope,
                               User__V1__User *user, int64_t serial,
                               User__V1__SignInResponse *response, mesh_error *err)
{
    char session_id[MESH_UUID_TEXT_BYTES], text[USER_REFRESH_TEXT_BYTES];
    user_refresh refresh;
    const int64_t end_ns = session_end_ns(service);
    User__V1__Tokens *tokens = mesh_arena_alloc(scope->arena, sizeof *tokens);
    if (tokens == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    user__v1__tokens__init(tokens);
    user_refresh_create(&refresh, text);
    mesh_code code = user_session_add(scope, user->id, serial, &refresh, end_ns, session_id, err);
    if (code == MESH_OK)
        code = write_tokens(service, scope, user, session_id, text, end_ns, tokens, err);
    response->user = user;
    response->tokens = tokens;
    return code;
}

/* Those of anybody: a few more than are added, so that they become fewer. */
static void sweep(const user_scope *scope)
{
    mesh_error err;
    mesh_error_clear(&err);
    if (user_store_sweep(scope, &err) != MESH_OK)
        mesh_log(MESH_LOG_WARN, "expired sessions and attempts were kept",
                 MESH_LOG_S("error", err.message));
}

static mesh_code sign_in(const user_service *service, mesh_call *call,
                         const User__V1__SignInRequest *request, bool staff,
                         User__V1__SignInResponse *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(service, call);
    User__V1__User *user = mesh_arena_alloc(scope.arena, sizeof *user);
    int64_t serial = 0;

    /* 1. Every mistake of the caller's at once. */
    mesh_code code = user_check_sign_in(request, err);
    if (code == MESH_OK && user == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");

    /* 2. The password. */
    if (code == MESH_OK) {
        user__v1__user__init(user);
        code = find_by_password(service, call, request, staff, user, &serial, err);
    }
    user_password_wipe(request->password);

    /* 3. A session, unless the user is banned; and an end to what nobody uses any more, of which a
     * wrong password left something, too. */
    if (code == MESH_OK)
        code = begin_session(service, &scope, user, serial, response, err);
    if (code == MESH_OK || code == MESH_UNAUTHENTICATED)
        sweep(&scope);
    return code;
}

static mesh_code sign_in_regular(void *self, mesh_call *call,
                                 const User__V1__SignInRequest *request,
                                 User__V1__SignInResponse *response, mesh_error *err)
{
    return sign_in(self, call, request, false, response, err);
}

static mesh_code sign_in_staff(void *self, mesh_call *call, const User__V1__SignInRequest *request,
                               User__V1__SignInResponse *response, mesh_error *err)
{
    return sign_in(self, call, request, true, response, err);
}

static mesh_code refresh_session(void *self, mesh_call *call,
                                 const User__V1__RefreshRequest *request,
                                 User__V1__Tokens *response, mesh_error *err)
{
    const user_service *service = self;
    const user_scope scope = user_scope_of(service, call);
    const int64_t end_ns = session_end_ns(service);
    char session_id[MESH_UUID_TEXT_BYTES], text[USER_REFRESH_TEXT_BYTES];
    User__V1__User user = USER__V1__USER__INIT;
    user_refresh old, next;
    if (!user_refresh_read(request->refresh_token, &old))
        return user__v1__error_reason__set(err, MESH_UNAUTHENTICATED,
                                           USER__V1__ERROR_REASON__SESSION_ENDED,
                                           "this is no refresh token");
    user_refresh_renew(&old, &next, text);
    mesh_code code = user_session_renew(&scope, &old, &next, end_ns, &user, session_id, err);
    if (code != MESH_OK)
        return code;
    return write_tokens(service, &scope, &user, session_id, text, end_ns, response, err);
}

static mesh_code sign_out(void *self, mesh_call *call, const User__V1__SignOutRequest *request,
                          Google__Protobuf__Empty *response, mesh_error *err)
{
    const user_scope scope = user_scope_of(self, call);
    user_refresh refresh;
    (void)response;
    if (!user_refresh_read(request->refresh_token, &refresh))
        return MESH_OK;
    return user_session_end(&scope, &refresh, err);
}

static mesh_code get_key_set(void *self, mesh_call *call, const User__V1__GetKeySetRequest *request,
                             User__V1__KeySet *response, mesh_error *err)
{
    const user_service *service = self;
    (void)request;
    (void)err;
    response->jwks = (char *)user_signer_jwks(service->signer, mesh_call_arena(call));
    return MESH_OK;
}

const user__v1__user_service__handlers user_handlers = {
    .sign_up_regular = user_rpc_sign_up_regular,
    .sign_up_staff = user_rpc_sign_up_staff,
    .sign_in_regular = sign_in_regular,
    .sign_in_staff = sign_in_staff,
    .refresh = refresh_session,
    .sign_out = sign_out,
    .get_current_user = user_rpc_get_current_user,
    .update_user = user_rpc_update_user,
    .change_password = user_rpc_change_password,
    .change_role = user_rpc_change_role,
    .change_level = user_rpc_change_level,
    .change_groups = user_rpc_change_groups,
    .confirm_employee = user_rpc_confirm_employee,
    .ban_user = user_rpc_ban_user,
    .unban_user = user_rpc_unban_user,
    .delete_user = user_rpc_delete_user,
    .get_user = user_rpc_get_user,
    .list_users = user_rpc_list_users,
    .list_employees = user_rpc_list_employees,
    .list_groups = user_rpc_list_groups,
    .check_user = user_rpc_check_user,
    .check_permission = user_rpc_check_permission,
    .snapshot_users = user_rpc_snapshot_users,
    .list_changed_users = user_rpc_list_changed_users,
    .get_key_set__inline = get_key_set,
};
