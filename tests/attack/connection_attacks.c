/* Many connections: silent, slow, broken off, or talking nonsense. */
#include <stdlib.h>
#include <string.h>

#include "tests/attack/peer.h"

enum {
    HOLD_MS = 3000,
    TICK_MS = 100,
    CONNECT_FAILURES_MAX = 3
};

static peer *peers_create(size_t count)
{
    peer *peers = calloc(count, sizeof *peers);

    if (peers == NULL)
        abort();
    for (size_t i = 0; i < count; i++)
        peers[i].fd = -1;
    return peers;
}

static void peers_destroy(peer *peers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        peer_close(&peers[i], true);
    free(peers);
}

/* --- slow ------------------------------------------------------------------------------------- */

/* The next bit of what a connection trickles. */
static void trickle(peer *peer, size_t kind, size_t tick)
{
    uint8_t byte = (uint8_t)tick, header[16];

    switch (kind) {
    case 0: /* nothing at all */
        break;
    case 1:
        (void)peer_bytes(peer, &H2_PREFACE[tick % (sizeof H2_PREFACE - 1)], 1);
        break;
    case 2: /* a header block that does not end */
        if (tick == 0)
            (void)peer_request(peer, peer->attempt->path, 0);
        (void)peer_frame(peer, H2_CONTINUATION, 0, 1, header, h2_header(header, "x-a", "v"));
        break;
    default: /* a message that does not end */
        if (tick == 0) {
            static const uint8_t head[H2_MESSAGE_HEAD_BYTES] = {0, 0, 1, 0, 0};

            (void)peer_request(peer, peer->attempt->path, H2_END_HEADERS);
            (void)peer_frame(peer, H2_DATA, 0, 1, head, sizeof head);
        }
        (void)peer_frame(peer, H2_DATA, 0, 1, &byte, 1);
        break;
    }
    (void)peer_flush(peer);
}

static void slow_sender(attempt *attempt)
{
    size_t count = (size_t)attempt->most;
    peer *peers = peers_create(count);

    for (size_t i = 0; i < count && attempt_goes_on(attempt); i++)
        attempt->units += i % 4 < 2 ? peer_connect(&peers[i], attempt, true)
                                    : peer_greet(&peers[i], attempt, true);
    for (size_t tick = 0; tick < HOLD_MS / TICK_MS; tick++) {
        for (size_t i = 0; i < count; i++)
            trickle(&peers[i], i % 4, tick);
        attempt_pause(attempt, TICK_MS);
    }
    peers_destroy(peers, count);
}

/* Holds streams of several connections; with `asks` there is a request on each, and nothing of the
 * answers is read. */
static void hold_streams(attempt *attempt, const char *path, bool asks)
{
    enum {
        STREAMS = 100 /* of a connection; servers of this runtime allow 1,000 */
    };
    static const uint8_t empty[H2_MESSAGE_HEAD_BYTES] = {0};
    size_t count = (size_t)(attempt->most + STREAMS - 1) / STREAMS;
    peer *peers = peers_create(count);

    for (size_t i = 0; i < count; i++) {
        bool sent = peer_greet(&peers[i], attempt, !asks);

        for (size_t j = 0; j < STREAMS && sent && attempt_goes_on(attempt); j++) {
            sent = peer_request(&peers[i], path, H2_END_HEADERS) &&
                   (!asks || peer_frame(&peers[i], H2_DATA, H2_END_STREAM, peers[i].next_stream - 2,
                                        empty, sizeof empty));
            attempt->units += sent;
        }
        (void)peer_flush(&peers[i]);
    }
    attempt_pause(attempt, HOLD_MS);
    peers_destroy(peers, count);
}

static void slow_reader(attempt *attempt)
{
    hold_streams(attempt, attempt->stream, true);
}

static void open_streams(attempt *attempt)
{
    hold_streams(attempt, attempt->path, false);
}

