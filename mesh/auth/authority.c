#include "mesh/auth/authority.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "user/v1/user.mesh.h"

enum {
    INTERVAL_MS = 30 * 1000,
    PAUSE_FIRST_MS = 100,
    PAUSE_LAST_MS = 5000,
    PATIENCE_MS =
        5000, /* with an answer that may come soon, before it is told that there is none */
    ARENA_BYTES = 4096,
    ARENA_LIMIT = 256 * 1024,
    OVERLAP_MS = 2 * 60 * 1000,            /* that a change may take, and clocks differ */
    CHANGED_ARENA_LIMIT = 4 * 1024 * 1024, /* for a page of 1000 users */
    CHANGED_PAGE_SIZE = 1000,
    CHANGED_PAGES = 100 * 1000 /* more are not believed */
};

struct mesh_authority {
    mesh_authority_options options; /* immutable */
    mesh_cancel *cancel;
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool stopping;   /* guarded by mu, as the next; the thread ends */
    bool wanted;     /* it shall be asked now */
    int64_t told_ns; /* CLOCK_MONOTONIC: changes up to then are told of; 0: none is. Written by
                        the thread alone. */
    mesh_error last; /* why the last try failed; OK: it did not */

    bool started;     /* the owner's: start, stop and destroy are called by one thread at a time */
    int64_t pause_ms; /* the thread's own, as the next; 0: the last answer came */
    int64_t patient_ns; /* until when an outage is not told; 0: there is none, or it was told */
};

/* --- keys ------------------------------------------------------------------------------------- */

static mesh_code fetch_into(mesh_authority *authority, mesh_arena *arena, mesh_error *err)
{
    const User__V1__GetKeySetRequest request = USER__V1__GET_KEY_SET_REQUEST__INIT;
    const mesh_call_options options = {.size = sizeof options,
                                       .arena = arena,
                                       .timeout_ms = MESH_AUTHORITY_TIMEOUT_MS,
                                       .cancel = authority->cancel,
                                       .wait_for_ready = true};
    User__V1__KeySet *set;
    mesh_code code = user__v1__user_service__get_key_set(authority->options.channel, &request, &set,
                                                         &options, err);

    if (code == MESH_OK)
        code = mesh_keys_replace(authority->options.keys, set->jwks, strlen(set->jwks), err);
    return code;
}

static mesh_code fetch_keys(mesh_authority *authority, mesh_error *err)
{
    mesh_arena *arena = mesh_arena_create(ARENA_BYTES, ARENA_LIMIT);
    mesh_code code = arena != NULL ? fetch_into(authority, arena, err)
                                   : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");

    mesh_arena_destroy(arena);
    return code;
}

/* --- who has changed -------------------------------------------------------------------------- */

/* `token` is that of the page, and then of the next one. */
static mesh_code take_page(mesh_authority *authority, User__V1__ListChangedUsersRequest *request,
                           mesh_arena *arena, mesh_error *err)
{
    const mesh_call_options options = {.size = sizeof options,
                                       .arena = arena,
                                       .timeout_ms = MESH_AUTHORITY_TIMEOUT_MS,
                                       .cancel = authority->cancel,
                                       .wait_for_ready = true};
    User__V1__ListChangedUsersResponse *page;
    mesh_code code = user__v1__user_service__list_changed_users(authority->options.channel, request,
                                                                &page, &options, err);
    for (size_t i = 0; code == MESH_OK && i < page->n_users; i++)
        code = authority->options.on_changed(authority->options.self, page->users[i], err);
    if (code == MESH_OK)
        request->page_token = page->next_page_token;
    return code;
}

/* The token lives in the arena of its page, until the next page is there. */
static mesh_code take_pages(mesh_authority *authority, mesh_arena *const arenas[2],
                            int64_t since_ns, mesh_error *err)
{
    User__V1__ListChangedUsersRequest request = USER__V1__LIST_CHANGED_USERS_REQUEST__INIT;
    Google__Protobuf__Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    mesh_code code = MESH_OK;

    since.seconds = since_ns / 1000000000;
    since.nanos = (int32_t)(since_ns % 1000000000);
    request.since = &since;
    request.page_size = CHANGED_PAGE_SIZE;
    for (int i = 0; code == MESH_OK && i < CHANGED_PAGES; i++) {
        mesh_arena_reset(arenas[i % 2]);
        code = take_page(authority, &request, arenas[i % 2], err);
        if (code == MESH_OK && request.page_token[0] == '\0')
            return MESH_OK;
    }
    return code != MESH_OK ? code : mesh_error_set(err, MESH_OUT_OF_RANGE, "the list does not end");
}

