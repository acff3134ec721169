#include "mesh/rpc/h2/h2_limits.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2_addresses.h"

enum {
    NS_A_SECOND = 1000000000,
    /* for files, databases and what else a process opens: an eighth of its descriptors, at most */
    OTHER_DESCRIPTORS_PART = 8,
    OTHER_DESCRIPTORS_MAX = 1024,
    BLAME = 10,     /* for one that broke a rule; one that came for nothing has 1 */
    BRIEF_MS = 1000 /* so long such a one is there, at most; longer: it kept itself ready */
};

typedef struct refusals {
    _Atomic(uint64_t) count;
    _Atomic(uint64_t) logged; /* as many of them */
    _Atomic(int64_t) next_log_ns;
} refusals;

struct h2_limits {
    size_t connections_max; /* immutable, as all maxima */
    size_t handshakes_max;
    uint32_t streams_max;
    int64_t handshake_ms;
    size_t connection_buffer_bytes;
    atomic_size_t connections;
    atomic_size_t handshakes;
    mesh_budget buffered;
    h2_addresses addresses;
    refusals refusals[H2_LIMIT_COUNT];
};

/* The option that says how much it is; NULL: none does. */
static const struct {
    const char *name;
    const char *option;
} texts[H2_LIMIT_COUNT] = {
    [H2_LIMIT_CONNECTIONS] = {"connections", "max_connections"},
    [H2_LIMIT_ADDRESS_CONNECTIONS] = {"connections of an address", "max_address_connections"},
    [H2_LIMIT_HANDSHAKES] = {"handshakes", "max_handshakes"},
    [H2_LIMIT_ADDRESS_HANDSHAKES] = {"handshakes of an address", "max_handshakes"},
    [H2_LIMIT_DESCRIPTORS] = {"file descriptors", NULL},
    [H2_LIMIT_HANDSHAKE_TIME] = {"time of a handshake", "handshake_timeout_ms"},
    [H2_LIMIT_STREAMS] = {"streams of a connection", "max_connection_streams"},
    [H2_LIMIT_HEADERS] = {"headers", NULL},
    [H2_LIMIT_IDLE_FRAMES] = {"frames that bring nothing", NULL},
    [H2_LIMIT_RESETS] = {"calls that are reset", NULL},
    [H2_LIMIT_BUFFERED] = {"bytes buffered", "buffer_budget_bytes"},
};

/* --- its life --------------------------------------------------------------------------------- */

/* What the process may open leaves so many connections. */
static size_t connections_possible(void)
{
    struct rlimit descriptors;
    rlim_t others;

    if (getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    others = descriptors.rlim_cur / OTHER_DESCRIPTORS_PART;
    if (others > OTHER_DESCRIPTORS_MAX)
        others = OTHER_DESCRIPTORS_MAX;
    return descriptors.rlim_cur > others ? (size_t)(descriptors.rlim_cur - others) : 1;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t half_of(size_t whole)
{
    return whole > 1 ? whole / 2 : 1;
}

mesh_code h2_limits_create(const mesh_server_options *options, h2_limits **out, mesh_error *err)
{
    h2_limits *limits = mesh_calloc(1, sizeof *limits);
    size_t of_an_address;

    if (limits == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    limits->connections_max = smaller(options->max_connections, connections_possible());
    of_an_address = options->max_address_connections > 0 ? options->max_address_connections
                                                         : half_of(limits->connections_max);
    limits->handshakes_max = smaller(options->max_handshakes, limits->connections_max);
    limits->streams_max = (uint32_t)options->max_connection_streams;
    limits->handshake_ms = options->handshake_timeout_ms;
    limits->buffered.limit = options->buffer_budget_bytes;
    limits->connection_buffer_bytes = mesh_share_of(options->buffer_budget_bytes,
                                                    options->connection_share_percent);
    if (!h2_addresses_init(&limits->addresses, of_an_address, half_of(limits->handshakes_max))) {
        mesh_free(limits);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    *out = limits;
    return MESH_OK;
}

void h2_limits_destroy(h2_limits *limits)
{
    if (limits == NULL)
        return;
    assert(atomic_load(&limits->connections) == 0);
    h2_addresses_destroy(&limits->addresses);
    mesh_free(limits);
}

/* --- connections ------------------------------------------------------------------------------ */

/* An IPv4 client of a socket for both families is one all the same. */
static void keep_peer(const struct sockaddr *peer, socklen_t size, h2_ticket *ticket)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)peer;

    ticket->peer.sin6_family = AF_UNIX;
    if (peer->sa_family == AF_INET6 && size >= sizeof *v6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = v6->sin6_port};

        memcpy(&v4.sin_addr, &v6->sin6_addr.s6_addr[12], sizeof v4.sin_addr);
        memcpy(&ticket->peer, &v4, sizeof v4);
    } else if ((peer->sa_family == AF_INET6 && size >= sizeof *v6) ||
               (peer->sa_family == AF_INET && size >= sizeof(struct sockaddr_in))) {
        memcpy(&ticket->peer, peer, smaller(size, sizeof ticket->peer));
    }
}

void h2_ticket_peer(const h2_ticket *ticket, char text[H2_PEER_TEXT_BYTES])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ticket->peer;
    char address[INET6_ADDRSTRLEN] = "";

    switch (ticket->peer.sin6_family) {
    case AF_INET:
        (void)inet_ntop(AF_INET, &v4->sin_addr, address, sizeof address);
        (void)snprintf(text, H2_PEER_TEXT_BYTES, "ipv4:%s:%d", address, ntohs(v4->sin_port));
        break;
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &ticket->peer.sin6_addr, address, sizeof address);
        (void)snprintf(text, H2_PEER_TEXT_BYTES, "ipv6:[%s]:%d", address,
                       ntohs(ticket->peer.sin6_port));
        break;
    default:
        (void)snprintf(text, H2_PEER_TEXT_BYTES, "unix:");
    }
}

