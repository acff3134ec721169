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

/* Under mu. False: the time passed, and it is still not our turn. */
static bool wait_for_turn(user_turns *turns, int64_t until_ns)
{
    bool in_time = true;
    turns->waiting++;
    while (turns->running >= turns->running_max && in_time)
        in_time = mesh_cond_wait_until(&turns->changed, &turns->mu, until_ns);
    turns->waiting--;
    return turns->running < turns->running_max;
}

mesh_code user_turn_take(user_turns *turns, int64_t deadline_ns, mesh_error *err)
{
    const int64_t patience_ns = mesh_clock_deadline_ns(turns->wait_ms);
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&turns->mu);
    bool free = turns->running < turns->running_max;
    if (!free && turns->waiting >= turns->waiting_max)
        code = send_away(turns, err);
    else if (free || wait_for_turn(turns, deadline_ns < patience_ns ? deadline_ns : patience_ns))
        turns->running++;
    else if (deadline_ns < patience_ns)
        code = mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline passed");
    else
        code = send_away(turns, err);
    pthread_mutex_unlock(&turns->mu);
    return code;
}

void user_turn_end(user_turns *turns)
{
    pthread_mutex_lock(&turns->mu);
    turns->running--;
    pthread_cond_signal(&turns->changed);
    pthread_mutex_unlock(&turns->mu);
}
