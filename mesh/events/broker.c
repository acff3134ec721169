#include "mesh/events/broker.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/events/streams.h"

enum {
    CONNECT_TIMEOUT_MS = 2000,
    RETRY_FIRST_MS = 50, /* between attempts; doubles up to the next one */
    RETRY_LAST_MS = 1000,
    CHECK_PERIOD_MS = 3000, /* lag, and whether stream and consumer are still there */
    REQUEST_TIMEOUT_MS = 2000,
    WRITE_TIMEOUT_MS = 3000, /* of a message: who writes has the connection to itself meanwhile */
    PING_PERIOD_MS = 10000,  /* a peer that vanished is noticed after two of them */
    PINGS_UNANSWERED = 2,
    REFUSAL_PERIOD_MS = 1000, /* one of them is logged, at most */
    READ_SUBJECT_BYTES = 128, /* with the name of a stream */
    READ_REQUEST_BYTES = 512  /* with a filter */
};

#define NO_CONNECTION "there is no connection to the broker"

struct mesh_broker {
    mesh_broker_settings settings; /* immutable */
    natsOptions *options;          /* immutable */
    pthread_t keeper;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Guarded by mu. */
    bool started;
    bool stopping;
    bool suspect;
    bool in_place;       /* stream and consumer were seen on this link */
    const char *missing; /* static: what is not there yet */
    mesh_link *link;     /* NULL: not connected */
    uint64_t connects;
    uint64_t lag;
    bool history_cut;
    bool seen;           /* the durable consumer was */
    uint64_t delivered;  /* to it, then */
    uint64_t reached;    /* the same, when its figures were read last */
    uint64_t settled;    /* as mesh_broker_settled says */
    int64_t max_payload; /* of the last link; 0: there was none */
    mesh_broker *next;   /* guarded by registry_mu */
};

/*
 * The brokers of the process. The library tells of a closed connection at some time in a thread of
 * its own, when the broker may be gone already: it is looked up here instead of being pointed to.
 */
static pthread_mutex_t registry_mu = PTHREAD_MUTEX_INITIALIZER;
static mesh_broker *registry;

static void on_closed(natsConnection *connection, void *closure)
{
    (void)connection;
    (void)closure;
    pthread_mutex_lock(&registry_mu);
    for (mesh_broker *broker = registry; broker != NULL; broker = broker->next)
        mesh_broker_suspect(broker);
    pthread_mutex_unlock(&registry_mu);
}

/*
 * What the user of this service may not do is refused by a message of its own: who tried only sees
 * that no answer comes.
 */
static void on_error(natsConnection *connection, natsSubscription *subscription, natsStatus status,
                     void *closure)
{
    static _Atomic(int64_t) next_log_ns;
    (void)connection;
    (void)subscription;
    (void)closure;
    if (mesh_clock_monotonic_ns() < atomic_load(&next_log_ns))
        return;
    atomic_store(&next_log_ns, mesh_clock_deadline_ns(REFUSAL_PERIOD_MS));
    if (status == NATS_NOT_PERMITTED)
        mesh_log(MESH_LOG_ERROR, "the broker does not permit what this service tries",
                 MESH_LOG_S("cause", nats_GetLastError(NULL)));
    else
        mesh_log(MESH_LOG_WARN, "the connection to the broker has an error",
                 MESH_LOG_S("cause", natsStatus_GetText(status)));
}

static void enlist(mesh_broker *broker)
{
    pthread_mutex_lock(&registry_mu);
    broker->next = registry;
    registry = broker;
    pthread_mutex_unlock(&registry_mu);
}

static void delist(mesh_broker *broker)
{
    pthread_mutex_lock(&registry_mu);
    mesh_broker **place = &registry;
    while (*place != NULL && *place != broker)
        place = &(*place)->next;
    if (*place == broker)
        *place = broker->next;
    pthread_mutex_unlock(&registry_mu);
}

/* Answers come to subjects that begin with the service's own word, so that its user may hear them,
 * and no others. */
static natsStatus set_inbox(natsOptions *options, const char *service)
{
    char prefix[sizeof MESH_EVENTS_INBOX + MESH_EVENTS_SERVICE_MAX];
    snprintf(prefix, sizeof prefix, MESH_EVENTS_INBOX "%s", service);
    return natsOptions_SetCustomInboxPrefix(options, prefix);
}

