#include "mesh/events/consume.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/envelope.h"
#include "mesh/events/lanes.h"

enum {
    BATCH = 256,                   /* fetched at once */
    FETCH_WAIT_MS = 1000,          /* for the first event of a batch, at most */
    UNSUBSCRIBE_TIMEOUT_MS = 5000, /* for the broker to know */
    LOOK_PERIOD_MS = 10,           /* at what still comes, meanwhile */
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

/* Hands a message over to its lane, and with it the message. */
static void dispatch(mesh_consumption *self, natsMsg *message)
{
    mesh_delivery *delivery = mesh_calloc(1, sizeof *delivery);
    if (delivery == NULL) {
        natsMsg_NakWithDelay(message, NO_MEMORY_PAUSE_MS, NULL);
        natsMsg_Destroy(message);
        return;
    }
    mesh_delivery_read(delivery, message);
    if (!mesh_delivery_address(delivery, self->settings.consumers)) {
        natsMsg_Ack(message, NULL); /* an event that this service does not care for */
        natsMsg_Destroy(message);
        mesh_free(delivery);
        return;
    }
    delivery->late = self->late[delivery->related - self->settings.consumers];
    delivery->fetched_ns = delivery->touched_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&self->mu);
    mesh_lanes_put(self, delivery);
    if (self->paused) /* since it was asked for */
        mesh_lanes_give_back(self);
    pthread_mutex_unlock(&self->mu);
}

/* At most a second, and often enough to touch what waits. */
static int64_t fetch_wait_ms(const mesh_consumption *self)
{
    int64_t sixth_ms = self->settings.ack_wait_ms / 6;
    return sixth_ms < 1 ? 1 : sixth_ms < FETCH_WAIT_MS ? sixth_ms : FETCH_WAIT_MS;
}

/* How many more may be fetched; waits until it is worth the while. 0: the consumption stops. */
static int wait_room(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    mesh_lanes_touch(self);
    while (!self->stopping && self->in_flight - self->held > mesh_lanes_capacity(self) / 2) {
        wait_change(self, fetch_wait_ms(self));
        mesh_lanes_touch(self);
    }
    size_t waiting = self->in_flight - self->held;
    size_t room = self->stopping ? 0 : mesh_lanes_capacity(self) - waiting;
    pthread_mutex_unlock(&self->mu);
    return room < BATCH ? (int)room : BATCH;
}

/* While the database is away nothing is fetched, so that no delivery is wasted, and while the
 * consumer is paused, or it is not known yet whether it is. */
static void wait_leave(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    while (!self->stopping && (self->away || self->paused || !self->told)) {
        mesh_lanes_touch(self);
        wait_change(self, fetch_wait_ms(self));
    }
    pthread_mutex_unlock(&self->mu);
}

typedef enum pull {
    PULL_ONE,    /* waits for it */
    PULL_MORE,   /* waits for the first, then takes what is there */
    PULL_NOTHING /* takes what has come for earlier requests: they may end here before they do at
                    the broker */
} pull;

static natsStatus pull_messages(natsSubscription *subscription, pull how, int count,
                                int64_t wait_ms, natsMsgList *list)
{
    jsFetchRequest request;
    jsFetchRequest_Init(&request);
    request.Batch = count;
    request.NoWait = how != PULL_ONE;
    /* For a request whose time is over when it begins the library sends nothing. */
    request.Expires = how == PULL_NOTHING ? 1 : wait_ms * 1000000;
    *list = (natsMsgList){.Msgs = NULL};
    return natsSubscription_FetchRequest(list, subscription, &request);
}

/* Pulls and dispatches `count` at most, and says how many came; -1: the subscription is of no use
 * any more. */
static int fetch_some(mesh_consumption *self, natsSubscription *subscription, pull how, int count)
{
    natsMsgList list;
    natsStatus status = pull_messages(subscription, how, count, fetch_wait_ms(self), &list);
    int came = status == NATS_OK ? list.Count : 0;
    for (int i = 0; i < came; i++) {
        dispatch(self, list.Msgs[i]);
        list.Msgs[i] = NULL;
    }
    natsMsgList_Destroy(&list);
    bool nothing_there = status == NATS_TIMEOUT || status == NATS_NOT_FOUND;
    return status == NATS_OK || nothing_there ? came : -1;
}

