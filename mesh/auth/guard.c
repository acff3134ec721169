#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mesh/auth/guard_impl.h"
#include "mesh/base/alloc.h"
#include "mesh/base/options.h"
#include "mesh/rpc/call.h"
#include "mesh/v1/reason.mesh.h"

enum {
    USERS_RETRY_MS = 1000 /* advice to users who come before the guard is opened */
};

/* A call that is looked at, in its arena. */
typedef struct guarded {
    mesh_caller caller;
    mesh_call *call;
    const mesh_claims *claims; /* of the user's token */
    mesh_user_stream *stream;  /* NULL: a unary call, or no user's */
    mesh_permission_query query;
    const char *roles[MESH_ROLES_MAX + 1];
    mesh_user_state now; /* what the user is; the largest, and seldom touched: so it is last */
} guarded;

/* --- where a call keeps it -------------------------------------------------------------------- */

static atomic_int slot = -1;

static mesh_code make_slot(mesh_error *err)
{
    static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
    mesh_code code = MESH_OK;
    int made;

    pthread_mutex_lock(&mu);
    if (atomic_load(&slot) < 0) {
        code = mesh_call_slot_create(&made, err);
        if (code == MESH_OK)
            atomic_store(&slot, made);
    }
    pthread_mutex_unlock(&mu);
    return code;
}

static const char *const no_roles[] = {NULL};
static const mesh_caller nobody = {.user = "", .session = "", .service = "", .roles = no_roles};

const mesh_caller *mesh_call_caller(const mesh_call *call)
{
    int number = atomic_load_explicit(&slot, memory_order_relaxed);
    const guarded *one = number >= 0 ? mesh_call_slot_get(call, number) : NULL;

    return one != NULL ? &one->caller : &nobody;
}

static guarded *guard_call(mesh_call *call, mesh_error *err)
{
    guarded *one = mesh_arena_alloc(mesh_call_arena(call), sizeof *one);

    if (one == NULL) {
        (void)mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory to find out who calls");
        return NULL;
    }
    /* what else there is, is written before it is read */
    one->caller = nobody;
    one->claims = NULL;
    one->now.refused = false;
    one->roles[0] = NULL;
    one->call = call;
    one->stream = NULL;
    mesh_call_slot_set(call, atomic_load_explicit(&slot, memory_order_relaxed), one);
    return one;
}

/* --- users ------------------------------------------------------------------------------------ */

/* The one entry of a key, NULL without one. False: there are several. */
static bool find_only(mesh_call *call, const char *key, const mesh_metadata **found)
{
    size_t count;
    const mesh_metadata *entries = mesh_call_metadata_all(call, &count);

    *found = NULL;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].key[0] != key[0] || strcmp(entries[i].key, key) != 0)
            continue;
        if (*found != NULL)
            return false;
        *found = &entries[i];
    }
    return true;
}

/* The token of the metadata: without one it has no bytes. */
static mesh_code read_token(guarded *one, const char **token, size_t *size, mesh_error *err)
{
    static const char scheme[] = "bearer ";
    size_t skip = sizeof scheme - 1;
    const mesh_metadata *entry;
    bool clear = find_only(one->call, "authorization", &entry);

    *token = "";
    *size = 0;
    if (clear && entry == NULL)
        return MESH_OK;
    if (!clear || entry->size <= skip || strncasecmp(entry->value, scheme, skip) != 0)
        return mesh__v1__auth_error_reason__set(
            err, MESH_UNAUTHENTICATED, MESH__V1__AUTH_ERROR_REASON__TOKEN_INVALID,
            "the metadata \"authorization\" must be one \"Bearer\" token");
    one->caller.authorization = entry;
    *token = (const char *)entry->value + skip;
    *size = entry->size - skip;
    return MESH_OK;
}

_Static_assert((int)MESH_CLAIMS_ROLES <= (int)MESH_ROLES_MAX, "there is room for all");

/* Finds out what the user is now: what was heard of after the token was issued, if anything was. */
static void take_state(const mesh_guard *guard, guarded *one)
{
    bool known = mesh_users_find(guard->options.users, one->caller.user, &one->now) &&
                 one->now.version > one->claims->version;
    size_t count = known ? one->now.role_count : one->claims->role_count;

    for (size_t i = 0; i < count; i++)
        one->roles[i] = known ? one->now.roles[i] : one->claims->roles[i];
    one->roles[count] = NULL;
    one->caller.roles = one->roles;
    one->now.refused = one->now.refused && known;
}

mesh_code mesh_guard_refuse_user(mesh_error *err)
{
    return mesh__v1__auth_error_reason__set(err, MESH_PERMISSION_DENIED,
                                            MESH__V1__AUTH_ERROR_REASON__USER_REFUSED,
                                            "the user is banned, or is no more");
}

