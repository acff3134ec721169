#include "mesh/events/publish.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/escape.h"
#include "mesh/events/window.h"

enum {
    RETRY_FIRST_MS = 100, /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 2000,
    REFUSED_RETRY_MS = 500, /* between attempts with an event that was refused */
    ACQUIRE_TIMEOUT_MS = 500
};

/* A chain of entries. */
typedef struct list {
    mesh_entry *first;
    mesh_entry **last; /* where the next one goes */
} list;

struct mesh_publisher {
    mesh_broker *broker;
    char *source; /* "/order", immutable */
    pthread_t thread;
    int64_t retry_ns; /* of the thread: when a refused event is tried again */
    /* Of the thread: the queue's end, when all in it waits for refused ones; else NULL. */
    mesh_entry *const *exhausted;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    list queue;   /* in order of the commits; the thread's window is of its head */
    list refused; /* taken out of it: no two of one aggregate; what follows them stays and waits */
    size_t count; /* of both */
    size_t bytes;
    size_t refused_count;
    uint64_t published;
    uint64_t retries;
    uint64_t lost;
};

static void push_back(list *list, mesh_entry *e)
{
    e->next = NULL;
    *list->last = e;
    list->last = &e->next;
}

static void push_front(list *list, mesh_entry *e)
{
    if (list->first == NULL)
        list->last = &e->next;
    e->next = list->first;
    list->first = e;
}

/* Takes out the entry that `place`, a link of the list, points to. */
static mesh_entry *take_out(list *list, mesh_entry **place)
{
    mesh_entry *e = *place;
    *place = e->next;
    if (e->next == NULL)
        list->last = place;
    return e;
}

static bool waits_for_refused(const mesh_publisher *self, const mesh_entry *e)
{
    for (const mesh_entry *refused = self->refused.first; refused != NULL;
         refused = refused->next) {
        if (mesh_entry_same_aggregate(refused, e))
            return true;
    }
    return false;
}

/* Takes from the head of the queue, but for what waits for a refused event; what is left out keeps
 * its place there. Others only add to the queue's end, so that it is walked through unlocked. */
static void fill_window(mesh_publisher *self, mesh_window *w)
{
    pthread_mutex_lock(&self->mu);
    const mesh_entry *e = self->queue.first;
    mesh_entry *const *end = self->queue.last;
    pthread_mutex_unlock(&self->mu);
    for (int seen = 0; e != NULL && seen < MESH_WINDOW_MAX; e = &e->next != end ? e->next : NULL) {
        if (waits_for_refused(self, e))
            continue;
        seen++;
        mesh_window_add(w, e);
    }
    self->exhausted = w->count == 0 ? end : NULL;
}

/* Puts refused events, at most `count`, back in front of the queue. Called with mu held. */
static void bring_back(mesh_publisher *self, size_t count)
{
    self->exhausted = NULL;
    for (; count > 0 && self->refused.first != NULL; count--) {
        push_front(&self->queue, take_out(&self->refused, &self->refused.first));
        self->refused_count--;
    }
}

/* Takes out of the queue what was stored, and what was refused; the rest stays. Called with mu
 * held. */
static void settle_slot(mesh_publisher *self, const mesh_slot *at, mesh_entry **place)
{
    mesh_entry *e = *place;
    self->retries += at->outcome != MESH_STORED;
    if (at->outcome == MESH_STORED) {
        take_out(&self->queue, place);
        self->count--;
        self->bytes -= e->total_size;
        self->published++;
        mesh_free(e);
    } else if (at->outcome == MESH_REFUSED) {
        e->refused = true;
        push_back(&self->refused, take_out(&self->queue, place));
        self->refused_count++;
    }
}

