#include "tests/mesh/rpc/raw_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

/* RFC 9113, 6: frame types and flags. */
enum {
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    ACK = 1,
    END_STREAM = 1,
    END_HEADERS = 4,
    HEAD_BYTES = 9,
    FRAME_BYTES_MAX = 16384,
    WAIT_SECONDS = 10
};

static void send_all(raw_client *client, const void *data, size_t size)
{
    const uint8_t *bytes = data;

    while (size > 0) {
        ssize_t sent = send(client->fd, bytes, size, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return; /* the server closed; raw_wait tells */
        bytes += sent;
        size -= (size_t)sent;
    }
}

static void send_frame(raw_client *client, uint8_t type, uint8_t flags, uint32_t stream,
                       const void *payload, size_t size)
{
    uint8_t frame[HEAD_BYTES + FRAME_BYTES_MAX] = {
        (uint8_t)(size >> 16),
        (uint8_t)(size >> 8),
        (uint8_t)size,
        type,
        flags,
        (uint8_t)(stream >> 24),
        (uint8_t)(stream >> 16),
        (uint8_t)(stream >> 8),
        (uint8_t)stream,
    };

    assert_in_range(size, 0, FRAME_BYTES_MAX);
    if (size > 0)
        memcpy(frame + HEAD_BYTES, payload, size);
    send_all(client, frame, HEAD_BYTES + size);
}

static void limit_waits(raw_client *client)
{
    const struct timeval limit = {.tv_sec = WAIT_SECONDS};

    assert_int_equal(setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
}

void raw_connect(raw_client *client, int port)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    client->next_stream = 1;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client->fd >= 0);
    limit_waits(client);
    assert_int_equal(connect(client->fd, (const struct sockaddr *)&address, sizeof address), 0);
    send_all(client, preface, sizeof preface - 1);
    send_frame(client, SETTINGS, 0, 0, NULL, 0);
}

void raw_close(raw_client *client)
{
    (void)close(client->fd);
}

/* RFC 7541, 6.2.2: a literal without indexing, nothing Huffman-coded. */
static size_t add_header(uint8_t *block, const char *key, const char *value)
{
    size_t key_size = strlen(key), value_size = strlen(value);

    assert_true(key_size < 127 && value_size < 127);
    block[0] = 0;
    block[1] = (uint8_t)key_size;
    memcpy(block + 2, key, key_size);
    block[2 + key_size] = (uint8_t)value_size;
    memcpy(block + 3 + key_size, value, value_size);
    return 3 + key_size + value_size;
}

static size_t add_request_headers(uint8_t *block, const char *path)
{
    size_t size = 0;

    size += add_header(block + size, ":method", "POST");
    size += add_header(block + size, ":scheme", "http");
    size += add_header(block + size, ":path", path);
    size += add_header(block + size, ":authority", "localhost");
    size += add_header(block + size, "content-type", "application/grpc");
    size += add_header(block + size, "te", "trailers");
    return size;
}

/* The first enters the dynamic table, as its only entry; the others are this entry's index. */
static size_t add_many_headers(uint8_t *block, size_t count)
{
    enum {
        FIRST_DYNAMIC = 0x80 | 62,
        WITH_INDEXING = 0x40
    };
    size_t size = add_header(block, "x-a", "v");

    block[0] |= WITH_INDEXING;
    assert_in_range(count, 0, 15000);
    memset(block + size, FIRST_DYNAMIC, count);
    return size + count;
}

uint32_t raw_request_with_headers(raw_client *client, const char *path, size_t count)
{
    uint32_t stream = client->next_stream;
    uint8_t block[FRAME_BYTES_MAX];
    size_t size = add_request_headers(block, path);

    client->next_stream += 2;
    size += add_many_headers(block + size, count);
    send_frame(client, HEADERS, END_HEADERS, stream, block, size);
    return stream;
}

uint32_t raw_request(raw_client *client, const char *path, const char *key, const char *value,
                     bool ends)
{
    uint32_t stream = client->next_stream;
    uint8_t block[1024];
    size_t size = add_request_headers(block, path);

    client->next_stream += 2;
    if (key != NULL)
        size += add_header(block + size, key, value);
    send_frame(client, HEADERS, END_HEADERS | (ends ? END_STREAM : 0), stream, block, size);
    return stream;
}

