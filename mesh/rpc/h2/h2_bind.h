/* Sockets that listen, made from an address. Private to h2_listener.c and h2_bind.c. */
#ifndef MESH_RPC_H2_H2_BIND_H
#define MESH_RPC_H2_H2_BIND_H

#include <sys/types.h>

#include "mesh/base/error.h"

enum {
    H2_SOCKETS_MAX = 8 /* addresses of one host name */
};

typedef struct h2_sockets {
    int fds[H2_SOCKETS_MAX]; /* nonblocking, close-on-exec */
    size_t count;
    int port;     /* the same of all; 0 of Unix sockets */
    char *path;   /* that was bound, to be removed; NULL: none */
    dev_t device; /* of the path, */
    ino_t inode;  /* to remove no other's */
} h2_sockets;

/*
 * Binds all addresses of a host, or a path, or takes over a socket that listens already (fd://N).
 * UNAVAILABLE as h2_listener_create says it. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code h2_bind(const char *listen, h2_sockets *sockets, mesh_error *err);

/* Closes them and removes the path, if it is still this socket's. Again: nothing. */
void h2_unbind(h2_sockets *sockets);

#endif
