/*
 * Addresses to listen at: HOST:PORT, [V6]:PORT, unix:PATH, or fd://N, a descriptor that listens
 * already and was inherited. Private to this tree.
 */
#ifndef MESH_BASE_ADDRESS_H
#define MESH_BASE_ADDRESS_H

#include <stdbool.h>

enum {
    MESH_HOST_BYTES = 254 /* RFC 1035: 253 characters */
};

typedef struct mesh_address {
    char host[MESH_HOST_BYTES]; /* without the brackets; "" without a port */
    const char *port; /* decimal, 0 to 65535; borrowed from the text, NULL for the others */
    const char *path; /* borrowed from the text; NULL for the others */
    int fd;           /* 3 or more, as the first three are taken; -1 for the others */
} mesh_address;

/*
 * Takes an address apart. False, and `address` undefined, when it is none: no port or no host, a
 * port that is no such number, a host with characters that no name has, an IPv6 address without
 * brackets, a path that no socket takes, a descriptor that is no number from 3 on. Names are not
 * looked up.
 */
bool mesh_address_parse(const char *text, mesh_address *address);

#endif
