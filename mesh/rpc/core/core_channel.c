/*
 * The client side on the C core.
 *
 * A blocking unary call has a completion queue of its own, which the calling thread plucks: no
 * other thread is woken. Such queues are kept for the next call. Asynchronous calls and streams
 * share one queue and one polling thread of the channel, started with the first of them.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/log.h"
#include "mesh/rpc/core/core.h"

enum {
    KEPT_QUEUES_MAX = 64,         /* queues of blocking calls kept for reuse */
    REGISTERED_METHODS_MAX = 256, /* power of two; later methods are called by name */
    RECONNECT_FIRST_MS = 100,
    RECONNECT_MAX_MS = 2000, /* a restarted service of the mesh is found again soon */
    CONNECT_TIMEOUT_MS = 5000,
    CONNECTING_WAIT_MS = 200, /* of a channel that ends meanwhile */
    STATUS_WAIT_MS =
        10, /* after the answer to a blocking call, before a second one is looked for */
    /*
     * The same for calls that share a queue. More than calls are in flight, mostly: the core tells
     * of all answers that one read of a socket brought, and of their statuses after that.
     */
    STATUS_WAIT_EVENTS = 1024
};

typedef struct client_call client_call;

typedef struct registered_method {
    const mesh_method *_Atomic method;
    void *handle;
} registered_method;

struct mesh_tchannel {
    grpc_channel *channel;
    size_t max_receive_bytes;
    pthread_mutex_t mu;
    grpc_completion_queue *kept[KEPT_QUEUES_MAX]; /* guarded by mu */
    size_t kept_count;                            /* guarded by mu */
    grpc_completion_queue
        *queue; /* of asynchronous calls and streams; NULL until the first; guarded by mu */
    pthread_t thread;
    registered_method methods[REGISTERED_METHODS_MAX]; /* open addressing; written under mu */
};

typedef enum tag_kind {
    TAG_START,
    TAG_HEADERS,
    TAG_READ,
    TAG_WRITE,
    TAG_STATUS,
    TAG_KINDS
} tag_kind;

typedef struct core_tag {
    client_call *call;
    tag_kind kind;
} core_tag;

struct client_call {
    mesh_tcall head;
    mesh_tchannel *channel;
    const mesh_client_events *events;
    grpc_call *call;
    grpc_completion_queue *own_queue; /* of a blocking call */
    grpc_metadata_array headers;
    grpc_metadata_array trailers;
    grpc_status_code status;
    grpc_slice status_text;
    grpc_byte_buffer *sent;
    grpc_byte_buffer *received;
    grpc_byte_buffer *excess; /* a second answer to a unary call */
    core_incoming incoming;
    core_tag tags[TAG_KINDS];
    bool is_unary;
    client_call *next_waiting; /* the polling thread's: see poll_queue */
    client_call **waits_at;    /* what points to it there; NULL: nothing does */
    bool has_status;           /* the polling thread's */
    bool told_status;          /* the polling thread's */
    /* Operations that the core has not answered, and one until release. */
    atomic_int pending;
};

static client_call *call_of(mesh_tcall *call)
{
    return (client_call *)call;
}

/* --- operations ------------------------------------------------------------------------------- */

static bool op_metadata(mesh_tcall *tcall, bool trailing, size_t *at, mesh_metadata *entry,
                        size_t *key_size)
{
    client_call *call = call_of(tcall);

    return core_metadata_next(trailing ? &call->trailers : &call->headers, at, entry, key_size);
}

static void op_peer(mesh_tcall *tcall, mesh_arena *arena, mesh_peer *peer)
{
    core_peer(call_of(tcall)->call, arena, peer);
}

static void start(client_call *call, tag_kind kind, const grpc_op *ops, size_t count)
{
    atomic_fetch_add_explicit(&call->pending, 1, memory_order_relaxed);
    core_start_batch(call->call, ops, count, &call->tags[kind]);
}

static void op_read(mesh_tcall *tcall)
{
    client_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &call->received;
    start(call, TAG_READ, &op, 1);
}

