#include "mesh/events/recover.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/events/broker.h"

enum {
    STEP_MS = 250 /* for one transaction */
};

typedef struct stream {
    jsCtx *js;
    int64_t created; /* ns since the Unix epoch */
    uint64_t first;  /* sequences */
    uint64_t last;
} stream;

static mesh_code look(stream *s, mesh_error *err)
{
    jsStreamInfo *info = NULL;
    natsStatus status = js_GetStreamInfo(&info, s->js, MESH_EVENTS_STREAM, NULL, NULL);
    if (status != NATS_OK)
        return mesh_error_set(err, MESH_UNAVAILABLE, "the stream cannot be looked at: %s",
                              natsStatus_GetText(status));
    s->created = info->Created;
    s->first = info->State.FirstSeq;
    s->last = info->State.LastSeq;
    jsStreamInfo_Destroy(info);
    return MESH_OK;
}

/* Whether the stream has it there. What is older than all that it has went with its age. */
static mesh_code has(const stream *s, const mesh_queue_note *note, size_t i, bool *there,
                     mesh_error *err)
{
    uint64_t sequence = (uint64_t)note->sequences[i];
    const char *event_id = note->event_ids[i];
    natsMsg *message = NULL;
    const char *found = NULL;
    *there = sequence < s->first || event_id[0] == '\0';
    if (*there || sequence > s->last)
        return MESH_OK;
    natsStatus status = js_GetMsg(&message, s->js, MESH_EVENTS_STREAM, sequence, NULL, NULL);
    if (status == NATS_OK)
        *there = natsMsgHeader_Get(message, "Nats-Msg-Id", &found) == NATS_OK &&
                 strcmp(found, event_id) == 0;
    natsMsg_Destroy(message);
    if (status != NATS_OK && status != NATS_NOT_FOUND)
        return mesh_error_set(err, MESH_UNAVAILABLE, "a message of the stream cannot be read: %s",
                              natsStatus_GetText(status));
    return MESH_OK;
}

/* The first that is lost of a note whose last one is: the stream loses its end, so that none is
 * there behind one that is not. */
static mesh_code first_lost(const stream *s, const mesh_queue_note *note, size_t *first,
                            mesh_error *err)
{
    size_t low = 0, high = note->count - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool there = false;
        mesh_code code = has(s, note, middle, &there, err);
        if (code != MESH_OK)
            return code;
        if (there)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    return MESH_OK;
}

/* Recalls, note by note from the end on, what the stream does not have. */
static mesh_code recall_end(mesh_tx *tx, const stream *s, int64_t *recalled, bool *left,
                            mesh_error *err)
{
    int64_t until_ns = mesh_clock_deadline_ns(STEP_MS);
    for (*left = true; mesh_clock_monotonic_ns() < until_ns;) {
        mesh_queue_note note;
        bool there = true;
        size_t first = 0;
        int64_t some = 0;
        mesh_code code = mesh_queue_last_note(tx, &note, err);
        if (code == MESH_OK && note.count > 0)
            code = has(s, &note, note.count - 1, &there, err);
        if (code == MESH_OK && there)
            *left = false;
        if (code != MESH_OK || there)
            return code;
        code = first_lost(s, &note, &first, err);
        if (code == MESH_OK)
            code = mesh_queue_recall(tx, &note, first, &some, err);
        if (code != MESH_OK)
            return code;
        *recalled += some;
    }
    return MESH_OK;
}

/* A part of the work, in one transaction. */
static mesh_code step(mesh_db *db, stream *s, uint64_t *recalled, bool *left, mesh_error *err)
{
    mesh_queue_state state;
    mesh_tx *tx = NULL;
    int64_t some = 0;
    mesh_code code = mesh_queue_begin(db, &tx, &state, err);
    if (code != MESH_OK)
        return code;
    code = look(s, err);
    bool other = state.stream_created != 0 && state.stream_created != s->created;
    if (code == MESH_OK && other)
        code = mesh_queue_recall_all(tx, &some, left, err);
    else if (code == MESH_OK)
        code = recall_end(tx, s, &some, left, err);
    /* While something is left of another stream, it has to be known. */
    if (code == MESH_OK && state.stream_created != s->created && !(other && *left))
        code = mesh_queue_set_stream(tx, s->created, err);
    if (code != MESH_OK) {
        mesh_tx_rollback(tx);
        return code;
    }
    *recalled += (uint64_t)some;
    return mesh_tx_commit(tx, err);
}

mesh_code mesh_recover(mesh_db *db, jsCtx *js, uint64_t *recalled, mesh_error *err)
{
    stream s = {.js = js};
    bool left = true;
    mesh_code code = MESH_OK;
    *recalled = 0;
    while (code == MESH_OK && left)
        code = step(db, &s, recalled, &left, err);
    if (*recalled > 0)
        mesh_log(MESH_LOG_WARN, "the broker has lost events, which are published again",
                 MESH_LOG_I("events", (int64_t)*recalled));
    return code;
}
