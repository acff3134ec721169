#include "mesh/rpc/h2/h2_addresses.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include "mesh/base/address.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"

enum {
    BLAME_MAX = 20,
    BLAME_A_SECOND = 10,
    SUSPECT_MS = 2000
};

struct h2_address {
    mesh_network network;
    size_t connections;
    size_t handshakes;
    h2_address *next;
};

bool h2_addresses_init(h2_addresses *addresses, size_t connections_max, size_t handshakes_max)
{
    *addresses = (h2_addresses){.connections_max = connections_max,
                                .handshakes_max = handshakes_max};
    addresses->buckets = mesh_calloc(H2_ADDRESS_BUCKETS, sizeof *addresses->buckets);
    addresses->blames = mesh_calloc(H2_ADDRESS_BUCKETS, sizeof *addresses->blames);
    if (addresses->buckets == NULL || addresses->blames == NULL) {
        mesh_free(addresses->buckets);
        mesh_free(addresses->blames);
        return false;
    }
    if (getrandom(&addresses->seed, sizeof addresses->seed, GRND_NONBLOCK) !=
        (ssize_t)sizeof addresses->seed)
        addresses->seed = (uint64_t)mesh_clock_monotonic_ns(); /* the system has just started */
    pthread_mutex_init(&addresses->mu, NULL);
    return true;
}

void h2_addresses_destroy(h2_addresses *addresses)
{
    for (size_t i = 0; i < H2_ADDRESS_BUCKETS; i++)
        assert(addresses->buckets[i] == NULL);
    mesh_free(addresses->buckets);
    mesh_free(addresses->blames);
    pthread_mutex_destroy(&addresses->mu);
}

/* Mixed as splitmix64 does, with a seed that nobody outside knows. */
static size_t index_of(const h2_addresses *addresses, uint64_t key)
{
    key ^= addresses->seed;
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (key ^ (key >> 31)) % H2_ADDRESS_BUCKETS;
}

static h2_address **bucket_of(h2_addresses *addresses, uint64_t key)
{
    return &addresses->buckets[index_of(addresses, key)];
}

h2_address_result h2_addresses_enter(h2_addresses *addresses, const struct sockaddr_in6 *peer,
                                     h2_address **out)
{
    mesh_network network = mesh_network_of(peer);
    h2_address **bucket = bucket_of(addresses, network.bits);
    h2_address_result result = H2_ADDRESS_ENTERED;
    h2_address *address;

    pthread_mutex_lock(&addresses->mu);
    address = *bucket;
    while (address != NULL &&
           (address->network.bits != network.bits || address->network.family != network.family))
        address = address->next;
    if (address == NULL) {
        address = mesh_calloc(1, sizeof *address);
        if (address == NULL) {
            result = H2_ADDRESS_NO_MEMORY;
            goto done;
        }
        address->network = network;
        address->next = *bucket;
        *bucket = address;
    }
    if (address->connections >= addresses->connections_max) {
        result = H2_ADDRESS_HAS_CONNECTIONS;
    } else if (address->handshakes >= addresses->handshakes_max) {
        result = H2_ADDRESS_HAS_HANDSHAKES;
    } else {
        address->connections++;
        address->handshakes++;
        *out = address;
    }
done:
    pthread_mutex_unlock(&addresses->mu);
    return result;
}

void h2_addresses_ready(h2_addresses *addresses, h2_address *address)
{
    pthread_mutex_lock(&addresses->mu);
    address->handshakes--;
    pthread_mutex_unlock(&addresses->mu);
}

void h2_addresses_leave(h2_addresses *addresses, h2_address *address)
{
    h2_address **at = bucket_of(addresses, address->network.bits);

    pthread_mutex_lock(&addresses->mu);
    if (--address->connections == 0) {
        while (*at != address)
            at = &(*at)->next;
        *at = address->next;
        mesh_free(address);
    }
    pthread_mutex_unlock(&addresses->mu);
}

static h2_blame *blame_of(h2_addresses *addresses, const struct sockaddr_in6 *peer)
{
    mesh_network network = mesh_network_of(peer);

    return &addresses->blames[index_of(addresses, network.bits ^ (uint64_t)network.family << 32)];
}

void h2_addresses_blame(h2_addresses *addresses, const struct sockaddr_in6 *peer, uint32_t count,
                        int64_t now_ns)
{
    h2_blame *blame = blame_of(addresses, peer);

    pthread_mutex_lock(&addresses->mu);
    if (!h2_bucket_take(&blame->left, count, BLAME_MAX, BLAME_A_SECOND, now_ns))
        blame->suspect_ns = mesh_clock_add_ms(now_ns, SUSPECT_MS);
    pthread_mutex_unlock(&addresses->mu);
}

bool h2_addresses_is_suspect(h2_addresses *addresses, const struct sockaddr_in6 *peer,
                             int64_t now_ns)
{
    const h2_blame *blame = blame_of(addresses, peer);
    bool suspect;

    pthread_mutex_lock(&addresses->mu);
    suspect = now_ns < blame->suspect_ns;
    pthread_mutex_unlock(&addresses->mu);
    return suspect;
}
