#include "mesh/events/feed.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena_budget.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"
#include "mesh/events/broker.h"
#include "mesh/events/envelope.h"

enum {
    ACQUIRE_TIMEOUT_MS = 500,
    HEARTBEAT_MS = 1000, /* the broker says so often that there is nothing new */
    SILENCE_MS = 3000,   /* without a word of it: the consumer is lost */
    RETRY_FIRST_MS = 50, /* after a failure; doubles up to the next one */
    RETRY_LAST_MS = 1000,
    WELL_MS = 5000, /* a reading that lasted so long was none that fails at once */
    /* Of messages that the library holds for us. The broker sends half of it, at most, before it
     * waits until we say that we have read on. */
    UNREAD_BYTES = 64 * 1024 * 1024,
    INBOX_BYTES = sizeof MESH_EVENTS_INBOX + MESH_EVENTS_SERVICE_MAX + MESH_UUID_TEXT_BYTES,
    NAME_BYTES = MESH_EVENTS_SERVICE_MAX + sizeof "-feed-" + 1
};

struct mesh_feed {
    char *url;
    char *service;
    char *filter;            /* of the consumer */
    mesh_feed_event *events; /* immutable, ended by one without event */
    void *self;              /* of the handlers */
    int64_t since_ms;        /* immutable */
    mesh_broker *broker;
    mesh_arena *arena; /* of the thread */
    pthread_t thread;

    /* Of the thread: the last event that was read, by its place in the stream and the time when it
     * was stored there. Before the first one, and when the stream is not the same any more: 0, and
     * the time from which on `since_ms` are looked back. */
    uint64_t sequence;
    int64_t stored_ns;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    natsSubscription *subscription; /* NULL: nothing is read now */
    natsConnection *connection;     /* the subscription's */
    bool caught_up;                 /* by that subscription */
    bool failing;                   /* a handler did, and the event comes again */
    uint64_t consumers;             /* made */
    uint64_t gaps;
    int64_t begun_ns; /* when the last of them was, by the wall clock */
    uint64_t handled, malformed, retries;
};

/* A consumer at the broker, of the thread's. It is ephemeral: the broker removes it soon after its
 * subscription has ended. */
typedef struct reading {
    natsSubscription *subscription;
    natsConnection *connection;
    char inbox[INBOX_BYTES];
    uint64_t received; /* messages; the consumer numbers them */
    uint64_t past;     /* how many there were when it was made */
    int64_t since_ns;  /* what was stored before is passed over */
    bool resumes;      /* the first one has to be the last one that was read before */
    bool went_on;      /* a later one came */
} reading;

static bool stopping(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    bool stop = self->stopping;
    pthread_mutex_unlock(&self->mu);
    return stop;
}

/* Waits, and doubles what the next pause will be. False: the feed ends. */
static bool pause_for(mesh_feed *self, int64_t *pause_ms)
{
    int64_t ms = *pause_ms;
    *pause_ms = ms * 2 < RETRY_LAST_MS ? ms * 2 : RETRY_LAST_MS;
    return mesh_cond_rest(&self->changed, &self->mu, &self->stopping, ms);
}

/* ---- an event ---- */

static const mesh_feed_event *event_of(const mesh_feed *self, const char *subject)
{
    for (const mesh_feed_event *e = self->events; e->event != NULL; e++) {
        if (mesh_event_takes(e->event, subject))
            return e;
    }
    return NULL;
}

typedef enum outcome {
    HANDLED,
    FAILED,   /* its handler did, or there was no memory */
    MALFORMED /* or it needs more memory than an event may */
} outcome;

static outcome try_event(mesh_feed *self, natsMsg *message, const mesh_feed_event *event,
                         mesh_event *meta, mesh_trace *parent, mesh_error *err)
{
    const ProtobufCMessage *unpacked = NULL;
    mesh_arena_reset(self->arena);
    mesh_code code = mesh_envelope_read(message, self->arena, meta, parent, err);
    if (code == MESH_OK)
        code = mesh_envelope_unpack(message, event->event, self->arena, &unpacked, err);
    if (code != MESH_OK) {
        bool no_memory = mesh_arena_overflowed(self->arena) && !mesh_arena_over_limit(self->arena);
        return no_memory ? FAILED : MALFORMED;
    }
    mesh_trace trace;
    mesh_trace_child(&trace, parent);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    code = event->handler(self->self, meta, unpacked, err);
    mesh_trace_set_current(before);
    err->code = code; /* also when the handler set no error */
    return code == MESH_OK ? HANDLED : FAILED;
}

