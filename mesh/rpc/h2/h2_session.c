/* What nghttp2 tells of a connection's frames. */
#include <string.h>

#include "mesh/rpc/h2/h2.h"

enum {
    CONNECTION_WINDOW_BYTES = 16 << 20, /* given back at once: its streams' windows limit it */
    PING_INTERVAL_MS = 10000,           /* clients that ping more often ... (gRFC A8) */
    PING_STRIKES_MAX = 2,               /* ... more than as many times are told to calm down */
    OUTBOUND_ACKS_MAX = 1000,
    HEADER_BYTES_REFUSED = 1 << 20, /* a bomb: the connection ends */
    RESET_BYTES = 4,                /* of RST_STREAM behind its head */
    RAPID_MS = 10                   /* a reset so soon after the headers is rapid */
};

const uint8_t h2_keepalive_ping[8] = "mesh kee";
const uint8_t h2_drain_ping[8] = "mesh dra";

static h2_call *call_of(nghttp2_session *session, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(session, stream);
}

/* --- frames that come ------------------------------------------------------------------------- */

static void remember(h2_streams *streams, int32_t stream)
{
    streams->ids[streams->count++ % H2_STREAMS_REMEMBERED] = stream;
}

static bool is_remembered(const h2_streams *streams, int32_t stream)
{
    for (size_t i = 0; i < H2_STREAMS_REMEMBERED && i < streams->count; i++)
        if (streams->ids[i] == stream)
            return true;
    return false;
}

static int end_session(h2_conn *conn, uint32_t error)
{
    h2_conn_touch(conn);
    return nghttp2_session_terminate_session(conn->session, error);
}

/*
 * Headers of a stream that a client has skipped, or that has ended on both sides (RFC 9113, 5.1.1,
 * 5.1): nghttp2 would pass over them. Late trailers of a stream that was reset here are in order.
 */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *context)
{
    h2_conn *conn = context;

    if (head->type != NGHTTP2_HEADERS || head->stream_id % 2 == 0)
        return 0;
    if (head->stream_id > conn->highest_stream) {
        conn->highest_stream = head->stream_id;
        return 0;
    }
    if (nghttp2_session_find_stream(session, head->stream_id) != NULL ||
        is_remembered(&conn->resets, head->stream_id))
        return 0;
    return end_session(conn, NGHTTP2_PROTOCOL_ERROR);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    h2_conn *conn = context;
    h2_call *call;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call = h2_call_create(conn, frame->hd.stream_id);
    if (call == NULL) /* no memory: RESOURCE_EXHAUSTED at the client */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_ENHANCE_YOUR_CALM);
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context)
{
    h2_conn *conn = context;
    h2_call *call;

    (void)flags;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if (!call->headers_here)
        h2_fields_add(call, (const char *)name, name_size, value, value_size);
    else /* trailers, which gRPC has none of */
        call->fields.list_bytes += name_size + value_size + H2_HEADER_ENTRY_BYTES;
    if (call->fields.list_bytes <= HEADER_BYTES_REFUSED)
        return 0;
    h2_limits_refused(conn->loop->server->limits, H2_LIMIT_HEADERS, &conn->ticket);
    h2_conn_refuse(conn);
    return NGHTTP2_ERR_CALLBACK_FAILURE; /* the rest of them is not even looked at */
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t size, void *context)
{
    h2_call *call = call_of(session, stream);

    (void)flags;
    (void)context;
    if (nghttp2_session_consume_connection(session, size) != 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (call != NULL)
        h2_message_receive(call, data, size);
    return 0;
}

/* The first SETTINGS of a client. */
static void greet(h2_conn *conn)
{
    if (conn->greeted)
        return;
    conn->greeted = true;
    h2_limits_ready(conn->loop->server->limits, &conn->ticket);
    h2_conn_look_again(conn);
}

/* Whether it answers a PING that waits for that. */
static bool is_answer_to(const nghttp2_frame *frame, const uint8_t ping[8], bool waits)
{
    return waits && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 &&
           memcmp(frame->ping.opaque_data, ping, sizeof frame->ping.opaque_data) == 0;
}

static bool ends_keepalive(const h2_conn *conn, const nghttp2_frame *frame)
{
    return is_answer_to(frame, h2_keepalive_ping, conn->ping_ns != 0);
}

static bool ends_drain(const h2_conn *conn, const nghttp2_frame *frame)
{
    return is_answer_to(frame, h2_drain_ping, conn->goaway_ns != 0 && !conn->last_goaway);
}

static void on_ping(h2_conn *conn, const nghttp2_frame *frame)
{
    int64_t since_ns = conn->last_ping_ns;

    if (ends_keepalive(conn, frame)) {
        conn->ping_ns = 0;
        h2_conn_look_again(conn);
    } else if (ends_drain(conn, frame)) {
        h2_conn_drained(conn);
        h2_conn_look_again(conn);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
        return;
    conn->last_ping_ns = conn->loop->now_ns;
    if (since_ns == 0 || mesh_clock_add_ms(since_ns, PING_INTERVAL_MS) <= conn->loop->now_ns)
        return;
    if (++conn->ping_strikes > PING_STRIKES_MAX)
        h2_conn_refuse(conn);
}

/* Whether a frame brings something; the others are counted. */
static bool is_useful(const h2_conn *conn, const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        return true;
    case NGHTTP2_DATA:
        return frame->hd.length > 0 || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    case NGHTTP2_PING:
        return ends_keepalive(conn, frame) || ends_drain(conn, frame);
    case NGHTTP2_SETTINGS:
        return (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
    default:
        return false;
    }
}

static void count(h2_conn *conn, const nghttp2_frame *frame)
{
    if (is_useful(conn, frame))
        conn->useful_frames++;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    h2_conn *conn = context;
    h2_call *call;

    count(conn, frame);
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        greet(conn);
        return 0;
    case NGHTTP2_PING:
        on_ping(conn, frame);
        return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        break;
    default:
        return 0;
    }
    call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        call->remote_ended = true;
    if (!call->headers_here && call->fields.list_bytes > H2_HEADER_BYTES_MAX)
        h2_limits_refused(conn->loop->server->limits, H2_LIMIT_HEADERS, &conn->ticket);
    if (!call->headers_here)
        h2_call_arrived(call);
    else
        h2_call_ready(call);
    return 0;
}

/* Frames that nghttp2 answers by itself, such as those of one stream too many. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *context)
{
    h2_conn *conn = context;

    (void)session;
    if (error != NGHTTP2_ERR_REFUSED_STREAM)
        return 0;
    h2_limits_refused(conn->loop->server->limits, H2_LIMIT_STREAMS, &conn->ticket);
    remember(&conn->resets, frame->hd.stream_id);
    return 0;
}

/* --- frames that go, and the end of streams --------------------------------------------------- */

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context)
{
    h2_conn *conn = context;
    h2_call *call;

    if (frame->hd.type == NGHTTP2_RST_STREAM)
        remember(&conn->resets, frame->hd.stream_id);
    if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
        conn->ticket.broke_rules = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    h2_ticket_useful_frames(&conn->ticket, 1);
    conn->last_ping_ns = 0; /* after what it is sent, a client may ask whether the line is fast */
    conn->ping_strikes = 0;
    if (frame->hd.type == NGHTTP2_DATA && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call = call_of(session, frame->hd.stream_id);
    if (call == NULL)
        return 0;
    call->begun = true;
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
        return 0;
    call->answered = true;
    if (!call->remote_ended) /* it need not go on (RFC 9113, 8.1) */
        return nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                         NGHTTP2_NO_ERROR);
    return 0;
}