static void settle(mesh_publisher *self, const mesh_window *w)
{
    bool again = false; /* one is taken that was refused before: so may be the others */
    pthread_mutex_lock(&self->mu);
    mesh_entry **place = &self->queue.first;
    for (const mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        while (*place != at->entry)
            place = &(*place)->next;
        again = again || (at->outcome == MESH_STORED && at->entry->refused);
        settle_slot(self, at, place);
    }
    if (again)
        bring_back(self, self->refused_count);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

/*
 * What the window says about the broker. It works when it has answered, and stored something or had
 * nothing but events that it refused before: one of those, tried again, says nothing about others.
 */
static bool judge(const mesh_window *w)
{
    bool stored = false, fresh = false;
    const mesh_slot *silent = NULL;
    for (const mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        stored = stored || at->outcome == MESH_STORED;
        fresh = fresh || !at->entry->refused;
        if (at->outcome == MESH_NO_WORD && silent == NULL)
            silent = at;
        if (at->outcome == MESH_REFUSED && !at->entry->refused)
            mesh_entry_log(at->entry, "an event is refused and holds back its aggregate", at->cause,
                           at->jetstream_code);
    }
    if (silent != NULL)
        mesh_log(
            MESH_LOG_WARN, "publishing events failed and is tried again",
            MESH_LOG_S("cause", silent->cause != NULL ? silent->cause : "the connection was lost"));
    return silent == NULL && (stored || !fresh);
}

static bool publish_window(mesh_publisher *self, jsCtx *js, natsConnection *connection)
{
    mesh_window w = {.count = 0};
    fill_window(self, &w);
    mesh_window_publish(&w, js, connection, self->source);
    bool works = judge(&w);
    settle(self, &w);
    return works;
}

/*
 * Waits for something to publish; false: the publisher stops (with `finish`: and there is nothing).
 * One of the refused events is tried again when its time has come.
 */
static bool wait_for_events(mesh_publisher *self, bool finish)
{
    bool some = false, stopping = false;
    pthread_mutex_lock(&self->mu);
    for (;;) {
        if (self->refused.first != NULL && mesh_clock_monotonic_ns() >= self->retry_ns) {
            bring_back(self, 1);
            self->retry_ns = mesh_clock_deadline_ns(REFUSED_RETRY_MS);
        }
        some = self->queue.first != NULL && self->queue.last != self->exhausted;
        stopping = self->stopping;
        if (some || stopping)
            break;
        mesh_cond_wait_until(&self->changed, &self->mu,
                             self->refused.first != NULL ? self->retry_ns : MESH_NO_DEADLINE);
    }
    pthread_mutex_unlock(&self->mu);
    return some && (finish || !stopping);
}

/* Publishes on one connection until that fails, or the publisher stops. True when at least one
 * window went through. */
static bool publish_on(mesh_publisher *self, mesh_link *link)
{
    jsCtx *js = NULL;
    if (mesh_window_context(link->connection, &js) != NATS_OK)
        return false;
    bool worked = false;
    while (wait_for_events(self, true) && !natsConnection_IsClosed(link->connection) &&
           publish_window(self, js, link->connection))
        worked = true;
    jsCtx_Destroy(js);
    return worked;
}

static void *publish(void *context)
{
    mesh_publisher *self = context;
    int64_t pause_ms = RETRY_FIRST_MS;
    while (wait_for_events(self, false)) {
        mesh_link *link = mesh_broker_acquire(self->broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        if (publish_on(self, link))
            pause_ms = RETRY_FIRST_MS;
        mesh_broker_suspect(self->broker);
        mesh_broker_release(self->broker, link);
        (void)mesh_cond_rest(&self->changed, &self->mu, &self->stopping, pause_ms);
        pause_ms = pause_ms * 2 < RETRY_LAST_MS ? pause_ms * 2 : RETRY_LAST_MS;
    }
    return NULL;
}

mesh_code mesh_publisher_create(mesh_broker *broker, const char *service, mesh_publisher **out,
                                mesh_error *err)
{
    mesh_publisher *self = mesh_calloc(1, sizeof *self);
    size_t size = mesh_event_escaped_size(service) + 1;
    char *source = mesh_malloc(size);
    if (self == NULL || source == NULL) {
        mesh_free(self);
        mesh_free(source);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    source[0] = '/';
    mesh_event_escape(service, source + 1);
    self->broker = broker;
    self->source = source;
    self->queue.last = &self->queue.first;
    self->refused.last = &self->refused.first;
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    *out = self;
    return MESH_OK;
}

mesh_code mesh_publisher_start(mesh_publisher *self, mesh_error *err)
{
    if (self->started)
        return MESH_OK;
    int status = pthread_create(&self->thread, NULL, publish, self);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    self->started = true;
    return MESH_OK;
}

static void log_lost(const mesh_entry *e, const char *cause)
{
    mesh_entry_log(e, "an event is lost", cause, 0);
}

bool mesh_publisher_drain(mesh_publisher *self, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    pthread_mutex_lock(&self->mu);
    while (self->count > 0 && mesh_cond_wait_until(&self->changed, &self->mu, deadline_ns))
        continue;
    bool drained = self->count == 0;
    pthread_mutex_unlock(&self->mu);
    return drained;
}

void mesh_publisher_destroy(mesh_publisher *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    self->stopping = true;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    if (self->started)
        pthread_join(self->thread, NULL);
    bring_back(self, self->refused_count);
    while (self->queue.first != NULL) {
        mesh_entry *e = take_out(&self->queue, &self->queue.first);
        log_lost(e, "the process ends");
        mesh_free(e);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self->source);
    mesh_free(self);
}

/* An event of a transaction; in its arena. */
typedef struct added {
    mesh_publisher *publisher;
    const mesh_entry *entry;
} added;

/* After the commit: a copy of the arena's entry goes to the queue. */
static void enqueue(void *context)
{
    const added *one = context;
    mesh_publisher *self = one->publisher;
    const mesh_entry *committed = one->entry;
    mesh_entry *e = mesh_malloc(committed->total_size);
    if (e != NULL)
        memcpy(e, committed, committed->total_size);
    pthread_mutex_lock(&self->mu);
    bool room = self->count < MESH_EVENTS_QUEUE_MAX &&
                self->bytes + committed->total_size <= MESH_EVENTS_QUEUE_BYTES;
    if (e != NULL && room) {
        push_back(&self->queue, e);
        self->count++;
        self->bytes += e->total_size;
        pthread_cond_broadcast(&self->changed);
    } else {
        self->lost++;
    }
    pthread_mutex_unlock(&self->mu);
    if (e == NULL || !room) {
        log_lost(committed, e == NULL ? "out of memory" : "too many wait to be published");
        mesh_free(e);
    }
}

mesh_code mesh_publisher_add(mesh_publisher *self, mesh_tx *tx, const mesh_event_descriptor *event,
                             const ProtobufCMessage *message, mesh_error *err)
{
    added *one = mesh_arena_alloc(mesh_tx_arena(tx), sizeof *one);
    if (one == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_entry *e = NULL;
    mesh_code code = mesh_entry_make(mesh_tx_arena(tx), event, message, &e, err);
    if (code != MESH_OK)
        return code;
    size_t size = mesh_entry_message_size(e, self->source);
    int64_t most = mesh_broker_max_payload(self->broker);
    if (most > 0 && size > (size_t)most)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%s: %zu bytes with headers are too long for the broker, whose "
                              "max_payload is %" PRId64,
                              event->subject, size, most);
    *one = (added){.publisher = self, .entry = e};
    return mesh_tx_after_commit(tx, enqueue, one, err);
}

void mesh_publisher_figures(mesh_publisher *self, mesh_events_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    stats->published = self->published;
    stats->publish_retries = self->retries;
    stats->publish_lost = self->lost;
    stats->pending = self->count;
    stats->publish_refused = self->refused_count;
    pthread_mutex_unlock(&self->mu);
}