static void count(mesh_feed *self, outcome outcome)
{
    pthread_mutex_lock(&self->mu);
    self->handled += outcome == HANDLED;
    self->malformed += outcome == MALFORMED;
    self->retries += outcome == FAILED;
    self->failing = outcome == FAILED;
    pthread_mutex_unlock(&self->mu);
}

/* Until it is handled, or left out. False: the feed ends instead. */
static bool handle(mesh_feed *self, natsMsg *message, uint64_t sequence)
{
    const mesh_feed_event *event = event_of(self, mesh_envelope_subject(message));
    int64_t pause_ms = RETRY_FIRST_MS;
    if (event == NULL)
        return true; /* the filter is wider than the table */
    for (int attempt = 1;; attempt++) {
        mesh_event meta = {
            .subject = event->event->subject, .sequence = sequence, .delivery = attempt};
        mesh_trace parent = {.flags = 0};
        mesh_error err = {.code = MESH_OK};
        outcome outcome = try_event(self, message, event, &meta, &parent, &err);
        count(self, outcome);
        if (outcome == MALFORMED)
            mesh_envelope_log(MESH_LOG_ERROR, "a malformed event is left out", &meta, &parent,
                              &err);
        if (outcome != FAILED)
            return true;
        mesh_envelope_log(attempt == 1 ? MESH_LOG_WARN : MESH_LOG_DEBUG,
                          "an event failed and is tried again; later ones wait", &meta, &parent,
                          &err);
        if (!pause_for(self, &pause_ms))
            return false;
    }
}

/* ---- a consumer ---- */

/* The stream does not have the event that was read last any more: it is another one, or has lost
 * its end, or has forgotten what is old. Whatever it is, what is new in it is not older than that
 * event. False: the consumer is of no use. */
static bool begin_anew(mesh_feed *self)
{
    mesh_log(MESH_LOG_WARN, "the stream is not as it was, so events are read again",
             MESH_LOG_S("stream", MESH_EVENTS_STREAM),
             MESH_LOG_I("sequence", (int64_t)self->sequence));
    self->sequence = 0;
    return false;
}

/* All that was there when the consumer was made has come. */
static bool reached_end(mesh_feed *self, const reading *reading)
{
    if (reading->resumes)
        return begin_anew(self);
    pthread_mutex_lock(&self->mu);
    self->caught_up = true;
    pthread_mutex_unlock(&self->mu);
    return true;
}

static bool is_last(const mesh_feed *self, const jsMsgMetaData *metadata)
{
    return metadata->Sequence.Stream == self->sequence && metadata->Timestamp == self->stored_ns;
}

static bool take_event(mesh_feed *self, reading *reading, natsMsg *message)
{
    jsMsgMetaData *metadata = NULL;
    if (natsMsg_GetMetaData(&metadata, message) != NATS_OK)
        return false;
    bool good = metadata->Sequence.Consumer == reading->received + 1; /* none is missing */
    if (good && reading->resumes) {
        good = is_last(self, metadata) || begin_anew(self);
        reading->resumes = false;
    } else {
        good = good && (metadata->Timestamp < reading->since_ns ||
                        handle(self, message, metadata->Sequence.Stream));
        reading->went_on = reading->went_on || good;
    }
    if (good) {
        reading->received++;
        self->sequence = metadata->Sequence.Stream;
        self->stored_ns = metadata->Timestamp;
    }
    jsMsgMetaData_Destroy(metadata);
    return good;
}

static void count_gap(mesh_feed *self, mesh_log_level level)
{
    pthread_mutex_lock(&self->mu);
    self->gaps++;
    pthread_mutex_unlock(&self->mu);
    mesh_log(level, "the stream may lack events of the past",
             MESH_LOG_S("stream", MESH_EVENTS_STREAM));
}

/* What the broker says itself: whether we read on, or that there is nothing new. */
static bool take_notice(mesh_feed *self, reading *reading, natsMsg *message)
{
    const char *reply = natsMsg_GetReply(message), *last = NULL, *stalled = NULL;
    if (reply != NULL && reply[0] != '\0')
        return natsConnection_Publish(reading->connection, reply, NULL, 0) == NATS_OK;
    if (natsMsgHeader_Get(message, "Nats-Last-Consumer", &last) != NATS_OK ||
        strtoull(last, NULL, 10) != reading->received)
        return false;
    if (natsMsgHeader_Get(message, "Nats-Consumer-Stalled", &stalled) != NATS_NOT_FOUND)
        return true; /* there is more, but it waits for us */
    if (reading->received < reading->past)
        count_gap(self, MESH_LOG_WARN); /* some of it was removed before we had it */
    reading->past = 0;
    return true;
}

