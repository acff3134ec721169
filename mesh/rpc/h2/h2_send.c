/*
 * What goes out on a stream: headers, messages in their frames, trailers. Messages wait in a list;
 * nghttp2 asks for as many bytes of them as the windows take, and a DATA frame has all the small
 * ones that are there. Large ones are written from where they are.
 */
#include <assert.h>
#include <string.h>

#include "mesh/rpc/h2/h2.h"

enum {
    OUTPUT_BYTES = 256 << 10, /* of one write, about */
    FRAME_BYTES_MAX = 16384,  /* that every peer takes (RFC 9113, 6.5.2) */
    COPIED_BYTES_MAX = 1024,  /* of a piece: larger ones are not copied */
    PIECES_MAX = 16,          /* of a frame */
    COUNTED_BYTES = 4 << 10   /* of messages that wait: these, and no part of them, count */
};

/* --- what is on its way ----------------------------------------------------------------------- */

/*
 * Before it looks again nghttp2 may bring a DATA frame and, in the same breath, a frame of another
 * kind: room for two.
 */
bool h2_output_has_room(const h2_output *output)
{
    return output->bytes < OUTPUT_BYTES && output->count + 2 * PIECES_MAX + 2 <= H2_OUTPUT_PARTS &&
           output->copied + 2 * (FRAME_BYTES_MAX + 512) <= H2_OUTPUT_COPIED_BYTES;
}

void h2_output_copy(h2_output *output, const void *data, size_t size)
{
    uint8_t *at = output->copies + output->copied;
    struct iovec *last = output->count > 0 ? &output->parts[output->count - 1] : NULL;

    assert(size <= sizeof output->copies - output->copied);
    memcpy(at, data, size);
    output->copied += size;
    output->bytes += size;
    if (last != NULL && (uint8_t *)last->iov_base + last->iov_len == at)
        last->iov_len += size;
    else
        output->parts[output->count++] = (struct iovec){.iov_base = at, .iov_len = size};
}

static void refer(h2_output *output, const uint8_t *data, size_t size)
{
    output->parts[output->count++] = (struct iovec){.iov_base = (uint8_t *)(uintptr_t)data,
                                                    .iov_len = size};
    output->bytes += size;
}

/* --- what waits ------------------------------------------------------------------------------- */

/* What the messages that wait take, as the layer above counts its own. */
static size_t cost(const h2_call *call)
{
    return call->waiting + call->waiting_count * MESH_WAITING_MESSAGE_BYTES;
}

/* What counts against the connection's budget follows what waits, in both directions. */
static bool count(h2_call *call)
{
    size_t wanted = cost(call) / COUNTED_BYTES * COUNTED_BYTES;

    if (wanted == call->waiting_held)
        return true;
    if (wanted < call->waiting_held)
        h2_ticket_give(&call->conn->ticket, call->waiting_held - wanted);
    else if (!h2_conn_take(call->conn, wanted - call->waiting_held))
        return false;
    call->waiting_held = wanted;
    return true;
}

bool h2_send_is_full(const h2_call *call)
{
    return cost(call) >= call->loop->server->options.stream_budget_bytes;
}

bool h2_send_has_room(const h2_call *call)
{
    return cost(call) <= call->loop->server->options.stream_budget_bytes / 2;
}

/* Parts from the others what nghttp2 has a frame for, and gives those back. */
static h2_buffer *keep_framed(h2_call *call)
{
    h2_buffer **at = &call->first;
    h2_buffer *rest;
    size_t kept = 0;

    call->last = NULL;
    call->waiting_count = 0;
    while (kept < call->framed) {
        call->waiting_count++;
        call->last = *at;
        kept += (*at)->view.size;
        at = &(*at)->next;
    }
    if (call->last != NULL)
        call->last->view.size -= kept - call->framed;
    rest = *at;
    *at = NULL;
    return rest;
}

void h2_send_drop(h2_call *call)
{
    h2_loop *loop = call->loop;
    h2_output *on_its_way = loop->filling != NULL ? loop->filling : call->conn->output;
    h2_buffer *rest = keep_framed(call);

    while (rest != NULL) {
        h2_buffer *buffer = rest;

        rest = buffer->next;
        if (buffer->view.data != buffer->bytes && on_its_way != NULL) {
            buffer->next = on_its_way->spent; /* a part of it is there */
            on_its_way->spent = buffer;
        } else {
            h2_buffer_give(&loop->cache, buffer);
        }
    }
    call->waiting = call->framed;
    (void)count(call);
}

