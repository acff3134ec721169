/*
 * The server side on the C core, in the shape that was measured to be cheapest: one completion queue and
 * one polling thread a core; for each method and queue a number of posted, reused calls; methods
 * registered; a unary answer in one batch.
 *
 * A call belongs to one queue and so to one thread: its events come in order, without a lock. Free calls
 * wait in the lane (method and queue) they belong to, touched by that thread only.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mesh/base/alloc.h"
#include "mesh/base/log.h"
#include "mesh/rpc/core/core.h"

enum {
    POSTED_CALLS = 64,    /* calls of a lane that wait for a request */
    POSTED_STREAMS = 8,   /* the same for methods whose calls live long */
    FREE_CALLS_MAX = 256, /* calls of a lane kept for reuse */
    METADATA_BYTES_MAX = 16384,
    STREAMS_MAX = 1000,    /* calls of one connection at once; the client keeps further ones back */
    GOAWAY_GRACE_MS = 500, /* for clients to close their connections once no call runs */
    MIN_PING_INTERVAL_MS = 10000 /* clients that ping more often are told to calm down (gRFC A8) */
};

typedef struct server_call server_call;
typedef struct poller poller;

/* A method of one server. */
typedef struct method_entry {
    char *path; /* NULL: calls of unknown methods */
    bool with_message;
    void *upper;
    void *registered;
} method_entry;

/* The calls of one method on one queue. Only its poller's thread touches it once the server started. */
typedef struct lane {
    mesh_tserver *server;
    poller *poller;
    const method_entry *method;
    grpc_completion_queue *queue;
    server_call *free_calls;
    size_t free_count;
    size_t posted;
} lane;

struct poller {
    mesh_tserver *server;
    grpc_completion_queue *queue;
    pthread_t thread;
    bool running;
    lane *lanes;              /* one a method */
    atomic_size_t open_calls; /* between on_open and on_done; written by its thread only */
};

struct mesh_tserver {
    grpc_server *server;
    const mesh_server_events *events;
    void *upper;
    char *address;
    grpc_server_credentials *credentials; /* until start */
    size_t max_receive_bytes;
    method_entry *methods;
    size_t method_count;
    poller *pollers;
    size_t poller_count;
    bool started;
    atomic_bool refusing;
    atomic_bool ending; /* calls that still come out of a queue are dropped */
    pthread_mutex_t mu;
    pthread_cond_t stopped_changed;
    bool stopped; /* guarded by mu: the core has shut the server down */
};

typedef enum tag_kind {
    TAG_NEW,
    TAG_CLOSE,
    TAG_READ,
    TAG_WRITE,
    TAG_FINISH,
    TAG_KINDS
} tag_kind;

typedef struct core_tag {
    server_call *call;
    tag_kind kind;
} core_tag;

struct server_call {
    mesh_tcall head;
    lane *lane;
    server_call *next_free;
    grpc_call *call; /* NULL while posted or free */
    grpc_metadata_array metadata;
    grpc_call_details details; /* of calls to unknown methods */
    gpr_timespec deadline;
    grpc_byte_buffer *payload; /* the request that came with the call */
    grpc_byte_buffer *received;
    grpc_byte_buffer *sent;
    core_incoming incoming;
    core_tag tags[TAG_KINDS];
    int cancelled;
    bool close_watched;
    bool headers_sent;
    /* Operations that the core has not answered, and one more until finish was answered. */
    atomic_int pending;
    alignas(max_align_t) unsigned char upper[];
};

/* The one tag that is not a call's: the server's own shutdown. */
static core_tag shutdown_tag;

static server_call *call_of(mesh_tcall *call)
{
    return (server_call *)call;
}

/* --- operations ---------------------------------------------------------------------------------- */

static bool op_metadata(mesh_tcall *tcall, bool trailing, size_t *at, mesh_metadata *entry,
                        size_t *key_size)
{
    assert(!trailing);
    (void)trailing;
    return core_metadata_next(&call_of(tcall)->metadata, at, entry, key_size);
}

static void op_peer(mesh_tcall *tcall, mesh_arena *arena, mesh_peer *peer)
{
    core_peer(call_of(tcall)->call, arena, peer);
}

static void start(server_call *call, tag_kind kind, const grpc_op *ops, size_t count)
{
    /* finish was counted when the call was opened */
    if (kind != TAG_FINISH)
        atomic_fetch_add_explicit(&call->pending, 1, memory_order_relaxed);
    core_start_batch(call->call, ops, count, &call->tags[kind]);
}

