/* A connection's life: read, write, keepalive, age, idleness, drain. */
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/h2/h2.h"

enum {
    LINGER_MS = 1000,         /* for the client to close its side */
    DRAIN_PING_MS = 20000,    /* for the answer to the PING between the two GOAWAYs */
    QUEUED_FRAMES_MAX = 1000, /* while the socket takes none, before nothing more is read */
    THROTTLED_INPUT_BYTES = 8 << 10
};

/* --- coming and going ------------------------------------------------------------------------- */

static void arrive(h2_post *post);
static void on_timer(h2_timer *timer);

static h2_conn *conn_of_post(h2_post *post)
{
    return (h2_conn *)((char *)post - offsetof(h2_conn, post));
}

static h2_conn *conn_of_timer(h2_timer *timer)
{
    return (h2_conn *)((char *)timer - offsetof(h2_conn, timer));
}

void h2_conn_accepted(void *context, const h2_accepted *accepted)
{
    mesh_tserver *server = context;
    h2_conn *conn = mesh_calloc(1, sizeof *conn);
    size_t next = atomic_fetch_add_explicit(&server->next_loop, 1, memory_order_relaxed);

    if (conn == NULL) {
        h2_io io = accepted->io;
        h2_ticket ticket = accepted->ticket;

        h2_io_close(&io);
        h2_limits_leave(server->limits, &ticket);
        return;
    }
    conn->loop = &server->loops[next % server->loop_count];
    conn->io = accepted->io;
    conn->ticket = accepted->ticket;
    conn->post.run = arrive;
    conn->timer.fire = on_timer;
    atomic_fetch_add(&server->connections, 1);
    h2_loop_post(conn->loop, &conn->post);
}

void h2_conn_unref(h2_conn *conn)
{
    if (--conn->refs > 0)
        return;
    mesh_free(conn->identity);
    mesh_free(conn);
}

static void unlink_dirty(h2_conn *conn)
{
    h2_conn **at = &conn->loop->dirty;

    if (!conn->dirty)
        return;
    while (*at != conn)
        at = &(*at)->next_dirty;
    *at = conn->next_dirty;
    conn->dirty = false;
}

/* What is left of it is not sent. */
static void drop_output(h2_conn *conn)
{
    h2_ticket_give(&conn->ticket, sizeof *conn->output + conn->output->bytes);
    h2_loop_give_output(conn->loop, conn->output);
    conn->output = NULL;
    atomic_fetch_sub(&conn->loop->server->blocked, 1);
}

void h2_conn_close(h2_conn *conn)
{
    h2_loop *loop = conn->loop;

    if (!conn->open)
        return;
    conn->open = false;
    unlink_dirty(conn);
    h2_timer_clear(&loop->timers, &conn->timer);
    (void)epoll_ctl(h2_throttle_epoll(conn), EPOLL_CTL_DEL, conn->io.fd, NULL);
    while (conn->calls != NULL)
        h2_call_left_wire(conn->calls);
    nghttp2_session_del(conn->session);
    conn->session = NULL;
    if (conn->output != NULL)
        drop_output(conn);
    h2_io_close(&conn->io);
    h2_limits_leave(loop->server->limits, &conn->ticket);
    if (conn->previous != NULL)
        conn->previous->next = conn->next;
    else
        loop->conns = conn->next;
    if (conn->next != NULL)
        conn->next->previous = conn->previous;
    atomic_fetch_sub(&loop->server->connections, 1);
    conn->next_dirty = loop->closed;
    loop->closed = conn;
}

/* --- timers ----------------------------------------------------------------------------------- */

