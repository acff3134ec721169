/* The server on the C core, from its options to its end. */
#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/rpc/core/core_server.h"

enum {
    STREAMS_MAX = 1000,    /* calls of one connection at once; the client keeps further ones back */
    GOAWAY_GRACE_MS = 500, /* for clients to close their connections once no call runs */
    MIN_PING_INTERVAL_MS = 10000 /* clients that ping more often are told to calm down (gRFC A8) */
};

/* what grpc_version_string() says of the core whose symbols below are meant: gRPC 1.51 */
static const char core_version[] = "29.0.0";

/*
 * grpc_server_shutdown_and_notify cancels what clients had sent before its GOAWAY reached them. The
 * steps that it is made of do not: these, which the core exports and uses in its own tests, but
 * does not declare for C. `this` is the server (grpc_core::CppImplOf).
 */
void stop_listening(grpc_server *server) __asm__("_ZN9grpc_core6Server13StopListeningEv");
void send_goaways(grpc_server *server) __asm__("_ZN9grpc_core6Server11SendGoawaysEv");
bool has_open_connections(grpc_server *server) __asm__(
    "_ZN9grpc_core6Server18HasOpenConnectionsEv");

static grpc_server *make_server(const mesh_server_options *options)
{
    grpc_arg args[16];
    size_t count = 0;
    grpc_channel_args list;

#define ADD(name, number)                                        \
    args[count++] = (grpc_arg){.type = GRPC_ARG_INTEGER,         \
                               .key = (char *)(uintptr_t)(name), \
                               .value.integer = (int)(number)}
    ADD(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->max_receive_bytes);
    ADD(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    ADD(GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
    ADD(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
    ADD(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    ADD(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_INTERVAL_MS);
    ADD(GRPC_ARG_MAX_METADATA_SIZE, CORE_METADATA_BYTES_MAX);
    ADD(GRPC_ARG_MAX_CONCURRENT_STREAMS, STREAMS_MAX);
    ADD(GRPC_ARG_ALLOW_REUSEPORT, 0);
    if (options->max_connection_idle_ms > 0)
        ADD(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options->max_connection_idle_ms);
    if (options->max_connection_age_ms > 0)
        ADD(GRPC_ARG_MAX_CONNECTION_AGE_MS, options->max_connection_age_ms);
#undef ADD
    list = (grpc_channel_args){.num_args = count, .args = args};
    return grpc_server_create(&list, NULL);
}

static mesh_code check_version(mesh_error *err)
{
    const char *version = grpc_version_string();

    if (strcmp(version, core_version) == 0)
        return MESH_OK;
    return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                          "this program was made for gRPC core %s, but %s is loaded: install the "
                          "libgrpc29 package of Debian 12",
                          core_version, version);
}

mesh_code core_server_create(const mesh_server_options *options, const mesh_server_events *events,
                             void *upper, mesh_tserver **tserver, mesh_error *err)
{
    mesh_tserver *server = NULL;
    grpc_server_credentials *credentials = NULL;
    mesh_code code = check_version(err);

    if (code != MESH_OK)
        return code;
    if (strncmp(options->listen, "fd://", 5) == 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "listen: the gRPC C core takes no inherited socket (fd://N)");
    core_init();
    code = core_server_credentials(options->tls, &credentials, err);
    if (code != MESH_OK)
        goto fail;
    code = MESH_RESOURCE_EXHAUSTED;
    server = mesh_calloc(1, sizeof *server);
    if (server == NULL)
        goto memory;
    pthread_mutex_init(&server->mu, NULL);
    pthread_cond_init(&server->stopped_changed, NULL);
    server->credentials = credentials;
    server->events = events;
    server->upper = upper;
    server->max_receive_bytes = options->max_receive_bytes;
    server->poller_count = options->poller_count;
    server->address = mesh_strdup(options->listen);
    server->pollers = mesh_calloc(server->poller_count, sizeof *server->pollers);
    server->server = make_server(options);
    if (server->address == NULL || server->pollers == NULL || server->server == NULL)
        goto memory;
    for (size_t i = 0; i < server->poller_count; i++)
        core_poller_init(&server->pollers[i], server);
    /* the first entry takes the calls that no other does */
    code = core_server_add_method(server, NULL, MESH_AT_HEADERS, NULL, err);
    if (code != MESH_OK)
        goto fail;
    *tserver = server;
    return MESH_OK;

memory:
    (void)mesh_error_set(err, code, "out of memory");
fail:
    if (server != NULL)
        core_server_destroy(server);
    else {
        if (credentials != NULL)
            grpc_server_credentials_release(credentials);
        core_shutdown();
    }
    return code;
}

mesh_code core_server_add_method(mesh_tserver *server, const char *path, mesh_arrival arrival,
                                 void *method, mesh_error *err)
{
    core_method *grown = mesh_realloc(server->methods,
                                      (server->method_count + 1) * sizeof *server->methods);
    core_method *entry;

    assert(!server->started);
    if (grown == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->methods = grown;
    entry = &grown[server->method_count];
    *entry = (core_method){.arrival = arrival, .upper = method};
    if (path != NULL) {
        entry->path = mesh_strdup(path);
        if (entry->path == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        entry->registered = grpc_server_register_method(
            server->server, path, NULL,
            arrival == MESH_AT_HEADERS ? GRPC_SRM_PAYLOAD_NONE
                                       : GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER,
            0);
        if (entry->registered == NULL) {
            mesh_free(entry->path);
            return mesh_error_set(err, MESH_ALREADY_EXISTS, "the method %s is there already", path);
        }
    }
    server->method_count++;
    return MESH_OK;
}

mesh_code core_server_start(mesh_tserver *server, int *port, mesh_error *err)
{
    char cause[100] = "the address is taken, not this machine's, or not allowed";
    mesh_code code = MESH_OK;
    int bound;

    for (size_t i = 0; code == MESH_OK && i < server->poller_count; i++)
        code = core_poller_make_lanes(&server->pollers[i], err);
    if (code != MESH_OK)
        return code;
    core_keep_cause(cause, sizeof cause);
    bound = grpc_server_add_http2_port(server->server, server->address, server->credentials);
    core_keep_cause(NULL, 0);
    grpc_server_credentials_release(server->credentials);
    server->credentials = NULL;
    if (bound == 0)
        return mesh_error_set(err, MESH_UNAVAILABLE, "cannot listen on %s: %s", server->address,
                              cause);
    server->bound = true;
    /* the threads wait: nobody is let in unless all of them are there */
    pthread_mutex_lock(&server->mu);
    for (size_t i = 0; code == MESH_OK && i < server->poller_count; i++)
        code = core_poller_start(&server->pollers[i], err);
    if (code == MESH_OK) {
        grpc_server_start(server->server);
        server->started = true;
        *port = strncmp(server->address, "unix:", 5) == 0 ? 0 : bound;
    }
    pthread_mutex_unlock(&server->mu);
    return code;
}

bool core_server_started(mesh_tserver *server)
{
    bool started;

    pthread_mutex_lock(&server->mu);
    started = server->started;
    pthread_mutex_unlock(&server->mu);
    return started;
}

static void let_go(void *server)
{
    stop_listening(server);
    send_goaways(server);
}

/*
 * The core's functions need its ExecCtx, which only its C API makes: a slice's destructor runs
 * within the one of grpc_byte_buffer_destroy.
 */
static void run_in_core(void (*fn)(void *argument), void *argument)
{
    static char byte;
    grpc_slice slice = grpc_slice_new_with_user_data(&byte, 1, fn, argument);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

    grpc_slice_unref(slice);
    grpc_byte_buffer_destroy(buffer);
}

void core_server_refuse(mesh_tserver *server)
{
    if (server->started && !atomic_exchange(&server->refusing, true))
        run_in_core(let_go, server->server);
}

bool core_server_has_connections(mesh_tserver *server)
{
    return server->started && has_open_connections(server->server);
}

/* The core tells that an answer is done only once it is written. */
bool core_server_is_sending(mesh_tserver *server)
{
    (void)server;
    return false;
}

void core_server_cancel(mesh_tserver *server)
{
    if (server->started)
        grpc_server_cancel_all_calls(server->server);
}

void core_server_stopped(mesh_tserver *server)
{
    pthread_mutex_lock(&server->mu);
    server->stopped = true;
    pthread_cond_broadcast(&server->stopped_changed);
    pthread_mutex_unlock(&server->mu);
}

static const struct timespec pause = {.tv_nsec = 500000};

static bool wait_for_connections(mesh_tserver *server, int64_t until_ns)
{
    while (core_server_has_connections(server)) {
        if (mesh_clock_monotonic_ns() >= until_ns)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* Waits until the core has let go of the server; one that did not start has no connections. */
static void shut_down(mesh_tserver *server)
{
    int64_t until_ns = mesh_clock_deadline_ns(GOAWAY_GRACE_MS);

    if (!server->bound)
        return;
    core_server_refuse(server);
    if (!wait_for_connections(server, until_ns)) {
        /* clients that poll idle connections seldom, as the core's own do, answer a GOAWAY late */
        grpc_server_cancel_all_calls(server->server);
        (void)wait_for_connections(server, MESH_NO_DEADLINE);
    }
    atomic_store(&server->ending, true);
    CORE_TAG_RELEASE(server);
    grpc_server_shutdown_and_notify(server->server, server->pollers[0].queue, server);
    pthread_mutex_lock(&server->mu);
    while (server->started && !server->stopped)
        pthread_cond_wait(&server->stopped_changed, &server->mu);
    pthread_mutex_unlock(&server->mu);
}

/*
 * A call that the core had matched before the shutdown may still be in a queue after it, and no
 * queue may end while a call has operations to start.
 */
static void wait_for_late_calls(mesh_tserver *server)
{
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++)
        while (atomic_load(&server->pollers[i].open_calls) > 0)
            (void)nanosleep(&pause, NULL);
}

void core_server_destroy(mesh_tserver *server)
{
    shut_down(server);
    wait_for_late_calls(server);
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++)
        core_poller_stop(&server->pollers[i]);
    if (server->server != NULL)
        grpc_server_destroy(server->server);
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++)
        core_poller_destroy(&server->pollers[i]);
    for (size_t j = 0; j < server->method_count; j++)
        mesh_free(server->methods[j].path);
    if (server->credentials != NULL)
        grpc_server_credentials_release(server->credentials);
    mesh_free(server->methods);
    mesh_free(server->pollers);
    mesh_free(server->address);
    pthread_cond_destroy(&server->stopped_changed);
    pthread_mutex_destroy(&server->mu);
    mesh_free(server);
    core_shutdown();
}
