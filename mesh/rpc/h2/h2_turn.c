/*
 * Turns: what the layer above is told of calls, which is when handlers run. One after the other
 * the connections have their turn, for a limited time; who has more to tell than that waits for
 * the others, and nothing of its is read meanwhile.
 */
#include "mesh/rpc/h2/h2.h"

enum {
    TURN_US = 500
};

/* --- queues ----------------------------------------------------------------------------------- */

static void put(h2_turns *turns, h2_conn *conn)
{
    conn->next_turn = NULL;
    if (turns->first == NULL)
        turns->first = conn;
    else
        turns->last->next_turn = conn;
    turns->last = conn;
}

static h2_conn *take(h2_turns *turns)
{
    h2_conn *conn = turns->first;

    if (conn != NULL)
        turns->first = conn->next_turn;
    return conn;
}

void h2_call_ready(h2_call *call)
{
    h2_conn *conn = call->conn;

    if (call->is_ready)
        return;
    call->is_ready = true;
    call->next = NULL;
    if (conn->ready_first != NULL)
        conn->ready_last->next = call;
    else
        conn->ready_first = call;
    conn->ready_last = call;
    if (conn->waits_turn)
        return;
    conn->waits_turn = true;
    put(&conn->loop->turns, conn);
}

/* --- a turn ----------------------------------------------------------------------------------- */

/* Whether its time is used up. That begins with the second call: most turns have but one. */
static bool is_over(h2_conn *conn)
{
    int64_t now_ns;

    if (conn->tired || conn->told == 0)
        return conn->tired;
    now_ns = mesh_clock_monotonic_ns();
    if (conn->turn_until_ns == 0)
        conn->turn_until_ns = now_ns + TURN_US * INT64_C(1000);
    conn->tired = now_ns >= conn->turn_until_ns;
    return conn->tired;
}

/* Tells what there is to tell of its calls. */
static void tell(h2_conn *conn)
{
    while (conn->ready_first != NULL && !is_over(conn)) {
        h2_call *call = conn->ready_first;

        conn->ready_first = call->next;
        call->is_ready = false;
        conn->told++;
        h2_call_tell(call);
    }
}

/* One turn a round: what it makes ready by itself is told in the same one. */
static void take_turn(h2_loop *loop, h2_conn *conn)
{
    if (conn->round != loop->round) {
        conn->round = loop->round;
        conn->turn_until_ns = 0;
        conn->told = 0;
        conn->tired = false;
    }
    h2_throttle_let_go(conn);
    if (!conn->throttled)
        atomic_store_explicit(&loop->busy_ns, loop->now_ns, memory_order_relaxed);
    conn->refs++; /* its last call may end */
    tell(conn);
    conn->waits_turn = conn->ready_first != NULL;
    if (conn->waits_turn)
        put(conn->throttled ? &loop->throttle.tired : &loop->tired, conn);
    h2_conn_unref(conn);
}

void h2_turns_run(h2_loop *loop)
{
    h2_conn *conn;

    do {
        while ((conn = take(&loop->turns)) != NULL)
            take_turn(loop, conn);
        while (loop->dirty != NULL)
            h2_conn_flush(loop->dirty);
    } while (loop->turns.first != NULL);
}

void h2_turns_next(h2_loop *loop, h2_turns *tired)
{
    h2_conn *conn = tired->first;

    if (conn == NULL || conn->round == loop->round)
        return;
    put(&loop->turns, take(tired));
    h2_turns_run(loop);
}
