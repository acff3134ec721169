/* A server from its options to its end: who is added, when it listens, how it drains. */
#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mesh/base/address.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/rpc/admission.h"
#include "mesh/rpc/method_impl.h"
#include "mesh/rpc/tls_impl.h"

enum {
    DEFAULT_WORKERS = 16,
    DEFAULT_WORKER_QUEUE = 256,
    DEFAULT_MAX_CALLS = 10000,
    DEFAULT_RECEIVE_BYTES = 4 << 20,
    DEFAULT_ARENA_LIMIT_BYTES = 16 << 20,
    DEFAULT_STREAM_BUDGET_BYTES = 64 << 10,
    DEFAULT_MEMORY_BUDGET_BYTES = 256 << 20,
    DEFAULT_CONNECTION_SHARE_PERCENT = 50,
    DEFAULT_SEND_TIMEOUT_MS = 30000,
    DEFAULT_MAX_CONNECTIONS = 10000,
    DEFAULT_MAX_HANDSHAKES = 1000,
    DEFAULT_HANDSHAKE_TIMEOUT_MS = 10000,
    DEFAULT_MAX_CONNECTION_STREAMS = 1000,
    DEFAULT_BUFFER_BUDGET_BYTES = 128 << 20,
    DEFAULT_KEEPALIVE_MS = 60000,
    DEFAULT_KEEPALIVE_TIMEOUT_MS = 20000,
    MAX_WORKERS = 4096,
    MAX_WORKER_QUEUE = 1 << 20,
    MAX_POLLERS = 256,
    IDLE_POLL_NS = 500000, /* while draining */
    LATE_CALLS_MS = 1000,  /* what clients send that do not know of the drain is served so long */
    UNSENT_MS = 5000,      /* for which clients may take answers once no call runs */
    NAMES_BYTES = 128      /* of methods, in an error */
};

/* What an option may be at most; none may be negative. */
static mesh_code check_options(const mesh_server_options *options, mesh_error *err)
{
    const struct {
        const char *name;
        int64_t value;
        int64_t most;
    } numbers[] = {
        {"worker_count", (int64_t)options->worker_count, MAX_WORKERS},
        {"worker_queue", (int64_t)options->worker_queue, MAX_WORKER_QUEUE},
        {"poller_count", (int64_t)options->poller_count, MAX_POLLERS},
        {"max_receive_bytes", (int64_t)options->max_receive_bytes, INT32_MAX},
        {"keepalive_ms", options->keepalive_ms, INT32_MAX},
        {"keepalive_timeout_ms", options->keepalive_timeout_ms, INT32_MAX},
        {"max_connection_idle_ms", options->max_connection_idle_ms, INT32_MAX},
        {"max_connection_age_ms", options->max_connection_age_ms, INT32_MAX},
        {"memory_budget_bytes", (int64_t)options->memory_budget_bytes, INT64_MAX},
        {"connection_share_percent", (int64_t)options->connection_share_percent, 100},
        {"send_timeout_ms", options->send_timeout_ms, INT32_MAX},
        {"max_connections", (int64_t)options->max_connections, INT32_MAX},
        {"max_address_connections", (int64_t)options->max_address_connections, INT32_MAX},
        {"max_handshakes", (int64_t)options->max_handshakes, INT32_MAX},
        {"handshake_timeout_ms", options->handshake_timeout_ms, INT32_MAX},
        {"max_connection_streams", (int64_t)options->max_connection_streams, INT32_MAX},
        {"buffer_budget_bytes", (int64_t)options->buffer_budget_bytes, INT64_MAX},
    };
    mesh_address address;

    if (options->listen == NULL || !mesh_address_parse(options->listen, &address))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "listen: must be HOST:PORT, [V6]:PORT, unix:PATH or fd://N");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (numbers[i].value < 0 || numbers[i].value > numbers[i].most)
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: must be within 0 to %lld",
                                  numbers[i].name, (long long)numbers[i].most);
    return MESH_OK;
}

/* The default, and more where messages may be larger than a connection's share of it. */
static size_t default_buffer_bytes(const mesh_server_options *options)
{
    size_t needed = (options->max_receive_bytes / options->connection_share_percent + 1) * 100;

    return needed > DEFAULT_BUFFER_BUDGET_BYTES ? needed : DEFAULT_BUFFER_BUDGET_BYTES;
}

