#include "mesh/events/streams.h"

#include <stdio.h>

static natsStatus make_stream(jsCtx *js, jsErrCode *reason)
{
    jsStreamInfo *info = NULL;
    natsStatus status = js_GetStreamInfo(&info, js, MESH_EVENTS_STREAM, NULL, reason);
    jsStreamInfo_Destroy(info);
    if (status != NATS_NOT_FOUND)
        return status; /* what an operator changed in it stays */
    static const char *subjects[] = {MESH_EVENTS_PREFIX ">"};
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = MESH_EVENTS_STREAM;
    config.Subjects = subjects;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.MaxAge = (int64_t)MESH_EVENTS_MAX_AGE_DAYS * 24 * 3600 * 1000000000;
    config.MaxBytes = MESH_EVENTS_MAX_BYTES;
    config.MaxMsgSize = MESH_EVENT_MAX_BYTES + MESH_EVENTS_MAX_HEADER_BYTES;
    config.AllowDirect = true; /* for tails */
    config.Duplicates = (int64_t)MESH_EVENTS_DUPLICATE_WINDOW_S * 1000000000;
    status = js_AddStream(NULL, js, &config, NULL, reason);
    /* Another service may have been faster. */
    return *reason == JSStreamNameExistErr ? NATS_OK : status;
}

/*
 * nats-server 2.9 shows a stream to others while the one who makes it still waits, and a consumer
 * that is made in that moment never delivers anything: it has taken over the stream's queue of
 * messages to send before there was one. A stream that answers a publisher has its queue. What is
 * published expects a stream of another name, so it is refused and not stored.
 */
static natsStatus ask_stream(jsCtx *js, jsErrCode *reason)
{
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.ExpectStream = "."; /* no stream can be called so */
    *reason = 0;
    natsStatus status = js_Publish(NULL, js, MESH_EVENTS_PROBE, "", 0, &options, reason);
    return *reason == JSStreamNotMatchErr ? NATS_OK : status;
}

/* Full, it takes no more and forgets nothing: what is to be given up waits then. */
static natsStatus make_dead_stream(jsCtx *js, const char *service, jsErrCode *reason)
{
    char name[MESH_DEAD_STREAM_BYTES], subjects[MESH_DEAD_STREAM_BYTES];
    const char *subject = subjects;
    jsStreamInfo *info = NULL;
    snprintf(name, sizeof name, MESH_DEAD_STREAM "%s", service);
    snprintf(subjects, sizeof subjects, MESH_DEAD_PREFIX "%s.>", service);
    natsStatus status = js_GetStreamInfo(&info, js, name, NULL, reason);
    jsStreamInfo_Destroy(info);
    if (status != NATS_NOT_FOUND)
        return status;
    jsStreamConfig config;
    jsStreamConfig_Init(&config);
    config.Name = name;
    config.Subjects = &subject;
    config.SubjectsLen = 1;
    config.Storage = js_FileStorage;
    config.MaxBytes = MESH_DEAD_MAX_BYTES;
    config.Discard = js_DiscardNew;
    config.AllowDirect = true;
    config.Duplicates = (int64_t)MESH_EVENTS_DUPLICATE_WINDOW_S * 1000000000;
    status = js_AddStream(NULL, js, &config, NULL, reason);
    return *reason == JSStreamNameExistErr ? NATS_OK : status; /* by another instance */
}

int64_t mesh_broker_start_time(int64_t wall_ns)
{
    const int64_t second_ns = 1000000000;
    return wall_ns > second_ns ? wall_ns - wall_ns % second_ns : second_ns; /* 0: no time */
}

/* Where it begins is said once, when it is made. */
static void set_start(const mesh_broker_settings *settings, const jsConsumerInfo *made,
                      jsConsumerConfig *config)
{
    if (made != NULL) {
        config->DeliverPolicy = made->Config->DeliverPolicy;
        config->OptStartSeq = made->Config->OptStartSeq;
        config->OptStartTime = made->Config->OptStartTime;
    } else if (settings->start_sequence > 0) {
        config->DeliverPolicy = js_DeliverByStartSequence;
        config->OptStartSeq = settings->start_sequence;
    } else if (settings->start_time_ns > 0) {
        config->DeliverPolicy = js_DeliverByStartTime;
        config->OptStartTime = mesh_broker_start_time(settings->start_time_ns);
    }
}

static natsStatus make_consumer(const mesh_broker_settings *settings, jsCtx *js, jsErrCode *reason)
{
    jsConsumerInfo *made = NULL;
    natsStatus status = js_GetConsumerInfo(&made, js, MESH_EVENTS_STREAM, settings->service, NULL,
                                           reason);
    if (status != NATS_OK && status != NATS_NOT_FOUND)
        return status;
    jsConsumerConfig config;
    jsConsumerConfig_Init(&config);
    config.Durable = settings->service;
    config.DeliverPolicy = js_DeliverAll;
    config.AckPolicy = js_AckExplicit;
    config.AckWait = settings->ack_wait_ms * 1000000;
    config.FilterSubject = MESH_EVENTS_PREFIX ">";
    config.MaxAckPending = MESH_EVENTS_MAX_UNANSWERED;
    /* Attempts are counted by the consumers (attempt.h), who know which of them count. */
    config.MaxDeliver = -1;
    set_start(settings, made, &config);
    status = js_AddConsumer(NULL, js, MESH_EVENTS_STREAM, &config, NULL, reason);
    jsConsumerInfo_Destroy(made);
    return status;
}

natsStatus mesh_streams_put_in_place(const mesh_broker_settings *settings, jsCtx *js,
                                     const char **missing, jsErrCode *reason)
{
    *missing = "the stream " MESH_EVENTS_STREAM " is not there yet";
    natsStatus status = make_stream(js, reason);
    if (status == NATS_OK) {
        *missing = "the stream " MESH_EVENTS_STREAM " takes no events yet";
        status = ask_stream(js, reason);
    }
    if (status == NATS_OK && settings->consumes) {
        *missing = "the stream of dead letters is not there yet";
        status = make_dead_stream(js, settings->service, reason);
    }
    if (status == NATS_OK && settings->consumes) {
        *missing = "the durable consumer is not there yet";
        status = make_consumer(settings, js, reason);
    }
    return status;
}
