#include "mesh/events/publish.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"
#include "mesh/db/publisher.h"
#include "mesh/events/escape.h"

enum {
    WINDOW = 256,          /* events on their way to the broker at once */
    ACK_TIMEOUT_MS = 5000, /* for the broker's word on one */
    RETRY_FIRST_MS = 100,  /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 2000,
    ACQUIRE_TIMEOUT_MS = 500,
    LOOK_PERIOD_MS = 50 /* at the connection, while answers are missing */
};

/* An event that was added. In the transaction's arena until the commit, then in memory of its own:
 * the strings and the payload follow the struct. */
typedef struct entry {
    struct entry *next;
    mesh_publisher *publisher;
    const char *subject; /* of the descriptor, static, as type is */
    const char *type;
    char id[MESH_UUID_TEXT_BYTES];
    char time[MESH_TIME_TEXT_BYTES];
    char traceparent[MESH_TRACEPARENT_BYTES];
    int64_t version;
    size_t total_size; /* of the struct and what follows it */
    size_t aggregate_id_size;
    size_t size;    /* of the payload */
    char follows[]; /* aggregate id (escaped, with its NUL), payload */
} entry;

struct mesh_publisher {
    mesh_broker *broker;
    char *source; /* "/order", immutable */
    pthread_t thread;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    entry *first; /* the thread's window is the head of the queue */
    entry **last;
    size_t count;
    size_t bytes;
    uint64_t published;
    uint64_t retries;
    uint64_t lost;
};

/*
 * What is on its way to the broker in one go. Not more than one event of an aggregate: when the
 * broker refuses that one, a later one must not be stored before it. Sending both again would not
 * put them in order, since the broker keeps the place of what it has stored already (Nats-Msg-Id).
 */
typedef struct window {
    const entry *entries[WINDOW]; /* in order of the queue, which only this thread takes from */
    int entry_count;
    natsMsg *messages[WINDOW]; /* of the first `count`; only compared with, once handed over */
    bool stored[WINDOW];
    int count;
    int unanswered;
    const char *cause; /* of the first failure, static; NULL: none */
    struct window *next;
} window;

/*
 * The windows of the process that wait for answers. The library answers from threads of its own,
 * perhaps after the one who asked has given up: an answer finds its window by its message here, or
 * none.
 */
static pthread_mutex_t windows_mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t windows_changed = PTHREAD_COND_INITIALIZER;
static window *windows;

static void on_answer(jsCtx *js, natsMsg *message, jsPubAck *ack, jsPubAckErr *failure,
                      void *closure)
{
    (void)js;
    (void)closure;
    pthread_mutex_lock(&windows_mu);
    for (window *w = windows; w != NULL; w = w->next) {
        for (int i = 0; i < w->count; i++) {
            if (w->messages[i] != message)
                continue;
            w->messages[i] = NULL;
            w->stored[i] = ack != NULL;
            w->unanswered--;
            if (ack == NULL && w->cause == NULL)
                w->cause = failure != NULL ? natsStatus_GetText(failure->Err) : "no answer";
            pthread_cond_broadcast(&windows_changed);
        }
    }
    pthread_mutex_unlock(&windows_mu);
    natsMsg_Destroy(message);
}

static void open_window(window *w)
{
    pthread_mutex_lock(&windows_mu);
    w->next = windows;
    windows = w;
    pthread_mutex_unlock(&windows_mu);
}

/* Waits for all answers, or until the connection is lost: then there may be none. */
static void close_window(window *w, natsConnection *connection)
{
    pthread_mutex_lock(&windows_mu);
    while (w->unanswered > 0 && !natsConnection_IsClosed(connection))
        mesh_cond_wait_until(&windows_changed, &windows_mu, mesh_clock_deadline_ns(LOOK_PERIOD_MS));
    window **place = &windows;
    while (*place != w)
        place = &(*place)->next;
    *place = w->next;
    pthread_mutex_unlock(&windows_mu);
}

static natsStatus set_headers(natsMsg *message, const entry *e, const char *source)
{
    char version[24];
    snprintf(version, sizeof version, "%" PRId64, e->version);
    const struct {
        const char *name;
        const char *value;
    } headers[] = {
        {"ce-specversion", "1.0"},
        {"ce-id", e->id},
        {"ce-type", e->type},
        {"ce-source", source},
        {"ce-subject", e->follows},
        {"ce-time", e->time},
        {"ce-aggregateversion", version},
        {"content-type", "application/protobuf"},
        {"traceparent", e->traceparent[0] != '\0' ? e->traceparent : NULL},
        {"Nats-Msg-Id", e->id},
    };
    natsStatus status = NATS_OK;
    for (size_t i = 0; status == NATS_OK && i < sizeof headers / sizeof headers[0]; i++) {
        if (headers[i].value != NULL)
            status = natsMsgHeader_Set(message, headers[i].name, headers[i].value);
    }
    return status;
}

