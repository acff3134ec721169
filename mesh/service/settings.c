#include "mesh/service/settings.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "mesh/service/run.h"

enum {
    RUNTIME_SETTINGS_MAX = 34 /* of the runtime, without those of peers */
};

bool mesh_service_has_events(const mesh_service *service)
{
    return service->publishes[0] != NULL || service->consumers[0].event != NULL ||
           service->sagas != NULL;
}

static bool has_policy(const mesh_service *service, mesh_policy_kind kind)
{
    for (size_t i = 0; i < MESH_SERVICE_MAX_APIS && service->apis[i].descriptor != NULL; i++) {
        const mesh_api_descriptor *api = service->apis[i].descriptor;
        for (size_t j = 0; j < api->method_count; j++)
            if (api->methods[j].policy.kind == kind)
                return true;
    }
    return false;
}

bool mesh_service_is_guarded(const mesh_service *service)
{
    return has_policy(service, MESH_POLICY_AUTHENTICATED) ||
           has_policy(service, MESH_POLICY_ROLES) || has_policy(service, MESH_POLICY_PERMISSION) ||
           has_policy(service, MESH_POLICY_SERVICES);
}

bool mesh_setting_given(const char *value)
{
    return value != NULL && value[0] != '\0';
}

/* "MESH_PRODUCT_TARGET" */
static const char *peer_setting(mesh_arena *arena, const char *peer)
{
    char *name = mesh_arena_printf(arena, "MESH_%s_TARGET", peer);
    for (char *at = name; *at != '\0'; at++)
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    return name;
}

/* The services that it calls, and the user service, which its guard does. */
static void find_peers(const mesh_service *service, mesh_service_config *config)
{
    bool users = false;
    size_t n = 0;
    for (; n < MESH_SERVICE_MAX_PEERS && service->peers[n] != NULL; n++) {
        config->peers[n] = service->peers[n];
        users = users || strcmp(service->peers[n], MESH_SERVICE_USERS) == 0;
    }
    if (mesh_service_is_guarded(service) && !users)
        config->peers[n++] = MESH_SERVICE_USERS;
    config->peers[n] = NULL;
}

/* Where they are, and what this one is to them; returns how many settings there are then. */
static size_t add_peers(const mesh_service *service, mesh_service_config *config, mesh_arena *arena,
                        mesh_setting *table, size_t n)
{
    find_peers(service, config);
    for (size_t i = 0; config->peers[i] != NULL; i++)
        table[n++] = (mesh_setting){
            .name = peer_setting(arena, config->peers[i]),
            .type = MESH_SETTING_STRING,
            .target = &config->peer_targets[i],
            .help = mesh_arena_printf(arena,
                                      "where the service %s is: HOST:PORT, or "
                                      "ipv4:IP:PORT,IP:PORT for several instances",
                                      config->peers[i])};
    if (config->peers[0] != NULL)
        table[n++] = (mesh_setting){
            .name = "MESH_SERVICE_KEY",
            .type = MESH_SETTING_SECRET,
            .target = &config->service_key,
            .fallback = "",
            .help = "private key (a JSON Web Key, Ed25519, whose kid is the "
                    "service's name) that proves to services who calls, "
                    "where no client certificate does"};
    if (config->peers[0] != NULL)
        table[n++] = (mesh_setting){.name = "MESH_PLAINTEXT_PEERS",
                                    .type = MESH_SETTING_BOOL,
                                    .target = &config->plaintext_peers,
                                    .fallback = "false",
                                    .help = "lets tokens go without TLS to peers on other "
                                            "machines: for a network that encrypts by itself"};
    if (mesh_service_is_guarded(service))
        table[n++] = (mesh_setting){.name = "MESH_SERVICE_KEYS",
                                    .type = MESH_SETTING_SECRET,
                                    .target = &config->service_keys,
                                    .fallback = "",
                                    .help = "the public keys of the services that may call this "
                                            "one (a JSON Web Key Set), by their names"};
    return n;
}