static void op_watch_close(mesh_tcall *tcall)
{
    server_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    op.data.recv_close_on_server.cancelled = &call->cancelled;
    call->close_watched = true;
    start(call, TAG_CLOSE, &op, 1);
}

static void op_read(mesh_tcall *tcall)
{
    server_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &call->received;
    start(call, TAG_READ, &op, 1);
}

/* Fills in the operation that sends headers, once a call. */
static size_t add_headers(server_call *call, grpc_op *op, const mesh_metadata_list *headers,
                          core_metadata *metadata, bool compress)
{
    if (call->headers_sent)
        return 0;
    call->headers_sent = true;
    core_metadata_add_list(metadata, headers);
    *op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA};
    op->data.send_initial_metadata.metadata = metadata->entries;
    op->data.send_initial_metadata.count = metadata->count;
    op->data.send_initial_metadata.maybe_compression_level.is_set = compress;
    op->data.send_initial_metadata.maybe_compression_level.level = GRPC_COMPRESS_LEVEL_MED;
    return 1;
}

static size_t add_message(server_call *call, grpc_op *op, const mesh_buffer *message, bool compress,
                          bool more)
{
    call->sent = core_outgoing(message);
    *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE,
                    .flags = (compress ? 0 : GRPC_WRITE_NO_COMPRESS) |
                             (more ? GRPC_WRITE_BUFFER_HINT : 0)};
    op->data.send_message.send_message = call->sent;
    return 1;
}

static void op_write(mesh_tcall *tcall, const mesh_metadata_list *headers,
                     const mesh_buffer *message, bool compress, bool more)
{
    server_call *call = call_of(tcall);
    core_metadata metadata;
    grpc_op ops[2];
    size_t count;

    metadata.count = 0; /* the array is large: not cleared for every message */
    count = add_headers(call, &ops[0], headers, &metadata, compress);
    count += add_message(call, &ops[count], message, compress, more);
    start(call, TAG_WRITE, ops, count);
    core_metadata_clear(&metadata);
}