/* --- nonsense --------------------------------------------------------------------------------- */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void garbage(attempt *attempt)
{
    enum {
        GARBAGE_BYTES = 32 * 1024
    };
    peer *peer = peers_create(1);
    uint8_t *bytes = malloc(GARBAGE_BYTES);
    uint32_t seed = 1;

    if (bytes == NULL)
        abort();
    while (attempt_goes_on(attempt)) {
        bool greets = attempt->units % 2;

        if (!(greets ? peer_greet(peer, attempt, true) : peer_connect(peer, attempt, true)))
            break;
        for (size_t i = 0; i < GARBAGE_BYTES; i++)
            bytes[i] = (uint8_t)next_random(&seed);
        (void)peer_bytes(peer, bytes, 1 + next_random(&seed) % GARBAGE_BYTES);
        peer_linger(peer, attempt->units % 8 == 0 ? TICK_MS : 0);
        peer_close(peer, true);
        attempt->units++;
    }
    free(bytes);
    peers_destroy(peer, 1);
}

/* A decent call, of which some bytes are others, cut off somewhere. */
static void broken_frames(attempt *attempt)
{
    static const uint8_t empty[H2_MESSAGE_HEAD_BYTES] = {0};
    peer *peer = peers_create(1);
    uint32_t seed = 2;

    while (attempt_goes_on(attempt)) {
        size_t from = sizeof H2_PREFACE - 1;

        if (!peer_greet(peer, attempt, true))
            break;
        (void)peer_request(peer, attempt->path, H2_END_HEADERS);
        (void)peer_frame(peer, H2_DATA, H2_END_STREAM, 1, empty, sizeof empty);
        for (uint32_t changes = next_random(&seed) % 8; changes > 0; changes--)
            peer->out[from + next_random(&seed) % (peer->out_size - from)] = (uint8_t)next_random(
                &seed);
        peer->out_size -= next_random(&seed) % (peer->out_size - from);
        peer_linger(peer, attempt->units % 32 == 0 ? TICK_MS : 0);
        peer_close(peer, attempt->units % 2);
        attempt->units++;
    }
    peers_destroy(peer, 1);
}

/* --- many ------------------------------------------------------------------------------------- */

static void connection_flood(attempt *attempt)
{
    peer *peer = peers_create(1);
    int failures = 0;

    while (attempt_goes_on(attempt) && failures < CONNECT_FAILURES_MAX) {
        bool greets = attempt->units % 2;

        if (greets ? peer_greet(peer, attempt, true) : peer_connect(peer, attempt, true))
            (void)peer_flush(peer);
        else
            failures++;
        peer_close(peer, true);
        attempt->units++;
    }
    peers_destroy(peer, 1);
}

static void fd_exhaustion(attempt *attempt)
{
    size_t count = (size_t)attempt->most;
    peer *peers = peers_create(count); /* 300 MB of addresses, of which little is touched */
    int failures = 0;

    for (size_t i = 0; i < count && attempt_goes_on(attempt) && failures < CONNECT_FAILURES_MAX;
         i++, attempt->units++)
        if (!peer_greet(&peers[i], attempt, true) || !peer_flush(&peers[i]))
            failures++;
    attempt_pause(attempt, HOLD_MS);
    peers_destroy(peers, count);
}

const attack stream_attacks[] = {
    {"slow_reader", "streams", 1000, slow_reader,
     "asks for a long answer on each of many streams and reads nothing"},
    {"slow_reader_blocking", "streams", 1000, slow_reader,
     "the same, of a handler that blocks a worker"},
    {0},
};

const attack connection_attacks[] = {
    {"slow_sender", "connections", 120, slow_sender,
     "connections that say nothing, or a byte now and then"},
    {"open_streams", "streams", 3000, open_streams, "streams that are opened and left"},
    {"garbage", "connections", 1000, garbage, "random bytes, for half of them after a greeting"},
    {"broken_frames", "connections", 1000, broken_frames,
     "decent calls with bytes changed, cut off somewhere"},
    {"connection_flood", "connections", 20000, connection_flood, "connects and is gone again"},
    {"fd_exhaustion", "connections", 1200, fd_exhaustion,
     "more connections than the target has file descriptors (scripts/attack leaves it 1,024)"},
    {0},
};
