#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"
#include "mesh/events/feed_parts.h"

enum {
    HEARTBEAT_MS = 1000, /* the broker says so often that there is nothing new */
    SILENCE_MS = 3000,   /* without a word of it: the consumer is lost */
    WELL_MS = 5000,      /* a reading that lasted so long was none that fails at once */
    /* Of messages that the library holds for us. The broker sends half of it, at most, before it
     * waits until we say that we have read on. */
    UNREAD_BYTES = 64 * 1024 * 1024,
    INBOX_BYTES = sizeof MESH_EVENTS_INBOX + MESH_EVENTS_SERVICE_MAX + MESH_UUID_TEXT_BYTES,
    NAME_BYTES = MESH_EVENTS_SERVICE_MAX + sizeof "-feed-" + 1
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
                        mesh_feed_handle(self, message, metadata->Sequence.Stream));
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
    mesh_feed_leave_out(self);
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

bool mesh_feed_read(mesh_feed *self, mesh_link *link)
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
