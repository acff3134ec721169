/*
 * A call: what happened to it, and what is told of that. Everything that the layer above is told is
 * found by looking at the call, once it is in its connection's list of those to be looked at; so no
 * event comes from inside an operation.
 */
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/h2/h2.h"

enum {
    FREE_CALLS_MAX = 512,  /* of a loop, kept for others */
    HTTP_REQUEST_MS = 1000 /* for the rest of a request that is no gRPC */
};

/* --- its memory ------------------------------------------------------------------------------- */

static h2_call *call_of_timer(h2_timer *timer)
{
    return (h2_call *)((char *)timer - offsetof(h2_call, timer));
}

static void answer_http(h2_call *call);

static void on_deadline(h2_timer *timer)
{
    h2_call *call = call_of_timer(timer);

    if (!call->is_http)
        h2_call_end(call, MESH_DEADLINE_EXCEEDED, "the call's deadline passed");
    else if (!call->ended)
        answer_http(call);
}

h2_call *h2_call_create(h2_conn *conn, int32_t stream)
{
    h2_loop *loop = conn->loop;
    h2_call *call = loop->free_calls;

    if (call != NULL) {
        loop->free_calls = call->next;
        loop->free_call_count--;
    } else {
        call = mesh_calloc(1, sizeof *call + loop->server->events->upper_bytes);
        if (call == NULL)
            return NULL;
        call->head = (mesh_tcall){.ops = &h2_call_ops, .upper = call->upper};
        call->loop = loop;
        call->timer.fire = on_deadline;
    }
    call->next = NULL;
    call->conn = conn;
    call->stream = stream;
    call->made_ns = loop->now_ns;
    call->on_wire = true;
    call->deadline_ns = MESH_NO_DEADLINE;
    call->next_in_conn = conn->calls;
    call->previous_in_conn = NULL;
    if (conn->calls != NULL)
        conn->calls->previous_in_conn = call;
    conn->calls = call;
    conn->refs++;
    loop->call_count++;
    return call;
}

void h2_call_destroy(h2_call *call)
{
    call->loop->server->events->on_free(call->head.upper);
    mesh_free(call);
}

void h2_call_recycle(h2_call *call)
{
    h2_loop *loop = call->loop;
    size_t from = offsetof(h2_call, fields);

    h2_timer_clear(&loop->timers, &call->timer);
    h2_fields_clear(&call->fields, &loop->cache);
    h2_block_clear(&call->headers);
    h2_block_clear(&call->trailers);
    h2_conn_unref(call->conn);
    memset((char *)call + from, 0, offsetof(h2_call, upper) - from);
    call->method = NULL;
    loop->call_count--;
    if (loop->free_call_count == FREE_CALLS_MAX) {
        h2_call_destroy(call);
        return;
    }
    call->next = loop->free_calls;
    loop->free_calls = call;
    loop->free_call_count++;
}

/* --- what happens to it ----------------------------------------------------------------------- */

/* Nothing more is received or sent, but for what ends it. */
static void stop(h2_call *call)
{
    call->ended = true;
    h2_message_clear(call);
    h2_send_drop(call);
}

void h2_call_left_wire(h2_call *call)
{
    h2_conn *conn = call->conn;

    if (!call->on_wire)
        return;
    call->on_wire = false;
    h2_timer_clear(&call->loop->timers, &call->timer);
    if (!call->answered)
        call->cancelled = true;
    call->framed = 0; /* it will not be sent */
    stop(call);
    if (call->previous_in_conn != NULL)
        call->previous_in_conn->next_in_conn = call->next_in_conn;
    else
        conn->calls = call->next_in_conn;
    if (call->next_in_conn != NULL)
        call->next_in_conn->previous_in_conn = call->previous_in_conn;
    if (conn->calls == NULL) {
        conn->idle_ns = conn->loop->now_ns;
        if (conn->open && conn->loop->server->options.max_connection_idle_ms > 0)
            h2_conn_look_again(conn);
    }
    h2_call_ready(call);
}

void h2_call_reset(h2_call *call, uint32_t error)
{
    call->ended = call->reset_here = true;
    if (nghttp2_submit_rst_stream(call->conn->session, NGHTTP2_FLAG_NONE, call->stream, error) != 0)
        call->conn->broken = true;
    h2_call_ready(call);
    h2_conn_touch(call->conn);
}

void h2_call_end_with(h2_call *call, const mesh_final *final)
{
    h2_block trailers = {.entries = NULL};

    if (call->ended)
        return;
    call->cancelled = call->opened;
    stop(call);
    if (h2_answer_trailers(call, final, !call->has_response, &trailers))
        h2_send_trailers(call, &trailers);
    else
        h2_call_reset(call, NGHTTP2_ENHANCE_YOUR_CALM);
    h2_call_ready(call);
}

void h2_call_end(h2_call *call, mesh_code code, const char *text)
{
    h2_call_end_with(call, &(mesh_final){.code = code, .text = text});
}

void h2_call_fault(h2_call *call, mesh_code code, const char *text)
{
    call->malformed = true;
    h2_call_end(call, code, text);
}

