/*
 * mesh_service_main as an operator meets it: the demo as a program with settings, signals, log
 * lines, health and exit status; on the real PostgreSQL and NATS of tests/fixtures. What the tests
 * of mesh/service share.
 */
#ifndef TESTS_MESH_SERVICE_DEMO_PROGRAM_H
#define TESTS_MESH_SERVICE_DEMO_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "demo/v1/demo.mesh.h"
#include "grpc/health/v1/health.mesh.h"
#include "mesh/rpc/channel.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/program.h"
#include "tests/fixtures/wait.h"

#define DEMO "tests/mesh/service/demo_service"
#define BROKEN_DEMO "tests/mesh/service/broken_demo_service"
#define FULL_DEMO "tests/mesh/service/full_demo_service"

enum {
    SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
    NOT_SERVING = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,

    CALL_LIMIT_MS = 30000
};

/* A running demo, and its caller. */
typedef struct demo {
    program *program;
    mesh_channel *channel;
    mesh_arena *arena;    /* of what calls return */
    char listening[1024]; /* the line that it logged */
    char database_url[POSTGRES_URL_BYTES];
} demo;

/* No settings beside those that let it start. */
extern const char *const demo_defaults[];

/* Starts DEMO or a variant of it with the settings that it needs and `more`, ended by NULL. */
program *demo_launch(const char *file, const char *database_url, const char *const *more);

/* Runs DEMO or a variant with arguments to its end; the status. What it printed is in `output`. */
int demo_run(const char *const *arguments, const char *database_url, const char *const *more,
             char *output, size_t size);

/* Starts DEMO, waits until it listens, and connects. */
demo demo_start(const char *database_url, const char *const *more);

/* Makes a database of this name, starts DEMO on it, and waits until it serves. */
demo demo_serve(const char *database, const char *const *more);

/* Waits for its end, which must have this status, and frees everything. */
void demo_end(demo *demo, int status);

/* SIGTERM, and a good end. */
void demo_stop(demo *demo);

/*
 * The status that its health service answers for a service, or minus the code of the failed call.
 */
int demo_health(const demo *demo, const char *name);

/* Calls Add, which stores a name and publishes an event. */
mesh_code demo_add(const demo *demo, const char *name);

/* The event of this name was handled by an instance on the same database. */
bool demo_heard(const demo *demo, const char *name);

/* An asynchronous Sleep. */
typedef struct demo_nap {
    atomic_int code; /* -1 until it ended */
} demo_nap;

/* Calls Sleep, and returns when its handler runs. `nap` is borrowed until the call ends. */
void demo_start_nap(const demo *demo, demo_nap *nap, int64_t milliseconds, bool hold_connection);

/* The body of GET /metrics there, in a static buffer. */
const char *demo_metrics(const char *address);

#endif
