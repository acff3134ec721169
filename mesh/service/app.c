#include "mesh/service/app.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/v1/reason.mesh.h"

enum {
    STARTING_RETRY_MS = 1000, /* advice to who calls before the migrations are applied */
    DRAIN_WAIT_MS = 1000      /* for what outlives a drain, each time */
};

static mesh_code create_store(mesh_app *app, mesh_error *err)
{
    if (app->service->migrations == NULL)
        return MESH_OK;
    mesh_code code = mesh_db_create(MESH_OPTIONS(mesh_db_options, .url = app->config->database_url,
                                                 .pool_max = (size_t)app->config->db_pool),
                                    &app->db, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "MESH_DATABASE_URL");
    return code;
}

static mesh_code create_events(mesh_app *app, mesh_error *err)
{
    /* A full table has no room for the entry that ends it. */
    mesh_consumer consumers[MESH_SERVICE_MAX_CONSUMERS + 1] = {0};
    if (!mesh_service_has_events(app->service))
        return MESH_OK;
    memcpy(consumers, app->service->consumers, sizeof app->service->consumers);
    mesh_code code = mesh_events_create(
        MESH_OPTIONS(mesh_events_options, .url = app->config->nats_url,
                     .service = app->service->name, .db = app->db, .consumers = consumers,
                     .no_consume = !mesh_app_runs(app, MESH_RUN_CONSUMERS),
                     .max_deliver = (int)app->config->event_attempts,
                     .no_relay = !mesh_app_runs(app, MESH_RUN_WORKERS)),
        &app->events, err);
    if (code != MESH_OK)
        mesh_error_prefix(err, "MESH_NATS_URL");
    return code;
}

static mesh_code create_sagas(mesh_app *app, mesh_error *err)
{
    if (app->service->sagas == NULL)
        return MESH_OK;
    return mesh_sagas_create(MESH_OPTIONS(mesh_sagas_options, .db = app->db,
                                          .definitions = app->service->sagas,
                                          .self = app->service->self),
                             &app->sagas, err);
}

static const mesh_tls_options *tls_options(const mesh_service_config *config, bool server,
                                           mesh_tls_options *tls)
{
    *tls = (mesh_tls_options){.size = sizeof *tls};
    if (mesh_setting_given(config->tls_certificate)) {
        tls->certificate_file = config->tls_certificate;
        tls->key_file = config->tls_key;
    }
    if (mesh_setting_given(config->tls_ca))
        tls->ca_file = config->tls_ca;
    tls->require_client_certificate = server && config->tls_require_client_certificate;
    /* A server needs a certificate of its own; a channel also works with the authority alone. */
    return tls->certificate_file != NULL || (!server && tls->ca_file != NULL) ? tls : NULL;
}

static mesh_code create_key(mesh_app *app, mesh_error *err)
{
    const char *text = app->config->service_key;
    if (!mesh_setting_given(text))
        return MESH_OK;
    mesh_code code = mesh_key_load(text, strlen(text), &app->key, err);
    if (code == MESH_OK && strcmp(mesh_key_id(app->key), app->service->name) != 0)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT, "its kid is \"%s\", and not \"%s\"",
                              mesh_key_id(app->key), app->service->name);
    if (code != MESH_OK)
        mesh_error_prefix(err, "MESH_SERVICE_KEY");
    return code;
}

static mesh_code create_peer(mesh_app *app, size_t i, const mesh_tls_options *tls, mesh_error *err)
{
    mesh_code code = mesh_identity_create(app->key, app->config->peers[i], &app->identities[i],
                                          err);
    if (code != MESH_OK)
        return code;
    const mesh_client_interceptor interceptors[] = {mesh_rpc_metrics_client(app->metrics.calls),
                                                    mesh_identity_interceptor(app->identities[i])};
    return mesh_channel_create(
        app->config->peer_targets[i],
        MESH_OPTIONS(mesh_channel_options, .tls = tls,
                     .max_receive_bytes = (size_t)app->config->max_receive_bytes,
                     .interceptors = interceptors,
                     .interceptor_count = sizeof interceptors / sizeof interceptors[0]),
        &app->peers[i], err);
}

