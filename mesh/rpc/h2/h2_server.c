/* The server, from its options to its end. */
#include <assert.h>
#include <string.h>
#include <time.h>

#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"
#include "mesh/rpc/h2/h2.h"

enum {
    GOAWAY_GRACE_MS = 500 /* for clients to close their connections once no call runs */
};

static const struct timespec pause_time = {.tv_nsec = 500000};

/* --- its life --------------------------------------------------------------------------------- */

static void destroy(mesh_tserver *server)
{
    h2_listener_destroy(server->listener);
    for (size_t i = 0; server->loops != NULL && i < server->loop_count; i++)
        h2_loop_destroy(&server->loops[i]);
    for (size_t i = 0; i < server->method_count; i++)
        mesh_free(server->methods[i].path);
    if (server->counted)
        h2_depot_leave();
    h2_limits_destroy(server->limits);
    h2_tls_destroy(server->tls);
    nghttp2_session_callbacks_del(server->callbacks);
    nghttp2_option_del(server->option);
    mesh_free(server->table);
    mesh_free(server->methods);
    mesh_free(server->loops);
    mesh_free(server->listen);
    mesh_free(server);
}

static mesh_code make_loops(mesh_tserver *server, size_t count, mesh_error *err)
{
    mesh_code code = MESH_OK;

    server->loops = mesh_calloc(count, sizeof *server->loops);
    if (server->loops == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    while (code == MESH_OK && server->loop_count < count)
        code = h2_loop_init(&server->loops[server->loop_count++], server, err);
    return code;
}

static mesh_code h2_server_create(const mesh_server_options *options,
                                  const mesh_server_events *events, void *upper,
                                  mesh_tserver **tserver, mesh_error *err)
{
    mesh_tserver *server = mesh_calloc(1, sizeof *server);
    mesh_code code = MESH_OK;

    if (server == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->events = events;
    server->upper = upper;
    server->options = *options;
    server->listen = mesh_strdup(options->listen);
    server->callbacks = h2_session_callbacks();
    server->option = h2_session_options();
    if (server->listen == NULL || server->callbacks == NULL || server->option == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    h2_depot_enter();
    server->counted = true;
    if (code == MESH_OK && options->tls != NULL)
        code = h2_tls_create(options->tls, &server->tls, err);
    if (code == MESH_OK)
        code = h2_limits_create(options, &server->limits, err);
    if (code == MESH_OK)
        code = make_loops(server, options->poller_count, err);
    if (code != MESH_OK) {
        destroy(server);
        return code;
    }
    *tserver = server;
    return MESH_OK;
}

static mesh_code h2_server_add_method(mesh_tserver *server, const char *path, mesh_arrival arrival,
                                      void *upper, mesh_error *err)
{
    h2_method *grown;
    h2_method method = {.path_size = strlen(path), .arrival = arrival, .upper = upper};

    assert(!server->started);
    for (size_t i = 0; i < server->method_count; i++)
        if (strcmp(server->methods[i].path, path) == 0)
            return mesh_error_set(err, MESH_ALREADY_EXISTS, "the method %s is there already", path);
    grown = mesh_realloc(server->methods, (server->method_count + 1) * sizeof *grown);
    if (grown == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->methods = grown;
    method.path = mesh_strdup(path);
    if (method.path == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->methods[server->method_count++] = method;
    return MESH_OK;
}

/* --- methods by their names ------------------------------------------------------------------- */

static size_t place_of(const mesh_tserver *server, const char *path, size_t size)
{
    return mesh_hash_bytes(MESH_HASH_EMPTY, path, size) & (server->table_size - 1);
}

static bool make_table(mesh_tserver *server)
{
    size_t size = 4;

    while (size < 2 * server->method_count)
        size *= 2;
    server->table = mesh_calloc(size, sizeof *server->table);
    if (server->table == NULL)
        return false;
    server->table_size = size;
    for (size_t i = 0; i < server->method_count; i++) {
        const h2_method *method = &server->methods[i];
        size_t at = place_of(server, method->path, method->path_size);

        while (server->table[at] != NULL)
            at = (at + 1) & (size - 1);
        server->table[at] = method;
    }
    return true;
}

const h2_method *h2_server_method(const mesh_tserver *server, const char *path, size_t size)
{
    size_t at = place_of(server, path, size);
    const h2_method *method;

    while ((method = server->table[at]) != NULL) {
        if (method->path_size == size && memcmp(method->path, path, size) == 0)
            return method;
        at = (at + 1) & (server->table_size - 1);
    }
    return NULL;
}

/* --- serving ---------------------------------------------------------------------------------- */

static mesh_code h2_server_start(mesh_tserver *server, int *port, mesh_error *err)
{
    const h2_listener_options options = {.listen = server->listen,
                                         .tls = server->tls,
                                         .limits = server->limits,
                                         .on_accept = h2_conn_accepted,
                                         .context = server};
    mesh_code code;

    if (!make_table(server))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    code = h2_listener_create(&options, &server->listener, err);
    for (size_t i = 0; code == MESH_OK && i < server->loop_count; i++)
        code = h2_loop_start(&server->loops[i], err);
    if (code == MESH_OK)
        code = h2_listener_start(server->listener, err);
    if (code != MESH_OK)
        return code;
    server->started = true;
    *port = h2_listener_port(server->listener);
    return MESH_OK;
}

static void command_all(mesh_tserver *server, unsigned command)
{
    for (size_t i = 0; i < server->loop_count; i++)
        if (server->loops[i].running)
            h2_loop_command(&server->loops[i], command);
}

static void h2_server_refuse(mesh_tserver *server)
{
    if (!server->started || atomic_exchange(&server->refusing, true))
        return;
    h2_listener_stop(server->listener);
    command_all(server, H2_REFUSE);
}

static bool h2_server_has_connections(mesh_tserver *server)
{
    return atomic_load(&server->connections) > 0;
}

static bool h2_server_is_sending(mesh_tserver *server)
{
    return atomic_load(&server->blocked) > 0;
}

static void h2_server_cancel(mesh_tserver *server)
{
    command_all(server, H2_CANCEL);
}

static void h2_server_destroy(mesh_tserver *server)
{
    int64_t until_ns = mesh_clock_deadline_ns(GOAWAY_GRACE_MS);

    h2_server_refuse(server);
    while (h2_server_has_connections(server) && mesh_clock_monotonic_ns() < until_ns)
        (void)nanosleep(&pause_time, NULL);
    command_all(server, H2_CLOSE | H2_STOP);
    for (size_t i = 0; i < server->loop_count; i++)
        h2_loop_join(&server->loops[i]);
    destroy(server);
}

/* --- the seam --------------------------------------------------------------------------------- */

static bool h2_reserve(size_t size, mesh_buffer *buffer)
{
    h2_loop *loop = h2_this_loop;
    h2_buffer *memory = h2_buffer_take(loop != NULL ? &loop->cache : NULL, size + H2_PREFIX_BYTES);

    if (memory == NULL) {
        *buffer = (mesh_buffer){.data = NULL};
        return false;
    }
    *buffer = (mesh_buffer){
        .data = memory->bytes + H2_PREFIX_BYTES, .size = size, .handle = memory};
    return true;
}

static void h2_discard(mesh_buffer *buffer)
{
    h2_loop *loop = h2_this_loop;

    h2_buffer_give(loop != NULL ? &loop->cache : NULL, buffer->handle);
    *buffer = (mesh_buffer){.data = NULL};
}

const mesh_transport mesh_transport_h2 = {
    .name = "h2",
    .reserve = h2_reserve,
    .discard = h2_discard,
    .server_create = h2_server_create,
    .server_add_method = h2_server_add_method,
    .server_start = h2_server_start,
    .server_refuse = h2_server_refuse,
    .server_has_connections = h2_server_has_connections,
    .server_is_sending = h2_server_is_sending,
    .server_cancel = h2_server_cancel,
    .server_destroy = h2_server_destroy,
};
