#include "mesh/events/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"

enum {
    /* Of a request, and up to half as long again: the broker serves the oldest one first, and with
     * requests that end together that would be the same instance's each time. */
    EXPIRES_MS = 400,
    /* After it has expired: nats-server 2.9.10 sometimes ends a request without a word. */
    IDLE_MS = 20,
    OVER_MS = 500,
    UNHEARD = 2, /* requests without a word, until the broker is not there */
    /* Of messages for one request, so that memory is bounded. */
    REQUEST_BYTES = 8 * 1024 * 1024,
    UNSUBSCRIBE_TIMEOUT_MS = 5000, /* for the broker to know */
    FIRST_ROOM = 64,               /* messages; doubles when there are more */
    NO_MEMORY_PAUSE_MS = 100       /* until one comes again for which there was no room */
};

/* Has an answer to be given to: all else is about a request, or from who knows whom. */
static bool is_event(const natsMsg *message)
{
    static const char prefix[] = "$JS.ACK.";
    const char *reply = natsMsg_GetReply(message);
    return reply != NULL && strncmp(reply, prefix, strlen(prefix)) == 0;
}

/* ---- what came in, by a thread of the library's ---- */

/* Called with mu held. */
static bool make_room(mesh_pull *pull)
{
    if (pull->last < pull->room)
        return true;
    if (pull->first > 0) {
        pull->last -= pull->first;
        memmove(pull->came_in, pull->came_in + pull->first, pull->last * sizeof(natsMsg *));
        pull->first = 0;
        return true;
    }
    size_t room = pull->room > 0 ? 2 * pull->room : FIRST_ROOM;
    natsMsg **grown = mesh_realloc(pull->came_in, room * sizeof *grown);
    if (grown == NULL)
        return false;
    pull->came_in = grown;
    pull->room = room;
    return true;
}

static void on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *message,
                       void *context)
{
    mesh_pull *pull = context;
    (void)subscription;
    pthread_mutex_lock(&pull->mu);
    bool kept = make_room(pull);
    if (kept)
        pull->came_in[pull->last++] = message;
    pthread_cond_signal(&pull->changed);
    pthread_mutex_unlock(&pull->mu);
    if (kept)
        return;
    if (is_event(message))
        mesh_pull_nak(connection, message, NO_MEMORY_PAUSE_MS);
    natsMsg_Destroy(message);
}

/* The subscription has ended, or its connection: there will be no more calls of these two. */
static void on_complete(void *context)
{
    mesh_pull *pull = context;
    pthread_mutex_lock(&pull->mu);
    pull->closed = true;
    pthread_cond_signal(&pull->changed);
    pthread_mutex_unlock(&pull->mu);
}

/* The next one; NULL: none came until then. */
static natsMsg *next_message(mesh_pull *pull, int64_t until_ns, bool *closed)
{
    natsMsg *message = NULL;
    pthread_mutex_lock(&pull->mu);
    while (pull->first == pull->last && !pull->closed &&
           mesh_cond_wait_until(&pull->changed, &pull->mu, until_ns))
        continue;
    if (pull->first < pull->last)
        message = pull->came_in[pull->first++];
    *closed = pull->closed;
    pthread_mutex_unlock(&pull->mu);
    return message;
}

static void wait_closed(mesh_pull *pull, int64_t until_ns)
{
    pthread_mutex_lock(&pull->mu);
    while (!pull->closed && mesh_cond_wait_until(&pull->changed, &pull->mu, until_ns))
        continue;
    pthread_mutex_unlock(&pull->mu);
}

static void free_parts(mesh_pull *pull)
{
    natsSubscription_Destroy(pull->subscription);
    mesh_free(pull->came_in);
    pthread_cond_destroy(&pull->changed);
    pthread_mutex_destroy(&pull->mu);
}

/* ---- requests ---- */

natsStatus mesh_pull_begin(mesh_pull *pull, natsConnection *connection, const char *consumer)
{
    char id[MESH_UUID_TEXT_BYTES], subject[sizeof pull->inbox + 1];
    mesh_uuid_v7(id);
    *pull = (mesh_pull){.connection = connection, .consumer = consumer, .heard = true};
    snprintf(pull->inbox, sizeof pull->inbox, MESH_EVENTS_INBOX "%s.%s.", consumer, id);
    snprintf(subject, sizeof subject, "%s*", pull->inbox);
    pthread_mutex_init(&pull->mu, NULL);
    pthread_cond_init(&pull->changed, NULL);
    natsStatus status = natsConnection_Subscribe(&pull->subscription, connection, subject,
                                                 on_message, pull);
    /* What may come is bounded by what is asked for. */
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(pull->subscription, -1, -1);
    /* The last, since nothing was asked for yet: when one of these fails nobody calls. */
    if (status == NATS_OK)
        status = natsSubscription_SetOnCompleteCB(pull->subscription, on_complete, pull);
    if (status != NATS_OK)
        free_parts(pull);
    return status;
}

/* Nothing came any more, or nothing that goes into it, or all of it came. */
static bool ends_well(const char *status, const char *words)
{
    return strcmp(status, "404") == 0 || strcmp(status, "408") == 0 ||
           (strcmp(status, "409") == 0 && (strcmp(words, "Message Size Exceeds MaxBytes") == 0 ||
                                           strcmp(words, "Batch Completed") == 0));
}