/*
 * What has come of a call that was answered. Of one that was cancelled, whose deadline passed, or
 * that was not let in, one cannot tell.
 */
static void judge(h2_conn *conn, const h2_call *call)
{
    if (call->malformed || call->is_http)
        h2_throttle_wasted(conn, call->message_got + call->fields.list_bytes);
    else if (call->understood && !call->cancelled)
        h2_throttle_served(conn);
}

/* Given up at once. Later than that, the answer came late, or from somebody else. */
static bool is_rapid_reset(const h2_conn *conn, const h2_call *call)
{
    return mesh_clock_add_ms(call->made_ns, RAPID_MS) > conn->loop->now_ns;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t error, void *context)
{
    h2_conn *conn = context;
    h2_call *call = call_of(session, stream);

    if (call == NULL)
        return 0;
    if (call->remote_ended)
        remember(&conn->ended, stream);
    if (call->answered && error == NGHTTP2_NO_ERROR) {
        h2_ticket_call_ended(&conn->ticket);
        judge(conn, call);
    } else if (!call->begun && !call->reset_here) {
        if (is_rapid_reset(conn, call))
            h2_throttle_wasted(conn, 0);
        if (!h2_limits_reset(conn->loop->server->limits, &conn->ticket, conn->loop->now_ns))
            h2_conn_refuse(conn);
    }
    h2_call_left_wire(call);
    return 0;
}

/* --- bytes that come -------------------------------------------------------------------------- */

static bool feed(h2_conn *conn, const uint8_t *data, size_t size)
{
    return size == 0 || nghttp2_session_mem_recv(conn->session, data, size) == (ssize_t)size;
}

/*
 * Data of a stream that its client has ended is an error of the connection (RFC 9113, 5.1). nghttp2
 * would have to keep all streams that have ended to tell it from data that is late for a stream
 * that was reset here.
 */
static bool is_illegal(const h2_conn *conn, uint8_t type, int32_t stream)
{
    return type == NGHTTP2_DATA && !conn->heads.in_block && is_remembered(&conn->ended, stream);
}

/*
 * The reset of a stream that was never opened ends the connection (RFC 9113, 6.4), and does in
 * nghttp2. But clients on the gRPC C core send it for a call that is cancelled when its stream has
 * a number and its headers are still to be sent: where there are others, these do not pay for it.
 * None sends it inside a header block, where nghttp2 ends the connection (section 6.10).
 */
