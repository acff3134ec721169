/*
 * mesh_app: the parts of a running service, made and taken down in one place. Internal.
 *
 * Made, drained and destroyed by the main thread. The pointers are immutable in between, so any
 * thread reads them; the parts themselves are thread-safe.
 */
#ifndef MESH_SERVICE_APP_H
#define MESH_SERVICE_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include "mesh/auth/identity.h"
#include "mesh/health/health.h"
#include "mesh/reflection/reflection.h"
#include "mesh/service.h"
#include "mesh/service/access.h"
#include "mesh/service/metrics.h"
#include "mesh/service/operate.h"
#include "mesh/service/settings.h"

struct mesh_app {
    const mesh_service *service;
    const mesh_service_config *config;
    int stop_fd; /* eventfd: readable once somebody asked for a stop */
    mesh_service_metrics metrics;
    mesh_db *db;
    mesh_events *events;
    mesh_sagas *sagas;
    mesh_key *key; /* what proves to peers who calls; NULL: none, or a certificate does */
    mesh_identity *identities[MESH_SERVICE_PEERS];
    mesh_channel *peers[MESH_SERVICE_PEERS];
    mesh_access *access;   /* NULL: everybody may call everything */
    mesh_operate *operate; /* NULL: no events, or nobody to ask who may see them */
    mesh_server *server;
    mesh_health *health;
    mesh_reflection *reflection;
    atomic_bool migrated; /* the database has its migrations, so calls are taken; stays true */

    pthread_mutex_t mu;
    bool draining; /* guarded by mu, as is what everybody is told: nothing good any more */
};

/*
 * Makes all parts; nothing connects or listens yet. `service` and `config` are borrowed for the
 * app's life. The error says which part could not be made.
 */
mesh_code mesh_app_create(const mesh_service *service, const mesh_service_config *config,
                          mesh_app **app, mesh_error *err);

/* Listens, for calls and for who reads the metrics. UNAVAILABLE: an address cannot be bound. */
mesh_code mesh_app_listen(mesh_app *app, mesh_error *err);

/* Tells everybody whether the service is ready: health and metrics. False, and nobody is told: it
 * drains. Any thread. */
bool mesh_app_set_serving(mesh_app *app, bool serving);

/* Stops serving: steps 1 to 4 of the drain in mesh/service.h. True: no call had to be cancelled. */
bool mesh_app_drain_calls(mesh_app *app);

/* Step 5, with `timeout_ms` for it; a handler that takes longer is waited for. */
void mesh_app_drain_events(mesh_app *app, int64_t timeout_ms);

/* NULL is accepted. */
void mesh_app_destroy(mesh_app *app);

/* Logs an error with its code and, when it has one, its reason. */
void mesh_app_log_error(mesh_log_level level, const char *message, const mesh_error *err);

#endif