/* --- nghttp2 asks ----------------------------------------------------------------------------- */

static void submit_trailers(h2_call *call)
{
    call->has_trailers = true;
    if (nghttp2_submit_trailer(call->conn->session, call->stream, call->trailers.entries,
                               call->trailers.count) != 0)
        call->conn->broken = true;
}

/* How many bytes the next frame has. */
static ssize_t on_read(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length,
                       uint32_t *flags, nghttp2_data_source *source, void *context)
{
    h2_call *call = source->ptr;
    size_t size = 0;
    size_t pieces = 0;

    (void)session;
    (void)stream;
    (void)buffer;
    (void)context;
    for (const h2_buffer *at = call->first; at != NULL && size < length && pieces < PIECES_MAX;
         at = at->next, pieces++)
        size += at->view.size;
    if (size > length)
        size = length;
    if (size == call->waiting && call->ended && !call->has_trailers) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (!call->is_http) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(call);
        }
    } else if (size == 0) {
        call->asleep = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    return (ssize_t)size;
}

/* Moves as many bytes of the messages to what is on its way. */
static void move(h2_call *call, h2_output *output, size_t length)
{
    while (length > 0) {
        h2_buffer *buffer = call->first;
        size_t part = buffer->view.size < length ? buffer->view.size : length;
        bool copied = part <= COPIED_BYTES_MAX;

        if (copied)
            h2_output_copy(output, buffer->view.data, part);
        else
            refer(output, buffer->view.data, part);
        buffer->view.data += part;
        buffer->view.size -= part;
        call->waiting -= part;
        length -= part;
        if (buffer->view.size > 0)
            return;
        call->waiting_count--;
        call->first = buffer->next;
        if (call->first == NULL)
            call->last = NULL;
        if (copied && buffer->view.data - buffer->bytes == (ptrdiff_t)part) {
            h2_buffer_give(&call->loop->cache, buffer);
        } else { /* other parts of it may be on their way, too */
            buffer->next = output->spent;
            output->spent = buffer;
        }
    }
}

int h2_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                 nghttp2_data_source *source, void *context)
{
    h2_call *call = source->ptr;
    h2_conn *conn = context;
    h2_output *output = conn->loop->filling;
    bool had_room = h2_send_has_room(call);

    (void)session;
    (void)frame;
    output->full = !h2_output_has_room(output);
    call->framed = output->full ? length : 0;
    if (output->full)
        return NGHTTP2_ERR_WOULDBLOCK; /* again with the next output */
    h2_output_copy(output, head, H2_FRAME_HEAD_BYTES);
    move(call, output, length);
    (void)count(call);
    if (!had_room && h2_send_has_room(call))
        h2_call_ready(call);
    return 0;
}

/* --- what is given ---------------------------------------------------------------------------- */

static void wake(h2_call *call)
{
    if (!call->asleep)
        return;
    call->asleep = false;
    if (nghttp2_session_resume_data(call->conn->session, call->stream) != 0)
        call->conn->broken = true;
}

void h2_send_headers(h2_call *call, h2_block *headers)
{
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = on_read};

    call->headers = *headers;
    *headers = (h2_block){.entries = NULL};
    call->has_response = true;
    if (nghttp2_submit_response(call->conn->session, call->stream, call->headers.entries,
                                call->headers.count, &provider) != 0)
        call->conn->broken = true;
    h2_conn_touch(call->conn);
}

void h2_send_message(h2_call *call, h2_buffer *message)
{
    message->next = NULL;
    if (call->last != NULL)
        call->last->next = message;
    else
        call->first = message;
    call->last = message;
    call->waiting += message->view.size;
    call->waiting_count++;
    if (!count(call)) {
        h2_send_drop(call);
        h2_call_reset(call, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    wake(call);
    h2_conn_touch(call->conn);
}

void h2_send_trailers(h2_call *call, h2_block *trailers)
{
    call->trailers = *trailers;
    *trailers = (h2_block){.entries = NULL};
    if (!call->has_response) {
        call->has_response = call->has_trailers = true;
        if (nghttp2_submit_response(call->conn->session, call->stream, call->trailers.entries,
                                    call->trailers.count, NULL) != 0)
            call->conn->broken = true;
    } else if (call->first == NULL && !call->has_trailers) {
        submit_trailers(call); /* whatever the windows say: headers need no room in them */
    }
    h2_conn_touch(call->conn);
}