static mesh_code create_peers(mesh_app *app, mesh_error *err)
{
    mesh_tls_options tls;
    const mesh_tls_options *secure = tls_options(app->config, false, &tls);
    mesh_code code = create_key(app, err);
    for (size_t i = 0; code == MESH_OK && app->config->peers[i] != NULL; i++) {
        code = create_peer(app, i, secure, err);
        if (code != MESH_OK)
            mesh_error_prefix(err, "channel to %s", app->config->peers[i]);
    }
    return code;
}

static mesh_code create_access(mesh_app *app, mesh_error *err)
{
    if (!mesh_service_is_guarded(app->service) || !mesh_app_runs(app, MESH_RUN_SERVER))
        return MESH_OK;
    return mesh_access_create(app->service, app->config, mesh_app_peer(app, MESH_SERVICE_USERS),
                              app->metrics.registry, &app->access, err);
}

/* The service's own apis, each with its state. */
static mesh_code add_apis(mesh_app *app, mesh_error *err)
{
    const mesh_api *apis = app->service->apis;
    mesh_code code = MESH_OK;
    if (!mesh_app_runs(app, MESH_RUN_SERVER))
        return MESH_OK;
    for (size_t i = 0; i < MESH_SERVICE_MAX_APIS && apis[i].descriptor != NULL && code == MESH_OK;
         i++) {
        code = mesh_server_add(app->server, apis[i], err);
        if (code == MESH_OK)
            code = mesh_health_set(app->health, apis[i].descriptor->name, MESH_HEALTH_NOT_SERVING,
                                   err);
    }
    return code;
}

/* The service's own, and what operators have of its events. */
static bool needs_tables(const mesh_app *app, const mesh_api_descriptor *descriptor)
{
    const mesh_api *apis = app->service->apis;
    for (size_t i = 0; i < MESH_SERVICE_MAX_APIS && apis[i].descriptor != NULL; i++)
        if (apis[i].descriptor == descriptor)
            return true;
    return app->operate != NULL && mesh_operate_api(app->operate).descriptor == descriptor;
}

/* No handler meets a database without its tables; what else the runtime adds needs none. */
static mesh_code refuse_early(void *self, mesh_call *call, mesh_error *err)
{
    const mesh_app *app = self;
    if (atomic_load_explicit(&app->migrated, memory_order_acquire) ||
        !needs_tables(app, mesh_call_method(call)->api))
        return MESH_OK;
    (void)mesh__v1__service_error_reason__set(
        err, MESH_UNAVAILABLE, MESH__V1__SERVICE_ERROR_REASON__SERVICE_STARTING,
        "the service %s has just started: its database is not ready", app->service->name);
    mesh_error_retry_after(err, STARTING_RETRY_MS);
    return MESH_UNAVAILABLE;
}

static mesh_code create_operate(mesh_app *app, mesh_error *err)
{
    if (app->events == NULL || app->access == NULL)
        return MESH_OK;
    return mesh_operate_create(app->service, app->db, app->events, app->sagas, &app->operate, err);
}

