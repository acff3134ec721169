#include "mesh/events/dead.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mesh/base/clock.h"
#include "mesh/events/broker.h"
#include "mesh/events/envelope.h"
#include "mesh/events/escape.h"

enum {
    UNSEEN_MAX = 1000 /* places that are passed over at once */
};

static const char *subject_of(mesh_arena *arena, const char *service, const char *rest)
{
    return mesh_arena_printf(arena, MESH_DEAD_PREFIX "%s.%s", service, rest);
}

/* ---- writing ---- */

/* An empty one is left out: the library (3.4) takes the next line for its value. */
static natsStatus set_text(natsMsg *letter, mesh_arena *arena, const char *name, const char *text)
{
    if (text[0] == '\0')
        return NATS_OK;
    char *escaped = mesh_arena_alloc(arena, mesh_event_escaped_size(text));
    if (escaped == NULL)
        return NATS_NO_MEMORY;
    mesh_event_escape(text, escaped);
    return natsMsgHeader_Set(letter, name, escaped);
}

/* Said to the broker, or by it: a letter that is empty and has a status would look like its word
 * that there is none, and hide those behind it. */
static bool is_brokers(const char *name)
{
    return strncasecmp(name, "Nats-", 5) == 0 || strcasecmp(name, "Status") == 0 ||
           strcasecmp(name, "Description") == 0;
}

static natsStatus copy_headers(natsMsg *letter, natsMsg *event)
{
    const char **names = NULL;
    const char *value = NULL;
    int count = 0;
    if (mesh_envelope_is_overlong(event))
        return NATS_OK; /* without them */
    natsStatus status = natsMsgHeader_Keys(event, &names, &count);
    if (status == NATS_NOT_FOUND)
        return NATS_OK;
    for (int i = 0; status == NATS_OK && i < count; i++) {
        if (is_brokers(names[i]) || natsMsgHeader_Get(event, names[i], &value) != NATS_OK)
            continue;
        status = natsMsgHeader_Set(letter, names[i], value);
    }
    free((void *)names); /* the library's */
    return status;
}

static natsStatus set_cause(natsMsg *letter, const mesh_dead_cause *cause, mesh_arena *arena)
{
    char now[MESH_TIME_TEXT_BYTES];
    mesh_clock_format(mesh_clock_wall_ns(), now);
    const char *id = mesh_arena_printf(arena, "%s/%" PRIu64, cause->key, cause->sequence);
    const char *sequence = mesh_arena_printf(arena, "%" PRIu64, cause->sequence);
    const char *deliveries = mesh_arena_printf(arena, "%d", cause->deliveries);
    natsStatus status = natsMsgHeader_Set(letter, "Nats-Msg-Id", id);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(letter, "Mesh-Dead-Time", now);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(letter, "Mesh-Dead-Sequence", sequence);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(letter, "Mesh-Dead-Deliveries", deliveries);
    if (status == NATS_OK)
        status = natsMsgHeader_Set(letter, "Mesh-Dead-Code", mesh_code_name(cause->error->code));
    if (status == NATS_OK)
        status = set_text(letter, arena, "Mesh-Dead-Cause", cause->error->message);
    if (status == NATS_OK)
        status = set_text(letter, arena, "Mesh-Dead-History", cause->history);
    return status;
}

natsStatus mesh_dead_store(jsCtx *js, const char *service, natsMsg *event,
                           const mesh_dead_cause *cause, mesh_arena *arena)
{
    natsMsg *letter = NULL;
    natsStatus status = natsMsg_Create(&letter, subject_of(arena, service, cause->subject), NULL,
                                       natsMsg_GetData(event), natsMsg_GetDataLength(event));
    if (status == NATS_OK)
        status = copy_headers(letter, event);
    if (status == NATS_OK)
        status = set_cause(letter, cause, arena);
    if (status == NATS_OK && mesh_arena_overflowed(arena))
        status = NATS_NO_MEMORY;
    if (status == NATS_OK)
        status = js_PublishMsg(NULL, js, letter, NULL, NULL);
    natsMsg_Destroy(letter);
    return status;
}

/* ---- reading ---- */

natsStatus mesh_dead_next(mesh_link *link, const char *service, uint64_t number, natsMsg **message)
{
    char stream[MESH_DEAD_STREAM_BYTES], subjects[MESH_DEAD_STREAM_BYTES + 8];
    snprintf(stream, sizeof stream, MESH_DEAD_STREAM "%s", service);
    snprintf(subjects, sizeof subjects, MESH_DEAD_PREFIX "%s.>", service);
    natsStatus status = NATS_ERR;
    for (int i = 0; i < UNSEEN_MAX && mesh_broker_is_unseen(status); i++)
        status = mesh_broker_read(link, stream, subjects, number++, message);
    return status;
}

void mesh_dead_read(natsMsg *message, const char *service, mesh_arena *arena,
                    mesh_dead_letter *letter)
{
    size_t prefix = strlen(MESH_DEAD_PREFIX) + strlen(service) + 1;
    *letter = (mesh_dead_letter){
        .number = natsMsg_GetSequence(message),
        .given_up_ns = mesh_envelope_time(message, "Mesh-Dead-Time"),
        .deliveries = (int)strtol(mesh_envelope_header(message, arena, "Mesh-Dead-Deliveries"),
                                  NULL, 10),
        .code = mesh_envelope_header(message, arena, "Mesh-Dead-Code"),
        .cause = mesh_envelope_text(message, arena, "Mesh-Dead-Cause"),
        .history = mesh_envelope_text(message, arena, "Mesh-Dead-History"),
    };
    mesh_envelope_show(message, arena, &letter->event);
    letter->event.subject = mesh_arena_strdup(arena, natsMsg_GetSubject(message) + prefix);
    letter->event.sequence = strtoull(mesh_envelope_header(message, arena, "Mesh-Dead-Sequence"),
                                      NULL, 10);
}

static bool is_there(mesh_link *link, const char *service, uint64_t number)
{
    natsMsg *message = NULL;
    natsStatus status = mesh_dead_next(link, service, number, &message);
    bool there = status != NATS_NOT_FOUND &&
                 (status != NATS_OK || natsMsg_GetSequence(message) == number);
    natsMsg_Destroy(message);
    return there;
}

natsStatus mesh_dead_remove(mesh_link *link, const char *service, uint64_t number)
{
    char stream[MESH_DEAD_STREAM_BYTES];
    jsErrCode reason = 0;
    snprintf(stream, sizeof stream, MESH_DEAD_STREAM "%s", service);
    natsStatus status = js_DeleteMsg(link->js, stream, number, NULL, &reason);
    /* Of one that somebody else has just removed the server has no word of its own. */
    bool gone = reason == JSSequenceNotFoundErr ||
                (reason == JSStreamMsgDeleteFailed && !is_there(link, service, number));
    return gone ? NATS_OK : status;
}
