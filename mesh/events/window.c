#include "mesh/events/window.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"

enum {
    ACK_TIMEOUT_MS = 5000 /* for the broker's word on all of a window */
};

natsStatus mesh_sender_begin(mesh_sender *self, natsConnection *connection, const char *source)
{
    char id[MESH_UUID_TEXT_BYTES], subject[sizeof self->inbox + 4];
    mesh_uuid_v7(id);
    *self = (mesh_sender){.connection = connection, .source = source};
    snprintf(self->inbox, sizeof self->inbox, MESH_EVENTS_INBOX "%s.%s.", source + 1, id);
    snprintf(subject, sizeof subject, "%s*.*", self->inbox);
    natsStatus status = natsConnection_SubscribeSync(&self->answers, connection, subject);
    if (status == NATS_OK)
        status = natsSubscription_SetPendingLimits(self->answers, -1, -1); /* what was asked for */
    if (status != NATS_OK)
        mesh_sender_end(self);
    return status;
}

void mesh_sender_end(mesh_sender *self)
{
    natsSubscription_Destroy(self->answers);
}

bool mesh_window_add(mesh_window *w, const mesh_entry *e)
{
    if (w->count == MESH_WINDOW_MAX)
        return false;
    for (int i = 0; i < w->count; i++) {
        if (w->hashes[i] == e->aggregate.hash &&
            mesh_aggregate_same(&w->slots[i].entry->aggregate, &e->aggregate))
            return false;
    }
    w->hashes[w->count] = e->aggregate.hash;
    w->slots[w->count++].entry = e;
    return true;
}

/* The library destroys messages on a thread of its own: each by itself would wake that up.
 */
static void keep(mesh_window *w, natsMsg *message)
{
    w->messages[w->message_count++] = message;
}

static void destroy_messages(mesh_window *w)
{
    for (int i = 0; i < w->message_count; i++)
        natsMsg_Destroy(w->messages[i]);
}

static natsStatus send_slot(mesh_window *w, const mesh_sender *sender, int i)
{
    char reply[sizeof sender->inbox + 48];
    natsMsg *message = NULL;
    snprintf(reply, sizeof reply, "%s%" PRIu64 ".%d", sender->inbox, sender->windows, i);
    natsStatus status = mesh_entry_message(w->slots[i].entry, sender->source, reply, &message);
    if (status != NATS_OK)
        return status;
    keep(w, message);
    return mesh_broker_written(sender->connection,
                               natsConnection_PublishMsg(sender->connection, message));
}

/* Whether it says that no connection would take this event. */
static bool is_refusal(natsStatus status)
{
    return status == NATS_MAX_PAYLOAD || status == NATS_INVALID_SUBJECT ||
           status == NATS_INVALID_ARG || status == NATS_INSUFFICIENT_BUFFER;
}

/* Sends one after the other, and says how many answers there will be. What is not the event's fault
 * is no word about it, and ends the window. */
static int send_window(mesh_window *w, mesh_sender *sender)
{
    int sent = 0;
    sender->windows++;
    for (int i = 0; i < w->count; i++) {
        mesh_slot *at = &w->slots[i];
        natsStatus status = send_slot(w, sender, i);
        at->asked = status == NATS_OK;
        sent += at->asked;
        if (at->asked)
            continue;
        at->cause = natsStatus_GetText(status);
        if (!is_refusal(status))
            break;
        at->outcome = MESH_REFUSED;
    }
    return sent;
}

/* The number behind a name in an answer, {"stream":"EVENTS","seq":22}; 0: it is not there. */
static uint64_t number_of(const char *answer, const char *name)
{
    const char *at = strstr(answer, name);
    return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void read_answer(mesh_slot *at, natsMsg *message)
{
    const char *answer = natsMsg_GetData(message); /* the library adds a NUL */
    at->asked = false;
    if (natsMsg_IsNoResponders(message)) {
        at->cause = natsStatus_GetText(NATS_NO_RESPONDERS);
        return;
    }
    at->sequence = number_of(answer, "\"seq\":");
    at->jetstream_code = (int)number_of(answer, "\"err_code\":");
    if (at->jetstream_code != 0) {
        at->outcome = MESH_REFUSED; /* the stream's own word */
        at->cause = natsStatus_GetText(NATS_ERR);
    } else if (at->sequence != 0) {
        at->outcome = MESH_STORED;
        at->duplicate = strstr(answer, "\"duplicate\"") != NULL;
    }
}

/* The slot that an answer is for; NULL: it comes too late, for a window that was given up. */
static mesh_slot *find_slot(mesh_window *w, const mesh_sender *sender, natsMsg *answer)
{
    char *end;
    const char *place = natsMsg_GetSubject(answer) + strlen(sender->inbox);
    uint64_t number = strtoull(place, &end, 10);
    int slot = *end == '.' ? atoi(end + 1) : -1;
    bool known = number == sender->windows && slot >= 0 && slot < w->count && w->slots[slot].asked;
    return known ? &w->slots[slot] : NULL;
}

/* Takes so many answers, unless the connection is lost: then there may be none. */
static void take_answers(mesh_window *w, const mesh_sender *sender, int left)
{
    int64_t until_ns = mesh_clock_deadline_ns(ACK_TIMEOUT_MS);
    natsMsg *answer = NULL;
    while (left > 0 && natsSubscription_NextMsg(&answer, sender->answers,
                                                mesh_clock_left_ms(until_ns)) == NATS_OK) {
        mesh_slot *at = find_slot(w, sender, answer);
        if (at == NULL) {
            natsMsg_Destroy(answer);
            continue;
        }
        read_answer(at, answer);
        keep(w, answer);
        left--;
    }
}

void mesh_window_publish(mesh_window *w, mesh_sender *sender)
{
    int sent = send_window(w, sender);
    /* The library sends what is left in its buffer a millisecond later, or before a ping. */
    (void)natsConnection_FlushTimeout(sender->connection, ACK_TIMEOUT_MS);
    take_answers(w, sender, sent);
    destroy_messages(w);
}
