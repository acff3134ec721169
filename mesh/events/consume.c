#include "mesh/events/consume.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/events/envelope.h"
#include "mesh/events/inbox.h"

enum {
    BATCH = 64,                    /* fetched at once */
    WAITING_PER_LANE = 16,         /* fetched ahead of the handlers */
    FETCH_WAIT_MS = 1000,          /* for the first event of a batch, at most */
    UNSUBSCRIBE_TIMEOUT_MS = 5000, /* for the broker to know */
    LOOK_PERIOD_MS = 10,           /* at what still comes, meanwhile */
    ACQUIRE_TIMEOUT_MS = 500,
    RETRY_FIRST_MS = 50, /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 1000,
    DATABASE_RETRY_MS = 250, /* while the database is away */
    PRUNE_PERIOD_MS = 3600 * 1000
};

typedef struct lane {
    mesh_consumption *owner;
    pthread_t thread;
    pthread_cond_t work;
    mesh_arena *arena; /* of the thread */
    /* Guarded by the owner's mu. */
    mesh_delivery *first;
    mesh_delivery **last;
} lane;

struct mesh_consumption {
    mesh_consumption_settings settings; /* immutable */
    lane *lanes;                        /* immutable */
    pthread_t fetcher;
    int64_t pruned_ns; /* of the fetcher */

    pthread_mutex_t mu;
    pthread_cond_t changed; /* for the fetcher, and who drains */
    /* Guarded by mu. */
    size_t threads;   /* lanes started */
    bool fetching;    /* the fetcher was started, and has not ended */
    bool started;     /* the fetcher was started; it is joined by destroy */
    bool stopping;    /* fetch no more */
    bool ending;      /* lanes end when they have no work */
    size_t in_flight; /* deliveries fetched and not answered yet */
    bool away;        /* a handler found no database */
    uint64_t consumed, duplicates, redelivered, failed, dead;
};

static void wait_change(mesh_consumption *self, int64_t timeout_ms)
{
    mesh_cond_wait_until(&self->changed, &self->mu, mesh_clock_deadline_ns(timeout_ms));
}

static size_t capacity(const mesh_consumption *self)
{
    return self->settings.lanes * WAITING_PER_LANE;
}

/* ---- lanes ---- */

static mesh_delivery *take(lane *self)
{
    mesh_consumption *owner = self->owner;
    mesh_delivery *delivery;
    pthread_mutex_lock(&owner->mu);
    while (self->first == NULL && !owner->ending)
        pthread_cond_wait(&self->work, &owner->mu);
    delivery = self->first;
    if (delivery != NULL) {
        self->first = delivery->next;
        if (self->first == NULL)
            self->last = &self->first;
    }
    pthread_mutex_unlock(&owner->mu);
    return delivery;
}

