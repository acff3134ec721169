/*
 * The floor that the server on nghttp2 is measured against: nghttp2 and epoll alone, without a
 * runtime. It trusts its clients: unary methods of the contract over plaintext, no limits, no
 * deadlines, no errors to answer.
 *
 *   nghttp2_echo raw|typed PORT
 *
 * raw: answers with the bytes that came. typed: unpacks them by protobuf-c and packs the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/v1/echo.pb-c.h"

enum {
    READ_BYTES = 65536,
    WRITE_BYTES = 262144, /* gathered before the kernel takes them */
    EVENTS = 64,
    WINDOW_BYTES = 16 << 20,
    STREAMS = 1000,
    SMALLEST_BODY = 256,
    ARENA_BYTES = 4 << 20,
    PREFIX_BYTES = 5 /* of a gRPC message: a flag and its length */
};

typedef struct body {
    uint8_t *bytes;
    size_t size;
    size_t room;
} body;

typedef struct stream {
    struct stream *next; /* of those to use again */
    const ProtobufCMessageDescriptor *type;
    body body;
    size_t sent;
} stream;

typedef struct connection {
    nghttp2_session *session;
    int fd;
    body unsent; /* what the kernel did not take */
} connection;

static stream *recycled;
static bool typed;
static int poller;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* For `size` more bytes. */
static void make_room(body *body, size_t size)
{
    size_t room = body->room == 0 ? SMALLEST_BODY : body->room;

    while (room - body->size < size)
        room *= 2;
    if (room != body->room && (body->bytes = realloc(body->bytes, room)) == NULL)
        fail("realloc");
    body->room = room;
}

static void append(body *body, const void *bytes, size_t size)
{
    make_room(body, size);
    if (size > 0)
        memcpy(body->bytes + body->size, bytes, size);
    body->size += size;
}

/* --- messages --------------------------------------------------------------------------------- */

static size_t arena_used;

static void *arena_alloc(void *data, size_t size)
{
    static _Alignas(16) uint8_t arena[ARENA_BYTES];
    void *bytes = arena + arena_used;

    (void)data;
    arena_used += (size + 15) & ~(size_t)15;
    return arena_used <= sizeof arena ? bytes : NULL;
}

static void arena_free(void *data, void *bytes)
{
    (void)data;
    (void)bytes;
}

/* The answer to a request, which is the same message, made from what it was unpacked to. */
static void repack(stream *stream)
{
    ProtobufCAllocator arena = {.alloc = arena_alloc, .free = arena_free};
    ProtobufCMessage *message;
    uint32_t size;

    arena_used = 0;
    message = protobuf_c_message_unpack(stream->type, &arena, stream->body.size - PREFIX_BYTES,
                                        stream->body.bytes + PREFIX_BYTES);
    if (message == NULL) {
        fprintf(stderr, "nghttp2_echo: a malformed message\n");
        exit(1);
    }
    size = (uint32_t)protobuf_c_message_get_packed_size(message);
    stream->body.size = 0;
    append(&stream->body, &(uint8_t){0}, 1);
    append(&stream->body, &(uint32_t){htonl(size)}, sizeof size);
    make_room(&stream->body, size);
    stream->body.size += protobuf_c_message_pack(message, stream->body.bytes + stream->body.size);
}

/* --- calls ------------------------------------------------------------------------------------ */

#define FIELD(key, text)                                                        \
    {                                                                           \
        (uint8_t *)(key), (uint8_t *)(text), sizeof(key) - 1, sizeof(text) - 1, \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE        \
    }

static const nghttp2_nv headers[] = {
    FIELD(":status", "200"),
    FIELD("content-type", "application/grpc"),
};
static const nghttp2_nv trailers[] = {FIELD("grpc-status", "0")};

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *user)
{
    stream *stream = source->ptr;
    size_t left = stream->body.size - stream->sent;

    (void)user;
    if (size > left)
        size = left;
    memcpy(bytes, stream->body.bytes + stream->sent, size);
    stream->sent += size;
    if (stream->sent == stream->body.size) {
        *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, trailers, 1) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)size;
}

