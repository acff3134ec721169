#include "mesh/events/tail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/events/broker.h"
#include "mesh/events/envelope.h"

enum {
    ACQUIRE_TIMEOUT_MS = 500,
    UNSEEN_MAX = 1000 /* places that are passed over at once */
};

/* ---- subjects ---- */

static bool is_word(const char *text, size_t size)
{
    if (size == 1 && *text == '*')
        return true;
    for (size_t i = 0; i < size; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", text[i]) ==
            NULL)
            return false;
    return size > 0;
}

bool mesh_tail_subject_valid(const char *subject)
{
    if (subject == NULL || *subject == '\0')
        return true;
    if (strnlen(subject, MESH_TAIL_SUBJECT_BYTES) == MESH_TAIL_SUBJECT_BYTES)
        return false;
    for (;;) {
        size_t size = strcspn(subject, ".");
        if (strcmp(subject, ">") == 0)
            return true;
        if (!is_word(subject, size))
            return false;
        if (subject[size] == '\0')
            return true;
        subject += size + 1;
    }
}

/* ---- the broker ---- */

static mesh_code use(mesh_events *events, mesh_link **link, mesh_error *err)
{
    mesh_broker *broker = mesh_events_broker(events);
    *link = mesh_broker_acquire(broker, ACQUIRE_TIMEOUT_MS);
    if (*link != NULL)
        return MESH_OK;
    mesh_code code = mesh_broker_ready(broker, err);
    return code != MESH_OK ? code
                           : mesh_error_set(err, MESH_UNAVAILABLE, "the broker does not answer");
}

static mesh_code cannot_read(natsStatus status, mesh_error *err)
{
    if (status == NATS_NO_MEMORY)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return mesh_error_set(err, MESH_UNAVAILABLE,
                          "the stream " MESH_EVENTS_STREAM " cannot be read: %s",
                          natsStatus_GetText(status));
}

static natsStatus get(mesh_link *link, const char *filter, uint64_t from, natsMsg **message)
{
    return mesh_broker_read(link, MESH_EVENTS_STREAM, filter, from, message);
}

typedef struct bounds {
    uint64_t first, last;
} bounds;

/* Whether the stream is one that can be read so, and from where to where. */
static mesh_code look(mesh_link *link, bounds *bounds, mesh_error *err)
{
    jsStreamInfo *info = NULL;
    jsErrCode reason = 0;
    natsStatus status = js_GetStreamInfo(&info, link->js, MESH_EVENTS_STREAM, NULL, &reason);
    if (status != NATS_OK)
        return cannot_read(status, err);
    const bool direct = info->Config->AllowDirect;
    bounds->first = info->State.FirstSeq;
    bounds->last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return direct ? MESH_OK
                  : mesh_error_set(err, MESH_UNAVAILABLE,
                                   "the stream " MESH_EVENTS_STREAM
                                   " does not let single messages be read (allow_direct)");
}

/* The first place whose message was stored then or later, by halves. */
static mesh_code find_time(mesh_link *link, const bounds *bounds, int64_t time_ns,
                           uint64_t *sequence, mesh_error *err)
{
    uint64_t low = bounds->first, high = bounds->last + 1;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        natsMsg *message = NULL;
        natsStatus status = get(link, MESH_EVENTS_PREFIX ">", middle, &message);
        if (status == NATS_NOT_FOUND || (status == NATS_OK && natsMsg_GetTime(message) >= time_ns))
            high = middle;
        else if (status == NATS_OK)
            low = natsMsg_GetSequence(message) + 1;
        else if (mesh_broker_is_unseen(status))
            low = middle + 1;
        else
            return cannot_read(status, err);
        natsMsg_Destroy(message);
    }
    *sequence = low;
    return MESH_OK;
}

mesh_code mesh_tail_begin(mesh_events *events, const mesh_tail_start *start, mesh_tail *tail,
                          mesh_error *err)
{
    const bool all = start->subject == NULL || start->subject[0] == '\0';
    bounds bounds = {0, 0};
    mesh_link *link = NULL;
    mesh_tail made = {.next = 0};
    if (!mesh_tail_subject_valid(start->subject))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the subject is malformed");
    snprintf(made.filter, sizeof made.filter, MESH_EVENTS_PREFIX "%s", all ? ">" : start->subject);
    mesh_code code = use(events, &link, err);
    if (code != MESH_OK)
        return code;
    code = look(link, &bounds, err);
    made.next = start->sequence > 0 && start->sequence <= bounds.last ? start->sequence
                                                                      : bounds.last + 1;
    if (code == MESH_OK && start->sequence == 0 && start->time_ns > 0)
        code = find_time(link, &bounds, start->time_ns, &made.next, err);
    mesh_broker_release(mesh_events_broker(events), link);
    if (code == MESH_OK)
        *tail = made;
    return code;
}

mesh_code mesh_tail_last(mesh_events *events, uint64_t *last, mesh_error *err)
{
    bounds bounds = {0, 0};
    mesh_link *link = NULL;
    mesh_code code = use(events, &link, err);
    if (code != MESH_OK)
        return code;
    code = look(link, &bounds, err);
    mesh_broker_release(mesh_events_broker(events), link);
    if (code == MESH_OK)
        *last = bounds.last;
    return code;
}

/* ---- an event ---- */

static void read_event(natsMsg *message, mesh_arena *arena, mesh_stored_event *event)
{
    mesh_envelope_show(message, arena, event);
    event->sequence = natsMsg_GetSequence(message);
    event->stored_ns = natsMsg_GetTime(message);
    event->subject = mesh_arena_strdup(arena, mesh_envelope_subject(message));
    event->payload = mesh_arena_memdup(arena, event->payload, event->payload_size);
}

/* The next message up to `last`; those that are unseen are passed over, one place after another. */
static natsStatus find_next(mesh_link *link, mesh_tail *tail, uint64_t last, natsMsg **message)
{
    for (int i = 0; i < UNSEEN_MAX && tail->next <= last; i++) {
        natsStatus status = get(link, tail->filter, tail->next, message);
        if (status == NATS_NOT_FOUND)
            tail->next = last + 1;
        if (!mesh_broker_is_unseen(status))
            return status;
        tail->next++;
    }
    return NATS_NOT_FOUND;
}

mesh_code mesh_tail_next(mesh_events *events, mesh_tail *tail, uint64_t last, mesh_arena *arena,
                         mesh_stored_event *event, mesh_error *err)
{
    natsMsg *message = NULL;
    mesh_link *link = NULL;
    if (tail->next > last + 1)
        tail->next = 1;
    if (tail->next > last)
        return MESH_EOF;
    mesh_code code = use(events, &link, err);
    if (code != MESH_OK)
        return code;
    natsStatus status = find_next(link, tail, last, &message);
    mesh_broker_release(mesh_events_broker(events), link);
    if (status == NATS_NOT_FOUND)
        return MESH_EOF;
    if (status != NATS_OK) {
        code = cannot_read(status, err);
        mesh_error_prefix(err, "at the place %" PRIu64, tail->next);
        return code;
    }
    read_event(message, arena, event);
    natsMsg_Destroy(message);
    return mesh_arena_overflowed(arena)
               ? mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory")
               : MESH_OK;
}
