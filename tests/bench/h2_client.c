/*
 * What h2load cannot do to a server: messages to and fro on one stream, and connections that made
 * a call and stay. nghttp2 on blocking sockets, so that little of what it measures is its own.
 *
 *   h2_client pingpong PORT MESSAGE SECONDS       prints "MESSAGES P50-US P99-US"
 *   h2_client idle PORT MESSAGE CONNECTIONS [tls] says "ready", goes on until its input ends
 *
 * MESSAGE is a file with a gRPC message, its prefix included, that the server echoes.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_BYTES = 65536,
    MESSAGE_BYTES = 4096,
    WINDOW_BYTES = 16 << 20,
    ANSWER_EACH = 100,       /* connections made */
    WARM_UP_PART = 4,        /* of the time */
    MOST_MESSAGES = 10 << 20 /* whose time is kept */
};

typedef struct connection {
    nghttp2_session *session;
    SSL *tls; /* NULL: plaintext */
    int fd;
    int32_t stream;
    size_t sent;     /* of the message */
    size_t received; /* of the answer */
    bool ended;      /* by the server, with status OK */
    bool last;       /* no message follows the one that is sent */
} connection;

static uint8_t message[MESSAGE_BYTES];
static size_t message_size;
static const char *port;
static SSL_CTX *tls_context; /* NULL: plaintext */
static nghttp2_session_callbacks *callbacks;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "h2_client: %s\n", what);
    exit(1);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static ssize_t put(nghttp2_session *session, const uint8_t *bytes, size_t size, int flags,
                   void *user)
{
    connection *connection = user;
    ssize_t sent = connection->tls != NULL ? SSL_write(connection->tls, bytes, (int)size)
                                           : send(connection->fd, bytes, size, MSG_NOSIGNAL);

    (void)session;
    (void)flags;
    return sent > 0 ? sent : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static void put_all(connection *connection)
{
    if (nghttp2_session_send(connection->session) != 0)
        fail("the server does not take what is sent");
}

static void get_some(connection *connection)
{
    uint8_t bytes[READ_BYTES];
    ssize_t size = connection->tls != NULL ? SSL_read(connection->tls, bytes, sizeof bytes)
                                           : recv(connection->fd, bytes, sizeof bytes, 0);

    if (size <= 0)
        fail("the server closed a connection");
    if (nghttp2_session_mem_recv(connection->session, bytes, (size_t)size) < 0)
        fail("the server does not speak HTTP/2");
}

/* --- one stream ------------------------------------------------------------------------------- */

static ssize_t read_message(nghttp2_session *session, int32_t id, uint8_t *bytes, size_t size,
                            uint32_t *flags, nghttp2_data_source *source, void *user)
{
    connection *connection = user;
    size_t left = message_size - connection->sent;

    (void)session;
    (void)id;
    (void)source;
    if (left == 0)
        return NGHTTP2_ERR_DEFERRED;
    if (size > left)
        size = left;
    memcpy(bytes, message + connection->sent, size);
    connection->sent += size;
    if (connection->last && connection->sent == message_size)
        *flags = NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *user)
{
    connection *connection = user;

    (void)session;
    (void)flags;
    (void)id;
    if (size > message_size - connection->received ||
        memcmp(data, message + connection->received, size) != 0)
        fail("the answer differs from what was sent");
    connection->received += size;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    connection *connection = user;

    (void)session;
    (void)frame;
    (void)flags;
    if (name_size == strlen("grpc-status") && memcmp(name, "grpc-status", name_size) == 0)
        connection->ended = value_size == 1 && value[0] == '0';
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    connection *connection = user;

    (void)session;
    (void)id;
    if (code != 0 || !connection->ended || connection->received != message_size)
        fail("a call was not answered with its message and OK");
    connection->stream = 0;
    return 0;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NONE};
}

static void open_stream(connection *connection, const char *path, bool one_message)
{
    const nghttp2_nv headers[] = {
        field(":method", "POST"),
        field(":scheme", connection->tls != NULL ? "https" : "http"),
        field(":path", path),
        field(":authority", "127.0.0.1"),
        field("content-type", "application/grpc"),
        field("te", "trailers"),
    };
    nghttp2_data_provider provider = {.read_callback = read_message};

    connection->last = one_message;
    connection->stream = nghttp2_submit_request(
        connection->session, NULL, headers, sizeof headers / sizeof headers[0], &provider, NULL);
    if (connection->stream < 0)
        fail("nghttp2 opens no stream");
}

/* --- connections ------------------------------------------------------------------------------ */

