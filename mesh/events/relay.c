#include "mesh/events/relay.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/db/listen.h"
#include "mesh/events/recover.h"
#include "mesh/events/round.h"

enum {
    RETRY_FIRST_MS = 100, /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 2000,
    REFUSED_RETRY_MS = 500, /* between attempts with an event that was refused */
    ACQUIRE_TIMEOUT_MS = 500,
    /* Looks without being told: for what a process committed that was killed before it told. */
    LOOK_PERIOD_MS = 1000,
    TEND_PERIOD_MS = 1000, /* between measurings ... */
    TEND_SHARE = 20,       /* ... that may take this part of the time */
    MEASURE_TIMEOUT_MS = 2000,
    PRUNE_MS = 100 /* of each such period, at most */
};

struct mesh_relay {
    mesh_relay_settings settings; /* immutable */
    pthread_t thread;
    mesh_db_listener *listener;

    /* Of the thread. */
    int64_t last_sequence; /* on this connection */
    int64_t queue;         /* the refused event that was tried last, ... */
    bool again;            /* ... is the next one, too: what waits for it is not all published */
    int64_t retry_ns;      /* when the next one is tried */
    int64_t tend_ns;
    int64_t pause_ms;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    uint64_t calls;    /* to look */
    uint64_t answered; /* of those: when all was published that can be, this many had come */
    uint64_t published;
    uint64_t retries;
    uint64_t recalled;
    mesh_queue_figures figures;
};