/*
 * The library does not reconnect by itself: a new connection is made instead, so that there is one
 * way to come back, whatever was lost.
 */
static natsStatus make_options(const mesh_broker_settings *settings, natsOptions **options)
{
    natsStatus status = natsOptions_Create(options);
    if (status == NATS_OK)
        status = strchr(settings->url, ',') == NULL ? natsOptions_SetURL(*options, settings->url)
                                                    : NATS_OK; /* several: at each attempt */
    if (status == NATS_OK)
        status = natsOptions_SetName(*options, settings->service);
    if (status == NATS_OK)
        status = natsOptions_SetAllowReconnect(*options, false);
    if (status == NATS_OK)
        status = natsOptions_SetTimeout(*options, CONNECT_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetWriteDeadline(*options, WRITE_TIMEOUT_MS);
    if (status == NATS_OK)
        status = natsOptions_SetPingInterval(*options, PING_PERIOD_MS);
    if (status == NATS_OK)
        status = natsOptions_SetMaxPingsOut(*options, PINGS_UNANSWERED);
    if (status == NATS_OK)
        status = natsOptions_SetClosedCB(*options, on_closed, NULL);
    if (status == NATS_OK)
        status = natsOptions_SetErrorHandler(*options, on_error, NULL);
    if (status == NATS_OK)
        status = set_inbox(*options, settings->service);
    return status;
}

/* "nats://A,nats://B" to the list that the library wants. */
static natsStatus set_servers(natsOptions *options, const char *url)
{
    enum {
        SERVERS_MAX = 16
    };
    const char *servers[SERVERS_MAX];
    int count = 0;
    char *copy = mesh_strdup(url), *rest = NULL;
    if (copy == NULL)
        return NATS_NO_MEMORY;
    for (char *one = strtok_r(copy, ", ", &rest); one != NULL && count < SERVERS_MAX;
         one = strtok_r(NULL, ", ", &rest))
        servers[count++] = one;
    natsStatus status = natsOptions_SetServers(options, servers, count);
    mesh_free(copy);
    return status;
}

/* What the library itself would only refuse when it connects. */
static bool url_is_valid(const char *url)
{
    static const char scheme[] = "nats://";
    if (url == NULL || *url == '\0')
        return false;
    while (*url != '\0') {
        size_t size = strcspn(url, ",");
        if (strncmp(url, scheme, strlen(scheme)) != 0 || size == strlen(scheme) ||
            memchr(url, ' ', size) != NULL)
            return false;
        url += size;
        if (*url == ',' && *++url == '\0')
            return false;
    }
    return true;
}

mesh_code mesh_broker_check_service(const char *service, mesh_error *err)
{
    if (service != NULL && service[0] != '\0' && strlen(service) <= MESH_EVENTS_SERVICE_MAX &&
        strspn(service, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen(service))
        return MESH_OK;
    return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                          "the service's name is malformed; it is made of a-z 0-9 - _");
}

mesh_code mesh_broker_create(const mesh_broker_settings *settings, mesh_broker **out,
                             mesh_error *err)
{
    if (!url_is_valid(settings->url))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the broker's url is malformed; it is "
                              "nats://[USER:PASSWORD@]HOST:PORT[,...]");
    mesh_broker *broker = mesh_calloc(1, sizeof *broker);
    if (broker == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    broker->settings = *settings;
    broker->missing = "the connection to the broker was not started";
    pthread_cond_init(&broker->changed, NULL);
    pthread_mutex_init(&broker->mu, NULL);
    natsStatus status = make_options(settings, &broker->options);
    if (status == NATS_OK && strchr(settings->url, ',') != NULL)
        status = set_servers(broker->options, settings->url);
    if (status != NATS_OK) {
        mesh_broker_destroy(broker);
        return mesh_error_set(
            err, status == NATS_NO_MEMORY ? MESH_RESOURCE_EXHAUSTED : MESH_INVALID_ARGUMENT,
            "the broker's settings are refused: %s", natsStatus_GetText(status));
    }
    *out = broker;
    return MESH_OK;
}

void mesh_broker_destroy(mesh_broker *broker)
{
    if (broker == NULL)
        return;
    natsOptions_Destroy(broker->options);
    pthread_cond_destroy(&broker->changed);
    pthread_mutex_destroy(&broker->mu);
    mesh_free(broker);
}

/* Waits for a change; false when the time has come instead. Called with mu held. */
static bool wait_change(mesh_broker *broker, int64_t deadline_ns)
{
    return mesh_cond_wait_until(&broker->changed, &broker->mu, deadline_ns);
}

/* The pause before the next attempt but one. */
static int64_t longer(int64_t retry_ms)
{
    return retry_ms * 2 < RETRY_LAST_MS ? retry_ms * 2 : RETRY_LAST_MS;
}

/* True when it is news. */
static bool say_missing(mesh_broker *broker, const char *missing)
{
    pthread_mutex_lock(&broker->mu);
    bool news = strcmp(broker->missing, missing) != 0;
    broker->missing = missing;
    pthread_mutex_unlock(&broker->mu);
    return news;
}

/* Streams and consumer, made when missing. */
static bool put_in_place(mesh_broker *broker, mesh_link *link)
{
    jsErrCode reason = 0;
    const char *missing;
    natsStatus status = mesh_streams_put_in_place(&broker->settings, link->js, &missing, &reason);
    if (status == NATS_OK)
        return true;
    /* Said once, not at every attempt. */
    mesh_log_level level = say_missing(broker, missing) ? MESH_LOG_WARN : MESH_LOG_DEBUG;
    mesh_log(level, missing, MESH_LOG_S("cause", natsStatus_GetText(status)),
             MESH_LOG_I("jetstream_code", reason));
    return false;
}

/* Called with mu held. */
static void note_settled(mesh_broker *broker, const jsConsumerInfo *consumer)
{
    uint64_t settled = consumer->AckFloor.Stream;
    /* Those that came back are counted until they are answered. */
    if (consumer->NumAckPending == consumer->NumRedelivered)
        settled = consumer->Delivered.Stream;
    if (settled > broker->settled || consumer->Delivered.Stream < broker->reached)
        broker->settled = settled; /* the latter: it was made anew */
    broker->reached = consumer->Delivered.Stream;
}

static bool read_figures(mesh_broker *broker, mesh_link *link)
{
    jsConsumerInfo *consumer = NULL;
    jsStreamInfo *stream = NULL;
    jsErrCode reason = 0;
    if (!broker->settings.consumes)
        return true;
    bool read = js_GetConsumerInfo(&consumer, link->js, MESH_EVENTS_STREAM,
                                   broker->settings.service, NULL, &reason) == NATS_OK &&
                js_GetStreamInfo(&stream, link->js, MESH_EVENTS_STREAM, NULL, &reason) == NATS_OK;
    if (read) {
        pthread_mutex_lock(&broker->mu);
        if (!broker->seen)
            broker->delivered = consumer->Delivered.Stream;
        broker->seen = true;
        broker->lag = consumer->NumPending;
        note_settled(broker, consumer);
        broker->history_cut = consumer->Config->DeliverPolicy != js_DeliverAll ||
                              stream->State.FirstSeq > 1;
        pthread_mutex_unlock(&broker->mu);
    }
    jsConsumerInfo_Destroy(consumer);
    jsStreamInfo_Destroy(stream);
    return read;
}

static void close_link(mesh_link *link)
{
    jsCtx_Destroy(link->js);
    natsConnection_Destroy(link->connection);
    mesh_free(link);
}

static natsStatus connect_link(mesh_broker *broker, mesh_link **out)
{
    mesh_link *link = mesh_calloc(1, sizeof *link);
    if (link == NULL)
        return NATS_NO_MEMORY;
    link->owners = 1;
    jsOptions options;
    natsStatus status = natsConnection_Connect(&link->connection, broker->options);
    if (status == NATS_OK)
        status = jsOptions_Init(&options);
    if (status == NATS_OK) {
        options.Wait = REQUEST_TIMEOUT_MS;
        status = natsConnection_JetStream(&link->js, link->connection, &options);
    }
    if (status == NATS_OK)
        *out = link;
    else
        close_link(link);
    return status;
}

/* Looks after one connection until it is lost or the broker stops. */
static void keep_link(mesh_broker *broker, mesh_link *link)
{
    bool known = false; /* seen in place, and nobody suspects otherwise */
    int64_t retry_ms = RETRY_FIRST_MS;
    while (!natsConnection_IsClosed(link->connection)) {
        pthread_mutex_lock(&broker->mu);
        known = known && !broker->suspect;
        broker->suspect = false;
        bool stopping = broker->stopping;
        pthread_mutex_unlock(&broker->mu);
        if (stopping)
            return;
        bool in_place = (known || put_in_place(broker, link)) && read_figures(broker, link);
        known = in_place;
        pthread_mutex_lock(&broker->mu);
        if (in_place && !broker->in_place)
            mesh_log(MESH_LOG_INFO, "connected to the broker");
        broker->in_place = in_place;
        pthread_cond_broadcast(&broker->changed);
        int64_t until_ns = mesh_clock_deadline_ns(in_place ? CHECK_PERIOD_MS : retry_ms);
        retry_ms = in_place ? RETRY_FIRST_MS : longer(retry_ms);
        while (!broker->stopping && !broker->suspect && wait_change(broker, until_ns))
            continue;
        pthread_mutex_unlock(&broker->mu);
    }
}

/* Lets others use the connection until it is lost or the broker stops; why it was lost. */
static natsStatus use_link(mesh_broker *broker, mesh_link *link)
{
    pthread_mutex_lock(&broker->mu);
    broker->link = link;
    broker->connects++;
    broker->max_payload = natsConnection_GetMaxPayload(link->connection);
    pthread_mutex_unlock(&broker->mu);
    keep_link(broker, link);
    pthread_mutex_lock(&broker->mu);
    broker->link = NULL;
    broker->in_place = false;
    broker->missing = NO_CONNECTION;
    pthread_mutex_unlock(&broker->mu);
    const char *text = NULL;
    natsStatus status = natsConnection_GetLastError(link->connection, &text);
    mesh_broker_release(broker, link);
    return status;
}

static void *keep(void *context)
{
    mesh_broker *broker = context;
    int64_t retry_ms = RETRY_FIRST_MS;
    bool said = false;
    for (;;) {
        say_missing(broker, NO_CONNECTION);
        mesh_link *link = NULL;
        natsStatus status = connect_link(broker, &link);
        if (link != NULL) {
            status = use_link(broker, link);
            retry_ms = RETRY_FIRST_MS;
            said = false;
        }
        pthread_mutex_lock(&broker->mu);
        if (!broker->stopping && !said) {
            mesh_log(MESH_LOG_WARN,
                     link != NULL ? "the connection to the broker is lost"
                                  : "the broker cannot be reached yet",
                     MESH_LOG_S("cause", natsStatus_GetText(status)));
            said = true;
        }
        int64_t until_ns = mesh_clock_deadline_ns(retry_ms);
        while (!broker->stopping && wait_change(broker, until_ns))
            continue;
        bool stopping = broker->stopping;
        pthread_mutex_unlock(&broker->mu);
        if (stopping)
            return NULL;
        retry_ms = longer(retry_ms);
    }
}

mesh_code mesh_broker_start(mesh_broker *broker, mesh_error *err)
{
    pthread_mutex_lock(&broker->mu);
    bool started = broker->started;
    pthread_mutex_unlock(&broker->mu);
    if (started)
        return MESH_OK;
    enlist(broker);
    int status = pthread_create(&broker->keeper, NULL, keep, broker);
    if (status != 0) {
        delist(broker);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a thread: %s",
                              strerror(status));
    }
    pthread_mutex_lock(&broker->mu);
    broker->started = true;
    pthread_mutex_unlock(&broker->mu);
    return MESH_OK;
}

