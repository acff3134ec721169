#include "mesh/events/publish.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"
#include "mesh/db/publisher.h"
#include "mesh/events/escape.h"

enum {
    WINDOW = 256,          /* events on their way to the broker at once */
    ACK_TIMEOUT_MS = 5000, /* for the broker's word on one */
    RETRY_FIRST_MS = 100,  /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 2000,
    REFUSED_RETRY_MS = 500, /* between attempts with an event that was refused */
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
    uint64_t aggregate_hash; /* of its id */
    size_t size;             /* of the payload */
    bool refused;            /* of the publisher's thread: at least once */
    char follows[];          /* aggregate id (escaped, with its NUL), payload */
} entry;

/* A chain of entries. */
typedef struct list {
    entry *first;
    entry **last; /* where the next one goes */
} list;

struct mesh_publisher {
    mesh_broker *broker;
    char *source; /* "/order", immutable */
    pthread_t thread;
    int64_t retry_ns;        /* of the thread: when a refused event is tried again */
    entry *const *exhausted; /* of the thread: the queue's end, when all in it waits for refused
                                ones; else NULL */

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

static void push_back(list *list, entry *e)
{
    e->next = NULL;
    *list->last = e;
    list->last = &e->next;
}

static void push_front(list *list, entry *e)
{
    if (list->first == NULL)
        list->last = &e->next;
    e->next = list->first;
    list->first = e;
}

/* Takes out the entry that `place`, a link of the list, points to. */
static entry *take_out(list *list, entry **place)
{
    entry *e = *place;
    *place = e->next;
    if (e->next == NULL)
        list->last = place;
    return e;
}

/* One event of a window. */
typedef struct slot {
    const entry *entry;
    natsMsg *message; /* while its answer is missing; only compared with */
    enum {
        NO_WORD, /* it may be stored or not */
        STORED,
        REFUSED
    } outcome;
    const char *cause; /* why it is not stored, static; NULL: not known */
    int jetstream_code;
} slot;

/*
 * What is on its way to the broker in one go. Not more than one event of an aggregate: when the
 * broker refuses that one, a later one must not be stored before it. Sending both again would not
 * put them in order, since the broker keeps the place of what it has stored already (Nats-Msg-Id).
 */
typedef struct window {
    slot slots[WINDOW]; /* in order of the queue, which only this thread takes from */
    int count;
    int unanswered;
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
        for (slot *at = w->slots; at < w->slots + w->count; at++) {
            if (at->message != message)
                continue;
            at->message = NULL;
            if (ack != NULL)
                at->outcome = STORED;
            else if (failure != NULL && failure->ErrCode != 0)
                at->outcome = REFUSED; /* the stream's own word */
            at->cause = failure != NULL ? natsStatus_GetText(failure->Err) : NULL;
            at->jetstream_code = failure != NULL ? (int)failure->ErrCode : 0;
            w->unanswered--;
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

enum {
    HEADERS_MAX = 11,
    VERSION_BYTES = 24
};

typedef struct header {
    const char *name;
    const char *value;
} header;

/* Lists the headers of an event; how many. They live as long as the entry and `version`. */
static size_t list_headers(const entry *e, const char *source, char version[VERSION_BYTES],
                           header headers[HEADERS_MAX])
{
    size_t count = 0;
    snprintf(version, VERSION_BYTES, "%" PRId64, e->version);
    headers[count++] = (header){"ce-specversion", "1.0"};
    headers[count++] = (header){"ce-id", e->id};
    headers[count++] = (header){"ce-type", e->type};
    headers[count++] = (header){"ce-source", source};
    headers[count++] = (header){"ce-subject", e->follows};
    headers[count++] = (header){"ce-time", e->time};
    headers[count++] = (header){"ce-aggregateversion", version};
    headers[count++] = (header){"content-type", "application/protobuf"};
    headers[count++] = (header){"Nats-Msg-Id", e->id};
    headers[count++] = (header){"Nats-Expected-Stream", MESH_EVENTS_STREAM};
    if (e->traceparent[0] != '\0')
        headers[count++] = (header){"traceparent", e->traceparent};
    return count;
}

/* What the broker's max_payload counts: headers, in the form of the protocol, and payload. */
static size_t message_size(const entry *e, const char *source)
{
    header headers[HEADERS_MAX];
    char version[VERSION_BYTES];
    size_t size = strlen("NATS/1.0\r\n\r\n") + e->size;
    size_t count = list_headers(e, source, version, headers);
    for (size_t i = 0; i < count; i++)
        size += strlen(headers[i].name) + strlen(": \r\n") + strlen(headers[i].value);
    return size;
}

static natsStatus make_message(const mesh_publisher *self, const entry *e, natsMsg **message)
{
    char subject[sizeof MESH_EVENTS_PREFIX + MESH_EVENTS_SUBJECT_BYTES];
    header headers[HEADERS_MAX];
    char version[VERSION_BYTES];
    snprintf(subject, sizeof subject, MESH_EVENTS_PREFIX "%s", e->subject);
    natsStatus status = natsMsg_Create(message, subject, NULL, e->follows + e->aggregate_id_size,
                                       (int)e->size);
    size_t count = list_headers(e, self->source, version, headers);
    for (size_t i = 0; status == NATS_OK && i < count; i++)
        status = natsMsgHeader_Set(*message, headers[i].name, headers[i].value);
    return status;
}

/* Notes what is in the slot: a message on its way, or NULL and why there is none. */
static void note(window *w, slot *at, natsMsg *message, natsStatus status)
{
    pthread_mutex_lock(&windows_mu);
    w->unanswered += (message != NULL) - (at->message != NULL);
    at->message = message;
    if (status != NATS_OK) {
        at->outcome = REFUSED;
        at->cause = natsStatus_GetText(status);
    }
    pthread_mutex_unlock(&windows_mu);
}

/* Sends one after the other; one that cannot be sent stops the others only when it is for the
 * connection. */
static void send_window(mesh_publisher *self, jsCtx *js, natsConnection *connection, window *w)
{
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ACK_TIMEOUT_MS;
    for (slot *at = w->slots; at < w->slots + w->count; at++) {
        natsMsg *message = NULL;
        natsStatus status = make_message(self, at->entry, &message);
        if (status == NATS_OK) {
            note(w, at, message, NATS_OK); /* before the answer can come */
            status = js_PublishMsgAsync(js, &message, &options);
        }
        if (status == NATS_OK)
            continue;
        bool closed = natsConnection_IsClosed(connection);
        note(w, at, NULL, closed ? NATS_OK : status);
        natsMsg_Destroy(message);
        if (closed)
            return;
    }
}

static bool same_aggregate(const entry *a, const entry *b)
{
    return a->aggregate_hash == b->aggregate_hash && strcmp(a->follows, b->follows) == 0;
}

static bool has_aggregate_of(const window *w, const entry *e)
{
    for (int i = 0; i < w->count; i++) {
        if (same_aggregate(w->slots[i].entry, e))
            return true;
    }
    return false;
}

static bool waits_for_refused(const mesh_publisher *self, const entry *e)
{
    for (const entry *refused = self->refused.first; refused != NULL; refused = refused->next) {
        if (same_aggregate(refused, e))
            return true;
    }
    return false;
}

/* Takes from the head of the queue, but for what waits for a refused event; what is left out keeps
 * its place there. Others only add to the queue's end, so that it is walked through unlocked. */
static void fill_window(mesh_publisher *self, window *w)
{
    pthread_mutex_lock(&self->mu);
    const entry *e = self->queue.first;
    entry *const *end = self->queue.last;
    pthread_mutex_unlock(&self->mu);
    for (int seen = 0; e != NULL && seen < WINDOW; e = &e->next != end ? e->next : NULL) {
        if (waits_for_refused(self, e))
            continue;
        seen++;
        if (!has_aggregate_of(w, e))
            w->slots[w->count++].entry = e;
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
static void settle_slot(mesh_publisher *self, const slot *at, entry **place)
{
    entry *e = *place;
    self->retries += at->outcome != STORED;
    if (at->outcome == STORED) {
        take_out(&self->queue, place);
        self->count--;
        self->bytes -= e->total_size;
        self->published++;
        mesh_free(e);
    } else if (at->outcome == REFUSED) {
        e->refused = true;
        push_back(&self->refused, take_out(&self->queue, place));
        self->refused_count++;
    }
}

static void settle(mesh_publisher *self, const window *w)
{
    bool again = false; /* one is taken that was refused before: so may be the others */
    pthread_mutex_lock(&self->mu);
    entry **place = &self->queue.first;
    for (const slot *at = w->slots; at < w->slots + w->count; at++) {
        while (*place != at->entry)
            place = &(*place)->next;
        again = again || (at->outcome == STORED && at->entry->refused);
        settle_slot(self, at, place);
    }
    if (again)
        bring_back(self, self->refused_count);
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
}

static void log_event(const char *message, const entry *e, const char *cause, int jetstream_code)
{
    mesh_log(MESH_LOG_ERROR, message, MESH_LOG_S("cause", cause),
             MESH_LOG_I("jetstream_code", jetstream_code), MESH_LOG_S("event_id", e->id),
             MESH_LOG_S("subject", e->subject), MESH_LOG_S("aggregate_id", e->follows),
             MESH_LOG_I("version", e->version));
}

/*
 * What the window says about the broker. It works when it has answered, and stored something or had
 * nothing but events that it refused before: one of those, tried again, says nothing about others.
 */
static bool judge(const window *w)
{
    bool stored = false, fresh = false;
    const slot *silent = NULL;
    for (const slot *at = w->slots; at < w->slots + w->count; at++) {
        stored = stored || at->outcome == STORED;
        fresh = fresh || !at->entry->refused;
        if (at->outcome == NO_WORD && silent == NULL)
            silent = at;
        if (at->outcome == REFUSED && !at->entry->refused)
            log_event("an event is refused and holds back its aggregate", at->entry, at->cause,
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
    window w = {.count = 0};
    fill_window(self, &w);
    open_window(&w);
    send_window(self, js, connection, &w);
    close_window(&w, connection);
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
    jsOptions options;
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = WINDOW;
    options.PublishAsync.AckHandler = on_answer;
    if (natsConnection_JetStream(&js, link->connection, &options) != NATS_OK) {
        return false;
    }
    bool worked = false;
    while (wait_for_events(self, true) && !natsConnection_IsClosed(link->connection) &&
           publish_window(self, js, link->connection))
        worked = true;
    jsCtx_Destroy(js);
    return worked;
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
    while (wait_for_events(self, false)) {
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

static void log_lost(const entry *e, const char *cause)
{
    log_event("an event is lost", e, cause, 0);
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
        entry *e = take_out(&self->queue, &self->queue.first);
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
    e->aggregate_hash = mesh_hash_text(MESH_HASH_EMPTY, e->follows);
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
    size_t size = message_size(e, self->source);
    int64_t most = mesh_broker_max_payload(self->broker);
    if (most > 0 && size > (size_t)most)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "%s: %zu bytes with headers are too long for the broker, whose "
                              "max_payload is %" PRId64,
                              event->subject, size, most);
    return mesh_tx_after_commit(tx, enqueue, e, err);
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
