/* The PEM files of TLS options, read and looked into. Internal. */
#ifndef MESH_RPC_PEM_H
#define MESH_RPC_PEM_H

#include "mesh/base/error.h"
#include "mesh/rpc/tls.h"

/* Their text, NUL-terminated; NULL: not given. */
typedef struct mesh_pems {
    char *certificate;
    char *key;
    char *ca;
} mesh_pems;

/*
 * Reads what the options name; a server needs more of them. INVALID_ARGUMENT: an option is missing,
 * or a file unreadable, without what it should hold, or not the key of the certificate; the message
 * names option and file. RESOURCE_EXHAUSTED: out of memory. `pems` is to be cleared also then.
 */
mesh_code mesh_pems_read(const mesh_tls_options *tls, mesh_pems *pems, mesh_error *err);
mesh_code mesh_pems_read_server(const mesh_tls_options *tls, mesh_pems *pems, mesh_error *err);

/* Frees them, the key wiped. */
void mesh_pems_clear(mesh_pems *pems);

/* For OpenSSL: keys come without a passphrase, nobody is there to be asked. */
int mesh_pem_no_passphrase(char *buffer, int size, int writing, void *context);

#endif
