/*
 * The settings that every service has, and the table of all that one service has. Internal.
 *
 * Defaults: MESH_LISTEN is 127.0.0.1:50051, gRPC's customary port, so that a service started by
 * hand is found without reading its log; a second one on the machine says that the address is
 * taken. Metrics, which no caller needs to find, take a free port and log it.
 */
#ifndef MESH_SERVICE_SETTINGS_H
#define MESH_SERVICE_SETTINGS_H

#include "mesh/service.h"

/* The service that a guard asks. */
#define MESH_SERVICE_USERS "user"

enum {
    MESH_SERVICE_PEERS = MESH_SERVICE_MAX_PEERS + 2 /* the user service, and the end */
};

/* What the settings say; strings live in the arena of the load. */
typedef struct mesh_service_config {
    const char *config_file;
    const char *listen;
    const char *metrics_listen;
    const char *database_url;
    const char *nats_url;
    const char *peers[MESH_SERVICE_PEERS]; /* the service's, and the user service's if its guard
                                              asks that; up to NULL */
    const char *peer_targets[MESH_SERVICE_PEERS];
    const char *service_key;
    const char *service_keys;
    bool plaintext_peers;
    const char *tls_certificate;
    const char *tls_key;
    const char *tls_ca;
    bool tls_require_client_certificate;
    int64_t workers;
    int64_t worker_queue;
    int64_t max_calls;
    int64_t max_receive_bytes;
    int64_t memory_budget_bytes;
    int64_t connection_share_percent;
    const char *transport;
    int64_t max_connections;
    int64_t max_address_connections;
    int64_t max_handshakes;
    int64_t handshake_timeout_ms;
    int64_t max_connection_streams;
    int64_t buffer_budget_bytes;
    int64_t send_timeout_ms;
    int64_t db_pool;
    int64_t event_attempts;
    int64_t startup_timeout_ms;
    int64_t drain_delay_ms;
    int64_t drain_timeout_ms;
    const char *log_level;
    const char *run_list;
    unsigned run; /* of that: mesh_run, set by mesh_service_config_check */
} mesh_service_config;

/* True when the service consumes or publishes events. */
bool mesh_service_has_events(const mesh_service *service);

/* True when not everybody may call all of its methods. */
bool mesh_service_is_guarded(const mesh_service *service);

/* True when a setting was given and not as "". */
bool mesh_setting_given(const char *value);

/*
 * Makes the table: the runtime's settings as far as they concern this service, then its own.
 * RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code mesh_service_settings(const mesh_service *service, mesh_service_config *config,
                                mesh_arena *arena, mesh_setting **settings, size_t *count,
                                mesh_error *err);

/*
 * Finds the mistakes between settings that each are right, after a load: writes them to `report`,
 * one a line, and returns how many there are.
 */
size_t mesh_service_config_check(const mesh_service *service, mesh_service_config *config,
                                 FILE *report);

#endif
