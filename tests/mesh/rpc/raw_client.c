#include "tests/mesh/rpc/raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/uuid.h"
#include "tests/fixtures/h2_frame.h"

enum {
    WAIT_SECONDS = 30,
    NARROW_BYTES = 2048, /* of a socket's buffer; the kernel has a least of its own */
    NARROW_SEGMENT_BYTES = 536
};

/* False: the server closed. */
static bool send_all(raw_client *client, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size > 0) {
        ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool raw_try_send(raw_client *client, const h2_head *head, const void *payload)
{
    uint8_t frame[H2_HEAD_BYTES + H2_PAYLOAD_BYTES_MAX];

    assert_in_range(head->size, 0, H2_PAYLOAD_BYTES_MAX);
    h2_head_write(frame, head);
    if (head->size > 0)
        memcpy(frame + H2_HEAD_BYTES, payload, head->size);
    return send_all(client, frame, H2_HEAD_BYTES + head->size);
}

void raw_send(raw_client *client, const h2_head *head, const void *payload)
{
    (void)raw_try_send(client, head, payload); /* where the server closed, a wait for it tells */
}

static void send_frame(raw_client *client, uint8_t type, uint8_t flags, uint32_t stream,
                       const void *payload, size_t size)
{
    raw_send(client, &(h2_head){size, type, flags, stream}, payload);
}

void raw_widen(raw_client *client, uint32_t stream, uint32_t bytes)
{
    uint8_t more[4];

    h2_uint32(more, bytes);
    send_frame(client, H2_WINDOW_UPDATE, 0, stream, more, sizeof more);
}

static void limit_waits(raw_client *client)
{
    const struct timeval limit = {.tv_sec = WAIT_SECONDS};

    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
}

static void send_settings(raw_client *client)
{
    client->unconfirmed++;
    send_frame(client, H2_SETTINGS, 0, 0, NULL, 0);
}

static void set_number(raw_client *client, int level, int option, int value)
{
    assert_int_equal(setsockopt(client->fd, level, option, &value, sizeof value), 0);
}

static void make_socket(raw_client *client, int family)
{
    *client = (raw_client){.fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), .next_stream = 1};
    assert_true(client->fd >= 0);
    limit_waits(client);
    /* a frame does not wait until the one before it is acknowledged */
    if (family == AF_INET)
        set_number(client, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void connect_to(raw_client *client, const void *address, size_t size)
{
    assert_int_equal(connect(client->fd, address, (socklen_t)size), 0);
}

static void connect_to_port(raw_client *client, int port)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    connect_to(client, &address, sizeof address);
}

static void greet(raw_client *client)
{
    (void)send_all(client, H2_PREFACE, strlen(H2_PREFACE));
    send_settings(client);
}

void raw_connect_silently(raw_client *client, int port)
{
    make_socket(client, AF_INET);
    connect_to_port(client, port);
}

void raw_connect(raw_client *client, int port)
{
    raw_connect_silently(client, port);
    greet(client);
}

/*
 * From an address of the loopback network that nobody had before: a kernel remembers what an
 * address took last, and gives the server's next connection to it larger buffers.
 */
static void bind_to_new_address(raw_client *client)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    uint32_t random;

    mesh_random_bytes(&random, sizeof random);
    address.sin_addr.s_addr = htonl((127U << 24) + (1U << 16) + random % (250U << 16));
    assert_int_equal(bind(client->fd, (const struct sockaddr *)&address, sizeof address), 0);
}

void raw_connect_narrow(raw_client *client, int port)
{
    make_socket(client, AF_INET);
    bind_to_new_address(client);
    set_number(client, SOL_SOCKET, SO_RCVBUF, NARROW_BYTES);
    /* the server's own buffer has room for some segments */
    set_number(client, IPPROTO_TCP, TCP_MAXSEG, NARROW_SEGMENT_BYTES);
    connect_to_port(client, port);
    greet(client);
}