static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    stream *stream = recycled;

    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (stream == NULL) {
        if ((stream = calloc(1, sizeof *stream)) == NULL)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    } else {
        recycled = stream->next;
    }
    stream->body.size = stream->sent = 0;
    return nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        ['P'] = &bench__v1__empty__descriptor, /* Ping, Call, Copy */
        ['a'] = &bench__v1__order__descriptor,
        ['o'] = &bench__v1__payload__descriptor,
    };
    static const char service[] = "/bench.v1.Echo/";
    stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags;
    (void)user;
    if (stream != NULL && name_size == 5 && memcmp(name, ":path", 5) == 0 &&
        value_size == sizeof service - 1 + 4) {
        uint8_t kind = value[sizeof service - 1];

        if (kind == 'C')
            kind = value[sizeof service];
        stream->type = kind < sizeof types / sizeof types[0] ? types[kind] : NULL;
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *user)
{
    stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    (void)user;
    append(&stream->body, data, size);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    nghttp2_data_provider answer = {.read_callback = read_answer};
    stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)user;
    if (stream == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0 ||
        (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS))
        return 0;
    if (stream->type == NULL || stream->body.size < PREFIX_BYTES)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (typed)
        repack(stream);
    answer.source.ptr = stream;
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &answer);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)code;
    (void)user;
    if (stream != NULL) {
        stream->next = recycled;
        recycled = stream;
    }
    return 0;
}

/* --- connections ------------------------------------------------------------------------------ */

static nghttp2_session_callbacks *callbacks(void)
{
    static nghttp2_session_callbacks *made;

    if (made == NULL) {
        if (nghttp2_session_callbacks_new(&made) != 0)
            fail("nghttp2");
        nghttp2_session_callbacks_set_on_begin_headers_callback(made, on_begin);
        nghttp2_session_callbacks_set_on_header_callback(made, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(made, on_frame);
        nghttp2_session_callbacks_set_on_stream_close_callback(made, on_stream_close);
    }
    return made;
}

static void watch(connection *connection, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (epoll_ctl(poller, operation, connection->fd, &event) != 0)
        fail("epoll_ctl");
}

static void take(int listener)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
    };
    connection *connection;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0)
        fail("setsockopt");
    if ((connection = calloc(1, sizeof *connection)) == NULL)
        fail("calloc");
    connection->fd = fd;
    if (nghttp2_session_server_new(&connection->session, callbacks(), connection) != 0 ||
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                              WINDOW_BYTES) != 0)
        fail("nghttp2");
    watch(connection, EPOLL_CTL_ADD, EPOLLIN);
}

static void close_connection(connection *connection)
{
    nghttp2_session_del(connection->session);
    (void)close(connection->fd);
    free(connection->unsent.bytes);
    free(connection);
}

/* All that nghttp2 has to say, in few writes. False: the client is gone. */
static bool write_all(connection *connection)
{
    static body gathered;
    body rest = connection->unsent;

    connection->unsent = (body){.bytes = NULL};
    for (;;) {
        body *out = rest.size > 0 ? &rest : &gathered;
        const uint8_t *bytes;
        ssize_t size = 0;

        while (out->size < WRITE_BYTES &&
               (size = nghttp2_session_mem_send(connection->session, &bytes)) > 0)
            append(out, bytes, (size_t)size);
        if (size < 0)
            break;
        if (out->size == 0) {
            free(rest.bytes);
            return true;
        }
        size = send(connection->fd, out->bytes, out->size, MSG_NOSIGNAL);
        if (size < 0 && errno != EAGAIN)
            break;
        if (size < (ssize_t)out->size) {
            size_t sent = size < 0 ? 0 : (size_t)size;

            append(&connection->unsent, out->bytes + sent, out->size - sent);
            free(rest.bytes);
            gathered.size = 0;
            watch(connection, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
            return true;
        }
        out->size = 0;
    }
    free(rest.bytes);
    gathered.size = 0;
    return false;
}

static bool serve(connection *connection, uint32_t events)
{
    static uint8_t buffer[READ_BYTES];

    if ((events & EPOLLIN) != 0) {
        ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);

        if (size == 0 || (size < 0 && errno != EAGAIN))
            return false;
        if (size > 0 && nghttp2_session_mem_recv(connection->session, buffer, (size_t)size) < 0)
            return false;
    }
    if ((events & EPOLLOUT) != 0)
        watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    else if (connection->unsent.size > 0)
        return true;
    return (events & (EPOLLERR | EPOLLHUP)) == 0 && write_all(connection);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0)
        fail(port);
    return fd;
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS] = {{.events = EPOLLIN}};
    int listener;

    if (argc != 3) {
        fprintf(stderr, "usage: nghttp2_echo raw|typed PORT\n");
        return 2;
    }
    typed = strcmp(argv[1], "typed") == 0;
    listener = listen_on(argv[2]);
    if ((poller = epoll_create1(EPOLL_CLOEXEC)) < 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, listener, &events[0]) != 0)
        fail("epoll");
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            connection *connection = events[i].data.ptr;

            if (connection == NULL)
                take(listener);
            else if (!serve(connection, events[i].events))
                close_connection(connection);
        }
    }
}
