/*
 * TLS for the servers of this transport: TLS 1.2 or later with ALPN h2, from PEM files. Internal to
 * mesh/rpc/h2.
 *
 * Sessions are resumed by tickets, which this server alone can read: it keeps nothing. A ticket
 * brings the identity that was verified when it was given out, and is worth nothing after
 * H2_TLS_TICKET_SECONDS, after that certificate has expired, and after the files have changed.
 */
#ifndef MESH_RPC_H2_H2_TLS_H
#define MESH_RPC_H2_H2_TLS_H

#include "mesh/base/error.h"
#include "mesh/rpc/h2/h2_io.h"
#include "mesh/rpc/tls.h"

enum {
    H2_TLS_TICKET_SECONDS = 3600,
    H2_TLS_LOOK_MS = 1000 /* between two looks at whether the files have changed */
};

typedef struct h2_tls h2_tls; /* a server's; thread-safe. A connection has an h2_tls_session. */

/*
 * Reads the files, whose names are copied. INVALID_ARGUMENT: an option is missing, or a file is
 * unusable; the message names it. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code h2_tls_create(const mesh_tls_options *options, h2_tls **tls, mesh_error *err);
void h2_tls_destroy(h2_tls *tls); /* NULL is accepted; sessions may outlive it */

/*
 * Reads the files again when they have changed, looking once H2_TLS_LOOK_MS at most. Sessions that
 * are made from then on use them; those there are go on. Files that are no good change nothing, are
 * logged once, and looked at again when they change again.
 */
void h2_tls_refresh(h2_tls *tls);

/* For an accepted socket, which is borrowed; NULL: out of memory. */
h2_tls_session *h2_tls_session_create(h2_tls *tls, int fd);

/* What h2_io does under TLS; see h2_io.h. destroy says goodbye and leaves the socket open. */
h2_io_result h2_tls_session_handshake(h2_tls_session *session);
void h2_tls_session_read_ahead(h2_tls_session *session, bool ahead);
h2_io_result h2_tls_session_read(h2_tls_session *session, void *data, size_t size, size_t *got);
h2_io_result h2_tls_session_write(h2_tls_session *session, const struct iovec *parts,
                                  int part_count, size_t *put);
void h2_tls_session_end(h2_tls_session *session);
bool h2_tls_session_pending(const h2_tls_session *session);
void h2_tls_session_destroy(h2_tls_session *session);

/*
 * Who the peer's verified certificate says that it is: its first DNS name, else its first URI, else
 * its common name; "" without mTLS. After the handshake, as long as the session.
 */
const char *h2_tls_session_identity(const h2_tls_session *session);

#endif
