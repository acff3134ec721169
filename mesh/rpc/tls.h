/* TLS from PEM files, for servers and channels. TLS 1.2 or later with ALPN h2. */
#ifndef MESH_RPC_TLS_H
#define MESH_RPC_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

typedef struct mesh_tls_options {
    size_t size;
    const char
        *certificate_file; /* own chain, leaf first; a server needs it, a client shows it (mTLS) */
    const char *key_file;  /* its private key, unencrypted PEM */
    const char *ca_file;   /* whom to trust; a client without it trusts the system's roots */
    bool require_client_certificate; /* server: mTLS; needs ca_file */
    const char *server_name; /* client: the name to verify instead of the target's host; tests */
} mesh_tls_options;

MESH_END_DECLS

#endif
