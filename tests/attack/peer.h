/*
 * A connection that says what it likes: bytes and frames, buffered, never waiting longer than the
 * attack may last. What comes back is read and thrown away, or never read at all.
 *
 * The functions return false once nothing more can be sent: the other side has closed, takes
 * nothing (PEER_STALL_MS), or the attack is to end.
 */
#ifndef TESTS_ATTACK_PEER_H
#define TESTS_ATTACK_PEER_H

#include <stddef.h>

#include "tests/attack/attempt.h"
#include "tests/fixtures/h2_frame.h"

enum {
    PEER_OUT_BYTES = 256 * 1024,
    PEER_STALL_MS = 3000
};

typedef struct peer {
    attempt *attempt;
    int fd;
    SSL *tls; /* NULL: plaintext */
    bool reads;
    bool stalled; /* the other side reads no more */
    uint32_t next_stream;
    size_t out_size;
    uint8_t out[PEER_OUT_BYTES];
} peer;

/*
 * Connects over TCP, TLS or a Unix socket, as the target is, at most PEER_STALL_MS; false also
 * without a file descriptor.
 */
bool peer_connect(peer *peer, attempt *attempt, bool reads);

/*
 * Connects and sends what HTTP/2 begins with. The windows for answers are as large as they can be.
 * The target's SETTINGS are never confirmed, so that it may not count on them (RFC 9113, 6.5.3).
 */
bool peer_greet(peer *peer, attempt *attempt, bool reads);

bool peer_bytes(peer *peer, const void *data, size_t size);
bool peer_frame(peer *peer, uint8_t type, uint8_t flags, uint32_t stream, const void *payload,
                size_t size);

/* HEADERS of a gRPC request; its stream is next_stream - 2 afterwards. */
bool peer_request(peer *peer, const char *path, uint8_t flags);

/* Sends what is buffered. */
bool peer_flush(peer *peer);

/* Throws away what has arrived. False: the other side has closed. */
bool peer_discard(peer *peer);

/* Sends what is buffered, reads for at most `ms`, or until the other side closes. */
void peer_linger(peer *peer, int64_t ms);

/* `abort`: with a reset, which keeps no port of this machine waiting. */
void peer_close(peer *peer, bool abort);

#endif