void raw_connect_unix(raw_client *client, const char *address)
{
    const char *path = address + strlen("unix:");
    struct sockaddr_un socket = {.sun_family = AF_UNIX};

    assert_in_range(strlen(path), 1, sizeof socket.sun_path - 1);
    memcpy(socket.sun_path, path, strlen(path));
    make_socket(client, AF_UNIX);
    connect_to(client, &socket, sizeof socket);
    greet(client);
}

void raw_cork(raw_client *client, bool on)
{
    set_number(client, IPPROTO_TCP, TCP_CORK, on);
}

void raw_close(raw_client *client)
{
    (void)close(client->fd);
}

void raw_abort(raw_client *client)
{
    const struct linger reset = {.l_onoff = 1};

    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    raw_close(client);
}

/* The first enters the dynamic table, as its only entry; the others are this entry's index. */
static size_t add_many_headers(uint8_t *block, size_t count)
{
    size_t size = h2_header_indexed(block, "x-a", "v");

    assert_in_range(count, 0, 15000);
    return size + h2_newest_header(block + size, count);
}

uint32_t raw_request_with_headers(raw_client *client, const char *path, size_t count)
{
    uint32_t stream = client->next_stream;
    uint8_t block[H2_PAYLOAD_BYTES_MAX];
    size_t size = h2_request(block, path);

    client->next_stream += 2;
    size += add_many_headers(block + size, count);
    send_frame(client, H2_HEADERS, H2_END_HEADERS, stream, block, size);
    return stream;
}

uint32_t raw_request(raw_client *client, const char *path, const char *key, const char *value,
                     bool ends)
{
    uint32_t stream = client->next_stream;
    uint8_t block[1024];
    size_t size = h2_request(block, path);

    client->next_stream += 2;
    if (key != NULL)
        size += h2_header(block + size, key, value);
    send_frame(client, H2_HEADERS, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), stream, block,
               size);
    return stream;
}

void raw_data(raw_client *client, uint32_t stream, const void *data, size_t size, bool ends)
{
    send_frame(client, H2_DATA, ends ? H2_END_STREAM : 0, stream, data, size);
}

void raw_message(raw_client *client, uint32_t stream, bool compressed, const void *data,
                 size_t size, bool ends)
{
    uint8_t message[H2_PAYLOAD_BYTES_MAX];

    assert_in_range(size, 0, H2_PAYLOAD_BYTES_MAX - H2_MESSAGE_HEAD_BYTES);
    h2_message_head(message, compressed, (uint32_t)size);
    if (size > 0)
        memcpy(message + H2_MESSAGE_HEAD_BYTES, data, size);
    raw_data(client, stream, message, H2_MESSAGE_HEAD_BYTES + size, ends);
}

uint32_t raw_calls(raw_client *client, const char *path, const char *key, int count,
                   const void *message, size_t size)
{
    uint32_t last = 0;

    raw_cork(client, true);
    for (int i = 0; i < count; i++) {
        last = raw_request(client, path, key, "1", false);
        raw_message(client, last, false, message, size, true);
    }
    raw_cork(client, false);
    return last;
}

void raw_ignored(raw_client *client, size_t size)
{
    static const uint8_t nothing[H2_PAYLOAD_BYTES_MAX];

    send_frame(client, 0xfa, 0, 0, nothing, size);
}

void raw_reset(raw_client *client, uint32_t stream)
{
    static const uint8_t cancel[4] = {0, 0, 0, 8};

    send_frame(client, H2_RST_STREAM, 0, stream, cancel, sizeof cancel);
}

void raw_reset_slowly(raw_client *client, uint32_t stream, void (*between)(void))
{
    uint8_t frame[H2_HEAD_BYTES + 4] = {0};

    h2_head_write(frame, &(h2_head){4, H2_RST_STREAM, 0, stream});
    for (size_t i = 0; i < sizeof frame; i++) {
        between();
        (void)send_all(client, frame + i, 1);
    }
}

static bool receive(raw_client *client, uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t got = recv(client->fd, data, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno != ECONNRESET)
            fail_msg("no answer within %d s", WAIT_SECONDS);
        if (got <= 0)
            return false;
        data += got;
        size -= (size_t)got;
    }
    return true;
}

