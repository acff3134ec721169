/*
 * A call on the server's side: what can be asked of it, and what it tells of the answers. A unary
 * answer is one batch.
 */
#include <assert.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/core/core_server.h"

static core_server_call *call_of(mesh_tcall *call)
{
    return (core_server_call *)call;
}

static bool op_metadata(mesh_tcall *tcall, bool trailing, size_t *at, mesh_received *received)
{
    assert(!trailing);
    (void)trailing;
    return core_metadata_next(&call_of(tcall)->metadata, at, received);
}

static void op_peer(mesh_tcall *tcall, mesh_arena *arena, mesh_peer *peer)
{
    core_peer(call_of(tcall)->call, arena, peer);
}

static void start(core_server_call *call, core_server_tag_kind kind, const grpc_op *ops,
                  size_t count)
{
    /* finish was counted when the call was opened */
    if (kind != TAG_FINISH)
        atomic_fetch_add_explicit(&call->pending, 1, memory_order_relaxed);
    core_start_batch(call->call, ops, count, &call->tags[kind]);
}

/* A batch of nothing is answered like any other. */
static void op_wake(mesh_tcall *tcall)
{
    start(call_of(tcall), TAG_WAKE, NULL, 0);
}

static void op_watch_close(mesh_tcall *tcall)
{
    core_server_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

    op.data.recv_close_on_server.cancelled = &call->cancelled;
    call->close_watched = true;
    start(call, TAG_CLOSE, &op, 1);
}

static void op_read(mesh_tcall *tcall)
{
    core_server_call *call = call_of(tcall);
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

    op.data.recv_message.recv_message = &call->received;
    start(call, TAG_READ, &op, 1);
}

/* Fills in the operation that sends headers, once a call. */
static size_t add_headers(core_server_call *call, grpc_op *op, const mesh_metadata_list *headers,
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

static size_t add_message(core_server_call *call, grpc_op *op, const mesh_buffer *message,
                          bool more)
{
    call->sent = core_outgoing(message);
    *op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE,
                    .flags = (message->compress ? 0 : GRPC_WRITE_NO_COMPRESS) |
                             (more ? GRPC_WRITE_BUFFER_HINT : 0)};
    op->data.send_message.send_message = call->sent;
    return 1;
}

static mesh_write_result op_write(mesh_tcall *tcall, const mesh_metadata_list *headers,
                                  const mesh_buffer *message, bool compress, bool more)
{
    core_server_call *call = call_of(tcall);
    core_metadata metadata;
    grpc_op ops[2];
    size_t count;

    metadata.count = 0; /* the array is large: not cleared for every message */
    count = add_headers(call, &ops[0], headers, &metadata, compress);
    count += add_message(call, &ops[count], message, more);
    start(call, TAG_WRITE, ops, count);
    core_metadata_clear(&metadata);
    return MESH_WRITE_PENDING;
}

/* Sends what is missing of an answer in one batch. */
static void send_final(core_server_call *call, core_server_tag_kind kind, const mesh_final *final)
{
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
        count += add_message(call, &ops[count], final->message, false);

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
    start(call, kind, ops, count);
    core_metadata_clear(&headers);
    core_metadata_clear(&trailers);
    grpc_slice_unref(text);
}

static void op_finish(mesh_tcall *tcall, const mesh_final *final)
{
    core_server_call *call = call_of(tcall);

    atomic_store_explicit(&call->finished, true, memory_order_relaxed);
    if (call->aborted)
        start(call, TAG_FINISH, NULL, 0);
    else
        send_final(call, TAG_FINISH, final);
}

/* Once its status is sent the core ends the call, and with it what is outstanding. */
static void op_abort(mesh_tcall *tcall, const mesh_final *final)
{
    core_server_call *call = call_of(tcall);

    atomic_store_explicit(&call->finished, true, memory_order_relaxed);
    call->aborted = true;
    send_final(call, TAG_ABORT, final);
}

static void op_cancel(mesh_tcall *tcall)
{
    (void)grpc_call_cancel(call_of(tcall)->call, NULL);
}

void core_server_call_reset(core_server_call *call)
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
    call->close_watched = call->close_told = call->headers_sent = call->aborted = false;
    atomic_store_explicit(&call->finished, false, memory_order_relaxed);
}

void core_server_call_destroy(core_server_call *call)
{
    core_server_call_reset(call);
    call->lane->server->events->on_free(call->head.upper);
    grpc_metadata_array_destroy(&call->metadata);
    mesh_free(call);
}

static void op_release(mesh_tcall *tcall)
{
    core_server_call_destroy(call_of(tcall));
}

