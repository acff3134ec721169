#include "tests/chaos/settings.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    DRAIN_TIMEOUT_MS = 10000,
    ACQUIRE_TIMEOUT_MS = 10000
};

const char *setting_text(const char *name)
{
    const char *value = getenv(name);
    if (value == NULL || value[0] == '\0') {
        fprintf(stderr, "%s is not set\n", name);
        exit(2);
    }
    return value;
}

long setting_number(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? strtol(value, NULL, 10) : otherwise;
}

void expect_ok(const char *what, mesh_code code, const mesh_error *err)
{
    if (code == MESH_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, mesh_code_name(code), err->message);
    exit(1);
}

mesh_db *open_database(void)
{
    const mesh_db_options options = {
        .url = setting_text("CHAOS_DATABASE"),
        .name = "chaos",
        .pool_max = 16,
        .acquire_timeout_ms = ACQUIRE_TIMEOUT_MS,
    };
    mesh_db *db = NULL;
    mesh_error err = {0};
    expect_ok("database", mesh_db_create(&options, &db, &err), &err);
    return db;
}

static sigset_t ends(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

void block_end(void)
{
    sigset_t set = ends();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void wait_for_end(void)
{
    sigset_t set = ends();
    int signal = 0;
    sigwait(&set, &signal);
}

void close_events(mesh_events *events, mesh_db *db)
{
    mesh_events_stats stats;
    (void)mesh_events_drain(events, DRAIN_TIMEOUT_MS);
    mesh_events_get_stats(events, &stats);
    mesh_events_destroy(events);
    mesh_db_destroy(db);
    printf("{\"published\": %" PRIu64 ", \"publish_retries\": %" PRIu64 ", \"consumed\": %" PRIu64
           ", \"duplicates\": %" PRIu64 ", \"redelivered\": %" PRIu64 ", \"failed\": %" PRIu64
           ", \"dead\": %" PRIu64 "}\n",
           stats.published, stats.publish_retries, stats.consumed, stats.duplicates,
           stats.redelivered, stats.failed, stats.dead);
}