static mesh_code list_changed(mesh_authority *authority, int64_t since_ns, mesh_error *err)
{
    mesh_arena *const arenas[] = {mesh_arena_create(ARENA_BYTES, CHANGED_ARENA_LIMIT),
                                  mesh_arena_create(ARENA_BYTES, CHANGED_ARENA_LIMIT)};
    mesh_code code = arenas[0] != NULL && arenas[1] != NULL
                         ? take_pages(authority, arenas, since_ns, err)
                         : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");

    mesh_arena_destroy(arenas[0]);
    mesh_arena_destroy(arenas[1]);
    return code;
}

/* Tells who has changed since it was done last, and somewhat before, since what changed then may
 * not have been there yet. */
static mesh_code tell_changes(mesh_authority *authority, mesh_error *err)
{
    int64_t asked_ns = mesh_clock_monotonic_ns();
    int64_t ago_ms = authority->told_ns != 0
                         ? (asked_ns - authority->told_ns) / 1000000 + OVERLAP_MS
                         : authority->options.changed_ms;
    mesh_code code = list_changed(authority, mesh_clock_add_ms(mesh_clock_wall_ns(), -ago_ms), err);

    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&authority->mu);
    authority->told_ns = asked_ns;
    pthread_mutex_unlock(&authority->mu);
    return MESH_OK;
}

mesh_code mesh_authority_told(mesh_authority *authority, int64_t since_ns, mesh_error *err)
{
    mesh_code code = MESH_OK;

    pthread_mutex_lock(&authority->mu);
    if (authority->told_ns < since_ns)
        code = mesh_error_set(err, MESH_UNAVAILABLE, "%s",
                              authority->last.code != MESH_OK ? authority->last.message
                                                              : "the user service is being asked");
    pthread_mutex_unlock(&authority->mu);
    return code;
}

/* --- both ------------------------------------------------------------------------------------- */

static mesh_code fetch(mesh_authority *authority, mesh_error *err)
{
    mesh_code code = fetch_keys(authority, err);

    return code == MESH_OK && authority->options.on_changed != NULL ? tell_changes(authority, err)
                                                                    : code;
}

static bool passes(mesh_code code)
{
    return code == MESH_UNAVAILABLE || code == MESH_DEADLINE_EXCEEDED;
}

/* An outage is told once. What passes by itself, as when the user service starts, gets some time;
 * CANCELLED is ours, at the end. */
static void tell_outage(mesh_authority *authority, const mesh_error *err)
{
    if (authority->pause_ms == 0)
        authority->patient_ns = mesh_clock_deadline_ns(PATIENCE_MS);
    if (authority->patient_ns == 0 || err->code == MESH_CANCELLED ||
        (passes(err->code) && mesh_clock_left_ms(authority->patient_ns) > 0))
        return;
    authority->patient_ns = 0;
    mesh_log(MESH_LOG_WARN, "the user service does not tell its keys, or who has changed",
             MESH_LOG_S("error", err->message));
}

static void fetch_and_tell(mesh_authority *authority)
{
    mesh_error err;
    int64_t pause_ms = authority->pause_ms;
    mesh_code code;

    mesh_error_clear(&err);
    code = fetch(authority, &err);
    pthread_mutex_lock(&authority->mu);
    authority->last = err;
    pthread_mutex_unlock(&authority->mu);
    if (code == MESH_OK) {
        authority->pause_ms = 0;
        if (pause_ms != 0)
            mesh_log(MESH_LOG_INFO, "the user service answers: its keys are here");
        return;
    }
    tell_outage(authority, &err);
    pause_ms = pause_ms == 0 ? PAUSE_FIRST_MS : 2 * pause_ms;
    authority->pause_ms = pause_ms < PAUSE_LAST_MS ? pause_ms : PAUSE_LAST_MS;
}

/* Until it is time to fetch again; false: it is time to end. */
static bool rest(mesh_authority *authority)
{
    int64_t pause_ms = authority->pause_ms;
    int64_t until_ns = mesh_clock_deadline_ns(pause_ms != 0 ? pause_ms
                                                            : authority->options.interval_ms);
    bool go_on;

    pthread_mutex_lock(&authority->mu);
    while (!authority->stopping && !(authority->wanted && pause_ms == 0) &&
           mesh_cond_wait_until(&authority->changed, &authority->mu, until_ns))
        continue;
    authority->wanted = false;
    go_on = !authority->stopping;
    pthread_mutex_unlock(&authority->mu);
    return go_on;
}