bool raw_receive(raw_client *client, raw_frame *next)
{
    uint8_t head[H2_HEAD_BYTES];

    if (!receive(client, head, sizeof head))
        return false;
    next->head = h2_head_read(head);
    assert_in_range(next->head.size, 0, sizeof next->payload);
    if (!receive(client, next->payload, next->head.size))
        return false;
    if (next->head.type == H2_SETTINGS && next->head.flags == 0)
        send_frame(client, H2_SETTINGS, H2_ACK, 0, NULL, 0);
    else if (next->head.type == H2_SETTINGS)
        client->unconfirmed--;
    return true;
}

bool raw_read_until(raw_client *client, uint8_t type, raw_frame *next)
{
    do {
        if (!raw_receive(client, next))
            return false;
        if (next->head.type == H2_PING && (next->head.flags & H2_ACK) == 0)
            send_frame(client, H2_PING, H2_ACK, 0, next->payload, next->head.size);
    } while (next->head.type != type);
    return true;
}

bool raw_wait(raw_client *client, uint32_t stream)
{
    raw_frame next;

    while (raw_receive(client, &next)) {
        bool carries = next.head.type == H2_DATA || next.head.type == H2_HEADERS;

        if (next.head.stream == stream &&
            (next.head.type == H2_RST_STREAM || (carries && (next.head.flags & H2_END_STREAM))))
            return true;
    }
    return false;
}

bool raw_wait_for_headers(raw_client *client, uint32_t stream)
{
    raw_frame next;

    do
        if (!raw_read_until(client, H2_HEADERS, &next))
            return false;
    while (next.head.stream != stream);
    return true;
}

void raw_wait_for_close(raw_client *client)
{
    raw_frame next;

    while (raw_receive(client, &next))
        continue;
}

bool raw_settle(raw_client *client)
{
    raw_frame next;

    send_settings(client);
    while (client->unconfirmed > 0)
        if (!raw_receive(client, &next))
            return false;
    return true;
}

int raw_wait_for_goaway(raw_client *client)
{
    raw_frame next;

    do
        if (!raw_receive(client, &next))
            return -1;
    while (next.head.type != H2_GOAWAY);
    return next.payload[4] << 24 | next.payload[5] << 16 | next.payload[6] << 8 | next.payload[7];
}

bool raw_answer_pings(raw_client *client, size_t count)
{
    raw_frame next;

    while (count > 0) {
        if (!raw_receive(client, &next))
            return false;
        if (next.head.type != H2_PING || (next.head.flags & H2_ACK))
            continue;
        send_frame(client, H2_PING, H2_ACK, 0, next.payload, 8);
        count--;
    }
    return true;
}

int raw_listen(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return listener;
}

uint32_t raw_accept(raw_client *client, int listener)
{
    uint8_t preface[24];
    raw_frame next;

    *client = (raw_client){.fd = accept(listener, NULL, NULL)};
    assert_true(client->fd >= 0);
    limit_waits(client);
    assert_true(receive(client, preface, sizeof preface));
    send_settings(client);
    do
        assert_true(raw_receive(client, &next));
    while (next.head.type != H2_HEADERS);
    return next.head.stream;
}

void raw_answer(raw_client *client, uint32_t stream)
{
    uint8_t block[1024];
    size_t size = 0;

    size += h2_header(block + size, ":status", "200");
    size += h2_header(block + size, "content-type", "application/grpc");
    send_frame(client, H2_HEADERS, H2_END_HEADERS, stream, block, size);
}

void raw_end(raw_client *client, uint32_t stream, const char *key, const char *value)
{
    uint8_t block[1024];
    size_t size = 0;

    if (key != NULL)
        size = h2_header(block, key, value);
    send_frame(client, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, block, size);
}

void raw_answer_with_headers(raw_client *client, uint32_t stream, const char *status, size_t count)
{
    uint8_t block[H2_PAYLOAD_BYTES_MAX];
    size_t size = 0;

    size += h2_header(block + size, ":status", "200");
    size += h2_header(block + size, "content-type", "application/grpc");
    size += h2_header(block + size, "grpc-status", status);
    size += add_many_headers(block + size, count);
    send_frame(client, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, stream, block, size);
}
