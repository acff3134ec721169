#include "mesh/meshctl/sign_in.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/dyn/text.h"
#include "mesh/meshctl/file.h"
#include "mesh/meshctl/header.h"
#include "mesh/rpc/unpack.h"

enum {
    ABOUT_TO_EXPIRE_S = 10, /* so that a token lives until the call is there */
    LOCK_MS = 15000,        /* others that hold it make one call with a time-out */
    REFRESH_MS = 5000,
    AGAIN_MS = 1000, /* a service has learned a new key meanwhile */
    AGAIN_MAX = 2
};

static const char key[] = "authorization";
static const char sign_in_again[] = "meshctl sign-in LOGIN begins another session";
static const char by_hand[] = "the session is for services of the mesh; "
                              "-H 'authorization: Bearer TOKEN' sends a token to others";

/* --- the file --------------------------------------------------------------------------------- */

/* The folder for what programs keep (the XDG base directory specification); NULL: nobody says. */
static const char *state_folder(mesh_arena *arena)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    if (state != NULL && state[0] == '/')
        return state;
    return home != NULL && home[0] == '/' ? mesh_arena_printf(arena, "%s/.local/state", home)
                                          : NULL;
}

/* The path of a folder as the name of a file: "/a/b" is "%2Fa%2Fb". */
static const char *as_name(mesh_arena *arena, const char *path)
{
    mesh_text name = MESH_TEXT_INIT(arena, 0);
    for (; *path != '\0'; path++)
        if (*path == '/' || *path == '%')
            mesh_text_printf(&name, "%%%02X", (unsigned)*path);
        else
            mesh_text_add(&name, path, 1);
    return mesh_text_string(&name);
}

mesh_code ctl_sign_in_find(ctl *run, ctl_sign_in *in, ctl_failure *failure)
{
    char folder[PATH_MAX];
    const char *state = state_folder(run->arena);
    mesh_code code = ctl_services_read(run, &in->services, failure);
    if (code != MESH_OK)
        return code;
    if (state == NULL)
        return ctl_fail(failure, MESH_FAILED_PRECONDITION, "set HOME or XDG_STATE_HOME",
                        "there is no place to keep a session in");
    const char *services = in->services.path;
    const char *data = mesh_arena_strndup(run->arena, services,
                                          (size_t)(strrchr(services, '/') - services));
    if (realpath(data[0] == '\0' ? "/" : data, folder) == NULL)
        return ctl_fail(failure, MESH_FAILED_PRECONDITION, NULL, "%s: %s", data, strerror(errno));
    in->path = mesh_arena_printf(run->arena, "%s/meshctl/%s", state, as_name(run->arena, folder));
    if (mesh_arena_overflowed(run->arena))
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    return MESH_OK;
}

/* The path comes last, since it may be too long for the message. */
static mesh_code failed_with(const ctl_sign_in *in, int problem, ctl_failure *failure)
{
    return ctl_fail(failure, MESH_FAILED_PRECONDITION, NULL, "the session's file: %s: %s",
                    strerror(problem), in->path);
}

mesh_code ctl_sign_in_read(ctl *run, const ctl_sign_in *in, User__V1__Tokens **tokens,
                           ctl_failure *failure)
{
    const char *data;
    size_t size;
    ProtobufCMessage *read = NULL;
    int problem = ctl_file_read(in->path, run->arena, &data, &size);
    if (problem == ENOENT) {
        *tokens = NULL;
        return MESH_OK;
    }
    if (mesh_arena_overflowed(run->arena))
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    if (problem != 0)
        return failed_with(in, problem, failure);
    mesh_code code = mesh_unpack(&user__v1__tokens__descriptor, (const uint8_t *)data, size,
                                 run->arena, &read, &failure->err);
    if (code == MESH_RESOURCE_EXHAUSTED)
        return ctl_fail(failure, code, NULL, "out of memory");
    User__V1__Tokens *kept = (User__V1__Tokens *)read;
    if (code != MESH_OK || kept->access_token[0] == '\0' || kept->access_expire_time == NULL ||
        kept->refresh_expire_time == NULL)
        return ctl_fail(failure, MESH_FAILED_PRECONDITION, sign_in_again,
                        "the session's file: it holds no session: %s", in->path);
    *tokens = kept;
    return MESH_OK;
}

/* The lock's failures are told like those of the file. */
static mesh_code lock(ctl *run, const ctl_sign_in *in, int *held, ctl_failure *failure)
{
    int problem = ctl_file_make_folders(in->path);
    if (problem == 0)
        problem = ctl_file_lock(
            in->path, mesh_clock_earlier(run->end_ns, mesh_clock_deadline_ns(LOCK_MS)), held);
    return problem == 0 ? MESH_OK : failed_with(in, problem, failure);
}

