#include "mesh/events/withdrawals.h"

#include <stdio.h>

#include "mesh/base/log.h"

enum {
    AT_ONCE = 64,
    ARENA_BYTES = 16 * 1024
};

void mesh_withdrawals_init(mesh_withdrawals *self)
{
    pthread_mutex_init(&self->mu, NULL);
    self->count = 0;
}

void mesh_withdrawals_end(mesh_withdrawals *self)
{
    pthread_mutex_destroy(&self->mu);
}

void mesh_withdrawals_add(mesh_withdrawals *self, const mesh_attempts_begun *begun)
{
    pthread_mutex_lock(&self->mu);
    size_t added = 0;
    for (; added < begun->count && self->count < MESH_WITHDRAWALS_MAX; added++, self->count++) {
        snprintf(self->attempts[self->count].event, MESH_EVENT_KEY_BYTES, "%s",
                 begun->events[added]);
        self->attempts[self->count].delivery = begun->deliveries[added];
    }
    pthread_mutex_unlock(&self->mu);
    if (added < begun->count)
        mesh_log(MESH_LOG_WARN, "events that were not tried count as if they had been",
                 MESH_LOG_I("events", (int64_t)(begun->count - added)));
}

/* Some of them, while none are taken away. False: there are no more, or there is no database. */
static bool settle_some(mesh_withdrawals *self, mesh_db *db, const char *consumer,
                        mesh_arena *arena)
{
    const char *events[AT_ONCE];
    int64_t deliveries[AT_ONCE];
    mesh_attempts_begun begun = {.consumer = consumer, .events = events, .deliveries = deliveries};
    mesh_error err = {.code = MESH_OK};
    mesh_arena_reset(arena);
    pthread_mutex_lock(&self->mu);
    for (; begun.count < AT_ONCE && self->count > 0; begun.count++) {
        self->count--;
        events[begun.count] = mesh_arena_strdup(arena, self->attempts[self->count].event);
        deliveries[begun.count] = self->attempts[self->count].delivery;
    }
    pthread_mutex_unlock(&self->mu);
    if (begun.count == 0 || mesh_arena_overflowed(arena))
        return false; /* they count, for want of memory */
    if (mesh_attempts_withdraw(db, arena, &begun, &err) == MESH_OK)
        return true;
    mesh_withdrawals_add(self, &begun);
    return false;
}

void mesh_withdrawals_settle(mesh_withdrawals *self, mesh_db *db, const char *consumer)
{
    pthread_mutex_lock(&self->mu);
    bool none = self->count == 0;
    pthread_mutex_unlock(&self->mu);
    mesh_arena *arena = none ? NULL : mesh_arena_create(ARENA_BYTES, 0);
    if (arena == NULL)
        return; /* the next time */
    while (settle_some(self, db, consumer, arena))
        continue;
    mesh_arena_destroy(arena);
}