static const mesh_tcall_ops server_call_ops = {
    .metadata = op_metadata,
    .peer = op_peer,
    .wake = op_wake,
    .watch_close = op_watch_close,
    .read = op_read,
    .write = op_write,
    .finish = op_finish,
    .abort = op_abort,
    .cancel = op_cancel,
    .release = op_release,
};

core_server_call *core_server_call_create(core_lane *lane)
{
    core_server_call *call = mesh_calloc(1, sizeof *call + lane->server->events->upper_bytes);

    if (call == NULL)
        return NULL;
    call->head.ops = &server_call_ops;
    call->head.upper = call->upper;
    call->lane = lane;
    grpc_metadata_array_init(&call->metadata);
    grpc_call_details_init(&call->details);
    for (int kind = 0; kind < TAG_KINDS; kind++)
        call->tags[kind] = (core_server_tag){.call = call, .kind = (core_server_tag_kind)kind};
    return call;
}

/* --- answers ---------------------------------------------------------------------------------- */

/*
 * Whether a request has more metadata than CORE_METADATA_BYTES_MAX. The core itself looks only
 * after the client has confirmed the limit.
 */
static bool has_too_much_metadata(const grpc_metadata_array *metadata)
{
    size_t size = metadata->count * 32;

    for (size_t i = 0; i < metadata->count && size <= CORE_METADATA_BYTES_MAX; i++)
        size += GRPC_SLICE_LENGTH(metadata->metadata[i].key) +
                GRPC_SLICE_LENGTH(metadata->metadata[i].value);
    return size > CORE_METADATA_BYTES_MAX;
}

/*
 * The authentication context is made at the handshake of a connection, also of one without TLS, and
 * lives as long as its calls.
 */
static const void *connection_of(grpc_call *call)
{
    grpc_auth_context *context = grpc_call_auth_context(call);

    if (context != NULL)
        grpc_auth_context_release(context);
    return context;
}

void core_server_call_arrived(core_server_call *call)
{
    mesh_tserver *server = call->lane->server;
    const core_method *method = call->lane->method;
    mesh_open open = {.method = method->upper,
                      .too_much_metadata = has_too_much_metadata(&call->metadata),
                      .deadline_ns = core_deadline_from(call->deadline),
                      .connection = connection_of(call->call)};

    if (method->path == NULL) {
        open.path = (const char *)GRPC_SLICE_START_PTR(call->details.method);
        open.path_size = GRPC_SLICE_LENGTH(call->details.method);
        open.deadline_ns = core_deadline_from(call->details.deadline);
    }
    if (call->payload != NULL) {
        open.has_message = true;
        core_incoming_open(&call->request, call->call, call->payload, server->max_receive_bytes,
                           &open.message);
        call->payload = NULL;
    }
    server->events->on_open(server->upper, &call->head, &open);
}

static void tell_close(core_server_call *call, bool cancelled)
{
    if (call->close_told)
        return;
    call->close_told = true;
    call->lane->server->events->on_close(&call->head, cancelled);
}

/*
 * Whether a read brought nothing because the client gave the call up, or is gone. The core ends the
 * read first and tells of the close after it; what is left to read when the server itself ends the
 * call fails, too.
 */
static bool was_given_up(const core_server_call *call)
{
    return call->close_watched && grpc_call_failed_before_recv_message(call->call) != 0 &&
           !atomic_load_explicit(&call->finished, memory_order_relaxed);
}

static void on_read(core_server_call *call, bool ok)
{
    const mesh_server_events *events = call->lane->server->events;
    mesh_message message;

    if (!ok || call->received == NULL) {
        if (was_given_up(call))
            tell_close(call, true);
        events->on_message(&call->head, NULL);
        return;
    }
    core_incoming_open(&call->incoming, call->call, call->received,
                       call->lane->server->max_receive_bytes, &message);
    call->received = NULL;
    events->on_message(&call->head, &message);
}

static void on_write(core_server_call *call, bool ok)
{
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    call->lane->server->events->on_written(&call->head, ok);
}

void core_server_call_answer(core_server_call *call, core_server_tag_kind kind, bool ok)
{
    switch (kind) {
    case TAG_WAKE:
        call->lane->server->events->on_woken(&call->head);
        break;
    case TAG_CLOSE:
        tell_close(call, call->cancelled != 0);
        break;
    case TAG_READ:
        on_read(call, ok);
        break;
    case TAG_WRITE:
        on_write(call, ok);
        break;
    case TAG_NEW:
    case TAG_ABORT:
    case TAG_FINISH:
    case TAG_KINDS:
        break;
    }
}