static void op_write(mesh_tcall *tcall, const mesh_metadata_list *headers,
                     const mesh_buffer *message, bool compress, bool more)
{
    client_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE,
                  .flags = (message->compress ? 0 : GRPC_WRITE_NO_COMPRESS) |
                           (more ? GRPC_WRITE_BUFFER_HINT : 0)};

    assert(headers == NULL);
    (void)headers;
    (void)compress;
    call->sent = core_outgoing(message);
    op.data.send_message.send_message = call->sent;
    start(call, TAG_WRITE, &op, 1);
}

static void op_half_close(mesh_tcall *tcall)
{
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};

    start(call_of(tcall), TAG_WRITE, &op, 1);
}

static void op_cancel(mesh_tcall *tcall)
{
    (void)grpc_call_cancel(call_of(tcall)->call, NULL);
}

static void keep_queue(mesh_tchannel *channel, grpc_completion_queue *queue)
{
    pthread_mutex_lock(&channel->mu);
    if (channel->kept_count < KEPT_QUEUES_MAX) {
        channel->kept[channel->kept_count++] = queue;
        queue = NULL;
    }
    pthread_mutex_unlock(&channel->mu);
    if (queue != NULL) {
        grpc_completion_queue_shutdown(queue);
        grpc_completion_queue_destroy(queue);
    }
}

static void free_call(client_call *call)
{
    if (call->sent != NULL)
        grpc_byte_buffer_destroy(call->sent);
    if (call->received != NULL)
        grpc_byte_buffer_destroy(call->received);
    if (call->excess != NULL)
        grpc_byte_buffer_destroy(call->excess);
    grpc_metadata_array_destroy(&call->headers);
    grpc_metadata_array_destroy(&call->trailers);
    grpc_slice_unref(call->status_text);
    if (call->call != NULL)
        grpc_call_unref(call->call);
    if (call->own_queue != NULL)
        keep_queue(call->channel, call->own_queue);
    mesh_free(call);
}

static void op_release(mesh_tcall *tcall)
{
    client_call *call = call_of(tcall);

    if (atomic_fetch_sub_explicit(&call->pending, 1, memory_order_acq_rel) == 1)
        free_call(call);
}

static const mesh_tcall_ops client_call_ops = {
    .metadata = op_metadata,
    .peer = op_peer,
    .read = op_read,
    .write = op_write,
    .half_close = op_half_close,
    .cancel = op_cancel,
    .release = op_release,
};

/* --- events ----------------------------------------------------------------------------------- */

static mesh_status status_of(const client_call *call)
{
    static const char too_many[] = "the call was answered with more than one message";
    mesh_status status = {
        .code = (mesh_code)call->status,
        .text = (const char *)GRPC_SLICE_START_PTR(call->status_text),
        .text_size = GRPC_SLICE_LENGTH(call->status_text),
    };

    if (call->excess != NULL)
        return (mesh_status){
            .code = MESH_UNIMPLEMENTED, .text = too_many, .text_size = sizeof too_many - 1};
    for (size_t i = 0; i < call->trailers.count; i++) {
        const grpc_metadata *entry = &call->trailers.metadata[i];

        if (grpc_slice_str_cmp(entry->key, "grpc-status-details-bin") == 0) {
            status.details = GRPC_SLICE_START_PTR(entry->value);
            status.details_size = GRPC_SLICE_LENGTH(entry->value);
        }
    }
    return status;
}

static bool take_message(client_call *call, mesh_message *message)
{
    if (call->received == NULL)
        return false;
    core_incoming_open(&call->incoming, call->received, call->channel->max_receive_bytes, message);
    call->received = NULL;
    return true;
}

/* The last event, whose callback releases the call. */
static void tell_status(client_call *call)
{
    mesh_status status = status_of(call);
    mesh_message message;

    call->told_status = true;
    if (call->is_unary)
        call->events->on_unary(&call->head, take_message(call, &message) ? &message : NULL,
                               &status);
    else
        call->events->on_status(&call->head, &status);
}