static mesh_code write_tokens(ctl *run, const ctl_sign_in *in, const User__V1__Tokens *tokens,
                              ctl_failure *failure)
{
    uint8_t *data = mesh_arena_alloc(run->arena, user__v1__tokens__get_packed_size(tokens));
    if (data == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    int problem = ctl_file_replace(in->path, data, user__v1__tokens__pack(tokens, data));
    return problem == 0 ? MESH_OK : failed_with(in, problem, failure);
}

mesh_code ctl_sign_in_keep(ctl *run, const ctl_sign_in *in, const User__V1__Tokens *tokens,
                           ctl_failure *failure)
{
    int held;
    mesh_code code = lock(run, in, &held, failure);
    if (code != MESH_OK)
        return code;
    code = write_tokens(run, in, tokens, failure);
    ctl_file_unlock(held);
    return code;
}

mesh_code ctl_sign_in_forget(ctl *run, const ctl_sign_in *in, ctl_failure *failure)
{
    int held;
    mesh_code code = lock(run, in, &held, failure);
    if (code != MESH_OK)
        return code;
    if (unlink(in->path) != 0 && errno != ENOENT)
        code = failed_with(in, errno, failure);
    ctl_file_unlock(held);
    return code;
}

/* --- renewing --------------------------------------------------------------------------------- */

mesh_code ctl_sign_in_connect(ctl *run, const ctl_sign_in *in, ctl_connection **users,
                              ctl_failure *failure)
{
    ctl_target target;
    mesh_code code = ctl_target_find(&in->services, "user", run->arena, &target, failure);
    return code == MESH_OK ? ctl_connection_open(run, &target, users, failure) : code;
}

static bool lives(const User__V1__Tokens *tokens, int64_t margin_s)
{
    return tokens->access_expire_time->seconds - margin_s > mesh_clock_wall_ns() / 1000000000;
}

static mesh_code refresh(ctl *run, const ctl_sign_in *in, User__V1__Tokens **tokens,
                         ctl_failure *failure)
{
    User__V1__RefreshRequest request = USER__V1__REFRESH_REQUEST__INIT;
    ctl_connection *users = NULL;
    /* Also past --max-time: who gives up has lost both tokens. */
    const mesh_call_options options = {
        .size = sizeof options, .arena = run->arena, .timeout_ms = REFRESH_MS};
    mesh_code code = ctl_sign_in_connect(run, in, &users, failure);
    if (code != MESH_OK)
        return code;
    request.refresh_token = (*tokens)->refresh_token;
    code = user__v1__user_service__refresh(ctl_connection_channel(users), &request, tokens,
                                           &options, &failure->err);
    if (code != MESH_OK)
        ctl_connection_failed(users, code, failure);
    else
        code = write_tokens(run, in, *tokens, failure);
    ctl_connection_close(users);
    return code;
}

/* What others may have done meanwhile counts: only who has the lock knows which tokens are kept. */
static mesh_code renew_locked(ctl *run, const ctl_sign_in *in, User__V1__Tokens **tokens,
                              ctl_failure *failure)
{
    mesh_code code = ctl_sign_in_read(run, in, tokens, failure);
    if (code != MESH_OK || *tokens == NULL)
        return code;
    bool refused = run->token != NULL && strcmp((*tokens)->access_token, run->token) == 0;
    if (!refused && lives(*tokens, ABOUT_TO_EXPIRE_S))
        return MESH_OK;
    code = refresh(run, in, tokens, failure);
    if (code == MESH_UNAUTHENTICATED) {
        unlink(in->path);
        (void)mesh_error_set(&failure->err, code, "the session has ended");
        failure->hint = sign_in_again;
    }
    return code;
}

/* A signal between sending the old token and keeping the new one would end the session. */
static mesh_code renew(ctl *run, const ctl_sign_in *in, User__V1__Tokens **tokens,
                       ctl_failure *failure)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t held_back, before;
    int held;
    mesh_code code = lock(run, in, &held, failure);
    if (code != MESH_OK)
        return code;
    sigemptyset(&held_back);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&held_back, numbers[i]);
    pthread_sigmask(SIG_BLOCK, &held_back, &before);
    code = renew_locked(run, in, tokens, failure);
    ctl_file_unlock(held);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

/* --- using ------------------------------------------------------------------------------------ */

const mesh_metadata *ctl_sign_in_header(const ctl *run)
{
    for (size_t i = 0; i < run->header_count; i++)
        if (strcmp(run->headers[i].key, key) == 0)
            return &run->headers[i];
    return NULL;
}

