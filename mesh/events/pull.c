#include "mesh/events/pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/uuid.h"

enum {
    /* Of a request, and up to half as long again: the broker serves the oldest one first, and with
     * requests that end together that would be the same instance's each time. */
    EXPIRES_MS = 400,
    /* After it has expired: nats-server 2.9.10 sometimes ends a request without a word. */
    IDLE_MS = 20,
    OVER_MS = 500,
    /* Of messages for one request, so that memory is bounded. */
    REQUEST_BYTES = 8 * 1024 * 1024,
    UNSUBSCRIBE_TIMEOUT_MS = 5000 /* for the broker to know */
};

natsStatus mesh_pull_begin(mesh_pull *pull, natsConnection *connection, const char *consumer)
{
    char id[MESH_UUID_TEXT_BYTES], subject[sizeof pull->inbox + 1];
    mesh_uuid_v7(id);
    *pull = (mesh_pull){.connection = connection, .consumer = consumer};
    snprintf(pull->inbox, sizeof pull->inbox, MESH_EVENTS_INBOX "%s.%s.", consumer, id);
    snprintf(subject, sizeof subject, "%s*", pull->inbox);
    natsStatus status = natsConnection_SubscribeSync(&pull->subscription, connection, subject);
    if (status != NATS_OK)
        return status;
    /* What may come is bounded by what is asked for. */
    status = natsSubscription_SetPendingLimits(pull->subscription, -1, -1);
    if (status != NATS_OK)
        natsSubscription_Destroy(pull->subscription);
    return status;
}

/* Has an answer to be given to: all else is about a request, or from who knows whom. */
static bool is_event(const natsMsg *message)
{
    static const char prefix[] = "$JS.ACK.";
    const char *reply = natsMsg_GetReply(message);
    return reply != NULL && strncmp(reply, prefix, strlen(prefix)) == 0;
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

natsStatus mesh_pull_take(mesh_pull *pull, int64_t wait_ms, natsMsg **message)
{
    int64_t pause_ms = mesh_pull_is_idle(pull) ? OVER_MS : IDLE_MS;
    int64_t left_ms = mesh_clock_left_ms(mesh_clock_add_ms(pull->expires_ns, pause_ms));
    if (pull->asked > 0 && left_ms > 0 && left_ms < wait_ms)
        wait_ms = left_ms;
    natsStatus status = natsSubscription_NextMsg(message, pull->subscription, wait_ms);
    if (status != NATS_OK)
        return status;
    if (is_event(*message)) {
        pull->asked -= pull->asked > 0;
        pull->came = true;
        return NATS_OK;
    }
    status = read_status(pull, *message);
    natsMsg_Destroy(*message);
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
    pull->asked = count;
    pull->expires_ns = mesh_clock_deadline_ns(expires_ms);
    pull->requests++;
    snprintf(reply, sizeof reply, "%s%" PRIu64, pull->inbox, pull->requests);
    return natsConnection_PublishRequest(pull->connection, subject, reply, request, size);
}

void mesh_pull_end(mesh_pull *pull)
{
    natsMsg *message;
    if (natsSubscription_DrainTimeout(pull->subscription, UNSUBSCRIBE_TIMEOUT_MS) == NATS_OK)
        (void)natsConnection_FlushTimeout(pull->connection, UNSUBSCRIBE_TIMEOUT_MS);
    while (natsSubscription_NextMsg(&message, pull->subscription, 0) == NATS_OK) {
        if (is_event(message))
            mesh_pull_nak(pull->connection, message, 0);
        natsMsg_Destroy(message);
    }
    natsSubscription_Destroy(pull->subscription);
}

/* ---- answers ---- */

static void answer(natsConnection *connection, const natsMsg *message, const char *word)
{
    (void)natsConnection_PublishString(connection, natsMsg_GetReply(message), word);
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

void mesh_pull_touch(natsConnection *connection, const natsMsg *message)
{
    answer(connection, message, "+WPI");
}
