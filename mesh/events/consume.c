#include "mesh/events/consume.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/envelope.h"
#include "mesh/events/gaps.h"
#include "mesh/events/lanes.h"
#include "mesh/events/pull.h"

enum {
    BATCH = 256,          /* handed over between two looks at what waits */
    FETCH_WAIT_MS = 1000, /* for the first event of a batch, at most */
    ACQUIRE_TIMEOUT_MS = 500,
    RETRY_FIRST_MS = 50, /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 1000,
    NO_MEMORY_PAUSE_MS = 100
};

static void wait_change(mesh_consumption *self, int64_t timeout_ms)
{
    mesh_cond_wait_until(&self->changed, &self->mu, mesh_clock_deadline_ns(timeout_ms));
}

/* ---- fetching ---- */

/* Hands a message over to its lane. */
static void dispatch(mesh_consumption *self, const mesh_pull *pull, natsMsg *message)
{
    mesh_delivery *delivery = mesh_calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        mesh_pull_nak(pull->connection, message, NO_MEMORY_PAUSE_MS);
        natsMsg_Destroy(message);
        return;
    }
    mesh_delivery_read(delivery, message);
    delivery->connection = pull->connection;
    if (!mesh_delivery_address(delivery, self->settings.consumers)) {
        /* An event that this service does not care for. */
        mesh_pull_ack(pull->connection, message);
        natsMsg_Destroy(message);
        mesh_free(delivery);
        return;
    }
    delivery->late = self->late[delivery->related - self->settings.consumers];
    delivery->fetched_ns = delivery->touched_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&self->mu);
    mesh_lanes_put(self, delivery);
    pthread_mutex_unlock(&self->mu);
}

/* At most a second, and often enough to touch what waits. */
static int64_t fetch_wait_ms(const mesh_consumption *self)
{
    int64_t sixth_ms = self->settings.ack_wait_ms / 6;
    return sixth_ms < 1 ? 1 : sixth_ms < FETCH_WAIT_MS ? sixth_ms : FETCH_WAIT_MS;
}

/* While the database is away nothing is fetched, so that no delivery is wasted, and while the
 * consumer is paused, or it is not known yet whether it is. Called with mu held. */
static bool may_fetch(const mesh_consumption *self)
{
    return !self->stopping && self->told && !self->away && !self->paused;
}

/* How many more may be fetched; waits until it is worth the while. 0: nothing may be. */
static size_t wait_room(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    mesh_lanes_touch(self);
    while (may_fetch(self) && mesh_lanes_room(self) < mesh_lanes_capacity(self) / 2) {
        wait_change(self, fetch_wait_ms(self));
        mesh_lanes_touch(self);
    }
    size_t room = may_fetch(self) ? mesh_lanes_room(self) : 0;
    pthread_mutex_unlock(&self->mu);
    return room;
}

static bool has_leave(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    bool may = may_fetch(self);
    pthread_mutex_unlock(&self->mu);
    return may;
}

/* False: the consumption stops. */
static bool wait_leave(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    while (!self->stopping && !may_fetch(self)) {
        mesh_lanes_touch(self);
        wait_change(self, fetch_wait_ms(self));
    }
    bool may = !self->stopping;
    pthread_mutex_unlock(&self->mu);
    return may;
}

static void touch(mesh_consumption *self, const mesh_pull *pull)
{
    pthread_mutex_lock(&self->mu);
    mesh_lanes_touch(self);
    if (mesh_pull_is_unheard(pull)) /* nothing could come */
        mesh_lanes_restart_gaps(self);
    pthread_mutex_unlock(&self->mu);
}

/* Asks for events when there is no request, and hands over what has come, after a wait for the
 * first. NATS_TIMEOUT, or what went wrong. */
static natsStatus fetch_round(mesh_consumption *self, mesh_pull *pull)
{
    natsStatus status = NATS_OK;
    natsMsg *message;
    size_t room = mesh_pull_is_idle(pull) ? wait_room(self) : 0;
    if (room > 0)
        status = mesh_pull_ask(pull, room);
    touch(self, pull);
    if (status == NATS_OK)
        status = mesh_pull_take(pull, fetch_wait_ms(self), &message);
    for (int count = 1; status == NATS_OK; count++) {
        dispatch(self, pull, message);
        status = count < BATCH ? mesh_pull_take(pull, 0, &message) : NATS_TIMEOUT;
    }
    return status;
}

static void set_pulling(mesh_consumption *self, bool pulling)
{
    pthread_mutex_lock(&self->mu);
    self->pulling = pulling;
    if (pulling)
        mesh_lanes_restart_gaps(self);
    if (self->stopping || self->paused)
        mesh_lanes_give_back(self);
    pthread_mutex_unlock(&self->mu);
}

/* Over the connection that they came by. When that is lost, nothing that comes by it ends the
 * waiting of those that are held; of the others nobody hears, but the inbox knows them. */
static void wait_answered(mesh_consumption *self, const mesh_link *link)
{
    pthread_mutex_lock(&self->mu);
    while (self->in_flight > 0) {
        mesh_lanes_touch(self);
        if (self->in_flight == self->held && natsConnection_IsClosed(link->connection))
            mesh_lanes_drop_held(self);
        if (self->in_flight > 0)
            wait_change(self, fetch_wait_ms(self));
    }
    pthread_mutex_unlock(&self->mu);
}

static bool stopping(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    bool stop = self->stopping;
    pthread_mutex_unlock(&self->mu);
    return stop;
}

/* Fetches by one subscription until that fails, or nothing may be fetched. False when it failed;
 * `*well`: something came before. */