bool h2_limits_enter(h2_limits *limits, const struct sockaddr *peer, socklen_t size,
                     h2_ticket *ticket)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    h2_limit passed = H2_LIMIT_CONNECTIONS;

    *ticket = (h2_ticket){
        .handshaking = true,
        .entered_ns = now_ns,
        .idle_frames = {.tokens = H2_IDLE_FRAMES_MAX, .filled_ns = now_ns},
        .resets = {.tokens = H2_RESETS_MAX, .filled_ns = now_ns},
        .buffered = {.whole = &limits->buffered, .limit = limits->connection_buffer_bytes},
    };
    keep_peer(peer, size, ticket);
    ticket->suspect = h2_addresses_is_suspect(&limits->addresses, &ticket->peer, now_ns);
    if (!mesh_count_raise(&limits->connections, 1, limits->connections_max))
        goto refuse;
    passed = H2_LIMIT_HANDSHAKES;
    if (!mesh_count_raise(&limits->handshakes, 1, limits->handshakes_max))
        goto leave;
    if (ticket->peer.sin6_family == AF_UNIX)
        return true;
    switch (h2_addresses_enter(&limits->addresses, &ticket->peer, &ticket->address)) {
    case H2_ADDRESS_ENTERED:
        return true;
    case H2_ADDRESS_HAS_CONNECTIONS:
        passed = H2_LIMIT_ADDRESS_CONNECTIONS;
        break;
    case H2_ADDRESS_HAS_HANDSHAKES:
        passed = H2_LIMIT_ADDRESS_HANDSHAKES;
        break;
    case H2_ADDRESS_NO_MEMORY:
        passed = H2_LIMIT_CONNECTIONS;
        break;
    }
    atomic_fetch_sub(&limits->handshakes, 1);
leave:
    atomic_fetch_sub(&limits->connections, 1);
refuse:
    h2_limits_refused(limits, passed, ticket);
    return false;
}

void h2_limits_ready(h2_limits *limits, h2_ticket *ticket)
{
    if (!ticket->handshaking)
        return;
    ticket->handshaking = false;
    atomic_fetch_sub(&limits->handshakes, 1);
    if (ticket->address != NULL)
        h2_addresses_ready(&limits->addresses, ticket->address);
}

