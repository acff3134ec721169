#include "services/user/turns.h"

#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "user/v1/user.mesh.h"

void user_turns_init(user_turns *turns, int64_t running_max, int64_t waiting_max, int64_t wait_ms)
{
    *turns = (user_turns){
        .running_max = running_max, .waiting_max = waiting_max, .wait_ms = wait_ms};
    pthread_mutex_init(&turns->mu, NULL);
    pthread_cond_init(&turns->changed, NULL);
}

void user_turns_destroy(user_turns *turns)
{
    pthread_cond_destroy(&turns->changed);
    pthread_mutex_destroy(&turns->mu);
}

static mesh_code send_away(const user_turns *turns, mesh_error *err)
{
    user__v1__error_reason__set(err, MESH_RESOURCE_EXHAUSTED,
                                USER__V1__ERROR_REASON__TOO_MANY_PASSWORDS,
                                "too many people sign in or up at once");
    mesh_error_retry_after(err, turns->wait_ms);
    return MESH_RESOURCE_EXHAUSTED;
}

/* Under mu. Until it is our turn, nobody wants it any more, or the time has passed. */
static void wait_for_turn(user_waiter *me, int64_t until_ns)
{
    user_turns *turns = me->turns;
    bool in_time = true;
    turns->waiting++;
    while (turns->running >= turns->running_max && !me->gave_up && in_time)
        in_time = mesh_cond_wait_until(&turns->changed, &turns->mu, until_ns);
    turns->waiting--;
}

mesh_code user_turn_take(user_waiter *me, mesh_error *err)
{
    user_turns *turns = me->turns;
    const int64_t patience_ns = mesh_clock_deadline_ns(turns->wait_ms);
    const int64_t until_ns = me->deadline_ns < patience_ns ? me->deadline_ns : patience_ns;
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&turns->mu);
    if (turns->running < turns->running_max || turns->waiting < turns->waiting_max)
        wait_for_turn(me, until_ns);
    if (me->gave_up)
        code = mesh_error_set(err, MESH_CANCELLED, "the call was cancelled");
    else if (mesh_clock_monotonic_ns() >= me->deadline_ns)
        code = mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline passed");
    else if (turns->running >= turns->running_max)
        code = send_away(turns, err);
    else
        turns->running++;
    pthread_mutex_unlock(&turns->mu);
    return code;
}

/* All that wait look, since the one that a signal wakes may just have given up. */
static void tell(user_turns *turns)
{
    pthread_cond_broadcast(&turns->changed);
    pthread_mutex_unlock(&turns->mu);
}

void user_turn_end(user_turns *turns)
{
    pthread_mutex_lock(&turns->mu);
    turns->running--;
    tell(turns);
}

void user_turn_give_up(user_waiter *waiter)
{
    pthread_mutex_lock(&waiter->turns->mu);
    waiter->gave_up = true;
    tell(waiter->turns);
}
