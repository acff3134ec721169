/*
 * mesh_service_main: a whole service. It reads the configuration, starts logs, metrics, traces,
 * database, events and the server with health and reflection, says SERVING when everything it needs
 * answers, and drains on SIGTERM, SIGINT and SIGHUP.
 *
 *   int main(int argc, char **argv)
 *   {
 *       return mesh_service_main(argc, argv, &(mesh_service){
 *           .name = "hello",
 *           .apis = { hello__v1__greeter__api(&greeter, NULL) },
 *       });
 *   }
 *
 * Starting, in this order:
 *   1. The configuration is read, then on_check; all mistakes are printed at once (exit status 2).
 *   2. Pool, events, channels and server are made. Nothing is connected yet. The policies of the
 *      contract decide who may call (below).
 *   3. on_start.
 *   4. The server listens. Its health is NOT_SERVING. A service with a database refuses calls of
 *      its own apis with UNAVAILABLE, SERVICE_STARTING (mesh.v1) and a delay; one without handles
 *      them.
 *   5. When the database answers: the migrations of mesh/events and the service's own. From then on
 *      calls are handled, whatever else is missing, and fail with UNAVAILABLE where they need that;
 *      also when the database goes away again. Then the consumers start, and the broker must have
 *      stream and consumer in place. A service that is not public must have heard from it what
 *      users are now; where the stream is younger than an hour or has lost some of it, the user
 *      service must have said so, too.
 *   6. Health is SERVING, for "" and for every api. It is NOT_SERVING again while database or
 *      broker is away, and SERVING when they are back; the process lives through that. A service
 *      that has not come to SERVING within MESH_STARTUP_TIMEOUT gives up (exit status 1), and so
 *      does one whose migrations fail. Peers are no condition, but for the user service in that
 *      one case: one that is down must not take its callers down.
 *
 * Draining, after SIGTERM, SIGINT, SIGHUP or mesh_app_stop:
 *   1. Health is NOT_SERVING for good; watchers are told.
 *   2. MESH_DRAIN_DELAY passes, so that balancers can notice (default: none).
 *   3. on_drain; every health Watch is ended, and what operators watch.
 *   4. No new calls; those running have MESH_DRAIN_TIMEOUT, then they are cancelled.
 *   5. Sagas and consumers stop, what waits to be published is published, within what is left of
 *      that time, but at least a second. An action or a consumer's handler that takes longer is
 *      waited for: its transaction has a deadline.
 *   6. on_stop, exit status 0.
 * A second signal ends the process at once with status 1.
 *
 * Who may call: a method whose policy is not `public` is guarded. Tokens of users are verified with
 * the keys of the user service, a peer that such a service has without naming it; roles and bans
 * are what that one's events say, permissions what it answers, for 15 minutes or until an event
 * says that the user has changed. Services prove who they are by their certificates (mTLS) or by
 * tokens that they sign with MESH_SERVICE_KEY; calls to peers carry one, and the token of the user
 * for whom they are made (the option `parent`). Handlers learn who calls by mesh_call_caller
 * (mesh/auth/caller.h). With the user service away signed-in users go on; a permission that is not
 * known then is UNAVAILABLE, never allowed. With the broker away the service is NOT_SERVING. Why a
 * user is let in or not is told by mesh.access.v1.AccessService, which such a service has besides.
 *
 * What becomes of its events operators see and steer by mesh.events.v1.EventsService, which a
 * service has that consumes or publishes some and is guarded: a public one has nobody who could
 * decide who may read what events hold of users.
 *
 * Settings (--help lists them with defaults and meaning): MESH_LISTEN, MESH_METRICS_LISTEN,
 * MESH_DATABASE_URL, MESH_NATS_URL, MESH_<PEER>_TARGET, MESH_SERVICE_KEY, MESH_SERVICE_KEYS,
 * MESH_PLAINTEXT_PEERS, MESH_TLS_CERT, MESH_TLS_KEY, MESH_TLS_CA, MESH_TLS_REQUIRE_CLIENT_CERT,
 * MESH_WORKERS, MESH_WORKER_QUEUE, MESH_MAX_CALLS, MESH_MAX_RECEIVE_BYTES, MESH_MEMORY_BUDGET,
 * MESH_CONNECTION_SHARE, MESH_SEND_TIMEOUT, MESH_SERVER, MESH_MAX_CONNECTIONS,
 * MESH_MAX_ADDRESS_CONNECTIONS, MESH_MAX_HANDSHAKES, MESH_HANDSHAKE_TIMEOUT,
 * MESH_MAX_CONNECTION_STREAMS, MESH_BUFFER_BUDGET, MESH_DB_POOL, MESH_EVENT_ATTEMPTS,
 * MESH_STARTUP_TIMEOUT, MESH_DRAIN_DELAY, MESH_DRAIN_TIMEOUT, MESH_LOG_LEVEL, MESH_RUN,
 * MESH_CONFIG, and the service's own. mesh/base/config.h says where they come from.
 *
 * Log lines that programs may wait for, by "message": "listening" (fields address, metrics) when
 * the server has its ports, "waiting" (field error) for what is missing at start, "serving" and
 * "not serving" (field error) whenever health changes, "draining", "stopped".
 */
#ifndef MESH_SERVICE_H
#define MESH_SERVICE_H

#include "mesh/base/config.h"
#include "mesh/base/log.h"
#include "mesh/db/db.h"
#include "mesh/db/migrate.h"
#include "mesh/events/events.h"
#include "mesh/events/saga.h"
#include "mesh/obs/metrics.h"
#include "mesh/rpc/channel.h"
#include "mesh/rpc/server.h"

