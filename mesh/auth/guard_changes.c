/* What a change of a user means for the streams that the user has open. */
#include <string.h>

#include "mesh/auth/guard_impl.h"
#include "mesh/base/alloc.h"
#include "mesh/rpc/call.h"
#include "mesh/v1/reason.mesh.h"

/* A permission that is asked for again, for all streams of a user that need it. */
typedef struct question {
    mesh_guard *guard;
    mesh_permission_query query;
    char text[]; /* of the query: the user, and the permission */
} question;

/* Looks at a user's streams. */
typedef struct look {
    mesh_guard *guard;
    const char *user;
    bool known; /* what the user is */
    mesh_user_state now;
    const char *roles[MESH_ROLES_MAX + 1]; /* of that, up to NULL */
    question *asks;                        /* what is to be asked for them */
} look;

static void look_again(void *context, mesh_user_stream *stream)
{
    const look *what = context;
    const mesh_policy *policy = &mesh_call_method(stream->call)->policy;
    bool known = what->known && what->now.version > stream->version;
    mesh_code code = MESH_OK;
    mesh_error err;

    mesh_error_clear(&err);
    if (known && what->now.refused)
        code = mesh_guard_refuse_user(&err);
    else if (known && policy->kind == MESH_POLICY_ROLES)
        code = mesh_guard_check_roles(what->roles, policy->names, &err);
    else if (policy->kind == MESH_POLICY_PERMISSION)
        stream->doubted = true;
    if (code != MESH_OK)
        mesh_call_abort(stream->call, code, &err);
}

/* Ends a user's streams that need the permission. */
typedef struct cut {
    const char *permission;
    const mesh_error *err;
} cut;

static void cut_off(void *context, mesh_user_stream *stream)
{
    const cut *what = context;
    const mesh_policy *policy = &mesh_call_method(stream->call)->policy;

    if (policy->kind == MESH_POLICY_PERMISSION && strcmp(policy->permission, what->permission) == 0)
        mesh_call_abort(stream->call, what->err->code, what->err);
}

static void on_answer_again(void *context, mesh_code code, bool allowed, const mesh_error *cause)
{
    question *asked = context;
    mesh_guard *guard = asked->guard;
    mesh_error err;

    mesh_error_clear(&err);
    if (code == MESH_OK) {
        code = mesh_guard_judge(&asked->query, allowed, &err);
        cause = &err;
    }
    if (code != MESH_OK)
        mesh_user_streams_each(guard->streams, asked->query.user, cut_off,
                               &(cut){.permission = asked->query.permission, .err = cause});
    mesh_free(asked);
    pthread_mutex_lock(&guard->mu);
    if (--guard->asking == 0)
        pthread_cond_signal(&guard->answered);
    pthread_mutex_unlock(&guard->mu);
}

static question *make_question(mesh_guard *guard, const char *user, const char *permission)
{
    size_t user_size = strlen(user) + 1;
    size_t permission_size = strlen(permission) + 1;
    question *made = mesh_malloc(sizeof *made + user_size + permission_size);

    if (made == NULL)
        return NULL;
    memcpy(made->text, user, user_size);
    memcpy(made->text + user_size, permission, permission_size);
    made->guard = guard;
    made->query = (mesh_permission_query){.user = made->text,
                                          .permission = made->text + user_size,
                                          .done = on_answer_again,
                                          .context = made};
    return made;
}

static void abort_unknown(mesh_user_stream *stream, const char *permission)
{
    mesh_error err;

    mesh_error_clear(&err);
    (void)mesh__v1__auth_error_reason__set(
        &err, MESH_UNAVAILABLE, MESH__V1__AUTH_ERROR_REASON__PERMISSION_UNKNOWN,
        "whether the caller has the permission %s is not known: out of memory", permission);
    mesh_call_abort(stream->call, err.code, &err);
}

/* Makes one question of the first doubt, for all streams that have the same. */
static void take_doubt(void *context, mesh_user_stream *stream)
{
    look *what = context;
    const char *permission = mesh_call_method(stream->call)->policy.permission;

    if (!stream->doubted)
        return;
    if (what->asks == NULL) {
        what->asks = make_question(what->guard, what->user, permission);
        if (what->asks == NULL)
            abort_unknown(stream, permission);
    } else if (strcmp(what->asks->query.permission, permission) != 0) {
        return;
    }
    stream->doubted = false;
}

/* NULL: no stream is in doubt any more. */
static question *next_question(look *what)
{
    what->asks = NULL;
    mesh_user_streams_each(what->guard->streams, what->user, take_doubt, what);
    return what->asks;
}

/* The answer may come before this returns, and the question is gone then. */
static void ask(mesh_guard *guard, question *asks)
{
    mesh_permission_answer answer;
    mesh_error err;
    mesh_code code;

    pthread_mutex_lock(&guard->mu);
    guard->asking++;
    pthread_mutex_unlock(&guard->mu);
    mesh_error_clear(&err);
    code = mesh_permissions_check(guard->options.permissions, &asks->query, &answer, &err);
    if (code != MESH_OK || answer != MESH_ANSWER_PENDING)
        on_answer_again(asks, code, code == MESH_OK && answer == MESH_ANSWER_ALLOWED, &err);
}

void mesh_guard_user_changed(mesh_guard *guard, const char *user)
{
    look what = {.guard = guard, .user = user};
    question *asks;

    what.known = mesh_users_find(guard->options.users, user, &what.now);
    for (size_t i = 0; what.known && i < what.now.role_count; i++)
        what.roles[i] = what.now.roles[i];
    mesh_user_streams_each(guard->streams, user, look_again, &what);
    while ((asks = next_question(&what)) != NULL)
        ask(guard, asks);
}