/* What the user is now, or that nobody knows. */
static mesh_code look_up(const mesh_guard *guard, guarded *one, mesh_error *err)
{
    if (!atomic_load(&guard->open)) {
        (void)mesh__v1__auth_error_reason__set(err, MESH_UNAVAILABLE,
                                               MESH__V1__AUTH_ERROR_REASON__USER_UNKNOWN,
                                               "this service does not know yet who is banned");
        mesh_error_retry_after(err, USERS_RETRY_MS);
        return MESH_UNAVAILABLE;
    }
    take_state(guard, one);
    return one->now.refused ? mesh_guard_refuse_user(err) : MESH_OK;
}

static mesh_code keep_stream(const mesh_guard *guard, guarded *one, mesh_error *err)
{
    mesh_user_stream *stream = mesh_arena_alloc(mesh_call_arena(one->call), sizeof *stream);
    mesh_code code;

    if (stream == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory to keep the stream");
    *stream = (mesh_user_stream){.call = one->call,
                                 .user = one->caller.user,
                                 .version = one->claims->version,
                                 .expires_s = one->claims->expires_s};
    code = mesh_user_streams_add(guard->streams, stream, err);
    if (code == MESH_OK)
        one->stream = stream;
    return code;
}

static mesh_code authenticate(const mesh_guard *guard, guarded *one, mesh_error *err)
{
    const char *token;
    size_t size;
    mesh_code code = read_token(one, &token, &size, err);

    if (code == MESH_OK)
        code = mesh_verifier_check(guard->options.verifier, token, size, mesh_call_arena(one->call),
                                   &one->claims, err);
    if (code != MESH_OK)
        return code;
    one->caller.user = one->claims->subject;
    if (one->claims->session_id != NULL)
        one->caller.session = one->claims->session_id;
    /* before what the user is: whatever changes after that finds the stream */
    if (mesh_call_method(one->call)->kind != MESH_UNARY)
        code = keep_stream(guard, one, err);
    return code == MESH_OK ? look_up(guard, one, err) : code;
}

static bool is_among(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

mesh_code mesh_guard_check_roles(const char *const *roles, const char *const *names,
                                 mesh_error *err)
{
    for (; *names != NULL; names++)
        if (is_among(*names, roles))
            return MESH_OK;
    return mesh__v1__auth_error_reason__set(err, MESH_PERMISSION_DENIED,
                                            MESH__V1__AUTH_ERROR_REASON__ROLE_MISSING,
                                            "the user has none of the roles that may call this");
}

/* --- permissions ------------------------------------------------------------------------------ */

mesh_code mesh_guard_judge(const mesh_permission_query *query, bool allowed, mesh_error *err)
{
    if (allowed)
        return MESH_OK;
    (void)mesh__v1__auth_error_reason__set(
        err, MESH_PERMISSION_DENIED, MESH__V1__AUTH_ERROR_REASON__PERMISSION_MISSING,
        "the user does not have the permission %s", query->permission);
    mesh_error_metadata(err, "permission", query->permission);
    return MESH_PERMISSION_DENIED;
}

static void on_answer(void *context, mesh_code code, bool allowed, const mesh_error *cause)
{
    guarded *one = context;
    mesh_error err;

    if (code == MESH_OK) {
        mesh_error_clear(&err);
        code = mesh_guard_judge(&one->query, allowed, &err);
        cause = &err;
    }
    mesh_call_resume(one->call, code, cause);
}

/* An answer that has to be waited for may come before this returns. */
static mesh_code check_permission(const mesh_guard *guard, guarded *one, const mesh_policy *policy,
                                  mesh_error *err)
{
    mesh_permission_answer answer;
    mesh_code code;

    one->query = (mesh_permission_query){.user = one->caller.user,
                                         .permission = policy->permission,
                                         .fresh = policy->sensitive,
                                         .done = on_answer,
                                         .context = one};
    mesh_call_suspend(one->call);
    code = mesh_permissions_check(guard->options.permissions, &one->query, &answer, err);
    if (code == MESH_OK && answer == MESH_ANSWER_PENDING)
        return MESH_OK;
    mesh_call_unsuspend(one->call);
    return code == MESH_OK ? mesh_guard_judge(&one->query, answer == MESH_ANSWER_ALLOWED, err)
                           : code;
}

/* --- services --------------------------------------------------------------------------------- */

static mesh_code refuse_service(mesh_error *err)
{
    return mesh__v1__auth_error_reason__set(err, MESH_PERMISSION_DENIED,
                                            MESH__V1__AUTH_ERROR_REASON__SERVICE_REQUIRED,
                                            "only services of the mesh may call this");
}

/* By its token, where the connection does not say who it is. */
static mesh_code identify_service(const mesh_guard *guard, mesh_call *call, const char **name,
                                  mesh_error *err)
{
    const mesh_metadata *token;
    const mesh_claims *claims;
    mesh_code code;
    bool clear = find_only(call, "mesh-service-token", &token);

    if ((clear && token == NULL) || guard->options.service_verifier == NULL)
        return refuse_service(err);
    if (!clear)
        return mesh__v1__auth_error_reason__set(
            err, MESH_UNAUTHENTICATED, MESH__V1__AUTH_ERROR_REASON__TOKEN_INVALID,
            "the metadata \"mesh-service-token\" must be one token");
    code = mesh_verifier_check(guard->options.service_verifier, token->value, token->size,
                               mesh_call_arena(call), &claims, err);
    if (code == MESH_OK)
        *name = claims->subject;
    return code;
}

/* Whoever adds a service to the mesh learns where its name is missing. */
static mesh_code refuse_other_service(const mesh_call *call, const char *name, mesh_error *err)
{
    return mesh__v1__auth_error_reason__set(
        err, MESH_PERMISSION_DENIED, MESH__V1__AUTH_ERROR_REASON__SERVICE_REQUIRED,
        "%s is not among `services` of %s", name, mesh_call_method(call)->name);
}

static mesh_code check_service(const mesh_guard *guard, guarded *one, const char *const *names,
                               mesh_error *err)
{
    const char *name = mesh_call_peer(one->call)->identity;
    mesh_code code = MESH_OK;

    if (!is_among(name, names))
        code = identify_service(guard, one->call, &name, err);
    if (code == MESH_OK && !is_among(name, names))
        code = refuse_other_service(one->call, name, err);
    if (code != MESH_OK)
        return code;
    one->caller.service = name;
    if (mesh_call_metadata(one->call, "authorization", 0) == NULL)
        return MESH_OK;
    return authenticate(guard, one, err);
}

/* --- the interceptor -------------------------------------------------------------------------- */

static mesh_code decide(const mesh_guard *guard, guarded *one, const mesh_policy *policy,
                        mesh_error *err)
{
    mesh_code code;

    if (policy->kind == MESH_POLICY_SERVICES)
        return check_service(guard, one, policy->names, err);
    code = authenticate(guard, one, err);
    if (code != MESH_OK)
        return code;
    switch (policy->kind) {
    case MESH_POLICY_AUTHENTICATED:
        return MESH_OK;
    case MESH_POLICY_ROLES:
        return mesh_guard_check_roles(one->caller.roles, policy->names, err);
    case MESH_POLICY_PERMISSION:
        return check_permission(guard, one, policy, err);
    default: /* of a later plugin */
        return mesh_error_set(err, MESH_PERMISSION_DENIED, "this server does not know the policy");
    }
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    const mesh_policy *policy = &mesh_call_method(call)->policy;
    guarded *one;

    if (policy->kind == MESH_POLICY_PUBLIC)
        return MESH_OK;
    one = guard_call(call, err);
    return one != NULL ? decide(self, one, policy, err) : MESH_RESOURCE_EXHAUSTED;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    const mesh_guard *guard = self;
    const guarded *one = mesh_call_slot_get(call,
                                            atomic_load_explicit(&slot, memory_order_relaxed));

    (void)code;
    if (one != NULL && one->stream != NULL)
        mesh_user_streams_remove(guard->streams, one->stream);
}

mesh_interceptor mesh_guard_interceptor(mesh_guard *guard)
{
    return (mesh_interceptor){.name = "guard",
                              .on_open = on_open,
                              .on_close = on_close,
                              .self = guard,
                              .authorizes = true};
}

/* --- life ------------------------------------------------------------------------------------- */

static mesh_code read_options(const mesh_guard_options *given, mesh_guard_options *options,
                              mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_guard_options, service_verifier, options, given, err);

    if (code == MESH_OK &&
        (options->verifier == NULL || options->users == NULL || options->permissions == NULL))
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "a guard needs verifier, users and permissions");
    return code;
}

mesh_code mesh_guard_create(const mesh_guard_options *options, mesh_guard **guard, mesh_error *err)
{
    mesh_guard_options known;
    mesh_guard *made;
    mesh_code code = read_options(options, &known, err);

    if (code == MESH_OK)
        code = make_slot(err);
    if (code != MESH_OK)
        return code;
    made = mesh_calloc(1, sizeof *made);
    if (made != NULL)
        made->streams = mesh_user_streams_create();
    if (made == NULL || made->streams == NULL) {
        mesh_free(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->answered, NULL);
    made->options = known;
    *guard = made;
    return MESH_OK;
}

void mesh_guard_open(mesh_guard *guard)
{
    atomic_store(&guard->open, true);
}

void mesh_guard_destroy(mesh_guard *guard)
{
    if (guard == NULL)
        return;
    pthread_mutex_lock(&guard->mu);
    while (guard->asking > 0)
        pthread_cond_wait(&guard->answered, &guard->mu);
    pthread_mutex_unlock(&guard->mu);
    mesh_user_streams_destroy(guard->streams);
    pthread_cond_destroy(&guard->answered);
    pthread_mutex_destroy(&guard->mu);
    mesh_free(guard);
}
