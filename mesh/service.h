/*
 * mesh_service_main: a whole service. It reads the configuration, starts logs, metrics, traces,
 * database, events and the server with health and reflection, says SERVING when everything it needs
 * answers, and drains on SIGTERM and SIGINT.
 *
 *   int main(int argc, char **argv)
 *   {
 *       return mesh_service_main(argc, argv, &(mesh_service){
 *           .name = "hello",
 *           .apis = { hello__v1__greeter__api(&greeter, NULL) },
 *       });
 *   }
 */
#ifndef MESH_SERVICE_H
#define MESH_SERVICE_H

#include "mesh/base/config.h"
#include "mesh/base/log.h"
#include "mesh/db/db.h"
#include "mesh/db/migrate.h"
#include "mesh/events/events.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"

MESH_BEGIN_DECLS

typedef struct mesh_app mesh_app; /* a running service */

enum {
    MESH_SERVICE_MAX_APIS = 8,
    MESH_SERVICE_MAX_CONSUMERS = 16,
    MESH_SERVICE_MAX_PEERS = 8
};

typedef struct mesh_service {
    size_t size;
    const char *name;                                    /* "order" */
    mesh_api apis[MESH_SERVICE_MAX_APIS];                /* ended by an empty entry */
    mesh_consumer consumers[MESH_SERVICE_MAX_CONSUMERS]; /* the same */
    const char *peers[MESH_SERVICE_MAX_PEERS];           /* services it calls; each gets a setting
                                                            MESH_<NAME>_TARGET */
    const mesh_migration *migrations; /* not NULL: it has a database (MESH_DATABASE_URL) */
    bool events;                      /* publishes events though it consumes none (MESH_NATS_URL) */
    const mesh_setting *settings;     /* settings of its own, beside the runtime's */
    size_t setting_count;

    /* Runs once before the server starts, when the configuration is read and the objects below
     * exist. */
    mesh_code (*on_start)(void *self, mesh_app *app, mesh_error *err);
    /* Runs once after the drain. */
    void (*on_stop)(void *self);
    void *self;
} mesh_service;

/*
 * Runs the service and returns the exit status of the process: 0 after a drain, 1 when something
 * failed (it was logged), 2 when options or settings are wrong (all mistakes were printed on
 * stderr). Options: --help (all settings), --version, --config FILE, --check (read the
 * configuration and stop),
 * --show-config.
 */
MESH_API int mesh_service_main(int argc, char **argv, const mesh_service *service);

/* Parts of the running service, borrowed, for its life. NULL when it has none. */
MESH_API mesh_db *mesh_app_db(mesh_app *app);
MESH_API mesh_events *mesh_app_events(mesh_app *app);
MESH_API mesh_channel *mesh_app_peer(mesh_app *app, const char *name);
MESH_API mesh_server *mesh_app_server(mesh_app *app);

/* Wakes the service up to drain and stop, as SIGTERM does. Any thread. */
MESH_API void mesh_app_stop(mesh_app *app);

MESH_END_DECLS

#endif
