/*
 * Connections that send much of what nothing comes of: malformed or unknown calls, resets, headers
 * beyond the limit. While others have calls, all of these together get a twentieth of their loop's
 * time. So do new ones from where such connections came, until calls of theirs have been served.
 *
 * They are in an epoll set of their own, which is an entry of the loop's: while that is not armed,
 * none of them is looked at, however many they are.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "mesh/base/log.h"
#include "mesh/rpc/h2/h2.h"

enum {
    CREDIT_FIRST = 50, /* calls of which nothing comes, before a connection is throttled */
    CREDIT_MAX = 100,
    CREDIT_ENOUGH = 10,       /* of one that is throttled: it is let go */
    BYTES_FOR_ONE = 16 << 10, /* that a call brought count as another call ... */
    PRICE_MAX = 10,           /* ... up to as many */
    SLICE_NS = 500000,        /* after which the loop's time is the others' ... */
    REST = 19,                /* ... for as many times as long, ... */
    REST_NS_MAX = 100000000,  /* ... up to this */
    OTHERS_MS = 250           /* so long ago a call of these was told of, at most */
};

static h2_loop *loop_of_timer(h2_timer *timer)
{
    return (h2_loop *)((char *)timer - offsetof(h2_loop, throttle.timer));
}

/* --- the set ---------------------------------------------------------------------------------- */

/* Looks at the set once. */
static bool arm(h2_loop *loop, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.ptr = &loop->throttle};

    return epoll_ctl(loop->epoll_fd, operation, loop->throttle.epoll_fd, &event) == 0;
}

static void rearm(h2_loop *loop)
{
    if (!arm(loop, EPOLL_CTL_MOD))
        mesh_log(MESH_LOG_ERROR, "an epoll set is broken", MESH_LOG_S("cause", strerror(errno)));
}

static void on_rest_over(h2_timer *timer)
{
    rearm(loop_of_timer(timer));
}

bool h2_throttle_init(h2_loop *loop)
{
    loop->throttle.timer.fire = on_rest_over;
    loop->throttle.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return loop->throttle.epoll_fd >= 0 && arm(loop, EPOLL_CTL_ADD);
}

/* On any loop; nobody waits for the end of a server longer than needed. */
static bool others_have_calls(const h2_loop *loop, int64_t now_ns)
{
    const mesh_tserver *server = loop->server;

    if (atomic_load(&server->refusing))
        return false;
    for (size_t i = 0; i < server->loop_count; i++) {
        int64_t busy_ns = atomic_load_explicit(&server->loops[i].busy_ns, memory_order_relaxed);

        if (busy_ns != 0 && mesh_clock_add_ms(busy_ns, OTHERS_MS) > now_ns)
            return true;
    }
    return false;
}

bool h2_throttle_waits(const h2_loop *loop)
{
    return loop->throttle.tired.first != NULL && !loop->throttle.timer.is_set;
}

static void go_on(h2_loop *loop)
{
    struct epoll_event event;

    h2_turns_next(loop, &loop->throttle.tired);
    if (epoll_wait(loop->throttle.epoll_fd, &event, 1, 0) == 1) {
        h2_conn_on_event(event.data.ptr, event.events);
        h2_turns_run(loop);
    }
}

/* Time of the processor: while others have it, nobody is to blame. */
static int64_t own_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) != 0)
        return 0;
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Leaves the time to the others, as long as there are any. */
static void rest(h2_loop *loop)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t rest_ns = loop->throttle.used_ns * REST;

    loop->throttle.used_ns = 0;
    if (!others_have_calls(loop, now_ns)) {
        rearm(loop);
        return;
    }
    if (rest_ns > REST_NS_MAX)
        rest_ns = REST_NS_MAX;
    h2_timer_set(&loop->timers, &loop->throttle.timer, now_ns + rest_ns);
}

void h2_throttle_run(h2_loop *loop)
{
    h2_throttle *throttle = &loop->throttle;
    int64_t from_ns;

    if (throttle->timer.is_set) /* it was armed before the rest began */
        return;
    from_ns = own_ns();
    go_on(loop);
    throttle->used_ns += own_ns() - from_ns;
    if (throttle->used_ns < SLICE_NS)
        rearm(loop);
    else
        rest(loop);
}

/* --- connections ------------------------------------------------------------------------------ */

int h2_throttle_epoll(const h2_conn *conn)
{
    return conn->throttled ? conn->loop->throttle.epoll_fd : conn->loop->epoll_fd;
}

void h2_throttle_enter(h2_conn *conn)
{
    conn->throttled = conn->ticket.suspect;
    conn->credit = conn->throttled ? 0 : CREDIT_FIRST;
    if (conn->throttled)
        h2_io_read_ahead(&conn->io, false);
}

static void move(h2_conn *conn, bool throttled)
{
    struct epoll_event event = {.events = conn->waits_for, .data.ptr = conn};

    if (!conn->open || epoll_ctl(h2_throttle_epoll(conn), EPOLL_CTL_DEL, conn->io.fd, NULL) != 0)
        return;
    conn->throttled = throttled;
    h2_io_read_ahead(&conn->io, !throttled);
    if (epoll_ctl(h2_throttle_epoll(conn), EPOLL_CTL_ADD, conn->io.fd, &event) != 0)
        conn->broken = true;
}

void h2_throttle_served(h2_conn *conn)
{
    conn->ticket.was_served = true;
    if (conn->credit < CREDIT_MAX)
        conn->credit++;
}

void h2_throttle_let_go(h2_conn *conn)
{
    if (!conn->throttled || conn->credit < CREDIT_ENOUGH)
        return;
    conn->ticket.is_wasteful = false;
    move(conn, false);
}

void h2_throttle_wasted(h2_conn *conn, size_t bytes)
{
    size_t price = 1 + bytes / BYTES_FOR_ONE;

    if (price > PRICE_MAX)
        price = PRICE_MAX;
    conn->credit = conn->credit > price ? conn->credit - (uint32_t)price : 0;
    if (conn->credit > 0)
        return;
    conn->ticket.is_wasteful = true;
    if (!conn->throttled)
        move(conn, true);
}