/* Frees a delivery and counts what became of it. */
static void done(mesh_consumption *self, mesh_delivery *delivery, mesh_delivery_result result,
                 bool redelivered)
{
    natsMsg_Destroy(delivery->message);
    mesh_free(delivery);
    pthread_mutex_lock(&self->mu);
    self->consumed += result == MESH_DELIVERY_HANDLED;
    self->duplicates += result == MESH_DELIVERY_DUPLICATE;
    self->failed += result != MESH_DELIVERY_HANDLED && result != MESH_DELIVERY_DUPLICATE;
    self->dead += result == MESH_DELIVERY_DEAD;
    self->redelivered += redelivered;
    if (result == MESH_DELIVERY_AWAY)
        self->away = true;
    self->in_flight--;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

static void *run_lane(void *context)
{
    lane *self = context;
    mesh_delivery *delivery;
    while ((delivery = take(self)) != NULL) {
        bool redelivered = false;
        mesh_delivery_result result = mesh_delivery_handle(&self->owner->settings.delivery,
                                                           delivery, self->arena, &redelivered);
        done(self->owner, delivery, result, redelivered);
    }
    return NULL;
}

/* The lane of an aggregate. */
static lane *lane_of(mesh_consumption *self, natsMsg *message)
{
    const char *aggregate_id = NULL;
    if (natsMsgHeader_Get(message, "ce-subject", &aggregate_id) != NATS_OK)
        aggregate_id = ""; /* malformed; any lane will find out */
    uint64_t hash = mesh_hash_text(MESH_HASH_EMPTY, aggregate_id);
    return &self->lanes[(hash >> 32) % self->settings.lanes];
}

/* ---- fetching ---- */

/* An event has its own consumer rather than that of the one that takes its place. */
static const mesh_consumer *consumer_of(const mesh_consumption *self, const char *subject)
{
    const mesh_consumer *takes = NULL;
    for (const mesh_consumer *c = self->settings.consumers; c->event != NULL; c++) {
        if (mesh_event_has_subject(c->event, subject))
            return c;
        if (takes == NULL && mesh_event_takes(c->event, subject))
            takes = c;
    }
    return takes;
}

/* Hands a message over to its lane, and with it the message. */
static void dispatch(mesh_consumption *self, natsMsg *message)
{
    const mesh_consumer *consumer = consumer_of(self, natsMsg_GetSubject(message));
    mesh_delivery *delivery = consumer != NULL ? mesh_calloc(1, sizeof *delivery) : NULL;
    if (delivery == NULL) {
        if (consumer == NULL)
            natsMsg_Ack(message, NULL); /* an event that this service does not care for */
        else
            natsMsg_NakWithDelay(message, mesh_delivery_pause_ms(1), NULL); /* out of memory */
        natsMsg_Destroy(message);
        return;
    }
    *delivery = (mesh_delivery){
        .message = message,
        .consumer = consumer,
        .touched_ns = mesh_clock_monotonic_ns(),
    };
    lane *lane = lane_of(self, message);
    pthread_mutex_lock(&self->mu);
    *lane->last = delivery;
    lane->last = &delivery->next;
    self->in_flight++;
    pthread_cond_signal(&lane->work);
    pthread_mutex_unlock(&self->mu);
}

/* Tells the broker that what waits for a lane is not forgotten. Called with mu held. */
static void touch_waiting(mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    int64_t third_ns = self->settings.delivery.ack_wait_ms * 1000000 / 3;
    for (size_t i = 0; i < self->settings.lanes; i++) {
        for (mesh_delivery *d = self->lanes[i].first; d != NULL; d = d->next) {
            if (now_ns - d->touched_ns < third_ns)
                continue;
            natsMsg_InProgress(d->message, NULL);
            d->touched_ns = now_ns;
        }
    }
}

/* At most a second, and often enough to touch what waits. */
static int64_t fetch_wait_ms(const mesh_consumption *self)
{
    int64_t sixth_ms = self->settings.delivery.ack_wait_ms / 6;
    return sixth_ms < 1 ? 1 : sixth_ms < FETCH_WAIT_MS ? sixth_ms : FETCH_WAIT_MS;
}

/* How many more may be fetched; waits until it is worth the while. 0: the consumption stops. */
static int wait_room(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    touch_waiting(self);
    while (!self->stopping && self->in_flight > capacity(self) / 2) {
        wait_change(self, fetch_wait_ms(self));
        touch_waiting(self);
    }
    size_t room = self->stopping ? 0 : capacity(self) - self->in_flight;
    pthread_mutex_unlock(&self->mu);
    return room < BATCH ? (int)room : BATCH;
}

/* While the database is away nothing is fetched, so that no delivery is wasted. */
static void wait_database(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    bool away = self->away;
    while (away && !self->stopping) {
        pthread_mutex_unlock(&self->mu);
        away = mesh_db_ping(self->settings.delivery.db, NULL) != MESH_OK;
        pthread_mutex_lock(&self->mu);
        self->away = away;
        touch_waiting(self);
        if (away && !self->stopping)
            wait_change(self, DATABASE_RETRY_MS);
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
        touch_waiting(self);
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

static void prune(mesh_consumption *self)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    mesh_error err = {.code = MESH_OK};
    if (now_ns - self->pruned_ns < (int64_t)PRUNE_PERIOD_MS * 1000000)
        return;
    self->pruned_ns = now_ns;
    if (mesh_inbox_prune(self->settings.delivery.db, MESH_EVENTS_MAX_AGE_DAYS + 1, &err) != MESH_OK)
        mesh_log(MESH_LOG_WARN, "old rows of the inbox could not be removed",
                 MESH_LOG_S("cause", err.message));
}

static void wait_answered(mesh_consumption *self)
{
    pthread_mutex_lock(&self->mu);
    while (self->in_flight > 0) {
        touch_waiting(self);
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
    do {
        wait_database(self);
        prune(self);
    } while (!stopping(self) && fetch_round(self, subscription));
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
    lane *lanes = mesh_calloc(settings->lanes, sizeof *lanes);
    if (self == NULL || lanes == NULL) {
        mesh_free(self);
        mesh_free(lanes);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    self->settings = *settings;
    self->lanes = lanes;
    self->pruned_ns = mesh_clock_monotonic_ns();
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    bool complete = true;
    for (size_t i = 0; i < settings->lanes; i++) {
        lanes[i].owner = self;
        lanes[i].last = &lanes[i].first;
        pthread_cond_init(&lanes[i].work, NULL);
        lanes[i].arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, MESH_EVENT_ARENA_LIMIT_BYTES);
        complete = complete && lanes[i].arena != NULL;
    }
    if (!complete) {
        mesh_consumption_destroy(self);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    *out = self;
    return MESH_OK;
}

mesh_code mesh_consumption_start(mesh_consumption *self, mesh_error *err)
{
    int status = 0;
    pthread_mutex_lock(&self->mu); /* the threads wait until everything is noted down */
    while (status == 0 && self->threads < self->settings.lanes) {
        lane *next = &self->lanes[self->threads];
        status = pthread_create(&next->thread, NULL, run_lane, next);
        self->threads += status == 0;
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

/* What waits for a lane goes back to the broker, which gives it to another instance at once. Called
 * with mu held. */
static void give_back_waiting(mesh_consumption *self)
{
    for (size_t i = 0; i < self->settings.lanes; i++) {
        lane *lane = &self->lanes[i];
        while (lane->first != NULL) {
            mesh_delivery *delivery = lane->first;
            lane->first = delivery->next;
            natsMsg_Nak(delivery->message, NULL);
            natsMsg_Destroy(delivery->message);
            mesh_free(delivery);
            self->in_flight--;
        }
        lane->last = &lane->first;
    }
}

bool mesh_consumption_drain(mesh_consumption *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    for (;;) {
        give_back_waiting(self);
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
    pthread_mutex_lock(&self->mu);
    self->ending = true;
    for (size_t i = 0; i < self->settings.lanes; i++)
        pthread_cond_signal(&self->lanes[i].work);
    pthread_mutex_unlock(&self->mu);
    for (size_t i = 0; i < self->settings.lanes; i++) {
        if (i < self->threads)
            pthread_join(self->lanes[i].thread, NULL);
        pthread_cond_destroy(&self->lanes[i].work);
        mesh_arena_destroy(self->lanes[i].arena);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self->lanes);
    mesh_free(self);
}

void mesh_consumption_figures(mesh_consumption *self, mesh_events_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    stats->consumed = self->consumed;
    stats->duplicates = self->duplicates;
    stats->redelivered = self->redelivered;
    stats->failed = self->failed;
    stats->dead = self->dead;
    pthread_mutex_unlock(&self->mu);
}
