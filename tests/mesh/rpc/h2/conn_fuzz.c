/*
 * Any bytes on the wire as a connection of a server on nghttp2, from its first to its last: frames,
 * header blocks, messages. The server must close the connection when its client has, and no call of
 * it may be left.
 *
 * An input begins with a byte of FUZZ_CONN_*. With FUZZ_CONN_FRAMES the rest are frames: type,
 * flags, stream, each a byte, and the payload, a block. Otherwise it is what goes over the wire.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "tests/fixtures/h2_frame.h"
#include "tests/fuzz/fuzz.h"
#include "tests/mesh/rpc/fuzz_handlers.h"

enum {
    FUZZ_CONN_GREETS = 1, /* the preface and SETTINGS go before it */
    FUZZ_CONN_FRAMES = 2,
    FUZZ_CONN_PIECES = 4, /* the bytes come in small pieces */
    FUZZ_CONN_LEAVES = 8, /* the client closes without waiting for answers */

    WIRE_BYTES_MAX = 1 << 16,
    PIECE_BYTES = 7,
    PIECES_MAX = 64, /* then the rest at once */
    LIMIT_MS = 10000
};

static char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
static mesh_server *server;

static void stop(void)
{
    mesh_server_destroy(server);
}

static void start(void)
{
    const char *folder = getenv("TMPDIR"); /* which goes, also when this ends without stop() */
    char listen[sizeof path + 8];

    mesh_log_setup("conn_fuzz", MESH_LOG_ERROR); /* refusals are what it is about */
    FUZZ_CHECK((size_t)snprintf(path, sizeof path, "%s/mesh-conn-fuzz-%d",
                                folder != NULL ? folder : "/tmp", (int)getpid()) < sizeof path);
    (void)snprintf(listen, sizeof listen, "unix:%s", path);
    server = fuzz_handlers_serve(listen, "h2");
    (void)atexit(stop);
}

/* --- what goes over the wire ------------------------------------------------------------------ */

typedef struct wire {
    uint8_t bytes[WIRE_BYTES_MAX];
    size_t size;
} wire;

static void add(wire *wire, const void *bytes, size_t size)
{
    if (size > sizeof wire->bytes - wire->size)
        size = sizeof wire->bytes - wire->size;
    if (size > 0)
        memcpy(wire->bytes + wire->size, bytes, size);
    wire->size += size;
}

static void add_frame(wire *wire, fuzz_input *input)
{
    uint8_t head[H2_HEAD_BYTES];
    uint8_t type = fuzz_byte(input), flags = fuzz_byte(input), stream = fuzz_byte(input);
    fuzz_input payload = fuzz_block(input);

    h2_head_write(head,
                  &(h2_head){.size = payload.size, .type = type, .flags = flags, .stream = stream});
    add(wire, head, sizeof head);
    add(wire, payload.data, payload.size);
}

static void make_wire(wire *wire, fuzz_input *input, unsigned how)
{
    wire->size = 0;
    if ((how & FUZZ_CONN_GREETS) != 0) {
        uint8_t head[H2_HEAD_BYTES];

        add(wire, H2_PREFACE, sizeof H2_PREFACE - 1);
        h2_head_write(head, &(h2_head){.type = H2_SETTINGS});
        add(wire, head, sizeof head);
    }
    if ((how & FUZZ_CONN_FRAMES) == 0)
        add(wire, input->data, input->size);
    else
        while (input->size > 0)
            add_frame(wire, input);
}

/* --- the client ------------------------------------------------------------------------------- */

static int connect_to_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    FUZZ_CHECK(fd >= 0);
    memcpy(address.sun_path, path, sizeof path);
    FUZZ_CHECK(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

/* Takes what the server sends. False: it has closed. */
static bool take(int fd)
{
    uint8_t taken[4096];
    ssize_t size = recv(fd, taken, sizeof taken, MSG_DONTWAIT);

    return size > 0 || (size < 0 && errno == EAGAIN);
}

/* Sends all, and takes meanwhile. False: the server has closed. */
static bool send_all(int fd, const wire *wire, bool in_pieces)
{
    size_t sent = 0;

    for (size_t pieces = 0; sent < wire->size; pieces++) {
        struct pollfd ready = {.fd = fd, .events = POLLIN | POLLOUT};
        size_t size = wire->size - sent;
        ssize_t part;

        if (in_pieces && pieces < PIECES_MAX && size > PIECE_BYTES)
            size = PIECE_BYTES;
        FUZZ_CHECK(poll(&ready, 1, LIMIT_MS) == 1);
        if ((ready.revents & ~POLLOUT) != 0 && !take(fd))
            return false;
        if ((ready.revents & POLLOUT) == 0)
            continue;
        part = send(fd, wire->bytes + sent, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (part < 0 && errno != EAGAIN)
            return false;
        sent += part > 0 ? (size_t)part : 0;
    }
    return true;
}

static void wait_for_close(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    do
        FUZZ_CHECK(poll(&ready, 1, LIMIT_MS) == 1);
    while (take(fd));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static wire wire;
    fuzz_input input = {.data = data, .size = size};
    unsigned how = fuzz_byte(&input);
    int64_t until_ns;
    int fd;

    if (server == NULL)
        start();
    make_wire(&wire, &input, how);
    fd = connect_to_server();
    if (send_all(fd, &wire, (how & FUZZ_CONN_PIECES) != 0) && (how & FUZZ_CONN_LEAVES) == 0) {
        (void)shutdown(fd, SHUT_WR);
        wait_for_close(fd);
    }
    close(fd);
    until_ns = mesh_clock_deadline_ns(LIMIT_MS);
    while (mesh_server_active(server) > 0) {
        FUZZ_CHECK(mesh_clock_monotonic_ns() < until_ns);
        sched_yield();
    }
    return 0;
}
