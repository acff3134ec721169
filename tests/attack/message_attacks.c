/*
 * Messages that no stub would make. Those that fit into the first windows of a connection go by
 * frames made by hand, the others over a channel that has its own flow control.
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "mesh/rpc/channel.h"
#include "tests/attack/channel.h"
#include "tests/attack/peer.h"

enum {
    PARALLEL = 16,
    TIMEOUT_MS = 10000,
    LIMIT_BYTES = 4 * 1024 * 1024, /* max_receive_bytes of mesh/rpc/server.h */
    DEPTH = 10000,
    HOLD_MS = 1000,
    /* fields of attack.v1.Node, all of them length-delimited */
    TEXT_TAG = 0x0a,
    CHILD_TAG = 0x12,
    CHILDREN_TAG = 0x1a,
    GROUP_TAG = 0x23
};

static uint8_t *allocate(size_t size)
{
    uint8_t *data = calloc(1, size);

    if (data == NULL)
        abort();
    return data;
}

/* --- over a channel --------------------------------------------------------------------------- */

/* Sends the same message on as many streams as wanted, `parallel` at once. `ends`: at once;
 * otherwise the calls are left without their end for a while. */
static void send_messages(attempt *attempt, const uint8_t *data, size_t size, bool compress,
                          size_t parallel, bool ends)
{
    const mesh_call_options options = {.timeout_ms = TIMEOUT_MS, .compress = compress};
    mesh_stream **streams = calloc(parallel, sizeof *streams);
    mesh_channel *channel = channel_connect(attempt, CHANNEL_OF_ATTACKS);

    if (streams == NULL || channel == NULL)
        abort();
    while (attempt_goes_on(attempt)) {
        size_t opened = 0;

        while (opened < parallel && attempt_goes_on(attempt) &&
               mesh_stream_open(channel, &attempt->bytes, NULL, &options, &streams[opened], NULL) ==
                   MESH_OK) {
            (void)mesh_stream_send_bytes(streams[opened], data, size);
            if (ends)
                (void)mesh_stream_close_send(streams[opened]);
            opened++;
            attempt->units++;
        }
        if (opened == 0) {
            attempt->refused = true;
            break;
        }
        if (!ends)
            attempt_pause(attempt, HOLD_MS);
        for (size_t i = 0; i < opened; i++) {
            if (!ends)
                mesh_stream_cancel(streams[i]);
            (void)mesh_stream_finish(streams[i], NULL);
        }
    }
    mesh_channel_destroy(channel);
    free(streams);
}

static void oversize_messages(attempt *attempt)
{
    const size_t size = LIMIT_BYTES + LIMIT_BYTES / 2;
    uint8_t *data = allocate(size);

    send_messages(attempt, data, size, false, PARALLEL, true);
    free(data);
}

static void empty_submessages(attempt *attempt)
{
    const size_t size = LIMIT_BYTES - 1024;
    uint8_t *data = allocate(size);

    for (size_t i = 0; i < size; i += 2)
        data[i] = CHILDREN_TAG;
    send_messages(attempt, data, size, false, PARALLEL, true);
    free(data);
}

static void held_messages(attempt *attempt)
{
    const size_t size = LIMIT_BYTES - 1024;
    uint8_t *data = allocate(size);

    send_messages(attempt, data, size, false, (size_t)attempt->most, false);
    free(data);
}

/* Writes a tag and a length before what begins at `at`, and returns where it begins now. */
static size_t wrap(uint8_t *data, size_t at, size_t end, uint8_t tag)
{
    size_t length = end - at;
    uint8_t head[8] = {tag};
    size_t size = 1;

    for (; length >= 0x80; length >>= 7)
        head[size++] = (uint8_t)(0x80 | (length & 0x7f));
    head[size++] = (uint8_t)length;
    memcpy(data + at - size, head, size);
    return at - size;
}

static void nested_messages(attempt *attempt)
{
    const size_t end = (size_t)DEPTH * 4;
    uint8_t *data = allocate(end);
    size_t at = end;

    for (size_t i = 0; i < DEPTH; i++)
        at = wrap(data, at, end, CHILD_TAG);
    send_messages(attempt, data + at, end - at, false, PARALLEL, true);
    free(data);
}

/* Groups, which proto3 has not, but a parser of unknown fields may follow. */
static void nested_groups(attempt *attempt)
{
    uint8_t *data = allocate((size_t)DEPTH * 2);

    memset(data, GROUP_TAG, DEPTH);
    memset(data + DEPTH, GROUP_TAG + 1, DEPTH);
    send_messages(attempt, data, (size_t)DEPTH * 2, false, PARALLEL, true);
    free(data);
}

static void bad_strings(attempt *attempt)
{
    static const char *const texts[] = {
        "a\0b",             /* a NUL */
        "a\xff",            /* no UTF-8 at all */
        "\xc0\xaf",         /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* past the last character */
        "a\xc3",            /* cut off */
    };
    static const size_t sizes[] = {3, 2, 2, 3, 4, 2};
    uint64_t most = attempt->most;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        uint8_t data[8] = {TEXT_TAG, (uint8_t)sizes[i]};

        memcpy(data + 2, texts[i], sizes[i]);
        attempt->most = most / 6 * (i + 1);
        send_messages(attempt, data, 2 + sizes[i], false, PARALLEL, true);
    }
    attempt->most = most;
}

/* --- by hand ---------------------------------------------------------------------------------- */

/* Calls with a body that is not one message, one after the other on a connection. */
typedef struct body {
    uint8_t bytes[16];
    size_t size;
} body;