/* What carries the calls, and what clients may take of it; returns how many there are then. */
static size_t add_transport(mesh_service_config *config, mesh_setting *table, size_t n)
{
    table[n++] = (mesh_setting){.name = "MESH_SERVER",
                                .type = MESH_SETTING_CHOICE,
                                .target = &config->transport,
                                .fallback = "h2",
                                .choices = "h2|core",
                                .help = "what carries the calls: nghttp2, which has the limits "
                                        "below and may face the public, or the gRPC C core"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_CONNECTIONS",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->max_connections,
                                .fallback = "10000",
                                .min = 1,
                                .max = 1000000,
                                .help = "h2: clients connected at once, as far as the process has "
                                        "file descriptors; more are refused"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_ADDRESS_CONNECTIONS",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->max_address_connections,
                                .fallback = "0",
                                .max = 1000000,
                                .help = "h2: those from one IP address; 0: half of all"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_HANDSHAKES",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->max_handshakes,
                                .fallback = "1000",
                                .min = 1,
                                .max = 1000000,
                                .help = "h2: those who are connected and have said nothing yet, "
                                        "half of them from one IP address; more are refused"};
    table[n++] = (mesh_setting){.name = "MESH_HANDSHAKE_TIMEOUT",
                                .type = MESH_SETTING_DURATION,
                                .target = &config->handshake_timeout_ms,
                                .fallback = "10s",
                                .min = 1,
                                .max = 3600000,
                                .help = "h2: how long they may do so"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_CONNECTION_STREAMS",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->max_connection_streams,
                                .fallback = "1000",
                                .min = 1,
                                .max = 1000000,
                                .help = "h2: calls of one connection at once; a client is told"};
    table[n++] = (mesh_setting){.name = "MESH_BUFFER_BUDGET",
                                .type = MESH_SETTING_BYTES,
                                .target = &config->buffer_budget_bytes,
                                .fallback = "0",
                                .max = INT64_C(1) << 40,
                                .help = "h2: what requests that are not here as a whole and "
                                        "answers that nobody reads may hold in memory; 0: 128 MiB, "
                                        "or more when MESH_MAX_RECEIVE_BYTES needs it"};
    return n;
}

