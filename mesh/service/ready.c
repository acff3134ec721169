#include "mesh/service/ready.h"

#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"

enum {
    AWAY_INTERVAL_MS = 200,     /* between looks while something is missing */
    COMMAND_INTERVAL_MS = 10,   /* the same, while somebody waits at a terminal */
    SERVING_INTERVAL_MS = 1000, /* between looks while all is well */
    LOOK_TIMEOUT_MS = 1500      /* each, for the database to connect, and to answer */
};

struct mesh_ready {
    mesh_app *app;  /* immutable */
    mesh_db *probe; /* one connection of its own, that handlers cannot keep; NULL: no database */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed;
    bool stop;  /* guarded by mu; the thread shall end */
    bool ended; /* guarded by mu; it does, at once */

    /* The thread's own; `gave_up` is read by others once it ended. */
    int64_t give_up_ns; /* when, unless it has served by then */
    bool consuming;
    bool serves; /* calls are taken, so it has to be known who may make them */
    bool served; /* at least once */
    bool serving;
    bool gave_up;
    mesh_error last; /* why it is not serving, as logged last */
};

static bool is_migrated(const mesh_app *app)
{
    return app->db == NULL || atomic_load_explicit(&app->migrated, memory_order_relaxed);
}

/* Takes the next steps until one fails or all is ready. */
static mesh_code look(struct mesh_ready *ready, mesh_error *err)
{
    mesh_app *app = ready->app;
    const mesh_service *service = app->service;
    mesh_code code = MESH_OK;

    if (app->db != NULL) {
        code = mesh_db_ping(ready->probe, err);
        if (code != MESH_OK) {
            mesh_error_prefix(err, "database");
            return code;
        }
    }
    if (!is_migrated(app)) {
        if (app->events != NULL)
            code = mesh_migrate(app->db, "mesh_events", mesh_events_migrations(), err);
        if (code == MESH_OK)
            code = mesh_migrate(app->db, service->name, service->migrations, err);
        if (code != MESH_OK) {
            mesh_error_prefix(err, "migrations");
            return code;
        }
        atomic_store_explicit(&app->migrated, true, memory_order_release);
    }
    if (app->events != NULL) {
        if (!ready->consuming)
            code = mesh_events_start(app->events, err);
        if (!ready->consuming && code == MESH_OK && app->sagas != NULL &&
            mesh_app_runs(app, MESH_RUN_WORKERS))
            code = mesh_sagas_start(app->sagas, err);
        ready->consuming = ready->consuming || code == MESH_OK;
        if (code == MESH_OK)
            code = mesh_events_ready(app->events, err);
        if (code != MESH_OK)
            mesh_error_prefix(err, "broker");
    }
    if (code == MESH_OK && app->access != NULL && ready->serves) {
        code = mesh_access_ready(app->access, err);
        if (code != MESH_OK)
            mesh_error_prefix(err, "users");
    }
    return code;
}

/* What may be otherwise when tried again. */
static bool passes(mesh_code code)
{
    return code == MESH_UNAVAILABLE || code == MESH_DEADLINE_EXCEEDED || code == MESH_ABORTED ||
           code == MESH_RESOURCE_EXHAUSTED;
}

static void come_up(struct mesh_ready *ready)
{
    if (!ready->serving && mesh_app_set_serving(ready->app, true)) {
        ready->serving = ready->served = true;
        mesh_error_clear(&ready->last);
        mesh_log(MESH_LOG_INFO, "serving");
    }
}

/* False: it gives up. */
static bool go_down(struct mesh_ready *ready, const mesh_error *why)
{
    if (ready->serving)
        (void)mesh_app_set_serving(ready->app, false);
    if (!ready->served && strcmp(ready->last.message, why->message) != 0)
        mesh_app_log_error(MESH_LOG_INFO, "waiting", why);
    else if (ready->serving)
        mesh_app_log_error(MESH_LOG_WARN, "not serving", why);
    ready->serving = false;
    ready->last = *why;

    if (!is_migrated(ready->app) && !passes(why->code)) {
        mesh_app_log_error(MESH_LOG_ERROR, "cannot start", why);
        return false;
    }
    if (!ready->served && mesh_clock_monotonic_ns() >= ready->give_up_ns) {
        mesh_app_log_error(MESH_LOG_ERROR, "gave up starting: MESH_STARTUP_TIMEOUT passed", why);
        return false;
    }
    return true;
}

static void *run(void *context)
{
    struct mesh_ready *ready = context;
    do {
        mesh_error err = {0};
        if (look(ready, &err) == MESH_OK) {
            come_up(ready);
        } else if (!go_down(ready, &err)) {
            ready->gave_up = true;
            mesh_app_stop(ready->app);
            break;
        }
    } while (mesh_cond_rest(&ready->changed, &ready->mu, &ready->stop,
                            ready->serving ? SERVING_INTERVAL_MS : AWAY_INTERVAL_MS));
    pthread_mutex_lock(&ready->mu);
    ready->ended = true;
    pthread_cond_broadcast(&ready->changed);
    pthread_mutex_unlock(&ready->mu);
    return NULL;
}

static void release(struct mesh_ready *ready)
{
    mesh_db_destroy(ready->probe);
    pthread_cond_destroy(&ready->changed);
    pthread_mutex_destroy(&ready->mu);
    mesh_free(ready);
}

mesh_code mesh_ready_wait(mesh_app *app, mesh_error *err)
{
    struct mesh_ready ready = {.app = app, .probe = app->db};
    int64_t give_up_ns = mesh_clock_deadline_ns(app->config->startup_timeout_ms);
    mesh_code code;
    while ((code = look(&ready, err)) != MESH_OK && passes(code) &&
           mesh_clock_monotonic_ns() < give_up_ns)
        poll(NULL, 0, COMMAND_INTERVAL_MS);
    return code;
}

mesh_code mesh_ready_start(mesh_app *app, mesh_ready **ready, mesh_error *err)
{
    struct mesh_ready *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->app = app;
    made->serves = true;
    made->give_up_ns = mesh_clock_deadline_ns(app->config->startup_timeout_ms);
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->changed, NULL);

    mesh_code code = MESH_OK;
    if (app->db != NULL)
        code = mesh_db_create(MESH_OPTIONS(mesh_db_options, .url = app->config->database_url,
                                           .pool_max = 1, .connect_timeout_ms = LOOK_TIMEOUT_MS,
                                           .statement_timeout_ms = LOOK_TIMEOUT_MS),
                              &made->probe, err);
    int failed = code == MESH_OK ? pthread_create(&made->thread, NULL, run, made) : 0;
    if (failed != 0)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "thread: %s", strerror(failed));
    if (code != MESH_OK) {
        release(made);
        return code;
    }
    *ready = made;
    return MESH_OK;
}

void mesh_ready_stop(mesh_ready *ready)
{
    if (ready == NULL)
        return;
    pthread_mutex_lock(&ready->mu);
    ready->stop = true;
    pthread_cond_broadcast(&ready->changed);
    pthread_mutex_unlock(&ready->mu);
}

bool mesh_ready_join(mesh_ready *ready, int64_t timeout_ms, bool *gave_up)
{
    if (ready == NULL)
        return true;
    int64_t until_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&ready->mu);
    while (!ready->ended && mesh_cond_wait_until(&ready->changed, &ready->mu, until_ns))
        continue;
    bool ended = ready->ended;
    pthread_mutex_unlock(&ready->mu);
    if (!ended)
        return false;

    pthread_join(ready->thread, NULL);
    *gave_up = ready->gave_up;
    release(ready);
    return true;
}