MESH_BEGIN_DECLS

typedef struct mesh_app mesh_app; /* a running service */

/*
 * What a process of a service does: all of it, or some parts while other processes of the same
 * program do the rest. MESH_RUN, or --run, lists them. A process without the server listens all the
 * same, with health and reflection alone.
 */
typedef enum mesh_run {
    MESH_RUN_SERVER = 1,    /* the apis */
    MESH_RUN_CONSUMERS = 2, /* handlers of events */
    /* What goes on by itself: events on their way to the broker, sagas, and what the service starts
     * in on_start if mesh_app_runs says so. */
    MESH_RUN_WORKERS = 4
} mesh_run;

enum {
    MESH_SERVICE_MAX_APIS = 8,
    MESH_SERVICE_MAX_CONSUMERS = 16,
    MESH_SERVICE_MAX_EVENTS = 16,
    MESH_SERVICE_MAX_PEERS = 8
};

/*
 * Something that an operator does with a service's program instead of running the service, with the
 * same settings: `user create-admin ada ada@example.com`.
 */
typedef struct mesh_command {
    const char *name;      /* "create-admin"; NULL ends a table */
    const char *arguments; /* "USERNAME EMAIL", for --help: a word for each that must be given */
    const char *help;      /* one line */
    /*
     * Runs on the main thread while database and broker answer, after on_start; nothing listens.
     * Not MESH_OK: the error is printed on stderr, and the status is 1. `arguments` ends with NULL.
     */
    mesh_code (*run)(void *self, mesh_app *app, const char *const *arguments, mesh_error *err);
    const void *reserved[2];
} mesh_command;

typedef struct mesh_service {
    size_t size;
    const char *name;                                    /* "order": lower case, digits, '-' */
    mesh_api apis[MESH_SERVICE_MAX_APIS];                /* up to the first empty entry */
    mesh_consumer consumers[MESH_SERVICE_MAX_CONSUMERS]; /* the same; needs migrations */
    const char *peers[MESH_SERVICE_MAX_PEERS];           /* services it calls, up to NULL; each
                                                            gets a setting MESH_<NAME>_TARGET, upper
                                                            case, with '_' for '-' */
    const mesh_migration *migrations; /* not NULL: it has a database (MESH_DATABASE_URL) */
    const mesh_event_descriptor
        *publishes[MESH_SERVICE_MAX_EVENTS]; /* events that it adds, up to NULL; needs migrations
                                                (MESH_NATS_URL) */
    const mesh_saga_definition *sagas; /* ended by one without a name; NULL: none. Their actions get
                                          `self`. Needs migrations (and MESH_NATS_URL: the tables
                                          are those of events) */
    const mesh_setting *settings;      /* settings of its own, beside the runtime's */
    size_t setting_count;

    /*
     * Runs once before the server listens, when the configuration is read and the objects below
     * exist. The database may be neither reachable nor migrated yet: no SQL here. Not MESH_OK: the
     * error is logged and the process ends with status 1, without on_drain and on_stop.
     */
    mesh_code (*on_start)(void *self, mesh_app *app, mesh_error *err);
    /* Runs once when a drain begins, while calls run: ends long-lived streams, which would hold up
     * the drain until its time-out. */
    void (*on_drain)(void *self);
    /* Runs once after the drain, when no handler runs any more; the objects below still exist. */
    void (*on_stop)(void *self);
    void *self;
    const mesh_command *commands; /* ended by an entry without a name; NULL: none */

    /*
     * Looks, before anything is made, whether settings that each are right fit together; `workers`
     * is MESH_WORKERS: how many handlers that block run at once. Not MESH_OK: the message is a
     * mistake like any other of the configuration, also for --check. It only looks.
     */
    mesh_code (*on_check)(void *self, int64_t workers, mesh_error *err);
} mesh_service;

/*
 * Runs the service and returns the exit status of the process: 0 after a drain, 1 when something
 * failed (it was logged), 2 when options or settings are wrong (all mistakes were printed on
 * stderr). Options: --help (all settings), --version, --config FILE, --check (read the
 * configuration and stop), --show-config.
 *
 * With a command of the service's it runs that instead: as when starting up to and including the
 * migrations and the broker, within MESH_STARTUP_TIMEOUT, but nothing listens; then the command,
 * and steps 5 and 6 of a drain. Signals end the process at once. Consumers take events meanwhile.
 *
 * Once a process, from its main thread, before it made any other thread: SIGTERM, SIGINT and SIGHUP
 * are blocked from here on, SIGPIPE is ignored.
 */
MESH_API int mesh_service_main(int argc, char **argv, const mesh_service *service);

/* Parts of the running service, borrowed, for its life. NULL when it has none. Any thread. */
MESH_API mesh_db *mesh_app_db(mesh_app *app);
MESH_API mesh_events *mesh_app_events(mesh_app *app);
MESH_API mesh_sagas *mesh_app_sagas(mesh_app *app); /* to begin and signal them */
MESH_API mesh_channel *mesh_app_peer(mesh_app *app, const char *name);
MESH_API mesh_server *mesh_app_server(mesh_app *app);

/* Whether this process runs that part. Any thread. */
MESH_API bool mesh_app_runs(const mesh_app *app, mesh_run part);

/* The registry that MESH_METRICS_LISTEN shows, for metrics of the service's own. */
MESH_API mesh_metrics *mesh_app_metrics(mesh_app *app);

/* Wakes the service up to drain and stop, as SIGTERM does. Any thread. */
MESH_API void mesh_app_stop(mesh_app *app);

MESH_END_DECLS

#endif