static void send_bodies(attempt *attempt, const body *bodies, size_t count)
{
    enum {
        CALLS = 100 /* at once, below what fills the workers' queue */
    };
    peer *peer = malloc(sizeof *peer);

    if (peer == NULL)
        abort();
    while (attempt_goes_on(attempt)) {
        bool sent = peer_greet(peer, attempt, true);

        if (!sent)
            break;
        for (size_t i = 0; i < CALLS && sent; i++, attempt->units++) {
            const body *next = &bodies[i % count];

            sent = peer_request(peer, attempt->path, H2_END_HEADERS) &&
                   peer_frame(peer, H2_DATA, H2_END_STREAM, peer->next_stream - 2, next->bytes,
                              next->size);
        }
        peer_linger(peer, 50);
        peer_close(peer, true);
    }
    free(peer);
}

static void null_payloads(attempt *attempt)
{
    static const body bodies[] = {
        {{0}, 0},                                /* no message at all */
        {{0}, 5},                                /* an empty one */
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 10},    /* two */
        {{0, 0}, 2},                             /* half of what goes before one */
        {{0, 0, 0, 0, 9, 1, 2}, 7},              /* less than it says */
        {{1, 0, 0, 0, 2, 0x1f, 0x8b}, 7},        /* compressed, without a grpc-encoding */
        {{2, 0, 0, 0, 0}, 5},                    /* a flag that is none */
        {{0, 0xff, 0xff, 0xff, 0xff, 1, 2}, 7},  /* 4 GiB less a byte */
        {{0, 0x7f, 0xff, 0xff, 0xff, 1, 2}, 7},  /* 2 GiB less a byte */
        {{0, 0x00, 0x40, 0x00, 0x01, 1, 2}, 7},  /* a byte above the limit */
        {{0, 0, 0, 0, 1, 0x0a, 0, 0, 0, 0}, 10}, /* one, and half of a second */
    };

    send_bodies(attempt, bodies, sizeof bodies / sizeof bodies[0]);
}

/* Zeros, compressed a thousand times smaller. */
static uint8_t *compress_zeros(size_t size, size_t *compressed)
{
    enum {
        GZIP_WINDOW_BITS = 15 + 16,
        MEMORY_LEVEL = 8
    };
    uint8_t *zeros = allocate(size), *out = allocate(size / 512);
    z_stream stream = {
        .next_in = zeros, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)(size / 512)};

    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&stream, Z_FINISH) != Z_STREAM_END)
        abort();
    *compressed = stream.total_out;
    (void)deflateEnd(&stream);
    free(zeros);
    return out;
}

static bool send_bomb(peer *peer, const uint8_t *bomb, size_t size)
{
    uint8_t block[H2_REQUEST_BYTES_MAX + 32], head[H2_MESSAGE_HEAD_BYTES];
    size_t block_size = h2_request(block, peer->attempt->path);
    uint32_t stream = peer->next_stream;

    peer->next_stream += 2;
    block_size += h2_header(block + block_size, "grpc-encoding", "gzip");
    h2_message_head(head, true, (uint32_t)size);
    return peer_frame(peer, H2_HEADERS, H2_END_HEADERS, stream, block, block_size) &&
           peer_frame(peer, H2_DATA, 0, stream, head, sizeof head) &&
           peer_frame(peer, H2_DATA, H2_END_STREAM, stream, bomb, size);
}

/* As many on a connection as fit into its first window, on several connections at once. */
static void send_bombs(attempt *attempt, size_t inflated)
{
    enum {
        WINDOW_BYTES = 65535 /* RFC 9113, section 6.9.2 */
    };
    size_t size, at = 0;
    uint8_t *bomb = compress_zeros(inflated, &size);
    peer *peers = calloc(PARALLEL, sizeof *peers);
    bool sent = true;

    if (peers == NULL || size > H2_PAYLOAD_BYTES_MAX)
        abort();
    for (size_t i = 0; i < PARALLEL; i++)
        peers[i].fd = -1;
    while (sent && attempt_goes_on(attempt)) {
        peer *next = &peers[at++ % PARALLEL];

        peer_close(next, true);
        sent = peer_greet(next, attempt, true);
        for (size_t i = 0; i < WINDOW_BYTES / (size + H2_MESSAGE_HEAD_BYTES) && sent; i++) {
            sent = send_bomb(next, bomb, size);
            attempt->units++;
        }
        sent = sent && peer_flush(next);
    }
    if (at > 0)
        peer_linger(&peers[(at - 1) % PARALLEL], HOLD_MS);
    for (size_t i = 0; i < PARALLEL; i++)
        peer_close(&peers[i], true);
    free(peers);
    free(bomb);
}

static void gzip_bomb(attempt *attempt)
{
    send_bombs(attempt, (size_t)LIMIT_BYTES * 3);
}

static void gzip_full(attempt *attempt)
{
    send_bombs(attempt, LIMIT_BYTES);
}

const attack message_attacks[] = {
    {"oversize_messages", "messages", 200, oversize_messages, "6 MiB, where 4 are allowed"},
    {"null_payloads", "calls", 5000, null_payloads,
     "no message, two, half of one, or another length than it says"},
    {"gzip_bomb", "messages", 3000, gzip_bomb,
     "12 KiB that inflate to 12 MiB, where 4 are allowed"},
    {"gzip_full", "messages", 3000, gzip_full, "4 KiB that inflate to the 4 MiB that are allowed"},
    {"nested_messages", "messages", 2000, nested_messages, "nested 10,000 deep"},
    {"nested_groups", "messages", 2000, nested_groups, "unknown groups, 10,000 deep"},
    {"empty_submessages", "messages", 100, empty_submessages,
     "2 million empty submessages in 4 MiB"},
    {"bad_strings", "messages", 12000, bad_strings, "strings with NUL, or that are no UTF-8"},
    {"held_messages", "messages", 180, held_messages,
     "messages of 4 MiB, each of a call that is not ended"},
    {0},
};