/* The processors that this process may run on. */
static size_t count_cores(void)
{
    cpu_set_t own;
    long cores;

    if (sched_getaffinity(0, sizeof own, &own) == 0)
        return (size_t)CPU_COUNT(&own);
    cores = sysconf(_SC_NPROCESSORS_ONLN); /* more than the set has room for */
    return cores > 0 ? (size_t)cores : 1;
}

static void fill_defaults(mesh_server_options *options)
{
    MESH_OPTION_DEFAULT(options->worker_count, DEFAULT_WORKERS);
    MESH_OPTION_DEFAULT(options->worker_queue, DEFAULT_WORKER_QUEUE);
    MESH_OPTION_DEFAULT(options->poller_count, count_cores());
    MESH_OPTION_DEFAULT(options->max_calls, DEFAULT_MAX_CALLS);
    MESH_OPTION_DEFAULT(options->max_receive_bytes, DEFAULT_RECEIVE_BYTES);
    MESH_OPTION_DEFAULT(options->arena_limit_bytes, DEFAULT_ARENA_LIMIT_BYTES);
    MESH_OPTION_DEFAULT(options->stream_budget_bytes, DEFAULT_STREAM_BUDGET_BYTES);
    MESH_OPTION_DEFAULT(options->memory_budget_bytes, DEFAULT_MEMORY_BUDGET_BYTES);
    MESH_OPTION_DEFAULT(options->connection_share_percent, DEFAULT_CONNECTION_SHARE_PERCENT);
    MESH_OPTION_DEFAULT(options->send_timeout_ms, DEFAULT_SEND_TIMEOUT_MS);
    MESH_OPTION_DEFAULT(options->max_connections, DEFAULT_MAX_CONNECTIONS);
    MESH_OPTION_DEFAULT(options->max_handshakes, DEFAULT_MAX_HANDSHAKES);
    MESH_OPTION_DEFAULT(options->handshake_timeout_ms, DEFAULT_HANDSHAKE_TIMEOUT_MS);
    MESH_OPTION_DEFAULT(options->max_connection_streams, DEFAULT_MAX_CONNECTION_STREAMS);
    MESH_OPTION_DEFAULT(options->buffer_budget_bytes, default_buffer_bytes(options));
    MESH_OPTION_DEFAULT(options->keepalive_ms, DEFAULT_KEEPALIVE_MS);
    MESH_OPTION_DEFAULT(options->keepalive_timeout_ms, DEFAULT_KEEPALIVE_TIMEOUT_MS);
}

/* What the options promise together; they have their defaults. */
static mesh_code check_promises(const mesh_server_options *options, mesh_error *err)
{
    size_t share_bytes = mesh_admission_share_bytes(options);
    size_t buffer_bytes = mesh_share_of(options->buffer_budget_bytes,
                                        options->connection_share_percent);

    if (options->max_receive_bytes > buffer_bytes)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "max_receive_bytes: %zu are more than a connection's share of %zu "
                              "bytes (buffer_budget_bytes, connection_share_percent)",
                              options->max_receive_bytes, buffer_bytes);
    if (options->max_receive_bytes <= share_bytes)
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "max_receive_bytes: %zu are more than a connection's share of %zu bytes "
                          "(memory_budget_bytes, connection_share_percent)",
                          options->max_receive_bytes, share_bytes);
}

/* The caller's options, as far as they are known, with all defaults. */
static mesh_code read_options(const mesh_server_options *given, mesh_server_options *options,
                              mesh_tls_options *tls, mesh_error *err)
{
    mesh_code code = MESH_OPTIONS_READ(mesh_server_options, interceptor_count, options, given, err);

    if (code == MESH_OK)
        code = mesh_known_tls_options(&options->tls, tls, err);
    if (code == MESH_OK)
        code = check_options(options, err);
    fill_defaults(options);
    if (code == MESH_OK)
        code = check_promises(options, err);
    return code;
}

static mesh_code choose_transport(const char *name, const mesh_transport **transport,
                                  mesh_error *err)
{
    static const mesh_transport *const transports[] = {&mesh_transport_h2, &mesh_transport_core};
    const char *variable = getenv("MESH_SERVER");
    const char *what = "transport";

    if (name == NULL && variable != NULL && variable[0] != '\0') {
        name = variable;
        what = "the environment variable MESH_SERVER";
    }
    if (name == NULL)
        name = mesh_transport_h2.name;
    for (size_t i = 0; i < sizeof transports / sizeof transports[0]; i++)
        if (strcmp(name, transports[i]->name) == 0) {
            *transport = transports[i];
            return MESH_OK;
        }
    return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: must be h2 or core, and is %s", what,
                          name);
}