void mesh_broker_stop(mesh_broker *broker)
{
    if (broker == NULL)
        return;
    pthread_mutex_lock(&broker->mu);
    bool running = broker->started && !broker->stopping;
    broker->stopping = true;
    pthread_cond_broadcast(&broker->changed);
    pthread_mutex_unlock(&broker->mu);
    if (!running)
        return;
    pthread_join(broker->keeper, NULL);
    delist(broker);
}

/* Called with mu held. */
static bool usable(const mesh_broker *broker)
{
    return broker->in_place && !natsConnection_IsClosed(broker->link->connection);
}

mesh_link *mesh_broker_acquire(mesh_broker *broker, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    mesh_link *link = NULL;
    pthread_mutex_lock(&broker->mu);
    while (!broker->stopping && !usable(broker) && wait_change(broker, deadline_ns))
        continue;
    if (!broker->stopping && usable(broker)) {
        link = broker->link;
        link->owners++;
    }
    pthread_mutex_unlock(&broker->mu);
    return link;
}

void mesh_broker_release(mesh_broker *broker, mesh_link *link)
{
    if (link == NULL)
        return;
    pthread_mutex_lock(&broker->mu);
    bool last = --link->owners == 0;
    pthread_mutex_unlock(&broker->mu);
    if (last)
        close_link(link);
}