static mesh_code create_server(mesh_app *app, mesh_error *err)
{
    const mesh_service_config *config = app->config;
    mesh_interceptor interceptors[3] = {mesh_rpc_metrics_server(app->metrics.calls)};
    size_t interceptor_count = 1;
    mesh_tls_options tls;
    if (app->db != NULL)
        interceptors[interceptor_count++] = (mesh_interceptor){
            .name = "migrations", .on_open = refuse_early, .self = app};
    if (app->access != NULL)
        interceptors[interceptor_count++] = mesh_access_interceptor(app->access);
    mesh_code code = mesh_server_create(
        MESH_OPTIONS(
            mesh_server_options, .listen = config->listen, .tls = tls_options(config, true, &tls),
            .worker_count = (size_t)config->workers, .worker_queue = (size_t)config->worker_queue,
            .max_calls = (size_t)config->max_calls,
            .max_receive_bytes = (size_t)config->max_receive_bytes,
            .memory_budget_bytes = (size_t)config->memory_budget_bytes,
            .connection_share_percent = (size_t)config->connection_share_percent,
            .transport = config->transport, .max_connections = (size_t)config->max_connections,
            .max_address_connections = (size_t)config->max_address_connections,
            .max_handshakes = (size_t)config->max_handshakes,
            .handshake_timeout_ms = config->handshake_timeout_ms,
            .max_connection_streams = (size_t)config->max_connection_streams,
            .buffer_budget_bytes = (size_t)config->buffer_budget_bytes,
            .send_timeout_ms = config->send_timeout_ms, .interceptors = interceptors,
            .interceptor_count = interceptor_count),
        &app->server, err);

    if (code == MESH_OK)
        code = mesh_health_create(&app->health, err);
    if (code == MESH_OK)
        code = add_apis(app, err);
    if (code == MESH_OK)
        code = mesh_server_add(app->server, mesh_health_api(app->health), err);
    if (code == MESH_OK && app->access != NULL)
        code = mesh_access_add(app->access, app->server, err);
    if (code == MESH_OK && app->operate != NULL)
        code = mesh_server_add(app->server, mesh_operate_api(app->operate), err);
    if (code == MESH_OK)
        code = mesh_reflection_create(app->server, &app->reflection, err);
    if (code == MESH_OK)
        code = mesh_server_add(app->server, mesh_reflection_api(app->reflection), err);
    if (code == MESH_OK)
        code = mesh_server_add(app->server, mesh_reflection_api_v1alpha(app->reflection), err);
    return code;
}

mesh_code mesh_app_create(const mesh_service *service, const mesh_service_config *config,
                          mesh_app **app, mesh_error *err)
{
    mesh_app *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->service = service;
    made->config = config;
    pthread_mutex_init(&made->mu, NULL);
    made->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    mesh_code code = MESH_OK;
    if (made->stop_fd < 0)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "eventfd: %s", strerror(errno));

    if (code == MESH_OK)
        code = mesh_service_metrics_create(&made->metrics, err);
    if (code == MESH_OK)
        code = create_store(made, err);
    if (code == MESH_OK)
        code = create_events(made, err);
    if (code == MESH_OK)
        code = create_sagas(made, err);
    if (code == MESH_OK)
        code = create_peers(made, err);
    if (code == MESH_OK)
        code = create_access(made, err);
    if (code == MESH_OK)
        code = create_operate(made, err);
    if (code == MESH_OK)
        code = create_server(made, err);
    if (code == MESH_OK)
        code = mesh_service_metrics_watch(&made->metrics, service->apis, made->db, made->events,
                                          made->sagas, err);
    if (code != MESH_OK) {
        mesh_app_destroy(made);
        return code;
    }
    *app = made;
    return MESH_OK;
}

mesh_code mesh_app_listen(mesh_app *app, mesh_error *err)
{
    mesh_code code = mesh_server_start(app->server, err);
    if (code == MESH_OK && app->access != NULL)
        code = mesh_access_start(app->access, err);
    if (code == MESH_OK)
        code = mesh_service_metrics_start(&app->metrics, app->config->metrics_listen, err);
    return code;
}

bool mesh_app_set_serving(mesh_app *app, bool serving)
{
    pthread_mutex_lock(&app->mu);
    bool told = !app->draining;
    if (told) {
        mesh_gauge_set(app->metrics.serving, serving);
        mesh_health_set_all(app->health, serving ? MESH_HEALTH_SERVING : MESH_HEALTH_NOT_SERVING);
    }
    pthread_mutex_unlock(&app->mu);
    return told;
}

