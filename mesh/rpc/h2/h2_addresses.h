/*
 * How many connections came from each address, and what came of them. Private to h2_limits.c;
 * thread-safe.
 */
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

typedef struct h2_blame {
    h2_bucket left;
    int64_t suspect_ns; /* until then */
} h2_blame;

typedef struct h2_addresses {
    size_t connections_max; /* of each; immutable, as the next two */
    size_t handshakes_max;
    uint64_t seed; /* so that nobody chooses addresses of one bucket */
    pthread_mutex_t mu;
    h2_address **buckets; /* guarded by mu, as are the addresses and the next one */
    h2_blame *blames;     /* as many */
} h2_addresses;

typedef enum h2_address_result {
    H2_ADDRESS_ENTERED,
    H2_ADDRESS_HAS_CONNECTIONS, /* as many as it may */
    H2_ADDRESS_HAS_HANDSHAKES,
    H2_ADDRESS_NO_MEMORY
} h2_address_result;

bool h2_addresses_init(h2_addresses *addresses, size_t connections_max, size_t handshakes_max);
void h2_addresses_destroy(h2_addresses *addresses); /* after all have left */

/* A connection from one client's network (mesh/base/address.h). It is shaking hands until
 * `ready`. */
h2_address_result h2_addresses_enter(h2_addresses *addresses, const struct sockaddr_in6 *peer,
                                     h2_address **address);
void h2_addresses_ready(h2_addresses *addresses, h2_address *address);
void h2_addresses_leave(h2_addresses *addresses, h2_address *address); /* after ready */

/*
 * A connection from there has ended that did nothing of use. When there was more blame than a
 * little a second, others are suspect for a while: what they send is looked at with patience. Those
 * of Unix sockets are all from one place. By a hash, so that it costs a table and no more: somebody
 * else may now and then be suspect, too.
 */
void h2_addresses_blame(h2_addresses *addresses, const struct sockaddr_in6 *peer, uint32_t count,
                        int64_t now_ns);
bool h2_addresses_is_suspect(h2_addresses *addresses, const struct sockaddr_in6 *peer,
                             int64_t now_ns);

#endif
