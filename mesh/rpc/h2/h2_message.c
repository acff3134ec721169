/*
 * Messages that come in. Bytes become a message while somebody waits for one; then the stream's
 * window is given back for them, as they come. What comes besides stays as it is, in the backlog,
 * and its window is not given back: so a slow reader stops a fast sender.
 */
#include <string.h>

#include "mesh/rpc/h2/h2.h"

enum {
    FIRST_BACKLOG_BYTES = 4000,
    FLAG_COMPRESSED = 1
};

/* --- the connection's budget ------------------------------------------------------------------ */

static bool hold(h2_call *call, size_t bytes)
{
    if (!h2_conn_take(call->conn, bytes))
        return false;
    call->held += bytes;
    return true;
}

static void let_go(h2_call *call, size_t bytes)
{
    if (bytes == 0)
        return;
    h2_ticket_give(&call->conn->ticket, bytes);
    call->held -= bytes;
}

/* --- assembling ------------------------------------------------------------------------------- */

static bool is_wanted(const h2_call *call)
{
    if (call->has_message || call->ended || !call->headers_here)
        return false;
    return call->reading || !call->opened;
}

static uint32_t length_of(const uint8_t *prefix)
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

/* The prefix is here. `here`: how much of the message is. False: the call ends. */
static bool begin_message(h2_call *call, size_t here)
{
    size_t limit = call->loop->server->options.max_receive_bytes;

    call->message_size = length_of(call->prefix);
    call->message_got = 0;
    call->compressed = (call->prefix[0] & FLAG_COMPRESSED) != 0;
    if (call->prefix[0] > FLAG_COMPRESSED) {
        h2_call_fault(call, MESH_INTERNAL, "a message's flags are malformed");
        return false;
    }
    if (call->message_size > limit) {
        h2_call_fault(call, MESH_RESOURCE_EXHAUSTED, "a message is too large");
        return false;
    }
    if (call->message_size == 0)
        return true;
    if (call->message_size > here && !hold(call, call->message_size)) {
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "the connection's messages are too large");
        return false;
    }
    call->message = h2_buffer_take(&call->loop->cache, call->message_size);
    if (call->message == NULL) {
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "out of memory for a message");
        return false;
    }
    call->message->view.size = call->message_size;
    return true;
}

/* Makes a message of the bytes. How many it took; all of them when the call ends. */
static size_t assemble(h2_call *call, const uint8_t *data, size_t size)
{
    size_t used = 0;

    while (call->prefix_size < H2_PREFIX_BYTES) {
        if (used == size)
            return used;
        call->prefix[call->prefix_size++] = data[used++];
        if (call->prefix_size == H2_PREFIX_BYTES && !begin_message(call, size - used))
            return size;
    }
    if (call->message_size > 0) {
        size_t part = call->message_size - call->message_got;

        if (part > size - used)
            part = size - used;
        memcpy(call->message->bytes + call->message_got, data + used, part);
        call->message_got += (uint32_t)part;
        used += part;
    }
    if (call->message_got == call->message_size) {
        call->has_message = true;
        h2_call_ready(call);
    }
    return used;
}

/* Gives the stream's window back, in large pieces. */
static void consume(h2_call *call, size_t size)
{
    call->consumed += size;
    if (call->consumed < H2_STREAM_WINDOW_BYTES / 4 || !call->on_wire || call->remote_ended)
        return;
    if (nghttp2_session_consume_stream(call->conn->session, call->stream, call->consumed) != 0)
        call->conn->broken = true;
    call->consumed = 0;
    h2_conn_touch(call->conn);
}

/* --- the backlog ------------------------------------------------------------------------------ */

static void drop_backlog(h2_call *call)
{
    let_go(call, call->backlog_last - call->backlog_first);
    h2_buffer_give(&call->loop->cache, call->backlog);
    call->backlog = NULL;
    call->backlog_first = call->backlog_last = 0;
}

static bool make_room(h2_call *call, size_t size)
{
    size_t kept = call->backlog_last - call->backlog_first;
    h2_buffer *old = call->backlog;
    h2_buffer *grown;

    if (old != NULL && old->capacity - call->backlog_last >= size)
        return true;
    grown = h2_buffer_take(&call->loop->cache, kept + size < FIRST_BACKLOG_BYTES
                                                   ? FIRST_BACKLOG_BYTES
                                                   : (kept + size) * 3 / 2);
    if (grown == NULL)
        return false;
    if (kept > 0)
        memcpy(grown->bytes, old->bytes + call->backlog_first, kept);
    h2_buffer_give(&call->loop->cache, old);
    call->backlog = grown;
    call->backlog_first = 0;
    call->backlog_last = kept;
    return true;
}

static void keep(h2_call *call, const uint8_t *data, size_t size)
{
    if (size == 0)
        return;
    if (!hold(call, size)) {
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "the connection's messages are too large");
        return;
    }
    if (!make_room(call, size)) {
        let_go(call, size);
        h2_call_end(call, MESH_RESOURCE_EXHAUSTED, "out of memory for a message");
        return;
    }
    memcpy(call->backlog->bytes + call->backlog_last, data, size);
    call->backlog_last += size;
}

/* --- what others call ------------------------------------------------------------------------- */

void h2_message_receive(h2_call *call, const uint8_t *data, size_t size)
{
    size_t used = 0;

    if (call->ended || call->is_http) {
        consume(call, size); /* nobody will read it */
        return;
    }
    if (call->backlog == NULL && is_wanted(call)) {
        used = assemble(call, data, size);
        consume(call, used);
    }
    if (!call->ended)
        keep(call, data + used, size - used);
}

void h2_message_want(h2_call *call)
{
    while (call->backlog != NULL && is_wanted(call)) {
        size_t used = assemble(call, call->backlog->bytes + call->backlog_first,
                               call->backlog_last - call->backlog_first);

        if (call->backlog == NULL) /* the call ended */
            return;
        call->backlog_first += used;
        let_go(call, used);
        consume(call, used);
        if (call->backlog_first == call->backlog_last)
            drop_backlog(call);
    }
}

static void release(void *owner)
{
    h2_loop *loop = h2_this_loop;

    h2_buffer_give(loop != NULL ? &loop->cache : NULL, owner);
}

void h2_message_take(h2_call *call, mesh_message *message)
{
    *message = (mesh_message){
        .size = call->message_size,
        .compressed = call->compressed,
        .compact = true, /* a buffer of its own, of less than twice its size */
        .limit = call->loop->server->options.max_receive_bytes,
    };
    if (call->fields.encoding == H2_ENCODING_COUNT)
        message->code = MESH_UNIMPLEMENTED;
    else if (call->compressed && call->fields.encoding == H2_IDENTITY)
        message->code = MESH_INTERNAL;
    if (message->code != MESH_OK) {
        h2_buffer_give(&call->loop->cache, call->message);
    } else if (call->message != NULL) {
        message->slices = &call->message->view;
        message->slice_count = 1;
        message->owner = call->message;
        message->release = release;
    }
    /* what is held now is the backlog's: the layer above counts its own */
    let_go(call, call->held - (call->backlog_last - call->backlog_first));
    call->message = NULL;
    call->has_message = false;
    call->prefix_size = 0;
}

void h2_message_clear(h2_call *call)
{
    drop_backlog(call);
    h2_buffer_give(&call->loop->cache, call->message);
    call->message = NULL;
    call->has_message = false;
    call->prefix_size = 0;
    let_go(call, call->held);
}