static natsStatus make_message(const mesh_publisher *self, const entry *e, natsMsg **message)
{
    char subject[sizeof MESH_EVENTS_PREFIX + MESH_EVENTS_SUBJECT_BYTES];
    snprintf(subject, sizeof subject, MESH_EVENTS_PREFIX "%s", e->subject);
    natsStatus status = natsMsg_Create(message, subject, NULL, e->follows + e->aggregate_id_size,
                                       (int)e->size);
    if (status == NATS_OK)
        status = set_headers(*message, e, self->source);
    return status;
}

static void send_window(mesh_publisher *self, jsCtx *js, window *w)
{
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ACK_TIMEOUT_MS;
    options.ExpectStream = MESH_EVENTS_STREAM;
    natsStatus status = NATS_OK;
    for (int i = 0; status == NATS_OK && i < w->entry_count; i++) {
        natsMsg *message = NULL;
        status = make_message(self, w->entries[i], &message);
        if (status == NATS_OK) {
            pthread_mutex_lock(&windows_mu);
            w->messages[w->count++] = message;
            w->unanswered++;
            pthread_mutex_unlock(&windows_mu);
            status = js_PublishMsgAsync(js, &message, &options);
        }
        if (status != NATS_OK) {
            pthread_mutex_lock(&windows_mu);
            if (message != NULL && w->count > 0 && w->messages[w->count - 1] == message) {
                w->count--;
                w->unanswered--;
            }
            w->cause = natsStatus_GetText(status);
            pthread_mutex_unlock(&windows_mu);
            natsMsg_Destroy(message);
        }
    }
}

static bool has_aggregate_of(const window *w, const entry *e)
{
    for (int i = 0; i < w->entry_count; i++) {
        if (strcmp(w->entries[i]->follows, e->follows) == 0)
            return true;
    }
    return false;
}

/* Takes from the head of the queue; what is left out keeps its place there. */
static void fill_window(mesh_publisher *self, window *w)
{
    const entry *head[WINDOW];
    int head_count = 0;
    pthread_mutex_lock(&self->mu);
    for (const entry *e = self->first; e != NULL && head_count < WINDOW; e = e->next)
        head[head_count++] = e;
    pthread_mutex_unlock(&self->mu);
    for (int i = 0; i < head_count; i++) {
        if (!has_aggregate_of(w, head[i]))
            w->entries[w->entry_count++] = head[i];
    }
}