/* An event that looks to the library like the answer that nobody listens: an empty one with the
 * header Status. It keeps the message to itself. */
static bool leave_out_unseen(mesh_feed *self, reading *reading)
{
    reading->received++;
    reading->went_on = true;
    count(self, MALFORMED);
    mesh_log(MESH_LOG_ERROR, "a malformed event is left out",
             MESH_LOG_S("stream", MESH_EVENTS_STREAM),
             MESH_LOG_I("after_sequence", (int64_t)self->sequence));
    return true;
}

/* Waits for the next message and does what it asks for. False: the consumer is lost. */
static bool read_one(mesh_feed *self, reading *reading)
{
    natsMsg *message = NULL;
    natsStatus status = natsSubscription_NextMsg(&message, reading->subscription, SILENCE_MS);
    bool good = false;
    if (status == NATS_NO_RESPONDERS)
        good = leave_out_unseen(self, reading);
    else if (status == NATS_OK && strcmp(natsMsg_GetSubject(message), reading->inbox) == 0)
        good = take_notice(self, reading, message);
    else if (status == NATS_OK)
        good = take_event(self, reading, message);
    natsMsg_Destroy(message);
    return good && (reading->received < reading->past || reached_end(self, reading));
}

/* A name that belongs to another instance, or to a reading that ended a moment ago, is refused
 * since its consumer would have to become another one. */
static bool is_taken(jsErrCode reason)
{
    return reason == JSConsumerCreateErr || reason == JSConsumerNameExistErr;
}

/* Under the first name that is free. */
static natsStatus add_consumer(const mesh_feed *self, mesh_link *link, jsConsumerConfig *config,
                               jsConsumerInfo **info, jsErrCode *reason)
{
    natsStatus status = NATS_OK;
    for (int i = 1; i <= MESH_EVENTS_FEEDS; i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s-feed-%d", self->service, i);
        config->Name = name;
        *reason = 0;
        status = js_AddConsumer(info, link->js, MESH_EVENTS_STREAM, config, NULL, reason);
        if (!is_taken(*reason))
            break;
    }
    config->Name = NULL;
    return status;
}

/* A consumer cannot change its period: no two have the same one, so that none becomes another's,
 * which would go on where that was. */
static int64_t heartbeat_ns(void)
{
    uint32_t some;
    mesh_random_bytes(&some, sizeof some);
    return (int64_t)HEARTBEAT_MS * 1000000 + some % 1000000;
}

static natsStatus make_consumer(const mesh_feed *self, mesh_link *link, reading *reading,
                                jsErrCode *reason)
{
    jsConsumerInfo *info = NULL;
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.DeliverSubject = reading->inbox;
    config.FilterSubject = self->filter;
    config.AckPolicy = js_AckNone;
    config.Heartbeat = heartbeat_ns();
    config.FlowControl = true;
    config.MemoryStorage = true;
    if (reading->resumes) {
        config.DeliverPolicy = js_DeliverByStartSequence;
        config.OptStartSeq = self->sequence;
    } else {
        reading->since_ns = mesh_clock_add_ms(self->stored_ns, -self->since_ms);
        config.DeliverPolicy = js_DeliverByStartTime;
        config.OptStartTime = mesh_broker_start_time(reading->since_ns);
    }
    natsStatus status = add_consumer(self, link, &config, &info, reason);
    if (status == NATS_OK)
        reading->past = info->NumPending;
    jsConsumerInfo_Destroy(info);
    return status;
}

/* Whether the stream may have had more, of the time since then, than it has now: messages are
 * missing at its begin or, removed by hand, behind that. */
static bool has_lost(const jsStreamState *state, int64_t since_ns)
{
    bool lost_first = state->FirstSeq > 1 && (state->Msgs == 0 || state->FirstTime > since_ns);
    return lost_first || state->NumDeleted > 0;
}

/* What a reading by time does not get since the stream has lost it. Asked once the consumer is
 * there: what is lost later it was sent before, or misses by itself. */
static natsStatus look_for_gap(mesh_feed *self, mesh_link *link, jsErrCode *reason)
{
    jsStreamInfo *info = NULL;
    int64_t since_ns = mesh_clock_add_ms(mesh_clock_wall_ns(), -self->since_ms);
    natsStatus status = js_GetStreamInfo(&info, link->js, MESH_EVENTS_STREAM, NULL, reason);
    if (status == NATS_OK && has_lost(&info->State, since_ns))
        count_gap(self, MESH_LOG_WARN);
    else if (status == NATS_OK && info->Created > since_ns) /* as in every new mesh */
        count_gap(self, MESH_LOG_INFO);
    jsStreamInfo_Destroy(info);
    return status;
}