/* A request that waits for several would wait until it has them all: wait for one, then take what
 * is there. What came late goes first: the library (3.4) miscounts a request that finds more of it
 * than it asks for. */
static bool fetch_round(mesh_consumption *self, natsSubscription *subscription)
{
    int room = wait_room(self);
    if (room == 0)
        return false;
    int came = fetch_some(self, subscription, PULL_NOTHING, room);
    if (came != 0)
        return came > 0;
    came = fetch_some(self, subscription, PULL_ONE, 1);
    if (came == 1 && room > 1)
        came = fetch_some(self, subscription, PULL_MORE, room - 1);
    return came >= 0;
}

/* Ends the subscription; what the broker has sent until it knows goes back to it. What waits for a
 * lane stays ours, as in wait_answered. */
static void end_subscription(mesh_consumption *self, natsSubscription *subscription)
{
    if (natsSubscription_DrainTimeout(subscription, UNSUBSCRIBE_TIMEOUT_MS) != NATS_OK)
        return; /* the connection is lost, and with it what was on its way */
    bool ended = false;
    while (!ended) {
        natsMsgList list;
        pthread_mutex_lock(&self->mu);
        mesh_lanes_touch(self);
        pthread_mutex_unlock(&self->mu);
        ended = natsSubscription_WaitForDrainCompletion(subscription, LOOK_PERIOD_MS) !=
                    NATS_TIMEOUT ||
                !natsSubscription_IsValid(subscription);
        if (pull_messages(subscription, PULL_NOTHING, BATCH, 0, &list) != NATS_OK)
            continue;
        for (int i = 0; i < list.Count; i++)
            natsMsg_Nak(list.Msgs[i], NULL);
        natsMsgList_Destroy(&list);
    }
}

static void wait_answered(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    while (self->in_flight > 0) {
        mesh_lanes_touch(self);
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

/* Fetches over one connection until that fails, or the consumption stops. False when it did not
 * even begin. */
static bool fetch_on(mesh_consumption *self, mesh_link *link)
{
    natsSubscription *subscription = NULL;
    jsErrCode reason = 0;
    jsSubOptions options;
    jsSubOptions_Init(&options);
    options.Stream = MESH_EVENTS_STREAM;
    options.Consumer = self->settings.delivery.service;
    natsStatus status = js_PullSubscribe(&subscription, link->js, MESH_EVENTS_PREFIX ">",
                                         self->settings.delivery.service, NULL, &options, &reason);
    if (status != NATS_OK) {
        mesh_log(MESH_LOG_WARN, "cannot subscribe to the stream",
                 MESH_LOG_S("cause", natsStatus_GetText(status)),
                 MESH_LOG_I("jetstream_code", reason));
        return false;
    }
    do
        wait_leave(self);
    while (!stopping(self) && fetch_round(self, subscription));
    end_subscription(self, subscription);
    /* Messages point to their subscription. */
    wait_answered(self);
    natsSubscription_Destroy(subscription);
    return true;
}

static void *fetch(void *context)
{
    mesh_consumption *self = context;
    int64_t pause_ms = RETRY_FIRST_MS;
    while (!stopping(self)) {
        mesh_link *link = mesh_broker_acquire(self->settings.broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        pause_ms = fetch_on(self, link) ? RETRY_FIRST_MS : pause_ms * 2;
        if (pause_ms > RETRY_LAST_MS)
            pause_ms = RETRY_LAST_MS;
        mesh_broker_suspect(self->settings.broker);
        mesh_broker_release(self->settings.broker, link);
        pthread_mutex_lock(&self->mu);
        if (!self->stopping)
            wait_change(self, pause_ms);
        pthread_mutex_unlock(&self->mu);
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
    pthread_mutex_unlock(&self->mu);
}