/* When it is to be looked at again; it need not be exact, but never late. */
static int64_t next_look(const h2_conn *conn)
{
    const mesh_server_options *options = &conn->loop->server->options;
    int64_t due_ns = MESH_NO_DEADLINE;

    if (conn->lingering)
        return mesh_clock_add_ms(conn->idle_ns, LINGER_MS);
    if (!conn->greeted)
        return mesh_clock_add_ms(conn->made_ns, h2_limits_handshake_ms(conn->loop->server->limits));
    if (conn->ping_ns != 0)
        due_ns = mesh_clock_add_ms(conn->ping_ns, options->keepalive_timeout_ms);
    else
        due_ns = mesh_clock_add_ms(conn->read_ns, options->keepalive_ms);
    if (conn->blocked_ns != 0)
        due_ns = mesh_clock_earlier(
            due_ns, mesh_clock_add_ms(conn->blocked_ns, options->keepalive_timeout_ms));
    if (conn->goaway_ns != 0) {
        if (!conn->last_goaway)
            due_ns = mesh_clock_earlier(due_ns, mesh_clock_add_ms(conn->goaway_ns, DRAIN_PING_MS));
        return due_ns;
    }
    if (options->max_connection_age_ms > 0)
        due_ns = mesh_clock_earlier(
            due_ns, mesh_clock_add_ms(conn->made_ns, options->max_connection_age_ms));
    if (options->max_connection_idle_ms > 0 && conn->calls == NULL)
        due_ns = mesh_clock_earlier(
            due_ns, mesh_clock_add_ms(conn->idle_ns, options->max_connection_idle_ms));
    return due_ns;
}

void h2_conn_look_again(h2_conn *conn)
{
    int64_t due_ns = next_look(conn);

    if (due_ns == MESH_NO_DEADLINE)
        h2_timer_clear(&conn->loop->timers, &conn->timer);
    else if (!conn->timer.is_set || conn->timer.due_ns != due_ns)
        h2_timer_set(&conn->loop->timers, &conn->timer, due_ns);
}

static bool is_over(const h2_conn *conn, int64_t from_ns, int64_t ms)
{
    return mesh_clock_add_ms(from_ns, ms) <= conn->loop->now_ns;
}

/* A client that answers no PING is given up, and one that takes nothing of what it is sent. */
static void keep_alive(h2_conn *conn)
{
    const mesh_server_options *options = &conn->loop->server->options;

    if (conn->blocked_ns != 0 && is_over(conn, conn->blocked_ns, options->keepalive_timeout_ms)) {
        conn->broken = true;
    } else if (conn->ping_ns != 0) {
        conn->broken = is_over(conn, conn->ping_ns, options->keepalive_timeout_ms);
    } else if (is_over(conn, conn->read_ns, options->keepalive_ms)) {
        if (nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, h2_keepalive_ping) != 0)
            conn->broken = true;
        conn->ping_ns = conn->loop->now_ns;
    }
}

static void on_timer(h2_timer *timer)
{
    h2_conn *conn = conn_of_timer(timer);
    h2_loop *loop = conn->loop;
    const mesh_server_options *options = &loop->server->options;

    if (conn->lingering) {
        conn->broken = is_over(conn, conn->idle_ns, LINGER_MS);
    } else if (!conn->greeted) {
        if (is_over(conn, conn->made_ns, h2_limits_handshake_ms(loop->server->limits))) {
            h2_limits_refused(loop->server->limits, H2_LIMIT_HANDSHAKE_TIME, &conn->ticket);
            conn->broken = true;
        }
    } else {
        keep_alive(conn);
        if (conn->goaway_ns != 0 && is_over(conn, conn->goaway_ns, DRAIN_PING_MS))
            h2_conn_drained(conn);
        if (conn->goaway_ns == 0 &&
            ((options->max_connection_age_ms > 0 &&
              is_over(conn, conn->made_ns, options->max_connection_age_ms)) ||
             (options->max_connection_idle_ms > 0 && conn->calls == NULL &&
              is_over(conn, conn->idle_ns, options->max_connection_idle_ms))))
            h2_conn_drain(conn);
    }
    if (!conn->broken)
        h2_conn_look_again(conn);
    h2_conn_touch(conn);
}