static bool is_premature_reset(const h2_conn *conn, uint8_t type, int32_t stream)
{
    return type == NGHTTP2_RST_STREAM && !conn->heads.in_block && conn->heads.left == RESET_BYTES &&
           stream > conn->highest_stream && stream % 2 == 1;
}

/*
 * The head of a frame is here, the last of it at `at`. `from`: the first of the data that nghttp2
 * has not seen; `head_at`: where the head begins, or what came of it now. False: nghttp2 fails.
 */
static bool pass_head(h2_conn *conn, const uint8_t *data, size_t *from, size_t head_at, size_t at)
{
    h2_heads *heads = &conn->heads;
    const uint8_t *head = heads->head;
    uint8_t type = head[3];
    int32_t stream = (head[5] & 0x7f) << 24 | head[6] << 16 | head[7] << 8 | head[8];

    heads->left = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2];
    heads->size = 0;
    heads->hidden = false;
    conn->frames++;
    if (type == NGHTTP2_RST_STREAM)
        remember(&conn->ended, stream);
    if (is_illegal(conn, type, stream) || is_premature_reset(conn, type, stream)) {
        /* what comes before it may open the stream */
        if (!feed(conn, data + *from, head_at - *from))
            return false;
        *from = head_at;
        heads->over = is_illegal(conn, type, stream);
        heads->hidden = conn->highest_stream > 0 && is_premature_reset(conn, type, stream);
    }
    heads->in_block = (type == NGHTTP2_HEADERS || type == NGHTTP2_CONTINUATION) &&
                      (head[4] & NGHTTP2_FLAG_END_HEADERS) == 0;
    if (heads->over)
        return end_session(conn, NGHTTP2_STREAM_CLOSED) == 0;
    if (heads->hidden)
        *from = at;
    if (heads->hidden || at - head_at == H2_FRAME_HEAD_BYTES)
        return true; /* it is seen with what follows it */
    *from = at;
    return feed(conn, head, H2_FRAME_HEAD_BYTES);
}

/*
 * Shows nghttp2 what it is to see of what came. It sees a head when all of it is here. False: it
 * fails.
 */
static bool pass(h2_conn *conn, const uint8_t *data, size_t size)
{
    h2_heads *heads = &conn->heads;
    size_t from = 0;
    size_t at = 0;

    while (at < size && !heads->over) {
        size_t begin = at;
        size_t part = heads->left > 0 ? heads->left : (size_t)(H2_FRAME_HEAD_BYTES - heads->size);

        if (part > size - at)
            part = size - at;
        at += part;
        if (heads->left > 0) {
            heads->left -= (uint32_t)part;
            if (heads->hidden)
                from = at;
            continue;
        }
        memcpy(heads->head + heads->size, data + begin, part);
        heads->size += (uint8_t)part;
        if (heads->size < H2_FRAME_HEAD_BYTES)
            return feed(conn, data + from, begin - from);
        if (!pass_head(conn, data, &from, begin, at))
            return false;
    }
    return heads->over || feed(conn, data + from, size - from);
}

/* All frames count but those that brought something: nghttp2 passes over many in silence. */
static void count_idle(h2_conn *conn)
{
    uint32_t useful = conn->useful_frames;

    h2_ticket_useful_frames(&conn->ticket, useful);
    if (conn->frames > useful && !h2_limits_idle_frames(conn->loop->server->limits, &conn->ticket,
                                                        conn->frames - useful, conn->loop->now_ns))
        h2_conn_refuse(conn);
    conn->frames = 0;
    conn->useful_frames = 0;
}

bool h2_session_receive(h2_conn *conn, const uint8_t *data, size_t size)
{
    if (!pass(conn, data, size))
        return false;
    count_idle(conn);
    return true;
}

/* --- sessions --------------------------------------------------------------------------------- */

nghttp2_session_callbacks *h2_session_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        return NULL;
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_data);
    return callbacks;
}

nghttp2_option *h2_session_options(void)
{
    nghttp2_option *option;

    if (nghttp2_option_new(&option) != 0)
        return NULL;
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    /* its own limit knows of no answers: see h2_limits_reset */
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    return option;
}

bool h2_session_open(h2_conn *conn)
{
    const mesh_tserver *server = conn->loop->server;
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, h2_limits_streams(server->limits)},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_STREAM_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, H2_HEADER_BYTES_MAX},
    };

    conn->heads.left = NGHTTP2_CLIENT_MAGIC_LEN;
    return nghttp2_session_server_new3(&conn->session, server->callbacks, conn, server->option,
                                       &conn->loop->mem) == 0 &&
           nghttp2_submit_settings(conn->session, NGHTTP2_FLAG_NONE, settings,
                                   sizeof settings / sizeof settings[0]) == 0 &&
           nghttp2_session_set_local_window_size(conn->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW_BYTES) == 0;
}
