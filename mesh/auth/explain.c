#include "mesh/auth/explain.h"

#include <pthread.h>
#include <string.h>

#include "mesh/access/v1/access.mesh.h"
#include "mesh/auth/guard_impl.h"
#include "mesh/base/alloc.h"
#include "mesh/dyn/text.h"
#include "mesh/v1/reason.mesh.h"

enum {
    FACTS = 2 /* at most */
};

typedef Mesh__Access__V1__ExplainRequest request;
typedef Mesh__Access__V1__ExplainResponse response;
typedef Mesh__Access__V1__Fact fact;
typedef Mesh__Access__V1__Fact__Source source;

#define DECIDED(name) MESH__ACCESS__V1__EXPLAIN_RESPONSE__DECISION__##name
#define FROM(name) MESH__ACCESS__V1__FACT__SOURCE__##name

/* All immutable. */
struct mesh_explain {
    const mesh_server *server;
    const mesh_guard_options *guard;
};

/* An explanation that is being made; all it says is in the call's arena. */
typedef struct explanation {
    const mesh_guard_options *guard;
    const request *asked;
    const mesh_policy *policy;
    response *said;
    mesh_arena *arena;
    mesh_user_state now; /* what an event said that the user is, if `heard` */
    bool heard;
    const char *roles[MESH_ROLES_MAX + 1]; /* of the event, else of the token; up to NULL */
    mesh_error err;                        /* that a call would be refused with */
} explanation;

/* --- what is said ----------------------------------------------------------------------------- */

/* Out of memory the arena has overflowed, which is looked at in the end. */
static fact *add_fact(explanation *e, const char *what, const char *result, source from)
{
    fact *made = mesh_arena_alloc(e->arena, sizeof *made);

    if (made == NULL)
        return NULL;
    mesh__access__v1__fact__init(made);
    made->what = (char *)what;
    made->result = (char *)result;
    made->source = from;
    e->said->facts[e->said->n_facts++] = made;
    return made;
}

static void add_kept(explanation *e, const char *what, const char *result, int64_t age_ms)
{
    fact *made = add_fact(e, what, result, FROM(CACHE));
    Google__Protobuf__Duration *age = mesh_arena_alloc(e->arena, sizeof *age);

    if (made == NULL || age == NULL)
        return;
    google__protobuf__duration__init(age);
    age->seconds = age_ms / 1000;
    age->nanos = (int32_t)(age_ms % 1000 * 1000000);
    made->age = age;
}

/* As a call is answered with that code, and with e->err. */
static void decide(explanation *e, mesh_code code)
{
    e->said->decision = code == MESH_OK                  ? DECIDED(ALLOWED)
                        : code == MESH_PERMISSION_DENIED ? DECIDED(DENIED)
                                                         : DECIDED(UNKNOWN);
    e->said->reason = mesh_arena_strdup(e->arena, e->err.reason);
}

/* Names up to NULL, each between quotes. */
static const char *join(mesh_arena *arena, const char *before, const char *const *names,
                        const char *quote, const char *after)
{
    mesh_text text = MESH_TEXT_INIT(arena, 0);

    mesh_text_puts(&text, before);
    for (const char *const *name = names; *name != NULL; name++)
        mesh_text_printf(&text, "%s%s%s%s", name == names ? "" : ", ", quote, *name, quote);
    mesh_text_puts(&text, after);
    return mesh_text_string(&text);
}

/* `roles: ["pro", "staff"]`, as the contract has it. */
static const char *rule_of(const mesh_policy *policy, mesh_arena *arena)
{
    switch (policy->kind) {
    case MESH_POLICY_PUBLIC:
        return "public: true";
    case MESH_POLICY_AUTHENTICATED:
        return "authenticated: true";
    case MESH_POLICY_PERMISSION:
        return mesh_arena_printf(arena, "permission: \"%s\"%s", policy->permission,
                                 policy->sensitive ? " sensitive: true" : "");
    default:
        return join(arena, policy->kind == MESH_POLICY_ROLES ? "roles: [" : "services: [",
                    policy->names, "\"", "]");
    }
}

/* --- permissions ------------------------------------------------------------------------------ */

/* An answer that is waited for; the thread is a worker of the server, which may block. */
typedef struct waiting {
    pthread_mutex_t mu;
    pthread_cond_t told;
    bool done; /* guarded by mu, as the others are */
    bool allowed;
    mesh_code code;
    mesh_error err;
} waiting;

static void on_answer(void *context, mesh_code code, bool allowed, const mesh_error *err)
{
    waiting *w = context;

    pthread_mutex_lock(&w->mu);
    w->done = true;
    w->allowed = allowed;
    w->code = code;
    if (code != MESH_OK)
        w->err = *err;
    pthread_cond_signal(&w->told);
    pthread_mutex_unlock(&w->mu);
}

static mesh_code wait_for(waiting *w, bool *allowed, mesh_error *err)
{
    pthread_mutex_lock(&w->mu);
    while (!w->done)
        pthread_cond_wait(&w->told, &w->mu);
    pthread_mutex_unlock(&w->mu);
    *allowed = w->allowed;
    if (w->code != MESH_OK)
        *err = w->err;
    return w->code;
}

/* As the guard does. */
static mesh_code ask(mesh_permissions *permissions, mesh_permission_query *query, bool *allowed,
                     mesh_error *err)
{
    waiting w = {.mu = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER};
    mesh_permission_answer answer = MESH_ANSWER_DENIED;
    mesh_code code;

    query->done = on_answer;
    query->context = &w;
    code = mesh_permissions_check(permissions, query, &answer, err);
    *allowed = answer == MESH_ANSWER_ALLOWED;
    if (code == MESH_OK && answer == MESH_ANSWER_PENDING)
        code = wait_for(&w, allowed, err);
    pthread_cond_destroy(&w.told);
    pthread_mutex_destroy(&w.mu);
    return code;
}

