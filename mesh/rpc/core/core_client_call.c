/*
 * A call of a client on the C core: its operations and their answers.
 *
 * The answers are told by whoever looks at the call's queue: the thread of the call (core_drive) or
 * that of the channel (core_client_poll).
 */
#include <assert.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/core/core_channel.h"

enum {
    /* after the answer to a blocking call, before a second one is looked for */
    STATUS_WAIT_MS = 10,
    /*
     * The same for calls that share a queue. More than calls are in flight, mostly: the core tells
     * of all answers that one read of a socket brought, and of their statuses after that.
     */
    STATUS_WAIT_EVENTS = 1024
};

typedef struct client_call client_call;

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
    client_call *next_waiting; /* the polling thread's: see core_client_poll */
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

static bool op_metadata(mesh_tcall *tcall, bool trailing, size_t *at, mesh_received *received)
{
    client_call *call = call_of(tcall);

    return core_metadata_next(trailing ? &call->trailers : &call->headers, at, received);
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

static mesh_write_result op_write(mesh_tcall *tcall, const mesh_metadata_list *headers,
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
    return MESH_WRITE_PENDING;
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
        core_channel_keep_queue(call->channel, call->own_queue);
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
    core_incoming_open(&call->incoming, call->call, call->received,
                       call->channel->max_receive_bytes, message);
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
    bool untold;
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
    /* before it is counted: who was told the status may release the call right after that */
    untold = call->has_status && !call->told_status;
    left = atomic_fetch_sub_explicit(&call->pending, 1, memory_order_acq_rel) - 1;
    if (left == 0)
        free_call(call);
    else if (left == 1 && untold)
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
void *core_client_poll(void *argument)
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

/* Waits for the status first, since it mostly comes with the answer: the thread is woken once. */
void core_drive(mesh_tcall *tcall)
{
    const gpr_timespec never = gpr_inf_future(GPR_CLOCK_REALTIME);
    client_call *call = call_of(tcall);
    bool has_status = pluck(call, TAG_STATUS, core_in_ms(STATUS_WAIT_MS));

    (void)pluck(call, TAG_START, never);
    if (has_status ||
        pluck(call, TAG_STATUS, wants_status(call) ? core_in_ms(STATUS_WAIT_MS) : never))
        return;
    read_excess(call);
    (void)pluck(call, TAG_READ, never);
    (void)pluck(call, TAG_STATUS, never);
}

/* --- starting a call -------------------------------------------------------------------------- */

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

    queue = how->blocking ? core_channel_own_queue(channel) : core_channel_shared_queue(channel);
    if (how->blocking)
        call->own_queue = queue;
    if (queue == NULL) {
        free_call(call);
        return NULL;
    }
    /* a method without types was made at run time, and its address may be another's later */
    handle = how->method->request != NULL ? core_channel_method(channel, how->method) : NULL;
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