void mesh_relay_wake(void *context)
{
    mesh_relay *self = context;
    pthread_mutex_lock(&self->mu);
    self->calls++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

static bool stopping(mesh_relay *self)
{
    pthread_mutex_lock(&self->mu);
    bool stop = self->stopping;
    pthread_mutex_unlock(&self->mu);
    return stop;
}

static uint64_t count_calls(mesh_relay *self)
{
    pthread_mutex_lock(&self->mu);
    uint64_t calls = self->calls;
    pthread_mutex_unlock(&self->mu);
    return calls;
}

/* Notes that there was nothing to publish after `calls`, but for what waits for a refused event. */
static void note_idle(mesh_relay *self, uint64_t calls)
{
    pthread_mutex_lock(&self->mu);
    self->answered = calls;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

/* Waits for a call that came after `calls`, a while at most. */
static void rest(mesh_relay *self, uint64_t calls, bool refused)
{
    int64_t until_ns = mesh_clock_deadline_ns(LOOK_PERIOD_MS);
    if (refused)
        until_ns = mesh_clock_earlier(until_ns, self->retry_ns);
    pthread_mutex_lock(&self->mu);
    while (!self->stopping && self->calls == calls &&
           mesh_cond_wait_until(&self->changed, &self->mu, until_ns))
        continue;
    pthread_mutex_unlock(&self->mu);
}

static void prune(mesh_relay *self)
{
    int64_t until_ns = mesh_clock_deadline_ns(PRUNE_MS);
    bool left = true;
    while (left && !stopping(self) && mesh_clock_monotonic_ns() < until_ns) {
        if (mesh_queue_prune(self->settings.db, self->settings.retention_ms, &left, NULL) !=
            MESH_OK)
            return; /* the same */
    }
}

/* What is to be done every now and then. */
static void tend(mesh_relay *self)
{
    mesh_queue_figures figures;
    int64_t start_ns = mesh_clock_monotonic_ns();
    if (start_ns < self->tend_ns)
        return;
    mesh_code code = mesh_queue_measure(self->settings.db,
                                        mesh_clock_deadline_ns(MEASURE_TIMEOUT_MS), &figures, NULL);
    int64_t took_ns = mesh_clock_monotonic_ns() - start_ns;
    self->tend_ns = mesh_clock_deadline_ns(TEND_PERIOD_MS) + took_ns * TEND_SHARE;
    if (code != MESH_OK)
        return; /* the log says why; next time */
    pthread_mutex_lock(&self->mu);
    self->figures = figures;
    pthread_mutex_unlock(&self->mu);
    prune(self);
}

typedef struct look {
    mesh_link *link;
    mesh_sender sender;
    bool more;    /* there may be something left */
    bool refused; /* some wait for a refused event */
} look;

static void count(mesh_relay *self, const mesh_round *round)
{
    pthread_mutex_lock(&self->mu);
    self->published += round->stored;
    self->retries += round->failed;
    pthread_mutex_unlock(&self->mu);
}

/* Runs a round of a queue and commits it, or rolls it back. */
static mesh_code run_round(mesh_relay *self, look *l, mesh_round *round, mesh_error *err)
{
    round->sender = &l->sender;
    round->last_sequence = self->last_sequence;
    mesh_code code = mesh_round_run(round, err);
    if (code == MESH_OK)
        code = mesh_tx_commit(round->tx, err);
    else
        mesh_tx_rollback(round->tx);
    self->last_sequence = round->last_sequence;
    if (code == MESH_OK)
        count(self, round);
    if (code == MESH_OK && (!round->works || round->went_back))
        code = mesh_error_set(err, MESH_UNAVAILABLE, "the broker does not store events");
    return code;
}

/* Publishes what is due. */
static mesh_code look_at_due(mesh_relay *self, look *l, mesh_error *err)
{
    mesh_round round = {.queue = 0};
    mesh_code code = mesh_queue_begin(self->settings.db, &round.tx, &round.state, err);
    if (code != MESH_OK)
        return code;
    code = run_round(self, l, &round, err);
    l->more = round.more;
    l->refused = round.state.refused || round.failed > 0;
    return code;
}

/* Tries one of the refused events again, and publishes what waits for it. */
static mesh_code look_at_refused(mesh_relay *self, look *l, mesh_error *err)
{
    mesh_round round = {.queue = 0};
    if (mesh_clock_monotonic_ns() < self->retry_ns)
        return MESH_OK;
    mesh_code code = mesh_queue_begin(self->settings.db, &round.tx, &round.state, err);
    if (code != MESH_OK)
        return code;
    code = mesh_queue_next(round.tx, self->again ? self->queue - 1 : self->queue, &round.queue,
                           err);
    if (code != MESH_OK || round.queue == 0) {
        mesh_tx_rollback(round.tx);
        return code;
    }
    self->queue = round.queue;
    code = run_round(self, l, &round, err);
    self->again = round.stored > 0 && round.more;
    if (round.stored == 0) {
        self->retry_ns = mesh_clock_deadline_ns(REFUSED_RETRY_MS);
        return code;
    }
    l->more = true; /* the others may be taken now, too */
    return code;
}

/* Publishes on one connection until that fails, or the relay stops. */
static mesh_code publish_on(mesh_relay *self, look *l, mesh_error *err)
{
    uint64_t recalled = 0;
    mesh_code code = mesh_recover(self->settings.db, l->link->js, &recalled, err);
    pthread_mutex_lock(&self->mu);
    self->recalled += recalled;
    pthread_mutex_unlock(&self->mu);
    self->last_sequence = 0;
    while (code == MESH_OK && !stopping(self) && !natsConnection_IsClosed(l->link->connection)) {
        uint64_t calls = count_calls(self);
        tend(self);
        code = look_at_due(self, l, err);
        if (code == MESH_OK && l->refused)
            code = look_at_refused(self, l, err);
        if (code != MESH_OK)
            return code;
        self->pause_ms = RETRY_FIRST_MS;
        if (l->more)
            continue;
        note_idle(self, calls);
        rest(self, calls, l->refused);
    }
    return code;
}

static void *run(void *context)
{
    mesh_relay *self = context;
    self->pause_ms = RETRY_FIRST_MS;
    while (!stopping(self)) {
        mesh_error err = {.code = MESH_OK};
        tend(self);
        look l = {.link = mesh_broker_acquire(self->settings.broker, ACQUIRE_TIMEOUT_MS)};
        if (l.link == NULL)
            continue;
        if (mesh_sender_begin(&l.sender, l.link->connection, self->settings.source) == NATS_OK) {
            (void)publish_on(self, &l, &err); /* those who failed have logged it */
            mesh_sender_end(&l.sender);
        }
        mesh_broker_suspect(self->settings.broker);
        mesh_broker_release(self->settings.broker, l.link);
        (void)mesh_cond_rest(&self->changed, &self->mu, &self->stopping, self->pause_ms);
        self->pause_ms = self->pause_ms * 2 < RETRY_LAST_MS ? self->pause_ms * 2 : RETRY_LAST_MS;
    }
    return NULL;
}

mesh_code mesh_relay_create(const mesh_relay_settings *settings, mesh_relay **relay,
                            mesh_error *err)
{
    mesh_relay *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    self->settings = *settings;
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    *relay = self;
    return MESH_OK;
}

mesh_code mesh_relay_start(mesh_relay *self, mesh_error *err)
{
    if (self->listener == NULL) {
        mesh_code code = mesh_db_listener_create(self->settings.db, MESH_RELAY_CHANNEL,
                                                 mesh_relay_wake, self, &self->listener, err);
        if (code != MESH_OK)
            return code;
    }
    if (self->started)
        return MESH_OK;
    int status = pthread_create(&self->thread, NULL, run, self);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    self->started = true;
    return MESH_OK;
}

bool mesh_relay_drain(mesh_relay *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&self->mu);
    uint64_t call = ++self->calls;
    pthread_cond_broadcast(&self->changed);
    while (self->started && self->answered < call &&
           mesh_cond_wait_until(&self->changed, &self->mu, deadline_ns))
        continue;
    bool drained = self->answered >= call;
    pthread_mutex_unlock(&self->mu);
    return drained;
}

void mesh_relay_destroy(mesh_relay *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    mesh_db_listener_destroy(self->listener);
    if (self->started)
        pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self);
}

/* By the wall clock, which may have been set back. */
static int64_t age_ms(int64_t wall_ns)
{
    int64_t now_ns = mesh_clock_wall_ns();
    return wall_ns > 0 && wall_ns < now_ns ? (now_ns - wall_ns) / 1000000 : 0;
}

void mesh_relay_figures(mesh_relay *self, mesh_events_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    stats->published = self->published;
    stats->publish_retries = self->retries;
    stats->publish_recalled = self->recalled;
    stats->pending = (size_t)self->figures.due;
    stats->publish_refused = (uint64_t)self->figures.refused;
    stats->oldest_pending_ms = age_ms(self->figures.oldest_ns);
    pthread_mutex_unlock(&self->mu);
}