/* --- its end ---------------------------------------------------------------------------------- */

void h2_conn_drain(h2_conn *conn)
{
    if (conn->throttled && conn->handshaking)
        h2_conn_on_event(conn, 0); /* in plaintext there is nothing to wait for */
    if (conn->session == NULL)
        conn->broken = true; /* it has no calls, and will have none */
    h2_conn_touch(conn);
    if (conn->goaway_ns != 0 || conn->broken || conn->lingering)
        return;
    conn->goaway_ns = conn->loop->now_ns;
    if (nghttp2_submit_shutdown_notice(conn->session) != 0 ||
        nghttp2_submit_ping(conn->session, NGHTTP2_FLAG_NONE, h2_drain_ping) != 0)
        conn->broken = true;
    h2_conn_look_again(conn);
}

void h2_conn_drained(h2_conn *conn)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);

    if (conn->last_goaway)
        return;
    conn->last_goaway = true;
    if (nghttp2_submit_goaway(conn->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0) !=
        0)
        conn->broken = true;
    h2_conn_touch(conn);
}

void h2_conn_refuse(h2_conn *conn)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(conn->session);

    conn->ticket.broke_rules = true;
    if (nghttp2_session_terminate_session2(conn->session, last, NGHTTP2_ENHANCE_YOUR_CALM) != 0)
        conn->broken = true;
    h2_conn_touch(conn);
}

/* All was said: the client sees the end, and what it sent meanwhile does not turn into a reset. */
static void linger(h2_conn *conn)
{
    if (!h2_io_end(&conn->io)) {
        h2_conn_close(conn);
        return;
    }
    conn->lingering = true;
    conn->idle_ns = conn->loop->now_ns;
    while (conn->calls != NULL)
        h2_call_left_wire(conn->calls);
    h2_conn_look_again(conn);
}

/* --- what it holds ---------------------------------------------------------------------------- */

/* The connection of the loop that holds most; NULL: none holds anything. */
static h2_conn *greediest(const h2_loop *loop)
{
    h2_conn *most = NULL;

    for (h2_conn *conn = loop->conns; conn != NULL; conn = conn->next)
        if (h2_ticket_held(&conn->ticket) > (most != NULL ? h2_ticket_held(&most->ticket) : 0))
            most = conn;
    return most;
}

bool h2_conn_take(h2_conn *conn, size_t bytes)
{
    while (!h2_ticket_take(&conn->ticket, bytes)) {
        h2_conn *most = h2_ticket_has_share(&conn->ticket, bytes) ? greediest(conn->loop) : conn;

        h2_limits_refused(conn->loop->server->limits, H2_LIMIT_BUFFERED,
                          most != NULL ? &most->ticket : NULL);
        if (most == NULL || most == conn)
            return false;
        h2_conn_close(most);
    }
    return true;
}

/* --- writing ---------------------------------------------------------------------------------- */

void h2_conn_touch(h2_conn *conn)
{
    if (conn->dirty || !conn->open)
        return;
    conn->dirty = true;
    conn->next_dirty = conn->loop->dirty;
    conn->loop->dirty = conn;
}

static void wait_for(h2_conn *conn, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.ptr = conn};

    if (what == conn->waits_for)
        return;
    conn->waits_for = what;
    if (epoll_ctl(h2_throttle_epoll(conn), EPOLL_CTL_MOD, conn->io.fd, &event) != 0)
        conn->broken = true;
}

/* The socket takes nothing: from now on its client has a limited time. */
static void block(h2_conn *conn)
{
    int64_t due_ns = mesh_clock_add_ms(conn->loop->now_ns,
                                       conn->loop->server->options.keepalive_timeout_ms);

    conn->blocked_ns = conn->loop->now_ns;
    if (!conn->timer.is_set || conn->timer.due_ns > due_ns)
        h2_conn_look_again(conn);
}

/*
 * More is read while there is something to write, since it may be what lets a stream go on, but not
 * without end: who sends and takes nothing would fill the memory with answers.
 */