void h2_limits_leave(h2_limits *limits, h2_ticket *ticket)
{
    int64_t now_ns = mesh_clock_monotonic_ns();

    assert(atomic_load(&ticket->buffered.held) == 0);
    h2_limits_ready(limits, ticket);
    if (ticket->broke_rules || ticket->is_wasteful)
        h2_addresses_blame(&limits->addresses, &ticket->peer, BLAME, now_ns);
    else if (!ticket->was_served && mesh_clock_add_ms(ticket->entered_ns, BRIEF_MS) > now_ns)
        h2_addresses_blame(&limits->addresses, &ticket->peer, 1, now_ns);
    if (ticket->address != NULL)
        h2_addresses_leave(&limits->addresses, ticket->address);
    ticket->address = NULL;
    atomic_fetch_sub(&limits->connections, 1);
}

int64_t h2_limits_handshake_ms(const h2_limits *limits)
{
    return limits->handshake_ms;
}

uint32_t h2_limits_streams(const h2_limits *limits)
{
    return limits->streams_max;
}

/* --- frames ----------------------------------------------------------------------------------- */

bool h2_bucket_take(h2_bucket *bucket, uint32_t count, uint32_t most, uint32_t a_second,
                    int64_t now_ns)
{
    if (bucket->tokens < count && bucket->tokens < most) {
        int64_t more = (now_ns - bucket->filled_ns) / (NS_A_SECOND / a_second);

        if (more <= 0)
            return false;
        bucket->tokens = more < most - bucket->tokens ? bucket->tokens + (uint32_t)more : most;
        bucket->filled_ns = now_ns;
    }
    if (bucket->tokens < count)
        return false;
    bucket->tokens -= count;
    return true;
}

static void put(h2_bucket *bucket, uint32_t count, uint32_t most)
{
    bucket->tokens = count < most - bucket->tokens ? bucket->tokens + count : most;
}

bool h2_limits_idle_frames(h2_limits *limits, h2_ticket *ticket, uint32_t count, int64_t now_ns)
{
    if (h2_bucket_take(&ticket->idle_frames, count, H2_IDLE_FRAMES_MAX, H2_IDLE_FRAMES_A_SECOND,
                       now_ns))
        return true;
    h2_limits_refused(limits, H2_LIMIT_IDLE_FRAMES, ticket);
    return false;
}

void h2_ticket_useful_frames(h2_ticket *ticket, uint32_t count)
{
    uint32_t most = H2_IDLE_FRAMES_KEPT_MAX / H2_IDLE_FRAMES_A_USEFUL_ONE;

    put(&ticket->idle_frames, (count < most ? count : most) * H2_IDLE_FRAMES_A_USEFUL_ONE,
        H2_IDLE_FRAMES_KEPT_MAX);
}

bool h2_limits_reset(h2_limits *limits, h2_ticket *ticket, int64_t now_ns)
{
    if (h2_bucket_take(&ticket->resets, 1, H2_RESETS_MAX, H2_RESETS_A_SECOND, now_ns))
        return true;
    h2_limits_refused(limits, H2_LIMIT_RESETS, ticket);
    return false;
}

void h2_ticket_call_ended(h2_ticket *ticket)
{
    put(&ticket->resets, 1, H2_RESETS_MAX);
}

/* --- what was refused ------------------------------------------------------------------------- */

void h2_limits_refused(h2_limits *limits, h2_limit limit, const h2_ticket *ticket)
{
    refusals *these = &limits->refusals[limit];
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t due_ns = atomic_load_explicit(&these->next_log_ns, memory_order_relaxed);
    uint64_t count = atomic_fetch_add(&these->count, 1) + 1;
    char peer[H2_PEER_TEXT_BYTES] = "";

    if (now_ns < due_ns ||
        !atomic_compare_exchange_strong(&these->next_log_ns, &due_ns, now_ns + NS_A_SECOND))
        return;
    if (ticket != NULL)
        h2_ticket_peer(ticket, peer);
    mesh_log(MESH_LOG_WARN, "clients are refused over a limit",
             MESH_LOG_S("limit", texts[limit].name), MESH_LOG_S("option", texts[limit].option),
             MESH_LOG_I("times", (int64_t)(count - atomic_exchange(&these->logged, count))),
             MESH_LOG_S("peer", peer));
}

uint64_t h2_limits_count(const h2_limits *limits, h2_limit limit)
{
    return atomic_load(&limits->refusals[limit].count);
}

const char *h2_limit_name(h2_limit limit)
{
    return texts[limit].name;
}