static void shake_hands(connection *connection)
{
    static const unsigned char h2[] = "\2h2";

    connection->tls = SSL_new(tls_context);
    if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->fd) != 1 ||
        SSL_set_alpn_protos(connection->tls, h2, sizeof h2 - 1) != 0 ||
        SSL_connect(connection->tls) != 1)
        fail(ERR_reason_error_string(ERR_peek_error()));
}

static void connect_to(connection *connection)
{
    const nghttp2_settings_entry window = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES};
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };

    *connection = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (connection->fd < 0 ||
        connect(connection->fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)) != 0) {
        perror("h2_client");
        exit(1);
    }
    if (tls_context != NULL)
        shake_hands(connection);
    if (nghttp2_session_client_new(&connection->session, callbacks, connection) != 0 ||
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, &window, 1) != 0 ||
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                              WINDOW_BYTES) != 0)
        fail("nghttp2 makes no session");
}

/* --- what it does ----------------------------------------------------------------------------- */

static int64_t now_ns(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

static int by_time(const void *a, const void *b)
{
    int64_t first = *(const int64_t *)a, second = *(const int64_t *)b;

    return (first > second) - (first < second);
}

static void pingpong(double seconds)
{
    int64_t *times = malloc(MOST_MESSAGES * sizeof *times);
    int64_t started = now_ns(), sent = started;
    int64_t warm = started + (int64_t)(seconds / WARM_UP_PART * 1e9);
    int64_t end = warm + (int64_t)(seconds * 1e9);
    connection connection;
    size_t count = 0;

    if (times == NULL)
        fail("out of memory");
    connect_to(&connection);
    open_stream(&connection, "/bench.v1.Echo/Chat", false);
    while (sent < end && count < MOST_MESSAGES) {
        int64_t now;

        put_all(&connection);
        while (connection.received < message_size)
            get_some(&connection);
        now = now_ns();
        if (sent > warm)
            times[count++] = now - sent;
        connection.sent = connection.received = 0;
        if (nghttp2_session_resume_data(connection.session, connection.stream) != 0)
            fail("the server ended the stream");
        sent = now;
    }
    if (count == 0)
        fail("no message came back in time");
    qsort(times, count, sizeof *times, by_time);
    printf("%zu %.3f %.3f\n", count, (double)times[count / 2] / 1e3,
           (double)times[count * 99 / 100] / 1e3);
    free(times);
}

/* Answers what servers send on connections that are idle, PING above all, until input ends. */
static bool answer(connection *connections, struct pollfd *events, size_t count, int wait_ms)
{
    if (poll(events, count + 1, wait_ms) < 0)
        fail("poll");
    for (size_t i = 0; i < count; i++) {
        if (events[i].revents == 0)
            continue;
        get_some(&connections[i]);
        put_all(&connections[i]);
    }
    return events[count].revents == 0;
}

static void stay_idle(size_t count)
{
    connection *connections = calloc(count, sizeof *connections);
    struct pollfd *events = calloc(count + 1, sizeof *events);

    if (connections == NULL || events == NULL)
        fail("out of memory");
    for (size_t i = 0; i < count; i++) {
        connect_to(&connections[i]);
        open_stream(&connections[i], "/bench.v1.Echo/Call", true);
        do {
            put_all(&connections[i]);
            get_some(&connections[i]);
        } while (connections[i].stream != 0);
        put_all(&connections[i]);
        events[i] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        events[i + 1] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        if (i % ANSWER_EACH == 0)
            (void)answer(connections, events, i + 1, 0);
    }
    printf("ready\n");
    (void)fflush(stdout);
    while (answer(connections, events, count, -1))
        ;
    free(connections);
    free(events);
}

static void make_callbacks(void)
{
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        fail("out of memory");
    nghttp2_session_callbacks_set_send_callback(callbacks, put);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static void read_file(const char *path)
{
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        perror(path);
        exit(1);
    }
    message_size = fread(message, 1, sizeof message, file);
    (void)fclose(file);
}

int main(int argc, char **argv)
{
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: h2_client pingpong|idle PORT MESSAGE SECONDS|CONNECTIONS [tls]\n");
        return 2;
    }
    port = argv[2];
    read_file(argv[3]);
    make_callbacks();
    if (argc == 6 && (tls_context = SSL_CTX_new(TLS_client_method())) == NULL)
        fail("no TLS");
    if (strcmp(argv[1], "pingpong") == 0)
        pingpong(strtod(argv[4], NULL));
    else
        stay_idle(strtoul(argv[4], NULL, 10));
    return 0;
}