static bool may_read(const h2_conn *conn)
{
    return conn->output == NULL ||
           nghttp2_session_get_outbound_queue_size(conn->session) < QUEUED_FRAMES_MAX;
}

/*
 * What came before is told of first, when the connection's turn comes again. Streams that only wait
 * to go on sending hold up nothing: it may be their end that has come.
 */
static bool is_behind(const h2_conn *conn)
{
    const h2_call *call = conn->waits_turn && conn->tired ? conn->ready_first : NULL;

    while (call != NULL && !h2_call_has_arrival(call))
        call = call->next;
    return call != NULL;
}

/* Writes as much as the socket takes. True: all of it. */
static bool write_out(h2_conn *conn, h2_output *output)
{
    while (output->first < output->count) {
        size_t put = 0;
        h2_io_result result = h2_io_write(&conn->io, output->parts + output->first,
                                          output->count - output->first, &put);

        if (result != H2_IO_DONE) {
            if (result == H2_IO_FAILED || result == H2_IO_CLOSED)
                conn->broken = true;
            else if (conn->blocked_ns == 0)
                block(conn);
            return false;
        }
        conn->blocked_ns = 0;
        output->bytes -= put;
        while (output->first < output->count && put >= output->parts[output->first].iov_len)
            put -= output->parts[output->first++].iov_len;
        if (put > 0) {
            struct iovec *part = &output->parts[output->first];

            part->iov_base = (uint8_t *)part->iov_base + put;
            part->iov_len -= put;
        }
    }
    return true;
}

/* Goes on with what the socket did not take before. False: it does not take all of it now. */
static bool write_rest(h2_conn *conn)
{
    h2_output *output = conn->output;
    size_t before;
    bool all;

    if (output == NULL)
        return true;
    before = output->bytes;
    all = write_out(conn, output);
    h2_ticket_give(&conn->ticket, before - output->bytes);
    if (!all)
        return false;
    drop_output(conn);
    return true;
}

/* Gathers what nghttp2 has to send. False: there is no more. */
static bool gather(h2_conn *conn, h2_output *output)
{
    while (h2_output_has_room(output)) {
        const uint8_t *data;
        ssize_t size = nghttp2_session_mem_send(conn->session, &data);

        if (size < 0)
            conn->broken = true;
        if (size <= 0)
            return output->full;
        h2_output_copy(output, data, (size_t)size);
    }
    return true;
}

static void send_all(h2_conn *conn)
{
    bool more = true;

    while (more && !conn->broken) {
        h2_output *output = h2_loop_take_output(conn->loop);

        if (output == NULL) {
            conn->broken = true;
            return;
        }
        conn->loop->filling = output;
        more = gather(conn, output);
        conn->loop->filling = NULL;
        if (write_out(conn, output)) {
            h2_loop_give_output(conn->loop, output);
            continue;
        }
        if (!conn->broken && !h2_conn_take(conn, sizeof *output + output->bytes))
            conn->broken = true;
        if (conn->broken) {
            h2_loop_give_output(conn->loop, output);
            return;
        }
        conn->output = output;
        atomic_fetch_add(&conn->loop->server->blocked, 1);
        return;
    }
}