static bool pull_on(mesh_consumption *self, mesh_link *link, bool *well)
{
    mesh_pull pull;
    natsStatus status = mesh_pull_begin(&pull, link->connection, self->settings.delivery.service);
    if (status != NATS_OK) {
        mesh_log(MESH_LOG_WARN, "cannot subscribe to what the consumer gives",
                 MESH_LOG_S("cause", natsStatus_GetText(status)));
        return false;
    }
    set_pulling(self, true);
    do
        status = fetch_round(self, &pull);
    while (status == NATS_TIMEOUT && (has_leave(self) || !mesh_pull_is_over(&pull)));
    *well = pull.came;
    mesh_pull_end(&pull);
    set_pulling(self, false);
    if (status != NATS_TIMEOUT)
        mesh_log(MESH_LOG_WARN, "fetching events failed and is tried again",
                 MESH_LOG_S("cause", natsStatus_GetText(status)));
    return status == NATS_TIMEOUT;
}

/* Fetches over one connection until that is lost, or the consumption stops. */
static void fetch_on(mesh_consumption *self, mesh_link *link)
{
    int64_t pause_ms = RETRY_FIRST_MS;
    mesh_turns_begin(&self->turns, link->connection);
    while (wait_leave(self) && !natsConnection_IsClosed(link->connection)) {
        bool well = false;
        if (pull_on(self, link, &well))
            continue;
        mesh_broker_suspect(self->settings.broker);
        if (well)
            pause_ms = RETRY_FIRST_MS;
        (void)mesh_cond_rest(&self->changed, &self->mu, &self->stopping, pause_ms);
        pause_ms = pause_ms * 2 < RETRY_LAST_MS ? pause_ms * 2 : RETRY_LAST_MS;
    }
    wait_answered(self, link);
    mesh_turns_end(&self->turns);
}

static void *fetch(void *context)
{
    mesh_consumption *self = context;
    while (!stopping(self)) {
        mesh_link *link = mesh_broker_acquire(self->settings.broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        fetch_on(self, link);
        mesh_broker_suspect(self->settings.broker);
        mesh_broker_release(self->settings.broker, link);
    }
    pthread_mutex_lock(&self->mu);
    self->fetching = false;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    return NULL;
}

/* ---- life ---- */

mesh_code mesh_consumption_create(const mesh_consumption_settings *settings, mesh_consumption **out,
                                  mesh_error *err)
{
    mesh_consumption *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->settings = *settings;
    self->settings.delivery.withdrawals = &self->withdrawals;
    mesh_withdrawals_init(&self->withdrawals);
    self->progress_ns = mesh_clock_monotonic_ns();
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    size_t count = 0;
    while (settings->consumers[count].event != NULL)
        count++;
    self->late = mesh_calloc(count, sizeof *self->late);
    mesh_code code = self->late != NULL
                         ? mesh_lanes_create(self, err)
                         : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code == MESH_OK)
        *out = self;
    else
        mesh_consumption_destroy(self);
    return code;
}

mesh_code mesh_consumption_start(mesh_consumption *self, mesh_error *err)
{
    pthread_mutex_lock(&self->mu); /* the threads wait until everything is noted down */
    int status = mesh_lanes_start(self);
    if (status == 0 && !self->watching) {
        status = pthread_create(&self->watcher, NULL, mesh_consumption_watch, self);
        self->watching = status == 0;
    }
    if (status == 0 && !self->started) {
        status = pthread_create(&self->fetcher, NULL, fetch, self);
        self->started = self->fetching = status == 0;
    }
    pthread_mutex_unlock(&self->mu);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    return MESH_OK;
}

bool mesh_consumption_drain(mesh_consumption *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    for (;;) {
        mesh_lanes_give_back(self);
        int64_t left_ms = mesh_clock_left_ms(deadline_ns);
        if ((self->in_flight == 0 && !self->fetching) || left_ms == 0)
            break;
        wait_change(self, left_ms < FETCH_WAIT_MS ? left_ms : FETCH_WAIT_MS);
    }
    bool drained = self->in_flight == 0 && !self->fetching;
    pthread_mutex_unlock(&self->mu);
    return drained;
}

void mesh_consumption_destroy(mesh_consumption *self)
{
    if (self == NULL)
        return;
    while (self->threads > 0 && !mesh_consumption_drain(self, FETCH_WAIT_MS))
        continue;
    if (self->started)
        pthread_join(self->fetcher, NULL);
    if (self->watching)
        pthread_join(self->watcher, NULL);
    mesh_lanes_end(self);
    mesh_free(self->late);
    mesh_withdrawals_end(&self->withdrawals);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}

void mesh_consumption_figures(mesh_consumption *self, mesh_events_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    const uint64_t *results = self->results;
    stats->consumed = results[MESH_DELIVERY_HANDLED];
    stats->duplicates = results[MESH_DELIVERY_DUPLICATE];
    stats->past = results[MESH_DELIVERY_PAST];
    stats->gaps = results[MESH_DELIVERY_GAP];
    stats->dead = results[MESH_DELIVERY_DEAD];
    stats->failed = results[MESH_DELIVERY_FAILED] + results[MESH_DELIVERY_AWAY] + stats->dead;
    stats->redelivered = self->redelivered;
    stats->paused = self->paused;
    stats->stalled = self->stalled;
    stats->oldest_held_ms = mesh_lanes_oldest_ms(self);
    mesh_gaps_figures(self, stats);
    pthread_mutex_unlock(&self->mu);
}