static bool is_of_mesh(const ctl_services *services, const char *target)
{
    for (size_t i = 0; i < services->count; i++)
        if (strcmp(services->instances[i].name, target) == 0 ||
            strcmp(services->instances[i].address, target) == 0)
            return true;
    return false;
}

static mesh_code attach(ctl *run, const char *token, ctl_failure *failure)
{
    mesh_metadata *list = mesh_arena_calloc(run->arena, run->header_count + 1, sizeof *list);
    const char *value = mesh_arena_printf(run->arena, "Bearer %s", token);
    if (mesh_arena_overflowed(run->arena))
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    if (run->header_count > 0)
        memcpy(list, run->headers, run->header_count * sizeof *list);
    list[run->header_count] = (mesh_metadata){.key = key, .value = value, .size = strlen(value)};
    run->headers = list;
    run->header_count++;
    run->token = token;
    run->sign_in_hint = sign_in_again;
    return MESH_OK;
}

/* A pause that does not go beyond --max-time. */
static void rest(const ctl *run, int64_t pause_ms)
{
    const int64_t left_ms = ctl_time_left(run, pause_ms);
    const struct timespec pause = {left_ms / 1000, left_ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

bool ctl_sign_in_again(ctl *run, const ctl_failure *failure)
{
    ctl_sign_in in;
    User__V1__Tokens *tokens;
    ctl_failure ignored; /* what the call said is what is told */
    if (run->token == NULL || failure->err.code != MESH_UNAUTHENTICATED ||
        strcmp(failure->err.reason, "TOKEN_KEY_UNKNOWN") != 0 || run->token_renewals == AGAIN_MAX)
        return false;
    if (run->token_renewals++ > 0) {
        rest(run, AGAIN_MS);
        return true;
    }
    if (ctl_sign_in_find(run, &in, &ignored) != MESH_OK ||
        renew(run, &in, &tokens, &ignored) != MESH_OK || tokens == NULL)
        return false;
    run->header_count--; /* the token is the last one */
    return attach(run, tokens->access_token, &ignored) == MESH_OK;
}

const char *ctl_sign_in_user(const ctl *run)
{
    static const char subject[] = "\"sub\":\"";
    const mesh_metadata *header = ctl_sign_in_header(run);
    size_t size;
    if (header == NULL)
        return NULL;
    char *token = mesh_arena_strndup(run->arena, header->value, header->size);
    char *payload = strchr(token, '.');
    if (payload == NULL)
        return NULL;
    payload++;
    payload[strcspn(payload, ".")] = '\0';
    if (!ctl_base64_decode(payload, &size))
        return NULL;
    payload[size] = '\0';
    char *user = strstr(payload, subject);
    if (user == NULL)
        return NULL;
    user += sizeof subject - 1;
    user[strspn(user, "0123456789abcdefABCDEF-")] = '\0';
    return user[0] == '\0' ? NULL : user;
}

/* Finds the token, fresh enough; NULL: there is none. */
static mesh_code find_token(ctl *run, const ctl_sign_in *in, const char **token,
                            ctl_failure *failure)
{
    User__V1__Tokens *tokens, *fresh;
    mesh_code code = ctl_sign_in_read(run, in, &tokens, failure);
    *token = NULL;
    if (code != MESH_OK || tokens == NULL)
        return code;
    if (!lives(tokens, ABOUT_TO_EXPIRE_S)) {
        code = renew(run, in, &fresh, failure);
        if (code == MESH_OK)
            tokens = fresh;
        else if (code != MESH_UNAUTHENTICATED && lives(tokens, 0))
            code = MESH_OK; /* it will do */
    }
    if (code == MESH_OK && tokens != NULL)
        *token = tokens->access_token;
    return code;
}

mesh_code ctl_sign_in_use(ctl *run, const char *target, ctl_failure *failure)
{
    ctl_sign_in in;
    const char *token = NULL;
    if (ctl_sign_in_header(run) != NULL)
        return MESH_OK;
    mesh_code code = ctl_sign_in_find(run, &in, failure);
    if (code == MESH_NOT_FOUND || (code == MESH_OK && !is_of_mesh(&in.services, target))) {
        run->sign_in_hint = by_hand;
        return MESH_OK;
    }
    if (code == MESH_OK)
        code = find_token(run, &in, &token, failure);
    if (code == MESH_OK && token != NULL)
        return attach(run, token, failure);
    if (code == MESH_OK) {
        run->sign_in_hint = "nobody is signed in: meshctl sign-in LOGIN";
        return MESH_OK;
    }
    if (mesh_arena_overflowed(run->arena))
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    run->sign_in_hint = mesh_arena_printf(run->arena, "no token was sent: %s%s%s",
                                          failure->err.message, failure->hint == NULL ? "" : "; ",
                                          failure->hint == NULL ? "" : failure->hint);
    return MESH_OK;
}