static void on_read(client_call *call, bool ok)
{
    mesh_message message;

    if (!call->is_unary)
        call->events->on_message(&call->head, ok && take_message(call, &message) ? &message : NULL);
    else if (call->excess != NULL)
        (void)grpc_call_cancel(call->call, NULL); /* there may be a third, and no end */
}

static void on_event(const core_tag *tag, bool ok)
{
    client_call *call = tag->call;
    int left;

    switch (tag->kind) {
    case TAG_START:
        break;
    case TAG_HEADERS:
        call->events->on_headers(&call->head);
        break;
    case TAG_READ:
        on_read(call, ok);
        break;
    case TAG_WRITE:
        if (call->sent != NULL)
            grpc_byte_buffer_destroy(call->sent);
        call->sent = NULL;
        call->events->on_written(&call->head, ok);
        break;
    case TAG_STATUS:
        call->has_status = true;
        break;
    case TAG_KINDS:
        break;
    }
    left = atomic_fetch_sub_explicit(&call->pending, 1, memory_order_acq_rel) - 1;
    if (left == 0)
        free_call(call);
    else if (left == 1 && call->has_status && !call->told_status)
        tell_status(call);
}

/*
 * Whether a unary call has its answer but not its status. Mostly both come together. If not, a
 * second answer may hold the status up: the core does not tell it before all messages are read.
 */
static bool wants_status(const client_call *call)
{
    return call->is_unary && call->received != NULL && !call->has_status;
}

/* Reads what may be a second answer to a unary call. */
static void read_excess(client_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &call->excess;
    start(call, TAG_READ, &op, 1);
}

static void start_waiting(client_call **list, client_call *call)
{
    call->next_waiting = *list;
    if (*list != NULL)
        (*list)->waits_at = &call->next_waiting;
    call->waits_at = list;
    *list = call;
}

static void stop_waiting(client_call *call)
{
    *call->waits_at = call->next_waiting;
    if (call->next_waiting != NULL)
        call->next_waiting->waits_at = call->waits_at;
    call->waits_at = NULL;
}

/* True when the event was for a call. */
static bool take_event(const grpc_event *event, client_call **waiting)
{
    const core_tag *tag = event->tag;

    if (event->type != GRPC_OP_COMPLETE)
        return false;
    CORE_TAG_ACQUIRE(event->tag);
    if (tag->call->waits_at != NULL)
        stop_waiting(tag->call);
    else if (tag->kind == TAG_START && wants_status(tag->call))
        start_waiting(waiting, tag->call);
    on_event(tag, event->success != 0);
    return true;
}

/*
 * Calls that want their status have it when the queue is empty, or after some events of others, or
 * need a read.
 */
static void *poll_queue(void *argument)
{
    const gpr_timespec now = gpr_inf_past(GPR_CLOCK_MONOTONIC); /* of other clocks: converted */
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);
    grpc_completion_queue *queue = argument;
    client_call *waiting = NULL;
    int events = 0; /* since `waiting` was empty */

    for (;;) {
        grpc_event event = grpc_completion_queue_next(queue, waiting != NULL ? now : never, NULL);

        if (event.type == GRPC_QUEUE_SHUTDOWN)
            return NULL;
        events = take_event(&event, &waiting) ? events + 1 : STATUS_WAIT_EVENTS;
        while (waiting != NULL && events >= STATUS_WAIT_EVENTS) {
            client_call *call = waiting;

            stop_waiting(call);
            read_excess(call);
        }
        if (waiting == NULL)
            events = 0;
    }
}

/* Waits for the answer to an operation of a blocking call and has it told. False: not in time. */
static bool pluck(client_call *call, tag_kind kind, gpr_timespec until)
{
    core_tag *tag = &call->tags[kind];
    grpc_event event = grpc_completion_queue_pluck(call->own_queue, tag, until, NULL);

    if (event.type == GRPC_QUEUE_TIMEOUT)
        return false;
    CORE_TAG_ACQUIRE(tag);
    on_event(tag, event.success != 0);
    return true;
}

static gpr_timespec in_ms(int64_t ms)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