/* The library takes a stored message that is empty and has the header Status: 404 for the broker's
 * word that there is none; but the broker adds the place to what is stored. */
static bool is_there(mesh_link *link, const char *stream, const char *filter, uint64_t from)
{
    char subject[READ_SUBJECT_BYTES], request[READ_REQUEST_BYTES];
    natsMsg *answer = NULL;
    const char *place = NULL;
    snprintf(subject, sizeof subject, "$JS.API.DIRECT.GET.%s", stream);
    int size = snprintf(request, sizeof request, "{\"seq\":%" PRIu64 ",\"next_by_subj\":\"%s\"}",
                        from, filter);
    bool there = size < READ_REQUEST_BYTES &&
                 natsConnection_Request(&answer, link->connection, subject, request, size,
                                        REQUEST_TIMEOUT_MS) == NATS_OK &&
                 natsMsgHeader_Get(answer, "Nats-Sequence", &place) == NATS_OK;
    natsMsg_Destroy(answer);
    return there;
}

natsStatus mesh_broker_written(natsConnection *connection, natsStatus status)
{
    if (status == NATS_TIMEOUT || status == NATS_IO_ERROR)
        natsConnection_Close(connection);
    return status;
}

natsStatus mesh_broker_read(mesh_link *link, const char *stream, const char *filter, uint64_t from,
                            natsMsg **message)
{
    jsDirectGetMsgOptions options;
    natsStatus status = jsDirectGetMsgOptions_Init(&options);
    if (status != NATS_OK)
        return status;
    options.Sequence = from;
    options.NextBySubject = filter;
    status = js_DirectGetMsg(message, link->js, stream, NULL, &options);
    return status == NATS_NOT_FOUND && is_there(link, stream, filter, from) ? NATS_ERR : status;
}