void raw_data(raw_client *client, uint32_t stream, const void *data, size_t size, bool ends)
{
    send_frame(client, DATA, ends ? END_STREAM : 0, stream, data, size);
}

void raw_message(raw_client *client, uint32_t stream, bool compressed, const void *data,
                 size_t size, bool ends)
{
    uint8_t message[FRAME_BYTES_MAX] = {compressed, (uint8_t)(size >> 24), (uint8_t)(size >> 16),
                                        (uint8_t)(size >> 8), (uint8_t)size};

    assert_in_range(size, 0, FRAME_BYTES_MAX - 5);
    if (size > 0)
        memcpy(message + 5, data, size);
    raw_data(client, stream, message, 5 + size, ends);
}

void raw_reset(raw_client *client, uint32_t stream)
{
    static const uint8_t cancel[4] = {0, 0, 0, 8};

    send_frame(client, RST_STREAM, 0, stream, cancel, sizeof cancel);
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

typedef struct frame {
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
    uint8_t payload[FRAME_BYTES_MAX];
} frame;

/* The next frame; SETTINGS are confirmed. False: the connection was closed. */
static bool receive_frame(raw_client *client, frame *next)
{
    uint8_t head[HEAD_BYTES];
    size_t size;

    if (!receive(client, head, sizeof head))
        return false;
    size = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    next->type = head[3];
    next->flags = head[4];
    next->stream = (uint32_t)head[5] << 24 | (uint32_t)head[6] << 16 | (uint32_t)head[7] << 8 |
                   head[8];
    assert_in_range(size, 0, sizeof next->payload);
    if (!receive(client, next->payload, size))
        return false;
    if (next->type == SETTINGS && next->flags == 0)
        send_frame(client, SETTINGS, ACK, 0, NULL, 0);
    return true;
}

bool raw_wait(raw_client *client, uint32_t stream)
{
    frame next;

    while (receive_frame(client, &next)) {
        bool carries = next.type == DATA || next.type == HEADERS;

        if (next.stream == stream &&
            (next.type == RST_STREAM || (carries && (next.flags & END_STREAM))))
            return true;
    }
    return false;
}

bool raw_wait_for_goaway(raw_client *client)
{
    frame next;

    do
        if (!receive_frame(client, &next))
            return false;
    while (next.type != GOAWAY);
    return true;
}

bool raw_answer_pings(raw_client *client, size_t count)
{
    frame next;

    while (count > 0) {
        if (!receive_frame(client, &next))
            return false;
        if (next.type != PING || (next.flags & ACK))
            continue;
        send_frame(client, PING, ACK, 0, next.payload, 8);
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
    frame next;

    client->fd = accept(listener, NULL, NULL);
    assert_true(client->fd >= 0);
    limit_waits(client);
    assert_true(receive(client, preface, sizeof preface));
    send_frame(client, SETTINGS, 0, 0, NULL, 0);
    do
        assert_true(receive_frame(client, &next));
    while (next.type != HEADERS);
    return next.stream;
}

void raw_answer(raw_client *client, uint32_t stream)
{
    uint8_t block[1024];
    size_t size = 0;

    size += add_header(block + size, ":status", "200");
    size += add_header(block + size, "content-type", "application/grpc");
    send_frame(client, HEADERS, END_HEADERS, stream, block, size);
}

void raw_end(raw_client *client, uint32_t stream, const char *key, const char *value)
{
    uint8_t block[1024];
    size_t size = 0;

    if (key != NULL)
        size = add_header(block, key, value);
    send_frame(client, HEADERS, END_HEADERS | END_STREAM, stream, block, size);
}

void raw_answer_with_headers(raw_client *client, uint32_t stream, const char *status, size_t count)
{
    uint8_t block[FRAME_BYTES_MAX];
    size_t size = 0;

    size += add_header(block + size, ":status", "200");
    size += add_header(block + size, "content-type", "application/grpc");
    size += add_header(block + size, "grpc-status", status);
    size += add_many_headers(block + size, count);
    send_frame(client, HEADERS, END_HEADERS | END_STREAM, stream, block, size);
}