/* Waits for the status first, since it mostly comes with the answer: the thread is woken once. */
void core_drive(mesh_tcall *tcall)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);
    client_call *call = call_of(tcall);
    bool has_status = pluck(call, TAG_STATUS, in_ms(STATUS_WAIT_MS));

    (void)pluck(call, TAG_START, never);
    if (has_status || pluck(call, TAG_STATUS, wants_status(call) ? in_ms(STATUS_WAIT_MS) : never))
        return;
    read_excess(call);
    (void)pluck(call, TAG_READ, never);
    (void)pluck(call, TAG_STATUS, never);
}

/* --- starting a call -------------------------------------------------------------------------- */

/* The handle of a method that was registered with the channel; NULL: there is no room for it. */
static void *registered(mesh_tchannel *channel, const mesh_method *method)
{
    size_t slot = ((uintptr_t)method / sizeof *method) % REGISTERED_METHODS_MAX;
    void *handle = NULL;

    for (size_t tries = 0; tries < REGISTERED_METHODS_MAX; tries++) {
        registered_method *entry = &channel->methods[(slot + tries) % REGISTERED_METHODS_MAX];
        const mesh_method *there = atomic_load_explicit(&entry->method, memory_order_acquire);

        if (there == method)
            return entry->handle;
        if (there == NULL)
            break;
    }
    pthread_mutex_lock(&channel->mu);
    for (size_t tries = 0; tries < REGISTERED_METHODS_MAX && handle == NULL; tries++) {
        registered_method *entry = &channel->methods[(slot + tries) % REGISTERED_METHODS_MAX];
        const mesh_method *there = atomic_load_explicit(&entry->method, memory_order_relaxed);

        if (there == method) {
            handle = entry->handle;
        } else if (there == NULL) {
            handle = grpc_channel_register_call(channel->channel, method->path, NULL, NULL);
            entry->handle = handle;
            atomic_store_explicit(&entry->method, method, memory_order_release);
        }
    }
    pthread_mutex_unlock(&channel->mu);
    return handle;
}

static grpc_completion_queue *blocking_queue(mesh_tchannel *channel)
{
    grpc_completion_queue *queue = NULL;

    pthread_mutex_lock(&channel->mu);
    if (channel->kept_count > 0)
        queue = channel->kept[--channel->kept_count];
    pthread_mutex_unlock(&channel->mu);
    return queue != NULL ? queue : grpc_completion_queue_create_for_pluck(NULL);
}

static grpc_completion_queue *shared_queue(mesh_tchannel *channel)
{
    grpc_completion_queue *queue;

    pthread_mutex_lock(&channel->mu);
    if (channel->queue == NULL) {
        queue = grpc_completion_queue_create_for_next(NULL);
        if (pthread_create(&channel->thread, NULL, poll_queue, queue) == 0) {
            channel->queue = queue;
        } else {
            grpc_completion_queue_shutdown(queue);
            grpc_completion_queue_destroy(queue);
        }
    }
    queue = channel->queue;
    pthread_mutex_unlock(&channel->mu);
    return queue;
}

static client_call *make_call(mesh_tchannel *channel, const mesh_start *how)
{
    client_call *call = mesh_calloc(1, sizeof *call);
    grpc_completion_queue *queue;
    void *handle;

    if (call == NULL)
        return NULL;
    call->head.ops = &client_call_ops;
    call->channel = channel;
    call->status_text = grpc_empty_slice();
    grpc_metadata_array_init(&call->headers);
    grpc_metadata_array_init(&call->trailers);
    for (int kind = 0; kind < TAG_KINDS; kind++)
        call->tags[kind] = (core_tag){.call = call, .kind = (tag_kind)kind};
    atomic_init(&call->pending, 1);

    queue = how->blocking ? blocking_queue(channel) : shared_queue(channel);
    if (how->blocking)
        call->own_queue = queue;
    if (queue == NULL) {
        free_call(call);
        return NULL;
    }
    /* a method without types was made at run time, and its address may be another's later */
    handle = how->method->request != NULL ? registered(channel, how->method) : NULL;
    if (handle != NULL) {
        call->call = grpc_channel_create_registered_call(channel->channel, NULL,
                                                         GRPC_PROPAGATE_DEFAULTS, queue, handle,
                                                         core_deadline_to(how->deadline_ns), NULL);
    } else {
        grpc_slice path = grpc_slice_from_copied_string(how->method->path);

        call->call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                              queue, path, NULL, core_deadline_to(how->deadline_ns),
                                              NULL);
        grpc_slice_unref(path);
    }
    return call;
}