void h2_conn_flush(h2_conn *conn)
{
    if (!conn->open)
        return;
    unlink_dirty(conn);
    if (!conn->broken && conn->session != NULL && !conn->lingering && write_rest(conn)) {
        send_all(conn);
        if (conn->output == NULL && !conn->broken) {
            wait_for(conn, EPOLLIN);
            if (!nghttp2_session_want_read(conn->session) &&
                !nghttp2_session_want_write(conn->session)) {
                linger(conn);
                return;
            }
        }
    }
    if (conn->output != NULL && !conn->broken)
        wait_for(conn, EPOLLOUT | (may_read(conn) ? EPOLLIN : 0));
    if (conn->broken)
        h2_conn_close(conn);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Keeps who the client is, which calls may ask when the connection is gone. */
static bool keep_identity(h2_conn *conn)
{
    const char *identity = conn->io.tls != NULL ? h2_tls_session_identity(conn->io.tls) : "";

    if (identity[0] == '\0')
        return true;
    conn->identity = mesh_strdup(identity);
    return conn->identity != NULL;
}

static void handshake(h2_conn *conn)
{
    switch (h2_io_handshake(&conn->io)) {
    case H2_IO_DONE:
        conn->handshaking = false;
        wait_for(conn, EPOLLIN);
        if (keep_identity(conn) && h2_session_open(conn))
            h2_conn_touch(conn);
        else
            conn->broken = true;
        break;
    case H2_IO_WANT_READ:
        wait_for(conn, EPOLLIN);
        break;
    case H2_IO_WANT_WRITE:
        wait_for(conn, EPOLLOUT);
        break;
    default:
        conn->broken = true;
        break;
    }
}

/* What was read: frames, or the rest that nobody wants. */
static void take_input(h2_conn *conn, const uint8_t *data, size_t size)
{
    if (conn->lingering)
        return;
    conn->read_ns = conn->loop->now_ns;
    if (!h2_session_receive(conn, data, size)) {
        /* what nghttp2 has to say of it goes out first, as far as the socket takes it */
        if (conn->output == NULL)
            send_all(conn);
        conn->broken = conn->ticket.broke_rules = true;
    }
    h2_conn_touch(conn);
}

/* How much is read at once. */
static size_t input_bytes(const h2_conn *conn)
{
    return conn->throttled ? THROTTLED_INPUT_BYTES : H2_INPUT_BYTES;
}

static void read_input(h2_conn *conn)
{
    do {
        size_t got = 0;

        switch (h2_io_read(&conn->io, conn->loop->input, input_bytes(conn), &got)) {
        case H2_IO_DONE:
            take_input(conn, conn->loop->input, got);
            break;
        case H2_IO_WANT_READ:
            return;
        case H2_IO_WANT_WRITE:
            wait_for(conn, conn->waits_for | EPOLLOUT);
            return;
        default:
            conn->broken = true;
            return;
        }
    } while (!conn->broken && h2_io_pending(&conn->io));
}

void h2_conn_on_event(h2_conn *conn, uint32_t events)
{
    if (!conn->open)
        return;
    if (conn->handshaking)
        handshake(conn);
    if (!conn->broken && !conn->handshaking && may_read(conn) && !is_behind(conn) &&
        ((events & ~(uint32_t)EPOLLOUT) != 0 || h2_io_pending(&conn->io)))
        read_input(conn);
    if (conn->broken || (events & EPOLLOUT) != 0)
        h2_conn_touch(conn);
}

/* On its loop for the first time. */
static void arrive(h2_post *post)
{
    h2_conn *conn = conn_of_post(post);
    h2_loop *loop = conn->loop;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};

    conn->refs = 1;
    conn->open = conn->handshaking = true;
    conn->waits_for = EPOLLIN;
    conn->made_ns = conn->read_ns = conn->idle_ns = loop->now_ns;
    h2_ticket_peer(&conn->ticket, conn->peer);
    conn->next = loop->conns;
    if (loop->conns != NULL)
        loop->conns->previous = conn;
    loop->conns = conn;
    h2_throttle_enter(conn);
    if (epoll_ctl(h2_throttle_epoll(conn), EPOLL_CTL_ADD, conn->io.fd, &event) != 0)
        conn->broken = true;
    else if (!conn->throttled)
        h2_conn_on_event(conn, 0); /* which reads what may come together with the handshake */
    if (!conn->broken && atomic_load(&loop->server->refusing))
        h2_conn_drain(conn); /* it was on its way */
    if (!conn->broken)
        h2_conn_look_again(conn);
    h2_conn_touch(conn);
}
