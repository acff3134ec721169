#include "services/user/turns.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "user/v1/user.mesh.h"

void user_turns_init(user_turns *turns, int64_t running_max, int64_t waiting_max, int64_t wait_ms)
{
    const int64_t places = running_max + waiting_max;
    *turns = (user_turns){.running_max = running_max,
                          .places_max = places,
                          .login_max = (places + 2) / 3,
                          .address_max = (places * 2 + 2) / 3,
                          .wait_ms = wait_ms};
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

static bool is_same(const char *one, const char *other)
{
    return one != NULL && other != NULL && strcmp(one, other) == 0;
}

/* Under mu. */
static bool has_place_for(const user_turns *turns, const user_waiter *me)
{
    int64_t all = 0, of_login = 0, of_address = 0;
    for (const user_waiter *at = turns->first; at != NULL; at = at->next) {
        all++;
        of_login += is_same(at->login, me->login);
        of_address += is_same(at->address, me->address);
    }
    return all < turns->places_max && of_login < turns->login_max &&
           of_address < turns->address_max;
}

/* Under mu. Where the list has it; at its end, when it is not there. */
static user_waiter **find(user_turns *turns, const user_waiter *me)
{
    user_waiter **at = &turns->first;
    while (*at != NULL && *at != me)
        at = &(*at)->next;
    return at;
}

/* Under mu. */
static bool is_turn(const user_waiter *me)
{
    int64_t before = 0;
    for (const user_waiter *at = me->turns->first; at != me; at = at->next)
        before++;
    return before < me->turns->running_max;
}

/* Under mu. All that wait look, since each may be the one whose turn it is now. */
static void leave(user_waiter *me)
{
    *find(me->turns, me) = me->next;
    pthread_cond_broadcast(&me->turns->changed);
}

/* Under mu. Until it is our turn, nobody wants it any more, or the time has passed; whether it
 * came. */
static bool wait_for_turn(user_waiter *me, int64_t until_ns)
{
    user_turns *turns = me->turns;
    bool in_time = true;
    me->next = NULL;
    *find(turns, me) = me;
    while (!is_turn(me) && !me->gave_up && in_time)
        in_time = mesh_cond_wait_until(&turns->changed, &turns->mu, until_ns);
    return is_turn(me);
}

mesh_code user_turn_take(user_waiter *me, mesh_error *err)
{
    user_turns *turns = me->turns;
    const int64_t patience_ns = mesh_clock_deadline_ns(turns->wait_ms);
    const int64_t until_ns = me->deadline_ns < patience_ns ? me->deadline_ns : patience_ns;
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&turns->mu);
    const bool has_place = has_place_for(turns, me);
    const bool has_turn = has_place && wait_for_turn(me, until_ns);
    if (me->gave_up)
        code = mesh_error_set(err, MESH_CANCELLED, "the call was cancelled");
    else if (mesh_clock_monotonic_ns() >= me->deadline_ns)
        code = mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline passed");
    else if (!has_turn)
        code = send_away(turns, err);
    if (code != MESH_OK && has_place)
        leave(me);
    pthread_mutex_unlock(&turns->mu);
    return code;
}

void user_turn_end(user_waiter *me)
{
    pthread_mutex_lock(&me->turns->mu);
    leave(me);
    pthread_mutex_unlock(&me->turns->mu);
}

void user_turn_give_up(user_waiter *waiter)
{
    pthread_mutex_lock(&waiter->turns->mu);
    waiter->gave_up = true;
    pthread_cond_broadcast(&waiter->turns->changed);
    pthread_mutex_unlock(&waiter->turns->mu);
}
