/* meshctl sign-in, sign-out and whoami: who the one at the terminal is in the running mesh. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/password.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/sign_in.h"
#include "mesh/meshctl/table.h"

enum {
    TIME_BYTES = 32,
    COLUMNS = 2
};

/* --- showing a user --------------------------------------------------------------------------- */

/* "2026-11-30T09:41:00Z" */
static const char *time_text(const ctl *run, const Google__Protobuf__Timestamp *moment)
{
    char text[TIME_BYTES] = "?";
    struct tm parts;
    time_t seconds = (time_t)moment->seconds;
    if (gmtime_r(&seconds, &parts) != NULL)
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return mesh_arena_strdup(run->arena, text);
}

static const char *name_of(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(type, value);
    return known != NULL ? known->name : "?";
}

static const char *role_at(const User__V1__User *user, size_t i)
{
    return name_of(&user__v1__role__descriptor, (int)user->roles[i]);
}

static const char *group_at(const User__V1__User *user, size_t i)
{
    return user->groups[i];
}

typedef const char *item_fn(const User__V1__User *user, size_t i);

static const char *joined(const ctl *run, const User__V1__User *user, item_fn *item, size_t count)
{
    mesh_text text = MESH_TEXT_INIT(run->arena, 0);
    for (size_t i = 0; i < count; i++)
        mesh_text_printf(&text, "%s%s", i == 0 ? "" : ", ", item(user, i));
    return count == 0 ? "-" : mesh_text_string(&text);
}

static void print_table(const ctl *run, const User__V1__User *user, const char *until)
{
    const char *cells[][COLUMNS] = {
        {"username", user->username},
        {"id", user->id},
        {"e-mail", user->email[0] == '\0' ? "-" : user->email},
        {"kind", name_of(&user__v1__user__kind__descriptor, (int)user->kind)},
        {"roles", joined(run, user, role_at, user->n_roles)},
        {"groups", joined(run, user, group_at, user->n_groups)},
        {"session until", until},
    };
    size_t rows = sizeof cells / sizeof cells[0];
    ctl_table_print(run->out, cells[0], COLUMNS, until == NULL ? rows - 1 : rows);
}

static void add_member(mesh_text *out, const char *name, const char *value)
{
    mesh_text_printf(out, "%s\"%s\":", out->size == 1 ? "" : ",", name);
    mesh_json_quote(value, strlen(value), out);
}

static void add_list(mesh_text *out, const char *name, const User__V1__User *user, item_fn *item,
                     size_t count)
{
    mesh_text_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        mesh_text_puts(out, i == 0 ? "" : ",");
        mesh_json_quote(item(user, i), strlen(item(user, i)), out);
    }
    mesh_text_puts(out, "]");
}

static void print_json(const ctl *run, const User__V1__User *user, const char *until)
{
    mesh_text out = MESH_TEXT_INIT(run->arena, 0);
    mesh_text_puts(&out, "{");
    add_member(&out, "username", user->username);
    add_member(&out, "id", user->id);
    add_member(&out, "email", user->email);
    add_member(&out, "kind", name_of(&user__v1__user__kind__descriptor, (int)user->kind));
    add_list(&out, "roles", user, role_at, user->n_roles);
    add_list(&out, "groups", user, group_at, user->n_groups);
    if (until != NULL)
        add_member(&out, "session_until", until);
    fprintf(run->out, "%s}\n", mesh_text_string(&out));
}

/* `tokens` NULL: of a token that was given by hand. */
static void print_user(const ctl *run, const User__V1__User *user, const User__V1__Tokens *tokens)
{
    const char *until = tokens == NULL ? NULL : time_text(run, tokens->refresh_expire_time);
    if (run->args.json)
        print_json(run, user, until);
    else
        print_table(run, user, until);
}

/* --- the commands ----------------------------------------------------------------------------- */

static mesh_code ask_for_session(ctl *run, ctl_connection *users, char *password,
                                 User__V1__SignInResponse **session, ctl_failure *failure)
{
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    const mesh_call_options options = ctl_connection_options(users);
    mesh_channel *channel = ctl_connection_channel(users);
    request.login = (char *)run->args.words[0];
    request.password = password;
    mesh_code code = run->args.staff
                         ? user__v1__user_service__sign_in_staff(channel, &request, session,
                                                                 &options, &failure->err)
                         : user__v1__user_service__sign_in_regular(channel, &request, session,
                                                                   &options, &failure->err);
    if (code != MESH_OK)
        ctl_connection_failed(users, code, failure);
    if (code == MESH_UNAUTHENTICATED)
        failure->hint = run->args.staff ? "who is no staff signs in without --staff"
                                        : "staff signs in with --staff";
    if (code == MESH_OK && ((*session)->user == NULL || (*session)->tokens == NULL ||
                            (*session)->tokens->access_expire_time == NULL ||
                            (*session)->tokens->refresh_expire_time == NULL))
        return ctl_fail(failure, MESH_INTERNAL, NULL, "the user service answered without tokens");
    return code;
}