static mesh_code explain_permission(explanation *e)
{
    const char *permission = e->policy->permission;
    const char *what = mesh_arena_printf(e->arena, "permission %s", permission);
    mesh_permission_query query = {
        .user = e->asked->user_id, .permission = permission, .fresh = e->policy->sensitive};
    mesh_code code = MESH_OK;
    int64_t age_ms;
    bool allowed;

    if (!query.fresh &&
        mesh_permissions_peek(e->guard->permissions, query.user, permission, &allowed, &age_ms)) {
        add_kept(e, what, allowed ? "yes" : "no", age_ms);
        return mesh_guard_judge(&query, allowed, &e->err);
    }
    code = ask(e->guard->permissions, &query, &allowed, &e->err);
    (void)add_fact(e, what,
                   code != MESH_OK ? mesh_arena_strdup(e->arena, e->err.message)
                   : allowed       ? "yes"
                                   : "no",
                   FROM(USER_SERVICE));
    return code == MESH_OK ? mesh_guard_judge(&query, allowed, &e->err) : code;
}

/* --- users ------------------------------------------------------------------------------------ */

static void find_user(explanation *e)
{
    size_t count = e->asked->n_token_roles;

    e->heard = mesh_users_find(e->guard->users, e->asked->user_id, &e->now);
    if (e->heard)
        count = e->now.role_count;
    for (size_t i = 0; i < count; i++)
        e->roles[i] = e->heard ? e->now.roles[i] : e->asked->token_roles[i];
}

static mesh_code explain_roles(explanation *e)
{
    if (!e->heard && e->asked->n_token_roles == 0) {
        (void)add_fact(e, "roles", "not known here", FROM(TOKEN));
        return MESH_UNKNOWN;
    }
    (void)add_fact(e, "roles", join(e->arena, "", e->roles, "", ""),
                   e->heard ? FROM(EVENT) : FROM(TOKEN));
    return mesh_guard_check_roles(e->roles, e->policy->names, &e->err);
}

static mesh_code explain_user(explanation *e)
{
    find_user(e);
    (void)add_fact(e, "refused", e->now.refused ? "yes, banned or deleted" : "no",
                   e->heard ? FROM(EVENT) : FROM(TOKEN));
    if (e->now.refused)
        return mesh_guard_refuse_user(&e->err);
    switch (e->policy->kind) {
    case MESH_POLICY_ROLES:
        return explain_roles(e);
    case MESH_POLICY_PERMISSION:
        return explain_permission(e);
    default:
        return MESH_OK;
    }
}

static mesh_code explain_policy(explanation *e)
{
    switch (e->policy->kind) {
    case MESH_POLICY_PUBLIC:
        return MESH_OK;
    case MESH_POLICY_SERVICES:
        return mesh__v1__auth_error_reason__set(&e->err, MESH_PERMISSION_DENIED,
                                                MESH__V1__AUTH_ERROR_REASON__SERVICE_REQUIRED,
                                                "a user is no service");
    default:
        return explain_user(e);
    }
}

/* --- the call --------------------------------------------------------------------------------- */

static const mesh_method *find_method(const mesh_server *server, const char *name)
{
    size_t count;
    const mesh_api *apis = mesh_server_apis(server, &count);

    for (size_t i = 0; i < count; i++)
        for (size_t m = 0; m < apis[i].descriptor->method_count; m++)
            if (strcmp(apis[i].descriptor->methods[m].path + 1, name) == 0)
                return &apis[i].descriptor->methods[m];
    return NULL;
}

static mesh_code check(const request *asked, const mesh_method *method, mesh_error *err)
{
    size_t size = strlen(asked->user_id);
    mesh_code code = MESH_OK;

    if (size == 0 || size > MESH_USER_ID_BYTES_MAX)
        code = mesh_error_field(err, "user_id", "must have 1 to %d bytes", MESH_USER_ID_BYTES_MAX);
    if (method == NULL)
        code = mesh_error_field(err, "method", "is no method of this service");
    if (asked->n_token_roles > MESH_ROLES_MAX)
        code = mesh_error_field(err, "token_roles", "must be %d at most", MESH_ROLES_MAX);
    return code;
}

static mesh_code explain(void *self, mesh_call *call, const request *asked, response *said,
                         mesh_error *err)
{
    const mesh_explain *one = self;
    const mesh_method *method = find_method(one->server, asked->method);
    explanation e = {.guard = one->guard, .asked = asked, .said = said};
    mesh_code code = check(asked, method, err);

    if (code != MESH_OK)
        return code;
    e.arena = mesh_call_arena(call);
    e.policy = &method->policy;
    said->rule = (char *)rule_of(e.policy, e.arena);
    said->facts = mesh_arena_calloc(e.arena, FACTS, sizeof(fact *));
    if (said->facts != NULL)
        decide(&e, explain_policy(&e));
    return mesh_arena_overflowed(e.arena)
               ? mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory to explain")
               : MESH_OK;
}

static const mesh__access__v1__access_service__handlers handlers = {.explain = explain};

mesh_api mesh_explain_api(mesh_explain *one)
{
    return mesh__access__v1__access_service__api(&handlers, one);
}

mesh_code mesh_explain_create(const mesh_server *server, mesh_guard *guard, mesh_explain **created,
                              mesh_error *err)
{
    mesh_explain *made = mesh_malloc(sizeof *made);

    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *made = (mesh_explain){.server = server, .guard = &guard->options};
    *created = made;
    return MESH_OK;
}

void mesh_explain_destroy(mesh_explain *one)
{
    mesh_free(one);
}