static void *run(void *context)
{
    mesh_authority *authority = context;

    do
        fetch_and_tell(authority);
    while (rest(authority));
    return NULL;
}

void mesh_authority_ask(void *context)
{
    mesh_authority *authority = context;

    pthread_mutex_lock(&authority->mu);
    authority->wanted = true;
    pthread_cond_signal(&authority->changed);
    pthread_mutex_unlock(&authority->mu);
}

/* --- permissions ------------------------------------------------------------------------------ */

/* A load that runs. */
typedef struct question {
    mesh_authority *authority;
    const char *user, *permission; /* of the load, as long as it runs */
    mesh_permission_load *load;
    bool again; /* it is asked for the second time */
} question;

static void ask(question *one);

static void on_answer(void *context, mesh_code code,
                      const User__V1__CheckPermissionResponse *response, const mesh_error *err)
{
    question *one = context;

    /* a connection that broke is noticed by who uses it first; asking changes nothing there */
    if (code == MESH_UNAVAILABLE && !one->again) {
        one->again = true;
        ask(one);
        return;
    }
    if (code == MESH_PERMISSION_DENIED || code == MESH_UNAUTHENTICATED)
        mesh_log(
            MESH_LOG_ERROR,
            "the user service does not let this service ask for permissions: see `services` of "
            "CheckPermission, and MESH_SERVICE_KEY",
            MESH_LOG_S("error", err->message));
    mesh_permissions_loaded(one->load, code, code == MESH_OK && response->allowed, err);
    mesh_free(one);
}

static void ask(question *one)
{
    const mesh_call_options options = {.size = sizeof options,
                                       .timeout_ms = MESH_AUTHORITY_TIMEOUT_MS,
                                       .cancel = one->authority->cancel};
    User__V1__CheckPermissionRequest request = USER__V1__CHECK_PERMISSION_REQUEST__INIT;
    mesh_code code;

    request.user_id = (char *)one->user;
    request.permission = (char *)one->permission;
    code = user__v1__user_service__check_permission__async(one->authority->options.channel,
                                                           &request, &options, on_answer, one);
    if (code != MESH_OK) {
        mesh_permissions_loaded(one->load, code, false, NULL);
        mesh_free(one);
    }
}

void mesh_authority_load(void *context, const char *user, const char *permission,
                         mesh_permission_load *load)
{
    question *one = mesh_malloc(sizeof *one);

    if (one == NULL) {
        mesh_permissions_loaded(load, MESH_RESOURCE_EXHAUSTED, false, NULL);
        return;
    }
    *one = (question){.authority = context, .user = user, .permission = permission, .load = load};
    ask(one);
}

/* --- life ------------------------------------------------------------------------------------- */

static mesh_code read_options(const mesh_authority_options *given, mesh_authority_options *options,
                              mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_authority_options, self, options, given, err);

    if (code == MESH_OK)
        MESH_OPTION_DEFAULT(options->interval_ms, INTERVAL_MS);
    return code;
}

mesh_code mesh_authority_create(const mesh_authority_options *options, mesh_authority **authority,
                                mesh_error *err)
{
    mesh_authority_options known;
    mesh_authority *made;
    mesh_code code = read_options(options, &known, err);

    if (code != MESH_OK)
        return code;
    made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->options = known;
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->cancel = mesh_cancel_create();
    if (made->cancel == NULL) {
        mesh_authority_destroy(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    *authority = made;
    return MESH_OK;
}

mesh_code mesh_authority_start(mesh_authority *authority, mesh_error *err)
{
    int failed = pthread_create(&authority->thread, NULL, run, authority);

    if (failed != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "thread: %s", strerror(failed));
    authority->started = true;
    return MESH_OK;
}

void mesh_authority_stop(mesh_authority *authority)
{
    if (authority == NULL)
        return;
    pthread_mutex_lock(&authority->mu);
    authority->stopping = true;
    pthread_cond_signal(&authority->changed);
    pthread_mutex_unlock(&authority->mu);
    if (authority->cancel != NULL)
        mesh_cancel_calls(authority->cancel);
    if (authority->started)
        pthread_join(authority->thread, NULL);
    authority->started = false;
}

void mesh_authority_destroy(mesh_authority *authority)
{
    if (authority == NULL)
        return;
    mesh_authority_stop(authority);
    mesh_cancel_destroy(authority->cancel);
    pthread_cond_destroy(&authority->changed);
    pthread_mutex_destroy(&authority->mu);
    mesh_free(authority);
}