int ctl_sign_in_command(ctl *run)
{
    char password[CTL_PASSWORD_BYTES] = "";
    ctl_sign_in in;
    ctl_connection *users = NULL;
    User__V1__SignInResponse *session;
    ctl_failure failure;
    if (run->args.word_count != 1)
        return ctl_report_usage(run, "sign-in needs one name: meshctl sign-in LOGIN; the password "
                                     "is asked for, or read from standard input");
    mesh_code code = ctl_sign_in_find(run, &in, &failure);
    if (code == MESH_OK)
        code = ctl_password_read(run, run->args.words[0], password, &failure);
    if (code == MESH_OK)
        code = ctl_sign_in_connect(run, &in, &users, &failure);
    if (code == MESH_OK)
        code = ask_for_session(run, users, password, &session, &failure);
    explicit_bzero(password, sizeof password);
    if (code == MESH_OK)
        code = ctl_sign_in_keep(run, &in, session->tokens, &failure);
    if (code == MESH_OK)
        print_user(run, session->user, session->tokens);
    ctl_connection_close(users);
    return code == MESH_OK ? CTL_EXIT_OK : ctl_report(run, &failure, NULL);
}

static mesh_code end_session(ctl *run, const ctl_sign_in *in, const User__V1__Tokens *tokens,
                             ctl_failure *failure)
{
    User__V1__SignOutRequest request = USER__V1__SIGN_OUT_REQUEST__INIT;
    Google__Protobuf__Empty *nothing;
    ctl_connection *users = NULL;
    mesh_code code = ctl_sign_in_connect(run, in, &users, failure);
    if (code != MESH_OK)
        return code;
    const mesh_call_options options = ctl_connection_options(users);
    request.refresh_token = tokens->refresh_token;
    code = user__v1__user_service__sign_out(ctl_connection_channel(users), &request, &nothing,
                                            &options, &failure->err);
    if (code != MESH_OK) {
        ctl_connection_failed(users, code, failure);
        failure->hint = mesh_arena_printf(run->arena,
                                          "it is forgotten here; at the user service it ends at %s",
                                          time_text(run, tokens->refresh_expire_time));
    }
    ctl_connection_close(users);
    return code;
}

int ctl_sign_out_command(ctl *run)
{
    ctl_sign_in in;
    User__V1__Tokens *tokens = NULL;
    ctl_failure failure, forgetting;
    if (run->args.word_count != 0)
        return ctl_report_usage(run, "sign-out takes no words");
    mesh_code code = ctl_sign_in_find(run, &in, &failure);
    if (code == MESH_OK)
        code = ctl_sign_in_read(run, &in, &tokens, &failure);
    if (code == MESH_OK && tokens != NULL) {
        code = end_session(run, &in, tokens, &failure);
        /* Whatever the user service says, nobody finds the tokens here. */
        if (ctl_sign_in_forget(run, &in, &forgetting) != MESH_OK) {
            failure = forgetting;
            code = failure.err.code;
        }
    }
    if (code != MESH_OK)
        return ctl_report(run, &failure, NULL);
    if (run->args.json)
        fprintf(run->out, "{\"signed_out\":%s}\n", tokens != NULL ? "true" : "false");
    else
        fprintf(run->out, "%s\n", tokens != NULL ? "signed out" : "nobody was signed in");
    return CTL_EXIT_OK;
}

static mesh_code ask_who(ctl *run, ctl_connection *users, User__V1__User **user,
                         ctl_failure *failure)
{
    const User__V1__GetCurrentUserRequest request = USER__V1__GET_CURRENT_USER_REQUEST__INIT;
    mesh_code code;
    do {
        const mesh_call_options options = ctl_connection_options(users);
        code = user__v1__user_service__get_current_user(ctl_connection_channel(users), &request,
                                                        user, &options, &failure->err);
        if (code != MESH_OK)
            ctl_connection_failed(users, code, failure);
    } while (code != MESH_OK && ctl_sign_in_again(run, failure));
    return code;
}

int ctl_whoami(ctl *run)
{
    ctl_sign_in in;
    ctl_connection *users = NULL;
    User__V1__User *user;
    User__V1__Tokens *tokens = NULL;
    ctl_failure failure;
    if (run->args.word_count != 0)
        return ctl_report_usage(run, "whoami takes no words");
    bool by_hand = ctl_sign_in_header(run) != NULL;
    mesh_code code = ctl_sign_in_find(run, &in, &failure);
    if (code == MESH_OK)
        code = ctl_sign_in_connect(run, &in, &users, &failure);
    if (code == MESH_OK)
        code = ctl_sign_in_use(run, "user", &failure);
    if (code == MESH_OK && ctl_sign_in_header(run) == NULL)
        code = ctl_fail(&failure, MESH_UNAUTHENTICATED, NULL, "%s", run->sign_in_hint);
    if (code == MESH_OK)
        code = ask_who(run, users, &user, &failure);
    if (code == MESH_OK && !by_hand)
        code = ctl_sign_in_read(run, &in, &tokens, &failure);
    if (code == MESH_OK)
        print_user(run, user, tokens);
    ctl_connection_close(users);
    return code == MESH_OK ? CTL_EXIT_OK : ctl_report(run, &failure, NULL);
}