mesh_code mesh_service_settings(const mesh_service *service, mesh_service_config *config,
                                mesh_arena *arena, mesh_setting **settings, size_t *count,
                                mesh_error *err)
{
    size_t room = RUNTIME_SETTINGS_MAX + MESH_SERVICE_PEERS + service->setting_count;
    mesh_setting *table = mesh_arena_calloc(arena, room, sizeof *table);
    size_t n = 0;
    if (table == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");

    table[n++] = (mesh_setting){.name = "MESH_LISTEN",
                                .type = MESH_SETTING_ADDRESS,
                                .target = &config->listen,
                                .fallback = "127.0.0.1:50051",
                                .help = "where calls are accepted; port 0 takes a free one, "
                                        "which the log names"};
    table[n++] = (mesh_setting){.name = "MESH_METRICS_LISTEN",
                                .type = MESH_SETTING_TCP_ADDRESS,
                                .target = &config->metrics_listen,
                                .fallback = "127.0.0.1:0",
                                .help = "where Prometheus reads metrics: GET /metrics"};
    if (service->migrations != NULL) {
        table[n++] = (mesh_setting){.name = "MESH_DATABASE_URL",
                                    .type = MESH_SETTING_SECRET,
                                    .target = &config->database_url,
                                    .help = "the service's own database, "
                                            "postgresql://USER:PASSWORD@HOST:PORT/NAME"};
        table[n++] = (mesh_setting){.name = "MESH_DB_POOL",
                                    .type = MESH_SETTING_INTEGER,
                                    .target = &config->db_pool,
                                    .fallback = "8",
                                    .min = 1,
                                    .max = 1000,
                                    .help = "connections to the database at most, beside one "
                                            "that asks whether it answers"};
    }
    if (mesh_service_has_events(service) || mesh_service_is_guarded(service))
        table[n++] = (mesh_setting){.name = "MESH_NATS_URL",
                                    .type = MESH_SETTING_SECRET,
                                    .target = &config->nats_url,
                                    .help = "the broker, "
                                            "nats://[USER:PASSWORD@]HOST:PORT[,...]"};
    if (service->consumers[0].event != NULL)
        table[n++] = (mesh_setting){.name = "MESH_EVENT_ATTEMPTS",
                                    .type = MESH_SETTING_INTEGER,
                                    .target = &config->event_attempts,
                                    .fallback = "10",
                                    .min = 1,
                                    .max = 1000,
                                    .help = "how often an event is handled in vain before it is "
                                            "a dead letter; with the default that takes two "
                                            "minutes"};
    n = add_peers(service, config, arena, table, n);
    table[n++] = (mesh_setting){.name = "MESH_TLS_CERT",
                                .type = MESH_SETTING_STRING,
                                .target = &config->tls_certificate,
                                .fallback = "",
                                .help = "PEM file: own certificate and chain; turns TLS on"};
    table[n++] = (mesh_setting){.name = "MESH_TLS_KEY",
                                .type = MESH_SETTING_STRING,
                                .target = &config->tls_key,
                                .fallback = "",
                                .help = "PEM file: private key of MESH_TLS_CERT"};
    table[n++] = (mesh_setting){.name = "MESH_TLS_CA",
                                .type = MESH_SETTING_STRING,
                                .target = &config->tls_ca,
                                .fallback = "",
                                .help = "PEM file: whom to trust, callers and peers"};
    table[n++] = (mesh_setting){.name = "MESH_TLS_REQUIRE_CLIENT_CERT",
                                .type = MESH_SETTING_BOOL,
                                .target = &config->tls_require_client_certificate,
                                .fallback = "false",
                                .help = "refuse callers without a certificate of MESH_TLS_CA"};
    table[n++] = (mesh_setting){.name = "MESH_WORKERS",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->workers,
                                .fallback = "16",
                                .min = 1,
                                .max = 1024,
                                .help = "threads for handlers that may block"};
    table[n++] = (mesh_setting){.name = "MESH_WORKER_QUEUE",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->worker_queue,
                                .fallback = "256",
                                .min = 1,
                                .max = 100000,
                                .help = "calls that may wait for a thread; more are refused"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_CALLS",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->max_calls,
                                .fallback = "10000",
                                .min = 1,
                                .max = 1000000,
                                .help = "calls running at once; more are refused"};
    table[n++] = (mesh_setting){.name = "MESH_MAX_RECEIVE_BYTES",
                                .type = MESH_SETTING_BYTES,
                                .target = &config->max_receive_bytes,
                                .fallback = "4MiB",
                                .min = 1,
                                .max = INT64_C(1) << 30,
                                .help = "the largest message taken, from callers and peers"};
    table[n++] = (mesh_setting){.name = "MESH_MEMORY_BUDGET",
                                .type = MESH_SETTING_BYTES,
                                .target = &config->memory_budget_bytes,
                                .fallback = "256MiB",
                                .min = 1,
                                .max = INT64_C(1) << 40,
                                .help = "what messages of callers and their calls may hold in "
                                        "memory; more are refused"};
    table[n++] = (mesh_setting){.name = "MESH_CONNECTION_SHARE",
                                .type = MESH_SETTING_INTEGER,
                                .target = &config->connection_share_percent,
                                .fallback = "50",
                                .min = 1,
                                .max = 100,
                                .help = "how much of calls, threads and memory one connection "
                                        "may take, in percent; more is refused"};
    table[n++] = (mesh_setting){.name = "MESH_SEND_TIMEOUT",
                                .type = MESH_SETTING_DURATION,
                                .target = &config->send_timeout_ms,
                                .fallback = "30s",
                                .min = 1,
                                .max = 3600000,
                                .help = "how long a handler's thread waits for a client that "
                                        "takes nothing of its stream; then the call is cancelled"};
    n = add_transport(config, table, n);
    table[n++] = (mesh_setting){.name = "MESH_STARTUP_TIMEOUT",
                                .type = MESH_SETTING_DURATION,
                                .target = &config->startup_timeout_ms,
                                .fallback = "1m",
                                .min = 100,
                                .max = 3600000,
                                .help = "how long database and broker may take at start; "
                                        "then it ends with status 1"};
    table[n++] = (mesh_setting){.name = "MESH_DRAIN_DELAY",
                                .type = MESH_SETTING_DURATION,
                                .target = &config->drain_delay_ms,
                                .fallback = "0s",
                                .max = 600000,
                                .help = "how long to serve on as NOT_SERVING before a drain"};
    table[n++] = (mesh_setting){.name = "MESH_DRAIN_TIMEOUT",
                                .type = MESH_SETTING_DURATION,
                                .target = &config->drain_timeout_ms,
                                .fallback = "10s",
                                .max = 3600000,
                                .help = "how long running calls may take in a drain; then "
                                        "they are cancelled"};
    table[n++] = (mesh_setting){.name = "MESH_LOG_LEVEL",
                                .type = MESH_SETTING_CHOICE,
                                .target = &config->log_level,
                                .fallback = "info",
                                .choices = "debug|info|warn|error",
                                .help = "the lowest level that is logged"};
    table[n++] = (mesh_setting){.name = "MESH_RUN",
                                .type = MESH_SETTING_STRING,
                                .target = &config->run_list,
                                .fallback = "server,consumers,workers",
                                .help = "the parts of the service that this process runs; "
                                        "--run LIST comes first"};
    table[n++] = (mesh_setting){.name = "MESH_CONFIG",
                                .type = MESH_SETTING_STRING,
                                .target = &config->config_file,
                                .fallback = "",
                                .help = "file with settings; --config FILE comes first"};
    assert(n <= RUNTIME_SETTINGS_MAX + MESH_SERVICE_PEERS);
    for (size_t i = 0; i < service->setting_count; i++)
        table[n++] = service->settings[i];

    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *settings = table;
    *count = n;
    return MESH_OK;
}

/* "127.0.0.1:50051", "[::1]:50051", "localhost:50051", of the `size` bytes. */
static bool is_loopback(const char *address, size_t size)
{
    static const char *const hosts[] = {"127.", "[::1]", "localhost:"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        if (size > strlen(hosts[i]) && strncmp(address, hosts[i], strlen(hosts[i])) == 0)
            return true;
    return false;
}

/* Whether all that a gRPC target names is on this machine, as far as the text says. */
static bool stays_here(const char *target)
{
    static const char *const schemes[] = {"ipv4:", "ipv6:", "dns:///", "dns:"};
    if (strncmp(target, "unix:", strlen("unix:")) == 0)
        return true;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strncmp(target, schemes[i], strlen(schemes[i])) == 0) {
            target += strlen(schemes[i]);
            break;
        }
    for (size_t size; (size = strcspn(target, ",")) > 0; target += size + (target[size] == ','))
        if (!is_loopback(target, size))
            return false;
    return true;
}

/* Tokens go to peers, which nobody on the way may read. */
static size_t check_peers(const mesh_service_config *config, FILE *report)
{
    size_t mistakes = 0;
    if (config->plaintext_peers || mesh_setting_given(config->tls_certificate) ||
        mesh_setting_given(config->tls_ca))
        return 0;
    for (size_t i = 0; config->peers[i] != NULL; i++)
        if (!stays_here(config->peer_targets[i])) {
            fprintf(report,
                    "%s is not on this machine, and tokens would go there unencrypted: give "
                    "MESH_TLS_CA, or MESH_PLAINTEXT_PEERS=true where the network encrypts\n",
                    config->peer_targets[i]);
            mistakes++;
        }
    return mistakes;
}

/* Who calls the user service has to say who it is, and so has who calls this one. */
static size_t check_identity(const mesh_service *service, const mesh_service_config *config,
                             FILE *report)
{
    size_t mistakes = 0;
    if (mesh_service_is_guarded(service) && !mesh_setting_given(config->service_key) &&
        !mesh_setting_given(config->tls_certificate)) {
        fputs("MESH_SERVICE_KEY is missing, which the user service needs to know who asks it; or "
              "give MESH_TLS_CERT and MESH_TLS_KEY\n",
              report);
        mistakes++;
    }
    if (has_policy(service, MESH_POLICY_SERVICES) && !mesh_setting_given(config->service_keys) &&
        !(mesh_setting_given(config->tls_certificate) && mesh_setting_given(config->tls_ca))) {
        fputs("MESH_SERVICE_KEYS is missing: some methods are for services alone; or give "
              "MESH_TLS_CERT, MESH_TLS_KEY and MESH_TLS_CA\n",
              report);
        mistakes++;
    }
    return mistakes;
}

size_t mesh_service_config_check(const mesh_service *service, mesh_service_config *config,
                                 FILE *report)
{
    bool certificate = mesh_setting_given(config->tls_certificate);
    size_t mistakes = check_identity(service, config, report) + check_peers(config, report);
    if (certificate != mesh_setting_given(config->tls_key)) {
        fputs("MESH_TLS_CERT and MESH_TLS_KEY belong together: give both or none\n", report);
        mistakes++;
    }
    if (config->tls_require_client_certificate && !certificate) {
        fputs("MESH_TLS_REQUIRE_CLIENT_CERT needs MESH_TLS_CERT and MESH_TLS_KEY\n", report);
        mistakes++;
    }
    if (config->tls_require_client_certificate && !mesh_setting_given(config->tls_ca)) {
        fputs("MESH_TLS_REQUIRE_CLIENT_CERT needs MESH_TLS_CA: whom to trust\n", report);
        mistakes++;
    }
    mesh_error err = {0};
    if (mesh_run_parse(config->run_list, &config->run, &err) != MESH_OK) {
        fprintf(report, "%s\n", err.message);
        mistakes++;
    }
    if (service->on_check != NULL &&
        service->on_check(service->self, config->workers, &err) != MESH_OK) {
        fprintf(report, "%s\n", err.message);
        mistakes++;
    }
    return mistakes;
}