static void op_finish(mesh_tcall *tcall, const mesh_final *final)
{
    server_call *call = call_of(tcall);
    core_metadata headers;
    core_metadata trailers;
    grpc_slice text = grpc_empty_slice();
    grpc_op ops[4];
    grpc_op *op;
    size_t count = 0;

    headers.count = trailers.count = 0; /* the arrays are large: not cleared for every call */
    /* without a message this is a trailers-only answer: the core merges headers and status */
    count += add_headers(call, &ops[count], final->headers, &headers, final->compress);
    if (final->message != NULL)
        count += add_message(call, &ops[count], final->message, final->compress, false);

    core_metadata_add_list(&trailers, final->trailers);
    if (final->details_size > 0)
        core_metadata_add(&trailers, "grpc-status-details-bin", final->details,
                          final->details_size);
    if (final->text != NULL)
        text = grpc_slice_from_copied_string(final->text);
    op = &ops[count++];
    *op = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op->data.send_status_from_server.status = (grpc_status_code) final->code;
    op->data.send_status_from_server.status_details = final->text != NULL ? &text : NULL;
    op->data.send_status_from_server.trailing_metadata = trailers.entries;
    op->data.send_status_from_server.trailing_metadata_count = trailers.count;

    if (!call->close_watched) {
        op = &ops[count++];
        *op = (grpc_op){.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
        op->data.recv_close_on_server.cancelled = &call->cancelled;
    }
    start(call, TAG_FINISH, ops, count);
    core_metadata_clear(&headers);
    core_metadata_clear(&trailers);
    grpc_slice_unref(text);
}

static void op_cancel(mesh_tcall *tcall)
{
    (void)grpc_call_cancel(call_of(tcall)->call, NULL);
}

static void clean(server_call *call)
{
    if (call->payload != NULL)
        grpc_byte_buffer_destroy(call->payload);
    if (call->received != NULL)
        grpc_byte_buffer_destroy(call->received);
    if (call->sent != NULL)
        grpc_byte_buffer_destroy(call->sent);
    call->payload = call->received = call->sent = NULL;
    call->metadata.count = 0; /* the call owned the slices */
    if (call->call != NULL)
        grpc_call_unref(call->call);
    call->call = NULL;
    if (call->lane->method->path == NULL) {
        grpc_slice_unref(call->details.method);
        grpc_slice_unref(call->details.host);
        grpc_call_details_init(&call->details);
    }
    call->cancelled = 0;
    call->close_watched = call->headers_sent = false;
}

static void free_call(server_call *call)
{
    clean(call);
    call->lane->server->events->on_free(call->head.upper);
    grpc_metadata_array_destroy(&call->metadata);
    mesh_free(call);
}

static void op_release(mesh_tcall *tcall)
{
    free_call(call_of(tcall));
}

static const mesh_tcall_ops server_call_ops = {
    .metadata = op_metadata,
    .peer = op_peer,
    .watch_close = op_watch_close,
    .read = op_read,
    .write = op_write,
    .finish = op_finish,
    .cancel = op_cancel,
    .release = op_release,
};

/* --- calls and their lanes ----------------------------------------------------------------------- */

static server_call *make_call(lane *lane)
{
    server_call *call = mesh_calloc(1, sizeof *call + lane->server->events->upper_bytes);

    if (call == NULL)
        return NULL;
    call->head.ops = &server_call_ops;
    call->head.upper = call->upper;
    call->lane = lane;
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    for (int kind = 0; kind < TAG_KINDS; kind++)
        call->tags[kind] = (core_tag){.call = call, .kind = (tag_kind)kind};
    return call;
}

static size_t posted_target(const lane *lane)
{
    return lane->method->with_message ? POSTED_CALLS : POSTED_STREAMS;
}

/* Asks the core for the lane's next call. Takes the call; frees it when the server takes no more. */
static void post(lane *lane, server_call *call)
{
    grpc_call_error error;
    void *tag = &call->tags[TAG_NEW];

    atomic_store_explicit(&call->pending, 1, memory_order_relaxed);
    CORE_TAG_RELEASE(tag);
    if (lane->method->path == NULL)
        error = grpc_server_request_call(lane->server->server, &call->call, &call->details,
                                         &call->metadata, lane->queue, lane->queue, tag);
    else
        error = grpc_server_request_registered_call(
            lane->server->server, lane->method->registered, &call->call, &call->deadline,
            &call->metadata, lane->method->with_message ? &call->payload : NULL, lane->queue,
            lane->queue, tag);
    if (error != GRPC_CALL_OK) {
        free_call(call);
        return;
    }
    lane->posted++;
}

/* Keeps as many calls posted as the lane wants. Without memory it goes on with fewer. */
static void replenish(lane *lane)
{
    while (lane->posted < posted_target(lane) &&
           !atomic_load_explicit(&lane->server->refusing, memory_order_relaxed)) {
        server_call *call = lane->free_calls;

        if (call != NULL) {
            lane->free_calls = call->next_free;
            lane->free_count--;
        } else {
            call = make_call(lane);
            if (call == NULL)
                return;
        }
        post(lane, call);
    }
}

static void recycle(server_call *call)
{
    lane *lane = call->lane;

    clean(call);
    if (lane->free_count < FREE_CALLS_MAX) {
        call->next_free = lane->free_calls;
        lane->free_calls = call;
        lane->free_count++;
    } else {
        free_call(call);
    }
    replenish(lane);
}

/* --- events -------------------------------------------------------------------------------------- */

/*
 * Whether a request has more metadata than METADATA_BYTES_MAX, counted as RFC 9113 does (section
 * 10.5.1: 32 bytes more for each entry). The core itself looks only after the client has confirmed
 * the limit.
 */
static bool has_too_much_metadata(const grpc_metadata_array *metadata)
{
    size_t size = metadata->count * 32;

    for (size_t i = 0; i < metadata->count && size <= METADATA_BYTES_MAX; i++)
        size += GRPC_SLICE_LENGTH(metadata->metadata[i].key) +
                GRPC_SLICE_LENGTH(metadata->metadata[i].value);
    return size > METADATA_BYTES_MAX;
}

static void on_new(server_call *call)
{
    lane *lane = call->lane;
    const method_entry *method = lane->method;
    mesh_open open = {.method = method->upper,
                      .too_much_metadata = has_too_much_metadata(&call->metadata),
                      .deadline_ns = core_deadline_from(call->deadline)};

    replenish(lane);
    if (method->path == NULL) {
        open.path = (const char *)GRPC_SLICE_START_PTR(call->details.method);
        open.path_size = GRPC_SLICE_LENGTH(call->details.method);
        open.deadline_ns = core_deadline_from(call->details.deadline);
    }
    if (call->payload != NULL) {
        open.has_message = true;
        core_incoming_open(&call->incoming, call->payload, lane->server->max_receive_bytes,
                           &open.message);
        call->payload = NULL;
    }
    lane->server->events->on_open(lane->server->upper, &call->head, &open);
}

static void on_read(server_call *call, bool ok)
{
    const mesh_server_events *events = call->lane->server->events;
    mesh_message message;

    if (!ok || call->received == NULL) {
        events->on_message(&call->head, NULL);
        return;
    }
    core_incoming_open(&call->incoming, call->received, call->lane->server->max_receive_bytes,
                       &message);
    call->received = NULL;
    events->on_message(&call->head, &message);
}

static void on_write(server_call *call, bool ok)
{
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    call->lane->server->events->on_written(&call->head, ok);
}

static void on_event(const core_tag *tag, bool ok)
{
    server_call *call = tag->call;
    lane *lane = call->lane;
    const mesh_server_events *events = lane->server->events;

    switch (tag->kind) {
    case TAG_NEW:
        lane->posted--;
        /* counted first: the end of the server sees this call, or this call the end */
        atomic_fetch_add(&lane->poller->open_calls, 1);
        if (ok && !atomic_load(&lane->server->ending)) {
            on_new(call);
        } else {
            free_call(call); /* the server takes no more calls */
            atomic_fetch_sub(&lane->poller->open_calls, 1);
        }
        return;
    case TAG_CLOSE:
        events->on_close(&call->head, call->cancelled != 0);
        break;
    case TAG_READ:
        on_read(call, ok);
        break;
    case TAG_WRITE:
        on_write(call, ok);
        break;
    case TAG_FINISH:
    case TAG_KINDS:
        break;
    }
    if (atomic_fetch_sub_explicit(&call->pending, 1, memory_order_acq_rel) != 1)
        return;
    if (events->on_done(&call->head))
        recycle(call);
    else
        replenish(lane); /* the layer above keeps the memory: another has to come for it */
    atomic_fetch_sub(&lane->poller->open_calls, 1);
}

static void *poll_queue(void *argument)
{
    poller *poller = argument;
    mesh_tserver *server = poller->server;

    for (size_t i = 0; i < server->method_count; i++)
        replenish(&poller->lanes[i]);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(poller->queue,
                                                      gpr_inf_future(GPR_CLOCK_REALTIME), NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        CORE_TAG_ACQUIRE(event.tag);
        if (event.tag == &shutdown_tag) {
            pthread_mutex_lock(&server->mu);
            server->stopped = true;
            pthread_cond_broadcast(&server->stopped_changed);
            pthread_mutex_unlock(&server->mu);
        } else {
            on_event(event.tag, event.success != 0);
        }
    }
}

/* --- the server ---------------------------------------------------------------------------------- */

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
    ADD(GRPC_ARG_MAX_METADATA_SIZE, METADATA_BYTES_MAX);
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

mesh_code core_server_create(const mesh_server_options *options, const mesh_server_events *events,
                             void *upper, mesh_tserver **tserver, mesh_error *err)
{
    mesh_tserver *server = NULL;
    grpc_server_credentials *credentials = NULL;
    mesh_code code;

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
    for (size_t i = 0; i < server->poller_count; i++) {
        server->pollers[i].server = server;
        server->pollers[i].queue = grpc_completion_queue_create_for_next(NULL);
        grpc_server_register_completion_queue(server->server, server->pollers[i].queue, NULL);
    }
    /* the first entry takes the calls that no other does */
    code = core_server_add_method(server, NULL, false, NULL, err);
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
        grpc_shutdown();
    }
    return code;
}