/* Takes what was stored out of the queue; the rest stays, in its order. */
static void settle(mesh_publisher *self, const window *w)
{
    pthread_mutex_lock(&self->mu);
    entry **place = &self->first;
    for (int i = 0; i < w->entry_count; i++) {
        while (*place != w->entries[i])
            place = &(*place)->next;
        entry *e = *place;
        if (i >= w->count || !w->stored[i]) {
            self->retries++;
            continue;
        }
        *place = e->next;
        if (e->next == NULL)
            self->last = place;
        self->count--;
        self->bytes -= e->total_size;
        self->published++;
        mesh_free(e);
    }
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

static bool publish_window(mesh_publisher *self, jsCtx *js, natsConnection *connection)
{
    window w = {.count = 0};
    fill_window(self, &w);
    open_window(&w);
    send_window(self, js, &w);
    close_window(&w, connection);
    settle(self, &w);
    if (w.cause == NULL && w.unanswered == 0)
        return true;
    mesh_log(MESH_LOG_WARN, "publishing events failed and is tried again",
             MESH_LOG_S("cause", w.cause != NULL ? w.cause : "the connection was lost"));
    return false;
}

/* Publishes on one connection until that fails, or the publisher stops. True when at least one
 * window went through. */
static bool publish_on(mesh_publisher *self, mesh_link *link)
{
    jsCtx *js = NULL;
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = WINDOW;
    options.PublishAsync.AckHandler = on_answer;
    if (natsConnection_JetStream(&js, link->connection, &options) != NATS_OK) {
        return false;
    }
    bool worked = false;
    for (;;) {
        pthread_mutex_lock(&self->mu);
        while (self->count == 0 && !self->stopping)
            pthread_cond_wait(&self->changed, &self->mu);
        bool some = self->count > 0;
        pthread_mutex_unlock(&self->mu);
        if (!some || natsConnection_IsClosed(link->connection) ||
            !publish_window(self, js, link->connection))
            break;
        worked = true;
    }
    jsCtx_Destroy(js);
    return worked;
}

/* Waits for something to publish; false when the publisher stops without it. */
static bool wait_for_events(mesh_publisher *self)
{
    pthread_mutex_lock(&self->mu);
    while (self->count == 0 && !self->stopping)
        pthread_cond_wait(&self->changed, &self->mu);
    bool some = !self->stopping;
    pthread_mutex_unlock(&self->mu);
    return some;
}

/* After a failure, unless the publisher stops. */
static void pause_publishing(mesh_publisher *self, int64_t pause_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(pause_ms);
    pthread_mutex_lock(&self->mu);
    while (!self->stopping && mesh_cond_wait_until(&self->changed, &self->mu, deadline_ns))
        continue;
    pthread_mutex_unlock(&self->mu);
}

static void *publish(void *context)
{
    mesh_publisher *self = context;
    int64_t pause_ms = RETRY_FIRST_MS;
    while (wait_for_events(self)) {
        mesh_link *link = mesh_broker_acquire(self->broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        if (publish_on(self, link))
            pause_ms = RETRY_FIRST_MS;
        mesh_broker_suspect(self->broker);
        mesh_broker_release(self->broker, link);
        pause_publishing(self, pause_ms);
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
    self->last = &self->first;
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

static void log_lost(const entry *e, const char *cause)
{
    mesh_log(MESH_LOG_ERROR, "an event is lost", MESH_LOG_S("cause", cause),
             MESH_LOG_S("event_id", e->id), MESH_LOG_S("subject", e->subject),
             MESH_LOG_S("aggregate_id", e->follows), MESH_LOG_I("version", e->version));
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
    while (self->first != NULL) {
        entry *e = self->first;
        self->first = e->next;
        log_lost(e, "the process ends");
        mesh_free(e);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_free(self->source);
    mesh_free(self);
}

/* After the commit: a copy of the arena's entry goes to the queue. */
static void enqueue(void *context)
{
    const entry *committed = context;
    mesh_publisher *self = committed->publisher;
    entry *e = mesh_malloc(committed->total_size);
    if (e != NULL)
        memcpy(e, committed, committed->total_size);
    pthread_mutex_lock(&self->mu);
    bool room = self->count < MESH_EVENTS_QUEUE_MAX &&
                self->bytes + committed->total_size <= MESH_EVENTS_QUEUE_BYTES;
    if (e != NULL && room) {
        e->next = NULL;
        *self->last = e;
        self->last = &e->next;
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

static mesh_code make_entry(mesh_publisher *self, mesh_arena *arena,
                            const mesh_event_descriptor *event, const ProtobufCMessage *message,
                            entry **out, mesh_error *err)
{
    const char *aggregate_id = event->aggregate_id(message);
    if (aggregate_id == NULL || aggregate_id[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: the id of its %s is empty",
                              event->subject, event->aggregate_type);
    if (strlen(aggregate_id) > MESH_EVENTS_AGGREGATE_ID_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: the id of its %s is too long",
                              event->subject, event->aggregate_type);
    if (strlen(event->subject) > MESH_EVENTS_SUBJECT_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: too long for a subject",
                              event->subject);
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > MESH_EVENT_MAX_BYTES)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %zu bytes are too long for an event",
                              event->subject, size);
    size_t id_size = mesh_event_escaped_size(aggregate_id);
    size_t total_size = sizeof(entry) + id_size + size;
    entry *e = mesh_arena_alloc(arena, total_size);
    if (e == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *e = (entry){
        .publisher = self,
        .subject = event->subject,
        .type = event->message->name,
        .version = event->version != NULL ? event->version(message) : 0,
        .total_size = total_size,
        .aggregate_id_size = id_size,
        .size = size,
    };
    mesh_uuid_v7(e->id);
    mesh_clock_format(mesh_clock_wall_ns(), e->time);
    const mesh_trace *trace = mesh_trace_current();
    if (trace != NULL && mesh_trace_valid(trace))
        mesh_trace_format(trace, e->traceparent);
    mesh_event_escape(aggregate_id, e->follows);
    protobuf_c_message_pack(message, (uint8_t *)e->follows + id_size);
    *out = e;
    return MESH_OK;
}

mesh_code mesh_publisher_add(mesh_publisher *self, mesh_tx *tx, const mesh_event_descriptor *event,
                             const ProtobufCMessage *message, mesh_error *err)
{
    entry *e = NULL;
    mesh_code code = make_entry(self, mesh_tx_arena(tx), event, message, &e, err);
    if (code != MESH_OK)
        return code;
    return mesh_tx_after_commit(tx, enqueue, e, err);
}

void mesh_publisher_figures(mesh_publisher *self, mesh_events_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    stats->published = self->published;
    stats->publish_retries = self->retries;
    stats->publish_lost = self->lost;
    stats->pending = self->count;
    pthread_mutex_unlock(&self->mu);
}
