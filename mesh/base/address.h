/*
 * Addresses to listen at: HOST:PORT, [V6]:PORT, unix:PATH, or fd://N, a descriptor that listens
 * already and was inherited. And those of clients, to tell one from another. Private to this tree.
 */
#ifndef MESH_BASE_ADDRESS_H
#define MESH_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

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

/*
 * What one client has of the addresses: one of IPv4, also where it is mapped into IPv6 (RFC 4291,
 * 2.5.5.2), or a network of 64 bits of IPv6, which one client has as a whole (RFC 7421). All others
 * are AF_UNSPEC and 0.
 */
typedef struct mesh_network {
    int family; /* AF_INET, AF_INET6 */
    uint64_t bits;
} mesh_network;

/* Of a sockaddr_in, sockaddr_in6, or the beginning of another one. */
mesh_network mesh_network_of(const struct sockaddr_in6 *client);

/* Of a mesh_peer's address: "ipv4:192.0.2.1:4711", "ipv6:[2001:db8::1]:4711", "unix:/path". */
mesh_network mesh_network_parse(const char *peer);

#endif
