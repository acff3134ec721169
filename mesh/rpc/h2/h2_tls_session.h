/* How a connection's TLS comes from its server's. Private to h2_tls*.c. */
#ifndef MESH_RPC_H2_H2_TLS_SESSION_H
#define MESH_RPC_H2_H2_TLS_SESSION_H

#include <openssl/ssl.h>

#include "mesh/rpc/h2/h2_tls.h"

/* `context` is kept as long as the session lasts; NULL: out of memory. */
h2_tls_session *h2_tls_session_of(SSL_CTX *context, int fd);

#endif