/* Headers and, when there is one, the request with half-close. */
static size_t add_start(client_call *call, const mesh_start *how, core_metadata *metadata,
                        grpc_op *ops)
{
    size_t count = 0;
    grpc_op *op = &ops[count++];

    core_metadata_add_list(metadata, how->metadata);
    if (how->compress)
        core_metadata_add(metadata, GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY, "gzip", 4);
    *op = (grpc_op){.op = GRPC_OP_SEND_INITIAL_METADATA,
                    .flags = how->wait_for_ready
                                 ? GRPC_INITIAL_METADATA_WAIT_FOR_READY |
                                       GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET
                                 : 0};
    op->data.send_initial_metadata.metadata = metadata->entries;
    op->data.send_initial_metadata.count = metadata->count;
    if (how->request != NULL) {
        call->sent = core_outgoing(how->request);
        op = &ops[count++];
        *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE,
                        .flags = how->request->compress ? 0 : GRPC_WRITE_NO_COMPRESS};
        op->data.send_message.send_message = call->sent;
        ops[count++] = (grpc_op){.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    }
    return count;
}

static void add_receive_headers(client_call *call, grpc_op *op)
{
    *op = (grpc_op){.op = GRPC_OP_RECV_INITIAL_METADATA};
    op->data.recv_initial_metadata.recv_initial_metadata = &call->headers;
}

