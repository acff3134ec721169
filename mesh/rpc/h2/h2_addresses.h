/* How many connections came from each address. Private to h2_limits.c; thread-safe. */
#ifndef MESH_RPC_H2_H2_ADDRESSES_H
#define MESH_RPC_H2_H2_ADDRESSES_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/rpc/h2/h2_limits.h"

enum {
    H2_ADDRESS_BUCKETS = 4096
};

typedef struct h2_addresses {
    size_t connections_max; /* of each; immutable, as the next two */
    size_t handshakes_max;
    uint64_t seed; /* so that nobody chooses addresses of one bucket */
    pthread_mutex_t mu;
    h2_address **buckets; /* guarded by mu, as are the addresses */
} h2_addresses;

typedef enum h2_address_result {
    H2_ADDRESS_ENTERED,
    H2_ADDRESS_HAS_CONNECTIONS, /* as many as it may */
    H2_ADDRESS_HAS_HANDSHAKES,
    H2_ADDRESS_NO_MEMORY
} h2_address_result;

bool h2_addresses_init(h2_addresses *addresses, size_t connections_max, size_t handshakes_max);
void h2_addresses_destroy(h2_addresses *addresses); /* after all have left */

/*
 * A connection from an IPv4 address, or from a network of 64 bits of IPv6, which one client has as
 * a whole (RFC 7421). It is shaking hands until `ready`.
 */
h2_address_result h2_addresses_enter(h2_addresses *addresses, const struct sockaddr_in6 *peer,
                                     h2_address **address);
void h2_addresses_ready(h2_addresses *addresses, h2_address *address);
void h2_addresses_leave(h2_addresses *addresses, h2_address *address); /* after ready */

#endif