/* Subscribes first, since the broker sends to who listens. */
static bool begin(mesh_feed *self, mesh_link *link, reading *reading)
{
    jsErrCode reason = 0;
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    snprintf(reading->inbox, sizeof reading->inbox, MESH_EVENTS_INBOX "%s.%s", self->service, id);
    reading->connection = link->connection;
    reading->resumes = self->sequence != 0;
    natsStatus status = natsConnection_SubscribeSync(&reading->subscription, link->connection,
                                                     reading->inbox);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(reading->subscription, -1, UNREAD_BYTES);
    if (status == NATS_OK)
        status = make_consumer(self, link, reading, &reason);
    if (status == NATS_OK && !reading->resumes)
        status = look_for_gap(self, link, &reason);
    if (status != NATS_OK)
        mesh_log(MESH_LOG_WARN, "cannot read events from the stream",
                 MESH_LOG_S("cause", is_taken(reason) ? "as many feeds of this service read as may"
                                                      : natsStatus_GetText(status)),
                 MESH_LOG_I("jetstream_code", reason));
    return status == NATS_OK;
}

/* Shows what is read, to who asks and to who ends the feed. False: somebody did. */
static bool show(mesh_feed *self, const reading *reading)
{
    pthread_mutex_lock(&self->mu);
    self->subscription = reading->subscription;
    self->connection = reading->connection;
    self->consumers++;
    self->begun_ns = mesh_clock_wall_ns();
    bool go_on = !self->stopping;
    pthread_mutex_unlock(&self->mu);
    return go_on;
}

static void hide(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    self->subscription = NULL;
    self->connection = NULL;
    self->caught_up = self->failing = false;
    pthread_mutex_unlock(&self->mu);
}

/* Reads over one connection until something is lost, or the feed ends. False when nothing came of
 * it. */
static bool read_stream(mesh_feed *self, mesh_link *link)
{
    reading reading = {.subscription = NULL};
    int64_t well_ns = mesh_clock_deadline_ns(WELL_MS);
    if (begin(self, link, &reading)) {
        bool good = show(self, &reading) && (reading.past > 0 || reached_end(self, &reading));
        while (good)
            good = read_one(self, &reading);
        hide(self);
    }
    natsSubscription_Destroy(reading.subscription);
    return reading.went_on || mesh_clock_left_ms(well_ns) == 0;
}

static void *run(void *context)
{
    mesh_feed *self = context;
    int64_t pause_ms = RETRY_FIRST_MS;
    while (!stopping(self)) {
        mesh_link *link = mesh_broker_acquire(self->broker, ACQUIRE_TIMEOUT_MS);
        if (link == NULL)
            continue;
        if (read_stream(self, link))
            pause_ms = RETRY_FIRST_MS;
        mesh_broker_suspect(self->broker);
        mesh_broker_release(self->broker, link);
        /* The broker keeps a consumer for some seconds more, and there are few names for them. */
        pause_for(self, &pause_ms);
    }
    return NULL;
}

/* ---- life ---- */

static mesh_code check(const mesh_feed_options *options, mesh_error *err)
{
    mesh_code code = mesh_broker_check_service(options->service, err);
    if (code != MESH_OK)
        return code;
    if (options->events == NULL || options->events[0].event == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the feed has no events");
    if (options->since_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "since_ms is negative");
    for (const mesh_feed_event *e = options->events; e->event != NULL; e++) {
        for (const mesh_feed_event *other = options->events; other != e; other++) {
            if (strcmp(other->event->subject, e->event->subject) == 0)
                return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the feed has %s twice",
                                      e->event->subject);
        }
    }
    return MESH_OK;
}

static mesh_feed_event *copy_events(const mesh_feed_event *events)
{
    size_t count = 0;
    while (events[count].event != NULL)
        count++;
    mesh_feed_event *copy = mesh_calloc(count + 1, sizeof *copy);
    if (copy != NULL)
        memcpy(copy, events, count * sizeof *copy);
    return copy;
}

/*
 * What all subjects begin with, whole tokens. A consumer has one filter (nats-server 2.9), and two
 * consumers would not keep the order of the stream.
 */