static mesh_code check_listen(const char *listen, const mesh_transport *transport, mesh_error *err)
{
    mesh_address address;

    if (transport == &mesh_transport_h2 || !mesh_address_parse(listen, &address) || address.fd < 0)
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "listen: the gRPC C core takes no inherited socket: fd://N needs the "
                          "transport h2");
}

mesh_code mesh_server_create(const mesh_server_options *options, mesh_server **out, mesh_error *err)
{
    const mesh_transport *transport = NULL;
    mesh_server_options known;
    mesh_tls_options tls;
    mesh_pool_options pool;
    mesh_code code = read_options(options, &known, &tls, err);
    mesh_server *server;

    if (code == MESH_OK)
        code = choose_transport(known.transport, &transport, err);
    if (code == MESH_OK)
        code = check_listen(known.listen, transport, err);
    if (code != MESH_OK)
        return code;
    server = mesh_calloc(1, sizeof *server);
    if (server == NULL)
        goto memory;
    server->options = known;
    mesh_admission_init(server);
    server->transport = transport;
    server->options.transport = NULL;
    server->listen = mesh_strdup(known.listen);
    server->interceptors = mesh_calloc(known.interceptor_count + 1, sizeof *server->interceptors);
    if (server->listen == NULL || server->interceptors == NULL)
        goto memory;
    server->options.listen = server->listen;
    for (size_t i = 0; i < known.interceptor_count && code == MESH_OK; i++) {
        code = MESH_RESERVED_CHECK(&known.interceptors[i], err, "interceptor %s",
                                   known.interceptors[i].name);
        server->interceptors[i] = known.interceptors[i];
        server->authorizes |= known.interceptors[i].authorizes;
    }
    pool = mesh_admission_pool(&known, count_cores());
    if (code == MESH_OK)
        code = mesh_pool_create(&pool, &server->pool, err);
    if (code == MESH_OK)
        code = server->transport->server_create(&server->options, &mesh_server_dispatch, server,
                                                &server->tserver, err);
    if (code != MESH_OK) {
        mesh_server_destroy(server);
        return code;
    }
    *out = server;
    return MESH_OK;

memory:
    mesh_server_destroy(server);
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

/* Names all methods without a policy, as many as fit. */
static mesh_code check_policies(const mesh_api_descriptor *api, mesh_error *err)
{
    char names[NAMES_BYTES] = "";
    char others[32] = "";
    size_t used = 0;
    size_t unnamed = 0;

    for (size_t i = 0; i < api->method_count; i++) {
        int more;

        if (api->methods[i].policy.kind != MESH_POLICY_UNDECLARED)
            continue;
        more = snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                        api->methods[i].name);
        if (unnamed == 0 && more > 0 && (size_t)more < sizeof names - used) {
            used += (size_t)more;
        } else {
            names[used] = '\0';
            unnamed++;
        }
    }
    if (used == 0 && unnamed == 0)
        return MESH_OK;
    if (unnamed > 0)
        snprintf(others, sizeof others, " and %zu more", unnamed);
    return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                          "no policy is declared for %s%s of %s: give each the option "
                          "(mesh.v1.method)",
                          names, others, api->name);
}

static mesh_code check_method(const mesh_server *server, const mesh_method *method,
                              mesh_handler_style style, mesh_error *err)
{
    if (method->policy.kind != MESH_POLICY_PUBLIC && !server->authorizes)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "%s is not public, and no interceptor of this server authorizes",
                              method->path);
    if (style == MESH_HANDLER_CONFLICT)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "%s has more than one handler",
                              method->path);
    return MESH_OK;
}

static mesh_arrival arrival_of(const mesh_method *method)
{
    if (method->kind == MESH_CLIENT_STREAMING || method->kind == MESH_BIDI_STREAMING)
        return MESH_AT_HEADERS;
    return MESH_AT_MESSAGE;
}