mesh_code core_server_add_method(mesh_tserver *server, const char *path, bool with_message,
                                 void *method, mesh_error *err)
{
    method_entry *grown = mesh_realloc(server->methods,
                                       (server->method_count + 1) * sizeof *server->methods);
    method_entry *entry;

    assert(!server->started);
    if (grown == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    server->methods = grown;
    entry = &grown[server->method_count];
    *entry = (method_entry){.with_message = with_message, .upper = method};
    if (path != NULL) {
        entry->path = mesh_strdup(path);
        if (entry->path == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        entry->registered = grpc_server_register_method(
            server->server, path, NULL,
            with_message ? GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER : GRPC_SRM_PAYLOAD_NONE, 0);
        if (entry->registered == NULL) {
            mesh_free(entry->path);
            return mesh_error_set(err, MESH_ALREADY_EXISTS, "the method %s is there already", path);
        }
    }
    server->method_count++;
    return MESH_OK;
}

static mesh_code make_lanes(mesh_tserver *server, mesh_error *err)
{
    for (size_t i = 0; i < server->poller_count; i++) {
        poller *poller = &server->pollers[i];

        poller->lanes = mesh_calloc(server->method_count, sizeof *poller->lanes);
        if (poller->lanes == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        for (size_t j = 0; j < server->method_count; j++) {
            lane *lane = &poller->lanes[j];

            lane->server = server;
            lane->poller = poller;
            lane->method = &server->methods[j];
            lane->queue = poller->queue;
            /* one is enough to go on with, and without one nobody would ever call */
            lane->free_calls = make_call(lane);
            if (lane->free_calls == NULL)
                return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
            lane->free_count = 1;
        }
    }
    return MESH_OK;
}

mesh_code core_server_start(mesh_tserver *server, int *port, mesh_error *err)
{
    mesh_code code = make_lanes(server, err);
    int bound;

    if (code != MESH_OK)
        return code;
    bound = grpc_server_add_http2_port(server->server, server->address, server->credentials);
    grpc_server_credentials_release(server->credentials);
    server->credentials = NULL;
    if (bound == 0)
        return mesh_error_set(err, MESH_UNAVAILABLE,
                              "cannot listen on %s: the address is taken, not this machine's, or "
                              "not allowed",
                              server->address);
    *port = strncmp(server->address, "unix:", 5) == 0 ? 0 : bound;
    server->started = true;
    grpc_server_start(server->server);
    for (size_t i = 0; i < server->poller_count; i++) {
        poller *poller = &server->pollers[i];
        int error = pthread_create(&poller->thread, NULL, poll_queue, poller);

        if (error != 0)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                                  strerror(error));
        poller->running = true;
    }
    return MESH_OK;
}

void core_server_refuse(mesh_tserver *server)
{
    if (!server->started || atomic_exchange(&server->refusing, true))
        return;
    CORE_TAG_RELEASE(&shutdown_tag);
    grpc_server_shutdown_and_notify(server->server, server->pollers[0].queue, &shutdown_tag);
}

void core_server_cancel(mesh_tserver *server)
{
    if (server->started)
        grpc_server_cancel_all_calls(server->server);
}

static void free_lanes(mesh_tserver *server, poller *poller)
{
    for (size_t j = 0; poller->lanes != NULL && j < server->method_count; j++) {
        server_call *call = poller->lanes[j].free_calls;

        while (call != NULL) {
            server_call *next = call->next_free;

            free_call(call);
            call = next;
        }
    }
    mesh_free(poller->lanes);
}

static bool wait_stopped(mesh_tserver *server, int64_t until_ns)
{
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    int error = 0;
    bool stopped;

    pthread_mutex_lock(&server->mu);
    while (!server->stopped && error != ETIMEDOUT)
        error = pthread_cond_clockwait(&server->stopped_changed, &server->mu, CLOCK_MONOTONIC,
                                       &until);
    stopped = server->stopped;
    pthread_mutex_unlock(&server->mu);
    return stopped;
}

/* Waits until the core has let go of the server, or does the waiting itself where no poller runs. */
static void wait_for_shutdown(mesh_tserver *server)
{
    core_server_refuse(server);
    if (!server->started || !server->pollers[0].running) {
        server->stopped = true;
        return;
    }
    if (wait_stopped(server, mesh_clock_monotonic_ns() + GOAWAY_GRACE_MS * INT64_C(1000000)))
        return;
    /* Clients that poll their idle connections seldom, as the core's own do, answer a GOAWAY late. */
    grpc_server_cancel_all_calls(server->server);
    (void)wait_stopped(server, MESH_NO_DEADLINE);
}

/*
 * A call that the core had matched before the shutdown may still be in a queue after it, and no queue may end while
 * a call has operations to start.
 */
static void wait_for_late_calls(mesh_tserver *server)
{
    const struct timespec pause = {.tv_nsec = 500000};

    atomic_store(&server->ending, true);
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++)
        while (atomic_load(&server->pollers[i].open_calls) > 0)
            (void)nanosleep(&pause, NULL);
}

void core_server_destroy(mesh_tserver *server)
{
    wait_for_shutdown(server);
    wait_for_late_calls(server);
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++) {
        poller *poller = &server->pollers[i];

        if (poller->queue == NULL)
            continue;
        grpc_completion_queue_shutdown(poller->queue);
        if (poller->running)
            pthread_join(poller->thread, NULL);
        else
            while (
                grpc_completion_queue_next(poller->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL)
                    .type != GRPC_QUEUE_SHUTDOWN)
                ;
    }
    if (server->server != NULL)
        grpc_server_destroy(server->server);
    for (size_t i = 0; server->pollers != NULL && i < server->poller_count; i++) {
        free_lanes(server, &server->pollers[i]);
        if (server->pollers[i].queue != NULL)
            grpc_completion_queue_destroy(server->pollers[i].queue);
    }
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
    grpc_shutdown();
}
