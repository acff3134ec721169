#include "mesh/rpc/admission.h"

#include <assert.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/codec.h"
#include "mesh/rpc/reason.h"
#include "mesh/rpc/refuse.h"

/* --- on its way in ---------------------------------------------------------------------------- */

/* The runtime's own first interceptor: the call's span. */
static void open_trace(mesh_call *call)
{
    static const char traceparent[] = "traceparent";
    mesh_received received;
    size_t at = 0;
    mesh_trace parent = {.flags = 0};

    while (call->tcall->ops->metadata(call->tcall, false, &at, &received))
        if (received.key_size == sizeof traceparent - 1 &&
            memcmp(received.entry.key, traceparent, received.key_size) == 0 &&
            mesh_trace_parse(&parent, received.entry.value, received.entry.size))
            break;
    mesh_trace_child(&call->trace, &parent);
}

/* Opens the interceptors that come next: all, or only those that see refused calls, too. */
static mesh_code open_interceptors(mesh_call *call, bool observers, mesh_error *err)
{
    const mesh_server *server = call->server;
    mesh_code code = MESH_OK;

    while (code == MESH_OK && !call->suspended &&
           call->opened < server->options.interceptor_count &&
           (!observers || server->interceptors[call->opened].observes)) {
        const mesh_interceptor *interceptor = &server->interceptors[call->opened++];

        if (interceptor->on_open != NULL)
            code = interceptor->on_open(interceptor->self, call, err);
        assert(!call->suspended || (code == MESH_OK && !interceptor->observes));
    }
    return code;
}

/* Takes a place among the calls of its connection and of all. */
static mesh_code take_place(mesh_call *call, mesh_error *err)
{
    mesh_server *server = call->server;
    mesh_connection *connection = call->admission.connection;

    if (connection != NULL && !mesh_count_raise(&connection->admitted, 1, server->connection_calls))
        return mesh_refuse(err, MESH_RPC_TOO_MANY_CALLS,
                           "%zu calls run already on this connection (connection_share_percent)",
                           server->connection_calls);
    if (!mesh_count_raise(&server->admitted, 1, server->options.max_calls)) {
        if (connection != NULL)
            atomic_fetch_sub(&connection->admitted, 1);
        return mesh_refuse(err, MESH_RPC_TOO_MANY_CALLS, "%zu calls run already",
                           server->options.max_calls);
    }
    call->admission.admitted = true;
    return MESH_OK;
}

static void leave_place(mesh_server *server, mesh_admission *admission)
{
    if (!admission->admitted)
        return;
    if (admission->connection != NULL)
        atomic_fetch_sub(&admission->connection->admitted, 1);
    atomic_fetch_sub(&server->admitted, 1);
    admission->admitted = false;
}

/* A call that is not let in keeps no place: nobody may ever read why. */
static mesh_code check_room(mesh_call *call, mesh_error *err)
{
    mesh_code code = take_place(call, err);

    if (code != MESH_OK || !call->has_message ||
        mesh_message_hold(&call->message, mesh_call_memory(call)))
        return code;
    leave_place(call->server, &call->admission);
    return mesh_refuse_memory(err);
}

static mesh_code check_deadline(const mesh_call *call, mesh_error *err)
{
    if (call->deadline_ns != MESH_NO_DEADLINE && mesh_clock_monotonic_ns() >= call->deadline_ns)
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the call's deadline passed");
    return MESH_OK;
}

mesh_code mesh_admission_check(mesh_call *call, bool too_much_metadata, mesh_error *err)
{
    mesh_code code;

    open_trace(call);
    code = open_interceptors(call, true, err);
    if (too_much_metadata)
        atomic_store(&call->malformed, true);
    if (code == MESH_OK && too_much_metadata)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the request has too much metadata");
    if (code == MESH_OK)
        code = check_deadline(call, err);
    if (code == MESH_OK)
        code = check_room(call, err);
    if (code == MESH_OK)
        code = open_interceptors(call, false, err);
    return code;
}

mesh_code mesh_admission_go_on(mesh_call *call, mesh_error *err)
{
    mesh_code code = check_deadline(call, err);

    return code == MESH_OK ? open_interceptors(call, false, err) : code;
}

/* --- shares of the connections ---------------------------------------------------------------- */

size_t mesh_admission_share_bytes(const mesh_server_options *options)
{
    return mesh_share_of(options->memory_budget_bytes, options->connection_share_percent);
}

void mesh_admission_init(mesh_server *server)
{
    const mesh_server_options *options = &server->options;
    size_t percent = options->connection_share_percent;

    server->memory.limit = options->memory_budget_bytes;
    server->connection_calls = mesh_share_of(options->max_calls, percent);
    server->connection_jobs = mesh_share_of(options->worker_count + options->worker_queue, percent);
    mesh_connections_init(
        &server->connections,
        (mesh_budget){.whole = &server->memory, .limit = mesh_admission_share_bytes(options)},
        (mesh_flow){.most_running = mesh_share_of(options->worker_count, percent),
                    .most_jobs = server->connection_jobs});
}

void mesh_admission_enter(mesh_call *call, const void *connection)
{
    mesh_server *server = call->server;
    mesh_admission *admission = &call->admission;

    atomic_fetch_add(&server->active, 1);
    *admission = (mesh_admission){.connection = NULL};
    if (connection != NULL)
        admission->connection = mesh_connections_enter(&server->connections, connection);
}

void mesh_admission_leave(mesh_server *server, mesh_admission admission)
{
    leave_place(server, &admission);
    if (admission.connection != NULL)
        mesh_connections_leave(&server->connections, admission.connection);
    atomic_fetch_sub(&server->active, 1);
}

mesh_budget *mesh_call_memory(mesh_call *call)
{
    return call->admission.connection != NULL ? &call->admission.connection->memory
                                              : &call->server->memory;
}

mesh_pool_options mesh_admission_pool(const mesh_server_options *options, size_t cores)
{
    bool shared = options->connection_share_percent < 100;
    size_t workers = options->worker_count;

    return (mesh_pool_options){
        .threads = workers,
        .queue = options->worker_queue,
        .reserved = shared ? options->worker_queue / 4 : 0,
        .most = {[MESH_JOB_STREAM] = shared && workers > 1 ? workers - (workers + 3) / 4 : workers,
                 [MESH_JOB_DECODE] = cores > 2 ? cores - 1 : 1}};
}

mesh_code mesh_admission_submit(mesh_call *call, mesh_error *err)
{
    const mesh_server *server = call->server;
    mesh_connection *connection = call->admission.connection;

    switch (
        mesh_pool_submit(server->pool, connection != NULL ? &connection->jobs : NULL, &call->job)) {
    case MESH_POOL_FLOW_FULL:
        return mesh_refuse(err, MESH_RPC_QUEUE_FULL,
                           "calls of this connection take %zu workers and places in their queue "
                           "(connection_share_percent)",
                           server->connection_jobs);
    case MESH_POOL_FULL:
        return mesh_refuse(err, MESH_RPC_QUEUE_FULL,
                           "all %zu workers and %zu places in their queue are taken, or kept for "
                           "connections that have none",
                           server->options.worker_count, server->options.worker_queue);
    case MESH_POOL_TAKEN:
        break;
    }
    return MESH_OK;
}