mesh_code mesh_server_add(mesh_server *server, mesh_api api, mesh_error *err)
{
    const mesh_api_descriptor *descriptor = api.descriptor;
    mesh_code code = mesh_api_descriptor_check(descriptor, err);
    mesh_api *grown;

    assert(!server->started);
    if (code == MESH_OK)
        code = MESH_RESERVED_CHECK(&api, err, "the api of %s", descriptor->name);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < server->api_count; i++)
        if (strcmp(server->apis[i].descriptor->name, descriptor->name) == 0)
            return mesh_error_set(err, MESH_ALREADY_EXISTS, "%s was added already",
                                  descriptor->name);
    if (server->handler_count + descriptor->method_count > MESH_METHODS_MAX)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "a server has at most %d methods",
                              MESH_METHODS_MAX);
    code = check_policies(descriptor, err);
    for (size_t i = 0; i < descriptor->method_count && code == MESH_OK; i++) {
        const mesh_method *method = &descriptor->methods[i];

        code = check_method(server, method, method->style(api.handlers), err);
    }
    if (code != MESH_OK)
        return code;
    grown = mesh_realloc(server->apis, (server->api_count + 1) * sizeof *grown);
    if (grown == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->apis = grown;
    for (size_t i = 0; i < descriptor->method_count; i++) {
        const mesh_method *method = &descriptor->methods[i];
        mesh_handler *handler = mesh_malloc(sizeof *handler);

        if (handler == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        *handler = (mesh_handler){
            .server = server, .method = method, .api = api, .style = method->style(api.handlers)};
        server->handlers[server->handler_count++] = handler;
        code = server->transport->server_add_method(server->tserver, method->path,
                                                    arrival_of(method), handler, err);
        if (code != MESH_OK)
            return code;
    }
    server->apis[server->api_count++] = api;
    return MESH_OK;
}

mesh_code mesh_server_start(mesh_server *server, mesh_error *err)
{
    mesh_code code;

    if (server->start_tried)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "a server is started once");
    server->start_tried = true;
    code = server->transport->server_start(server->tserver, &server->port, err);
    server->started = code == MESH_OK;
    return code;
}

int mesh_server_port(const mesh_server *server)
{
    return server->port;
}

const mesh_api *mesh_server_apis(const mesh_server *server, size_t *count)
{
    *count = server->api_count;
    return server->apis;
}

size_t mesh_server_active(const mesh_server *server)
{
    return atomic_load(&server->active);
}

static bool no_call_runs(const mesh_server *server)
{
    return atomic_load(&server->active) == 0;
}

/* While a client is connected its calls may be on their way here: that none runs says little. */
static bool no_call_can_come(const mesh_server *server)
{
    return no_call_runs(server) && !server->transport->server_has_connections(server->tserver);
}

static bool all_is_sent(const mesh_server *server)
{
    return !server->transport->server_is_sending(server->tserver);
}

/*
 * Waits until it is so, at most until `until_ns`. It looks again and again: a call's end is one
 * atomic step and tells nobody, since after it the server may be gone.
 */
static bool wait_until(const mesh_server *server, bool (*is_so)(const mesh_server *server),
                       int64_t until_ns)
{
    const struct timespec pause = {.tv_nsec = IDLE_POLL_NS};

    while (!is_so(server)) {
        if (mesh_clock_monotonic_ns() >= until_ns)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool mesh_server_drain(mesh_server *server, int64_t drain_timeout_ms)
{
    int64_t until_ns = mesh_clock_deadline_ns(drain_timeout_ms);
    int64_t late_ns = mesh_clock_deadline_ns(LATE_CALLS_MS);
    bool graceful;

    if (!server->started || atomic_exchange(&server->drained, true))
        return true;
    server->transport->server_refuse(server->tserver);
    (void)wait_until(server, no_call_can_come, mesh_clock_earlier(until_ns, late_ns));
    atomic_store(&server->closed, true);
    graceful = wait_until(server, no_call_runs, until_ns);
    if (!graceful) {
        mesh_log(MESH_LOG_WARN, "calls are cancelled at the drain deadline",
                 MESH_LOG_I("calls", (int64_t)mesh_server_active(server)));
        server->transport->server_cancel(server->tserver);
        (void)wait_until(server, no_call_runs, INT64_MAX);
    }
    if (!wait_until(server, all_is_sent,
                    mesh_clock_earlier(until_ns, mesh_clock_deadline_ns(UNSENT_MS))))
        mesh_log(MESH_LOG_WARN, "clients have not taken all that was sent to them");
    return graceful;
}

void mesh_server_destroy(mesh_server *server)
{
    if (server == NULL)
        return;
    (void)mesh_server_drain(server, 0);
    mesh_pool_destroy(server->pool);
    if (server->tserver != NULL)
        server->transport->server_destroy(server->tserver);
    for (size_t i = 0; i < server->handler_count; i++)
        mesh_free(server->handlers[i]);
    mesh_connections_destroy(&server->connections);
    mesh_free(server->apis);
    mesh_free(server->interceptors);
    mesh_free(server->listen);
    mesh_free(server);
}