bool mesh_app_drain_calls(mesh_app *app)
{
    const mesh_service *service = app->service;
    pthread_mutex_lock(&app->mu);
    app->draining = true;
    mesh_gauge_set(app->metrics.serving, 0);
    mesh_health_shutdown(app->health);
    pthread_mutex_unlock(&app->mu);
    if (app->config->drain_delay_ms > 0)
        poll(NULL, 0, (int)app->config->drain_delay_ms);
    if (service->on_drain != NULL)
        service->on_drain(service->self);
    mesh_operate_end(app->operate);
    mesh_health_end(app->health);
    return mesh_server_drain(app->server, app->config->drain_timeout_ms);
}

/* The time is up for what can be left to another process; what cannot is waited for, at rest. */
static int64_t drain_wait_ms(int64_t end_ns)
{
    int64_t left_ms = mesh_clock_left_ms(end_ns);
    return left_ms > DRAIN_WAIT_MS ? left_ms : DRAIN_WAIT_MS;
}

void mesh_app_drain_events(mesh_app *app, int64_t timeout_ms)
{
    const int64_t end_ns = mesh_clock_deadline_ns(timeout_ms);
    /* An action or a handler must not outlive what on_stop frees. What actions add is published. */
    while (app->sagas != NULL && !mesh_sagas_drain(app->sagas, drain_wait_ms(end_ns)))
        continue;
    while (app->events != NULL && !mesh_events_drain(app->events, drain_wait_ms(end_ns)))
        continue;
}

/*
 * The server first: its handlers use everything else. The metrics of calls last: server and
 * channels count in them.
 */
void mesh_app_destroy(mesh_app *app)
{
    if (app == NULL)
        return;
    mesh_service_metrics_stop(&app->metrics);
    mesh_access_stop(app->access);
    mesh_server_destroy(app->server);
    mesh_operate_destroy(app->operate);
    mesh_access_destroy(app->access);
    mesh_reflection_destroy(app->reflection);
    mesh_health_destroy(app->health);
    mesh_sagas_destroy(app->sagas);
    mesh_events_destroy(app->events);
    for (size_t i = 0; i < MESH_SERVICE_PEERS; i++) {
        mesh_channel_destroy(app->peers[i]);
        mesh_identity_destroy(app->identities[i]);
    }
    mesh_key_destroy(app->key);
    mesh_db_destroy(app->db);
    mesh_service_metrics_destroy(&app->metrics);
    if (app->stop_fd >= 0)
        close(app->stop_fd);
    pthread_mutex_destroy(&app->mu);
    mesh_free(app);
}

void mesh_app_log_error(mesh_log_level level, const char *message, const mesh_error *err)
{
    mesh_log(level, message, MESH_LOG_S("code", mesh_code_name(err->code)),
             MESH_LOG_S("error", err->message));
}

mesh_db *mesh_app_db(mesh_app *app)
{
    return app->db;
}

mesh_events *mesh_app_events(mesh_app *app)
{
    return app->events;
}

mesh_sagas *mesh_app_sagas(mesh_app *app)
{
    return app->sagas;
}

mesh_channel *mesh_app_peer(mesh_app *app, const char *name)
{
    for (size_t i = 0; app->config->peers[i] != NULL; i++)
        if (strcmp(app->config->peers[i], name) == 0)
            return app->peers[i];
    return NULL;
}

mesh_server *mesh_app_server(mesh_app *app)
{
    return app->server;
}

mesh_metrics *mesh_app_metrics(mesh_app *app)
{
    return app->metrics.registry;
}

bool mesh_app_runs(const mesh_app *app, mesh_run part)
{
    return (app->config->run & (unsigned)part) != 0;
}

void mesh_app_stop(mesh_app *app)
{
    /* Cannot fail but for a full counter, and then the stop was asked for already. */
    eventfd_write(app->stop_fd, 1);
}
