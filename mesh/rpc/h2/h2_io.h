/*
 * Bytes of one connection, in plaintext or TLS, over a nonblocking socket. Internal to mesh/rpc/h2.
 * Used by one thread at a time, the connection's loop.
 */
#ifndef MESH_RPC_H2_H2_IO_H
#define MESH_RPC_H2_H2_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

typedef struct h2_tls_session h2_tls_session; /* h2_tls.h */

typedef struct h2_io {
    int fd;              /* nonblocking, close-on-exec */
    h2_tls_session *tls; /* NULL: plaintext */
} h2_io;

typedef enum h2_io_result {
    H2_IO_DONE,       /* all or a part of it */
    H2_IO_WANT_READ,  /* again when the socket is readable */
    H2_IO_WANT_WRITE, /* again when it is writable; also of a read, under TLS */
    H2_IO_CLOSED,     /* the peer ended it in order */
    H2_IO_FAILED      /* it is of no use any more */
} h2_io_result;

/*
 * The TLS handshake as far as it goes. DONE at once for plaintext, and once the peer was let in:
 * with ALPN h2 (RFC 9113, section 3.2) and the certificate that is asked for.
 */
h2_io_result h2_io_handshake(h2_io *io);

/*
 * Whether a read under TLS takes from the socket what there is, which costs less, or no more than
 * the record that it needs. At first it does.
 */
void h2_io_read_ahead(h2_io *io, bool ahead);

/* At most `size` bytes into `data`; `*got` says how many, at least one when it is DONE. */
h2_io_result h2_io_read(h2_io *io, void *data, size_t size, size_t *got);

/*
 * Writes from the front of `parts`; `*put` says how many bytes, at least one when it is DONE, and
 * perhaps not all. After WANT_READ and WANT_WRITE the bytes not put must be the first of the next
 * write; they may have moved, and more may follow.
 */
h2_io_result h2_io_write(h2_io *io, const struct iovec *parts, int part_count, size_t *put);

/*
 * Bytes that a read would bring without the socket becoming readable: TLS has them already. To be
 * asked before waiting for the socket.
 */
bool h2_io_pending(const h2_io *io);

/*
 * Nothing more is written: says goodbye under TLS and ends this side of the connection, so that the
 * peer reads all of it and then the end. False: it is of no use any more.
 */
bool h2_io_end(h2_io *io);

/* Says goodbye under TLS as far as that goes without waiting, closes the socket, frees. Once. */
void h2_io_close(h2_io *io);

#endif