/* What is said of an earlier request, which was over for us, is past. */
static natsStatus read_status(mesh_pull *pull, natsMsg *message)
{
    const char *status, *words = "", *number = natsMsg_GetSubject(message) + strlen(pull->inbox);
    if (natsMsgHeader_Get(message, "Status", &status) != NATS_OK ||
        strtoull(number, NULL, 10) != pull->requests)
        return NATS_TIMEOUT;
    pull->asked = 0;
    (void)natsMsgHeader_Get(message, "Description", &words);
    if (ends_well(status, words))
        return NATS_TIMEOUT;
    mesh_log(MESH_LOG_WARN, "the broker gives no events", MESH_LOG_S("status", status),
             MESH_LOG_S("cause", words));
    return NATS_ERR;
}

bool mesh_pull_is_idle(const mesh_pull *pull)
{
    return pull->asked == 0 ||
           mesh_clock_monotonic_ns() >= mesh_clock_add_ms(pull->expires_ns, IDLE_MS);
}

bool mesh_pull_is_over(const mesh_pull *pull)
{
    return pull->asked == 0 ||
           mesh_clock_monotonic_ns() >= mesh_clock_add_ms(pull->expires_ns, OVER_MS);
}

bool mesh_pull_is_unheard(const mesh_pull *pull)
{
    return pull->unheard >= UNHEARD;
}

natsStatus mesh_pull_take(mesh_pull *pull, int64_t wait_ms, natsMsg **message)
{
    int64_t pause_ms = mesh_pull_is_idle(pull) ? OVER_MS : IDLE_MS;
    int64_t left_ms = mesh_clock_left_ms(mesh_clock_add_ms(pull->expires_ns, pause_ms));
    if (pull->asked > 0 && left_ms > 0 && left_ms < wait_ms)
        wait_ms = left_ms;
    bool closed = false;
    natsMsg *next = next_message(pull, mesh_clock_deadline_ns(wait_ms), &closed);
    if (next == NULL)
        return closed ? NATS_CONNECTION_CLOSED : NATS_TIMEOUT;
    pull->heard = true;
    pull->unheard = 0;
    if (is_event(next)) {
        pull->asked -= pull->asked > 0;
        pull->came = true;
        *message = next;
        return NATS_OK;
    }
    natsStatus status = read_status(pull, next);
    natsMsg_Destroy(next);
    return status;
}

natsStatus mesh_pull_ask(mesh_pull *pull, size_t count)
{
    char
        subject[sizeof "$JS.API.CONSUMER.MSG.NEXT..." MESH_EVENTS_STREAM + MESH_EVENTS_SERVICE_MAX];
    char request[128], reply[sizeof pull->inbox + 24];
    int64_t expires_ms = EXPIRES_MS + mesh_clock_monotonic_ns() / 1000 % (EXPIRES_MS / 2);
    snprintf(subject, sizeof subject, "$JS.API.CONSUMER.MSG.NEXT." MESH_EVENTS_STREAM ".%s",
             pull->consumer);
    int size = snprintf(request, sizeof request,
                        "{\"batch\":%zu,\"max_bytes\":%d,\"expires\":%" PRId64 "}", count,
                        (int)REQUEST_BYTES, expires_ms * 1000000);
    pull->unheard += !pull->heard;
    pull->heard = false;
    pull->asked = count;
    pull->expires_ns = mesh_clock_deadline_ns(expires_ms);
    pull->requests++;
    snprintf(reply, sizeof reply, "%s%" PRIu64, pull->inbox, pull->requests);
    return mesh_broker_written(
        pull->connection,
        natsConnection_PublishRequest(pull->connection, subject, reply, request, size));
}

void mesh_pull_end(mesh_pull *pull)
{
    natsMsg *message;
    bool closed;
    int64_t until_ns = mesh_clock_deadline_ns(UNSUBSCRIBE_TIMEOUT_MS);
    if (natsSubscription_DrainTimeout(pull->subscription, UNSUBSCRIBE_TIMEOUT_MS) == NATS_OK)
        wait_closed(pull, until_ns);
    (void)natsSubscription_Unsubscribe(pull->subscription); /* unless that is done */
    wait_closed(pull, MESH_NO_DEADLINE);
    while ((message = next_message(pull, 0, &closed)) != NULL) {
        if (is_event(message))
            mesh_pull_nak(pull->connection, message, 0);
        natsMsg_Destroy(message);
    }
    free_parts(pull);
}

/* ---- answers ---- */

static void answer(natsConnection *connection, const natsMsg *message, const char *word)
{
    (void)mesh_broker_written(
        connection, natsConnection_PublishString(connection, natsMsg_GetReply(message), word));
}

void mesh_pull_ack(natsConnection *connection, const natsMsg *message)
{
    answer(connection, message, "+ACK");
}

void mesh_pull_nak(natsConnection *connection, const natsMsg *message, int64_t pause_ms)
{
    char word[64] = "-NAK";
    if (pause_ms > 0)
        snprintf(word, sizeof word, "-NAK {\"delay\": %" PRId64 "}", pause_ms * 1000000);
    answer(connection, message, word);
}

void mesh_pull_term(natsConnection *connection, const natsMsg *message)
{
    answer(connection, message, "+TERM");
}

void mesh_pull_in_progress(natsConnection *connection, const natsMsg *message)
{
    answer(connection, message, "+WPI");
}