/* What is no gRPC gets an answer of HTTP, once it is here as a whole, or after some time. */
static void answer_http(h2_call *call)
{
    h2_block headers = {.entries = NULL};
    const char *text = h2_answer_http(call, &headers);
    h2_buffer *body;

    call->ended = true;
    if (call->fields.is_head) { /* an answer without content (RFC 9110, section 9.3.2) */
        h2_send_trailers(call, &headers);
        return;
    }
    body = h2_buffer_take(&call->loop->cache, strlen(text));
    if (body == NULL) {
        h2_call_reset(call, NGHTTP2_ENHANCE_YOUR_CALM);
        return;
    }
    memcpy(body->bytes, text, strlen(text));
    body->view.size = strlen(text);
    h2_send_headers(call, &headers);
    h2_send_message(call, body);
}

void h2_call_arrived(h2_call *call)
{
    const h2_fields *fields = &call->fields;

    call->headers_here = true;
    if (!fields->is_post || !fields->is_grpc) {
        call->is_http = true;
        h2_timer_set(&call->loop->timers, &call->timer,
                     mesh_clock_add_ms(call->loop->now_ns, HTTP_REQUEST_MS));
        h2_call_ready(call);
        return;
    }
    if (fields->code != MESH_OK) {
        h2_call_fault(call, fields->code, fields->text);
        return;
    }
    if (call->deadline_ns != MESH_NO_DEADLINE)
        h2_timer_set(&call->loop->timers, &call->timer, call->deadline_ns);
    h2_call_ready(call);
}

/* --- what is told of it ----------------------------------------------------------------------- */

static bool waits_for_request(const h2_call *call)
{
    return call->method != NULL && call->method->arrival == MESH_AT_MESSAGE && !call->has_message &&
           !call->remote_ended;
}

static void tell_open(h2_call *call)
{
    mesh_tserver *server = call->loop->server;
    mesh_open open = {.method = call->method != NULL ? call->method->upper : NULL,
                      .deadline_ns = call->deadline_ns,
                      .too_much_metadata = call->fields.list_bytes > H2_HEADER_BYTES_MAX,
                      .connection = call->conn};

    if (call->method == NULL) {
        open.path = (const char *)call->fields.path->bytes;
        open.path_size = call->fields.path->view.size;
    } else if (call->method->arrival == MESH_AT_MESSAGE && call->has_message) {
        open.has_message = true;
        h2_message_take(call, &open.message);
    }
    call->opened = true;
    server->events->on_open(server->upper, &call->head, &open);
}

static void tell_woken(h2_call *call)
{
    call->waking = false;
    call->loop->server->events->on_woken(&call->head);
}

static void tell_close(h2_call *call)
{
    call->close_told = true;
    call->loop->server->events->on_close(&call->head, call->cancelled);
}

static void tell_message(h2_call *call)
{
    const mesh_server_events *events = call->loop->server->events;
    mesh_message message;

    call->reading = false;
    if (!call->has_message) {
        events->on_message(&call->head, NULL);
        return;
    }
    h2_message_take(call, &message);
    events->on_message(&call->head, &message);
}

static void tell_written(h2_call *call)
{
    call->writing = false;
    call->loop->server->events->on_written(&call->head, !call->ended);
}

/* The client has ended in the middle of a message. */
static bool is_truncated(const h2_call *call)
{
    return call->remote_ended && call->prefix_size > 0 && !call->has_message;
}

/* A call that the layer above never heard of is over with its stream. */
static void look_at_unopened(h2_call *call)
{
    if (call->is_http && !call->ended && call->remote_ended)
        answer_http(call);
    if (is_truncated(call))
        h2_call_fault(call, MESH_INTERNAL, "the request ends in the middle of a message");
    if (!call->ended && !call->is_http && !waits_for_request(call))
        tell_open(call);
    else if (!call->on_wire)
        h2_call_recycle(call);
}

/* An operation that was posted before finish was called here may not have arrived yet. */
static bool is_done(const h2_call *call)
{
    return call->finished && !call->done && !call->on_wire && !call->waking && !call->reading &&
           !call->writing && (!call->watched || call->close_told) &&
           atomic_load_explicit(&call->posted, memory_order_acquire) == 0;
}

static bool has_message(const h2_call *call)
{
    return call->reading && (call->has_message || call->ended || call->remote_ended);
}

bool h2_call_has_arrival(const h2_call *call)
{
    return !call->opened || call->waking || has_message(call);
}

void h2_call_tell(h2_call *call)
{
    if (!call->opened) {
        look_at_unopened(call);
        return;
    }
    if (call->reading && !call->ended && is_truncated(call) && call->backlog == NULL)
        h2_call_fault(call, MESH_INTERNAL, "the requests end in the middle of a message");
    /* before the message or the write that fails for it */
    if (call->watched && !call->close_told && (call->cancelled || !call->on_wire))
        tell_close(call);
    if (call->waking)
        tell_woken(call);
    if (has_message(call))
        tell_message(call);
    if (call->writing && (call->ended || h2_send_has_room(call)))
        tell_written(call);
    if (!call->is_ready && is_done(call)) {
        call->done = true;
        if (call->loop->server->events->on_done(&call->head))
            h2_call_recycle(call);
    }
}