static void add_receive_status(client_call *call, grpc_op *op)
{
    *op = (grpc_op){.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op->data.recv_status_on_client.trailing_metadata = &call->trailers;
    op->data.recv_status_on_client.status = &call->status;
    op->data.recv_status_on_client.status_details = &call->status_text;
}

mesh_tcall *core_call_create(mesh_tchannel *channel, const mesh_start *how,
                             const mesh_client_events *events, void *upper)
{
    client_call *call = make_call(channel, how);

    if (call == NULL)
        return NULL;
    call->events = events;
    call->head.upper = upper;
    return &call->head;
}

void core_call_start(mesh_tcall *tcall, const mesh_start *how)
{
    client_call *call = call_of(tcall);
    core_metadata metadata;
    grpc_op headers, status;
    grpc_op ops[5];
    size_t count;

    metadata.count = 0; /* the array is large: not cleared for every call */
    count = add_start(call, how, &metadata, ops);
    call->is_unary = how->method->kind == MESH_UNARY && how->request != NULL;
    add_receive_headers(call, &headers);
    add_receive_status(call, &status);
    if (call->is_unary) {
        ops[count++] = headers;
        ops[count] = (grpc_op){.op = GRPC_OP_RECV_MESSAGE};
        ops[count++].data.recv_message.recv_message = &call->received;
    }
    /* All count before the first can be answered, so that none ends the call early. */
    atomic_fetch_add_explicit(&call->pending, call->is_unary ? 2 : 3, memory_order_relaxed);
    core_start_batch(call->call, ops, count, &call->tags[TAG_START]);
    if (!call->is_unary)
        core_start_batch(call->call, &headers, 1, &call->tags[TAG_HEADERS]);
    core_start_batch(call->call, &status, 1, &call->tags[TAG_STATUS]);
    core_metadata_clear(&metadata);
}

/* --- the channel ------------------------------------------------------------------------------ */

static grpc_channel *make_channel(const char *target, const mesh_channel_options *options,
                                  grpc_channel_credentials *credentials)
{
    grpc_arg args[16];
    size_t count = 0;
    grpc_channel_args list;

#define ADD(name, number)                                        \
    args[count++] = (grpc_arg){.type = GRPC_ARG_INTEGER,         \
                               .key = (char *)(uintptr_t)(name), \
                               .value.integer = (int)(number)}
#define ADD_TEXT(name, text)                                       \
    args[count++] = (grpc_arg)                                     \
    {                                                              \
        .type = GRPC_ARG_STRING, .key = (char *)(uintptr_t)(name), \
        .value.string = (char *)(uintptr_t)(text)                  \
    }
    ADD(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, options->max_receive_bytes);
    ADD(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    ADD(GRPC_ARG_MAX_METADATA_SIZE, CORE_METADATA_BYTES_MAX);
    ADD(GRPC_ARG_KEEPALIVE_TIME_MS, options->keepalive_ms);
    ADD(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options->keepalive_timeout_ms);
    /* the core would stop after two of them on a stream without data */
    ADD(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    ADD(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, RECONNECT_FIRST_MS);
    ADD(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, RECONNECT_MAX_MS);
    ADD(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_TIMEOUT_MS);
    ADD(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    ADD(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1); /* no connection shared with another channel */
    ADD(GRPC_ARG_ENABLE_RETRIES, 0);            /* its filter aborts when an answer has no status */
    ADD_TEXT(GRPC_ARG_LB_POLICY_NAME, "round_robin");
    ADD_TEXT(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "meshc/" MESH_VERSION);
    if (options->tls != NULL && options->tls->server_name != NULL)
        ADD_TEXT(GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, options->tls->server_name);
#undef ADD
#undef ADD_TEXT
    list = (grpc_channel_args){.num_args = count, .args = args};
    return grpc_channel_create(target, credentials, &list);
}

mesh_code core_channel_create(const char *target, const mesh_channel_options *options,
                              mesh_tchannel **tchannel, mesh_error *err)
{
    grpc_channel_credentials *credentials = NULL;
    mesh_tchannel *channel;
    mesh_code code;

    core_init();
    code = core_channel_credentials(options->tls, &credentials, err);
    if (code != MESH_OK) {
        core_shutdown();
        return code;
    }
    channel = mesh_calloc(1, sizeof *channel);
    if (channel == NULL) {
        grpc_channel_credentials_release(credentials);
        core_shutdown();
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    pthread_mutex_init(&channel->mu, NULL);
    channel->max_receive_bytes = options->max_receive_bytes;
    channel->channel = make_channel(target, options, credentials);
    grpc_channel_credentials_release(credentials);
    *tchannel = channel;
    return MESH_OK;
}

/*
 * Without its channel nobody polls a connection that waits for the server's SETTINGS, and the core
 * gives it up after CONNECT_TIMEOUT_MS only. So it may come about first; a server takes no longer.
 */
static void end_connecting(mesh_tchannel *channel)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);
    grpc_completion_queue *queue;

    if (grpc_channel_check_connectivity_state(channel->channel, 0) != GRPC_CHANNEL_CONNECTING)
        return;
    queue = grpc_completion_queue_create_for_pluck(NULL);
    grpc_channel_watch_connectivity_state(channel->channel, GRPC_CHANNEL_CONNECTING,
                                          in_ms(CONNECTING_WAIT_MS), queue, channel);
    if (grpc_completion_queue_pluck(queue, channel, never, NULL).success == 0)
        core_leave_behind(CONNECT_TIMEOUT_MS);
    grpc_completion_queue_shutdown(queue);
    grpc_completion_queue_destroy(queue);
}

void core_channel_destroy(mesh_tchannel *channel)
{
    end_connecting(channel);
    for (size_t i = 0; i < channel->kept_count; i++) {
        grpc_completion_queue_shutdown(channel->kept[i]);
        grpc_completion_queue_destroy(channel->kept[i]);
    }
    if (channel->queue != NULL) {
        grpc_completion_queue_shutdown(channel->queue);
        pthread_join(channel->thread, NULL);
        grpc_completion_queue_destroy(channel->queue);
    }
    grpc_channel_destroy(channel->channel);
    pthread_mutex_destroy(&channel->mu);
    mesh_free(channel);
    core_shutdown();
}
