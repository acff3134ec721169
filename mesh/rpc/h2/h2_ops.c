/*
 * What is asked of a call. On its loop's thread it is done at once, without a lock; on others it is
 * posted, one bit for each operation.
 */
#include <assert.h>

#include "mesh/rpc/h2/h2.h"

static h2_call *call_of(mesh_tcall *call)
{
    return (h2_call *)call;
}

static h2_call *call_of_post(h2_post *post)
{
    return (h2_call *)((char *)post - offsetof(h2_call, post));
}

/* --- doing it --------------------------------------------------------------------------------- */

static void drop_given(h2_call *call)
{
    h2_block_clear(&call->given.headers);
    h2_block_clear(&call->given.trailers);
    h2_buffer_give(&call->loop->cache, call->given.message);
    call->given.message = NULL;
}

static void send_given(h2_call *call)
{
    if (!call->has_response && call->given.headers.entries != NULL)
        h2_send_headers(call, &call->given.headers);
    if (call->given.message != NULL)
        h2_send_message(call, call->given.message);
    call->given.message = NULL;
}

static mesh_write_result do_write(h2_call *call)
{
    if (call->given.failed && !call->ended)
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "no memory for the answer");
    if (call->ended)
        drop_given(call);
    else
        send_given(call);
    if (!call->ended && !h2_send_is_full(call))
        return MESH_WRITE_DONE;
    call->writing = true;
    h2_call_ready(call);
    return MESH_WRITE_FULL;
}

static void do_finish(h2_call *call)
{
    call->finished = true;
    call->malformed = call->malformed || call->given.malformed;
    call->understood = call->given.understood;
    if (call->given.failed && !call->ended)
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "no memory for the answer");
    if (call->ended) {
        drop_given(call);
    } else if (call->given.untouched) {
        drop_given(call);
        h2_call_reset(call, NGHTTP2_REFUSED_STREAM);
    } else {
        send_given(call);
        call->ended = true;
        h2_message_clear(call);
        h2_send_trailers(call, &call->given.trailers);
    }
    h2_call_ready(call);
}

static void do_read(h2_call *call)
{
    call->reading = true;
    h2_message_want(call);
    h2_call_ready(call);
}

static void do_wake(h2_call *call)
{
    call->waking = true;
    h2_call_ready(call);
}

static void do_watch(h2_call *call)
{
    call->watched = true;
    h2_call_ready(call);
}

static void do_cancel(h2_call *call)
{
    h2_call_end(call, MESH_CANCELLED, "the call was cancelled");
}

/* Operations that other threads have posted, in the order in which a caller may start them. */
static void run_posted(h2_post *post)
{
    h2_call *call = call_of_post(post);
    unsigned posted = atomic_exchange_explicit(&call->posted, 0, memory_order_acq_rel);

    if ((posted & H2_OP_WAKE) != 0)
        do_wake(call);
    if ((posted & H2_OP_WATCH) != 0)
        do_watch(call);
    if ((posted & H2_OP_READ) != 0)
        do_read(call);
    if ((posted & H2_OP_WRITE) != 0) {
        (void)do_write(call);
        call->writing = true; /* on_written tells */
    }
    if ((posted & H2_OP_CANCEL) != 0)
        do_cancel(call);
    if ((posted & H2_OP_FINISH) != 0)
        do_finish(call);
    if ((posted & H2_OP_RELEASE) != 0)
        h2_call_recycle(call);
    else
        h2_call_ready(call);
}

/*
 * Whether the caller may do it here and now; it is posted otherwise. The post is its own again when
 * the loop has taken what was posted before.
 */
static bool is_here(h2_call *call, unsigned operation)
{
    if (h2_this_loop == call->loop)
        return true;
    if (atomic_fetch_or_explicit(&call->posted, operation, memory_order_acq_rel) == 0) {
        call->post.run = run_posted;
        h2_loop_post(call->loop, &call->post);
    }
    return false;
}

/* --- asking for it ---------------------------------------------------------------------------- */

static bool op_metadata(mesh_tcall *tcall, bool trailing, size_t *at, mesh_received *received)
{
    assert(!trailing);
    (void)trailing;
    return h2_fields_next(&call_of(tcall)->fields, at, received);
}

static void op_peer(mesh_tcall *tcall, mesh_arena *arena, mesh_peer *peer)
{
    const h2_conn *conn = call_of(tcall)->conn;

    peer->address = mesh_arena_strdup(arena, conn->peer);
    peer->identity = mesh_arena_strdup(arena, conn->identity != NULL ? conn->identity : "");
}

static void op_wake(mesh_tcall *tcall)
{
    h2_call *call = call_of(tcall);

    if (is_here(call, H2_OP_WAKE))
        do_wake(call);
}

static void op_watch_close(mesh_tcall *tcall)
{
    h2_call *call = call_of(tcall);

    if (is_here(call, H2_OP_WATCH))
        do_watch(call);
}

static void op_read(mesh_tcall *tcall)
{
    h2_call *call = call_of(tcall);

    if (is_here(call, H2_OP_READ))
        do_read(call);
}

static mesh_write_result op_write(mesh_tcall *tcall, const mesh_metadata_list *headers,
                                  const mesh_buffer *message, bool compress, bool more)
{
    h2_call *call = call_of(tcall);

    (void)more;
    call->given.failed = !call->given.has_headers && !h2_answer_headers(call, headers, compress);
    call->given.message = h2_frame(message, call->given.encoding);
    return is_here(call, H2_OP_WRITE) ? do_write(call) : MESH_WRITE_PENDING;
}

static bool has_entries(const mesh_metadata_list *list)
{
    return list != NULL && list->count > 0;
}

/* Trailers stand alone only where no others go with them, which a client could not tell apart. */
static void op_finish(mesh_tcall *tcall, const mesh_final *final)
{
    h2_call *call = call_of(tcall);
    bool alone = !call->given.has_headers && final->message == NULL && !has_entries(final->headers);

    call->given.failed = false;
    call->given.untouched = final->untouched;
    call->given.malformed = final->malformed;
    call->given.understood = final->understood;
    if (!alone && !call->given.has_headers)
        call->given.failed = !h2_answer_headers(call, final->headers, final->compress);
    if (final->message != NULL)
        call->given.message = h2_frame(final->message, call->given.encoding);
    if (!h2_answer_trailers(call, final, alone, &call->given.trailers))
        call->given.failed = true;
    if (is_here(call, H2_OP_FINISH))
        do_finish(call);
}

static void op_cancel(mesh_tcall *tcall)
{
    h2_call *call = call_of(tcall);

    if (is_here(call, H2_OP_CANCEL))
        do_cancel(call);
}

static void op_abort(mesh_tcall *tcall, const mesh_final *final)
{
    h2_call *call = call_of(tcall);

    assert(h2_this_loop == call->loop);
    h2_call_end_with(call, final);
}

static void op_release(mesh_tcall *tcall)
{
    h2_call *call = call_of(tcall);

    if (is_here(call, H2_OP_RELEASE))
        h2_call_recycle(call);
}

const mesh_tcall_ops h2_call_ops = {
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
