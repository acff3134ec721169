#include "tests/attack/peer.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/clock.h"

static bool may_send(const peer *peer)
{
    return peer->fd >= 0 && !peer->stalled && attempt_may_last(peer->attempt);
}

static void give_up(peer *peer)
{
    SSL_free(peer->tls);
    peer->tls = NULL;
    if (peer->fd >= 0)
        (void)close(peer->fd);
    peer->fd = -1;
}

/* The other side has closed, or turns away who comes. */
static void refused(peer *peer)
{
    peer->attempt->refused = true;
    give_up(peer);
}

/* As errno says it: what an operation of TLS came to, which may be tried again. */
static ssize_t tls_result(const peer *peer, int result)
{
    int error;

    if (result > 0)
        return result;
    error = SSL_get_error(peer->tls, result);
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

static ssize_t receive(peer *peer, void *data, size_t size)
{
    if (peer->tls != NULL)
        return tls_result(peer, SSL_read(peer->tls, data, (int)size));
    return recv(peer->fd, data, size, MSG_DONTWAIT);
}

static ssize_t transmit(peer *peer, const void *data, size_t size)
{
    if (peer->tls != NULL)
        return tls_result(peer, SSL_write(peer->tls, data, (int)size));
    return send(peer->fd, data, size, MSG_NOSIGNAL);
}

/* Connects the socket; a listener's queue of a Unix socket may be full. */
static bool connect_socket(peer *peer, int64_t until_ns)
{
    const attempt *attempt = peer->attempt;
    struct pollfd ready = {.fd = peer->fd, .events = POLLOUT};
    int error = 0;
    socklen_t size = sizeof error;

    while (connect(peer->fd, (const struct sockaddr *)&attempt->address, attempt->address_size)) {
        if (errno == EINPROGRESS)
            return poll(&ready, 1, PEER_STALL_MS) == 1 &&
                   getsockopt(peer->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
        if (errno != EAGAIN || !attempt_may_last(attempt) || mesh_clock_left_ms(until_ns) <= 0)
            return false;
        (void)poll(NULL, 0, ATTEMPT_LOOK_MS);
    }
    return true;
}

/* The handshake of TLS, where the target has it. */
static bool shake_hands(peer *peer, int64_t until_ns)
{
    struct pollfd ready = {.fd = peer->fd, .events = POLLIN};
    int result;

    if (peer->attempt->tls == NULL)
        return true;
    peer->tls = SSL_new(peer->attempt->tls);
    if (peer->tls == NULL || SSL_set_fd(peer->tls, peer->fd) != 1)
        return false;
    while ((result = SSL_connect(peer->tls)) != 1) {
        if (tls_result(peer, result) == 0 || errno != EAGAIN || !attempt_may_last(peer->attempt) ||
            mesh_clock_left_ms(until_ns) <= 0)
            return false;
        (void)poll(&ready, 1, ATTEMPT_LOOK_MS);
    }
    return true;
}

bool peer_connect(peer *peer, attempt *attempt, bool reads)
{
    const int yes = 1;
    int64_t until_ns = mesh_clock_deadline_ns(PEER_STALL_MS);

    peer->attempt = attempt;
    peer->tls = NULL;
    peer->reads = reads;
    peer->stalled = false;
    peer->next_stream = 1;
    peer->out_size = 0;
    peer->fd = socket(attempt->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (peer->fd < 0)
        return false;
    (void)setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (!connect_socket(peer, until_ns) || !shake_hands(peer, until_ns))
        refused(peer);
    return peer->fd >= 0;
}

bool peer_greet(peer *peer, attempt *attempt, bool reads)
{
    /* RFC 9113, 6.5.2 and 6.9: SETTINGS_INITIAL_WINDOW_SIZE, and the connection's beside it */
    static const uint8_t window[6] = {0, 4, 0x7f, 0xff, 0xff, 0xff};
    static const uint8_t more[4] = {0x7f, 0xff, 0, 0};

    return peer_connect(peer, attempt, reads) && peer_bytes(peer, H2_PREFACE, strlen(H2_PREFACE)) &&
           peer_frame(peer, H2_SETTINGS, 0, 0, window, sizeof window) &&
           peer_frame(peer, H2_WINDOW_UPDATE, 0, 0, more, sizeof more);
}

bool peer_discard(peer *peer)
{
    static char rest[64 * 1024];
    ssize_t got;

    while (peer->fd >= 0) {
        got = receive(peer, rest, sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (got <= 0)
            refused(peer);
    }
    return false;
}

static void wait_writable(peer *peer)
{
    int64_t stalled_ns = mesh_clock_deadline_ns(PEER_STALL_MS);
    struct pollfd ready = {.fd = peer->fd, .events = (short)(POLLOUT | (peer->reads ? POLLIN : 0))};

    while (may_send(peer)) {
        (void)poll(&ready, 1, ATTEMPT_LOOK_MS);
        if (peer->reads && (ready.revents & POLLIN) && !peer_discard(peer))
            return;
        if (ready.revents & (POLLOUT | POLLERR | POLLHUP))
            return;
        if (mesh_clock_left_ms(stalled_ns) <= 0)
            peer->attempt->refused = peer->stalled = true;
    }
}

/* Waits until the other side takes more. */
static void wait_for_room(peer *peer)
{
    int64_t since_ns = mesh_clock_monotonic_ns();

    wait_writable(peer);
    peer->attempt->waited_ns += mesh_clock_monotonic_ns() - since_ns;
}

bool peer_flush(peer *peer)
{
    size_t sent = 0;

    while (sent < peer->out_size && may_send(peer)) {
        ssize_t n = transmit(peer, peer->out + sent, peer->out_size - sent);

        if (n > 0)
            sent += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            wait_for_room(peer);
        else if (n == 0 || errno != EINTR)
            refused(peer);
    }
    peer->out_size = 0;
    return may_send(peer) && (!peer->reads || peer_discard(peer));
}

bool peer_bytes(peer *peer, const void *data, size_t size)
{
    assert(size <= sizeof peer->out);
    if (size > sizeof peer->out - peer->out_size && !peer_flush(peer))
        return false;
    memcpy(peer->out + peer->out_size, data, size);
    peer->out_size += size;
    return may_send(peer);
}

bool peer_frame(peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                size_t size)
{
    uint8_t head[H2_HEAD_BYTES];

    h2_head_write(head, &(h2_head){size, type, flags, stream});
    return peer_bytes(peer, head, sizeof head) && (size == 0 || peer_bytes(peer, payload, size));
}

bool peer_request(peer *peer, const char *path, uint8_t flags)
{
    uint8_t block[H2_REQUEST_BYTES_MAX];
    uint32_t stream = peer->next_stream;

    peer->next_stream += 2;
    return peer_frame(peer, H2_HEADERS, flags, stream, block, h2_request(block, path));
}

void peer_linger(peer *peer, int64_t ms)
{
    int64_t until_ns = mesh_clock_deadline_ns(ms);

    (void)peer_flush(peer);
    while (may_send(peer) && mesh_clock_left_ms(until_ns) > 0 && peer_discard(peer)) {
        struct pollfd ready = {.fd = peer->fd, .events = POLLIN};

        (void)poll(&ready, 1, ATTEMPT_LOOK_MS);
    }
}

void peer_close(peer *peer, bool abort)
{
    const struct linger reset = {.l_onoff = 1};

    if (peer->fd >= 0 && abort)
        (void)setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    give_up(peer);
}