bool mesh_broker_is_unseen(natsStatus status)
{
    return status == NATS_NO_RESPONDERS || status == NATS_ERR;
}

void mesh_broker_suspect(mesh_broker *broker)
{
    pthread_mutex_lock(&broker->mu);
    broker->suspect = true;
    pthread_cond_broadcast(&broker->changed);
    pthread_mutex_unlock(&broker->mu);
}

mesh_code mesh_broker_ready(mesh_broker *broker, mesh_error *err)
{
    mesh_code code = MESH_OK;
    pthread_mutex_lock(&broker->mu);
    if (!broker->in_place)
        code = mesh_error_set(err, MESH_UNAVAILABLE, "%s", broker->missing);
    else if (natsConnection_IsClosed(broker->link->connection))
        code = mesh_error_set(err, MESH_UNAVAILABLE, NO_CONNECTION);
    pthread_mutex_unlock(&broker->mu);
    return code;
}

int64_t mesh_broker_max_payload(mesh_broker *broker)
{
    pthread_mutex_lock(&broker->mu);
    int64_t bytes = broker->max_payload;
    pthread_mutex_unlock(&broker->mu);
    return bytes;
}

bool mesh_broker_delivered(mesh_broker *broker, uint64_t *delivered)
{
    pthread_mutex_lock(&broker->mu);
    bool seen = broker->seen;
    *delivered = broker->delivered;
    pthread_mutex_unlock(&broker->mu);
    return seen;
}

bool mesh_broker_settled(mesh_broker *broker, uint64_t sequence)
{
    pthread_mutex_lock(&broker->mu);
    bool settled = broker->settled >= sequence;
    pthread_mutex_unlock(&broker->mu);
    return settled;
}

bool mesh_broker_history_cut(mesh_broker *broker)
{
    pthread_mutex_lock(&broker->mu);
    bool cut = broker->history_cut;
    pthread_mutex_unlock(&broker->mu);
    return cut;
}

void mesh_broker_figures(mesh_broker *broker, uint64_t *lag, uint64_t *reconnects)
{
    pthread_mutex_lock(&broker->mu);
    *lag = broker->lag;
    *reconnects = broker->connects > 0 ? broker->connects - 1 : 0;
    pthread_mutex_unlock(&broker->mu);
}