static char *make_filter(const mesh_feed_event *events)
{
    const char *first = events[0].event->subject;
    bool several = events[1].event != NULL;
    size_t common = strlen(first);
    for (const mesh_feed_event *e = events + 1; several && e->event != NULL; e++) {
        size_t same = 0;
        while (same < common && e->event->subject[same] == first[same])
            same++;
        common = same;
    }
    while (several && common > 0 && first[common - 1] != '.')
        common--;
    size_t bytes = strlen(MESH_EVENTS_PREFIX) + common + 2;
    char *filter = mesh_malloc(bytes);
    if (filter != NULL)
        snprintf(filter, bytes, MESH_EVENTS_PREFIX "%.*s%s", (int)common, first,
                 several ? ">" : "");
    return filter;
}

mesh_code mesh_feed_create(const mesh_feed_options *options, mesh_feed **out, mesh_error *err)
{
    mesh_code code = check(options, err);
    if (code != MESH_OK)
        return code;
    mesh_feed *self = mesh_calloc(1, sizeof *self);
    if (self == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&self->mu, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->url = mesh_strdup(options->url != NULL ? options->url : "");
    self->service = mesh_strdup(options->service);
    self->filter = make_filter(options->events);
    self->events = copy_events(options->events);
    self->arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, MESH_EVENT_ARENA_LIMIT_BYTES);
    self->self = options->self;
    self->since_ms = options->since_ms;
    if (self->url == NULL || self->service == NULL || self->filter == NULL ||
        self->events == NULL || self->arena == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code == MESH_OK)
        code = mesh_broker_create(
            &(mesh_broker_settings){.url = self->url, .service = self->service}, &self->broker,
            err);
    if (code != MESH_OK) {
        mesh_feed_destroy(self);
        return code;
    }
    *out = self;
    return MESH_OK;
}

mesh_code mesh_feed_start(mesh_feed *self, mesh_error *err)
{
    int status = 0;
    mesh_code code = mesh_broker_start(self->broker, err);
    if (code != MESH_OK)
        return code;
    pthread_mutex_lock(&self->mu); /* the thread waits until it is noted down */
    if (!self->started) {
        self->stored_ns = mesh_clock_wall_ns();
        status = pthread_create(&self->thread, NULL, run, self);
        self->started = status == 0;
    }
    pthread_mutex_unlock(&self->mu);
    if (status != 0)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    return MESH_OK;
}

mesh_code mesh_feed_ready(mesh_feed *self, mesh_error *err)
{
    pthread_mutex_lock(&self->mu);
    bool connected = self->connection != NULL && !natsConnection_IsClosed(self->connection);
    bool caught_up = self->caught_up, failing = self->failing;
    pthread_mutex_unlock(&self->mu);
    if (connected && failing)
        return mesh_error_set(err, MESH_UNAVAILABLE, "an event failed, and later ones wait for it");
    if (connected && caught_up)
        return MESH_OK;
    mesh_code code = mesh_broker_ready(self->broker, err);
    return code != MESH_OK
               ? code
               : mesh_error_set(err, MESH_UNAVAILABLE, "events of the past are still to be read");
}

uint64_t mesh_feed_gaps(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    uint64_t gaps = self->gaps;
    pthread_mutex_unlock(&self->mu);
    return gaps;
}

int64_t mesh_feed_begun_ns(mesh_feed *self)
{
    pthread_mutex_lock(&self->mu);
    int64_t begun_ns = self->begun_ns;
    pthread_mutex_unlock(&self->mu);
    return begun_ns;
}

void mesh_feed_get_stats(mesh_feed *self, mesh_feed_stats *stats)
{
    pthread_mutex_lock(&self->mu);
    *stats = (mesh_feed_stats){
        .handled = self->handled,
        .malformed = self->malformed,
        .retries = self->retries,
        .resets = self->consumers > 0 ? self->consumers - 1 : 0,
    };
    pthread_mutex_unlock(&self->mu);
}

void mesh_feed_destroy(mesh_feed *self)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->mu);
    bool started = self->started;
    self->stopping = true;
    if (self->subscription != NULL)
        natsSubscription_Unsubscribe(self->subscription); /* wakes who waits for a message */
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->mu);
    mesh_broker_stop(self->broker);
    if (started)
        pthread_join(self->thread, NULL);
    mesh_broker_destroy(self->broker);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mu);
    mesh_arena_destroy(self->arena);
    mesh_free(self->events);
    mesh_free(self->filter);
    mesh_free(self->service);
    mesh_free(self->url);
    mesh_free(self);
}
