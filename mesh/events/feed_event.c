#include "mesh/base/arena_budget.h"
#include "mesh/base/log.h"
#include "mesh/events/envelope.h"
#include "mesh/events/feed_parts.h"

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

bool mesh_feed_handle(mesh_feed *self, natsMsg *message, uint64_t sequence)
{
    const mesh_feed_event *event = event_of(self, mesh_envelope_subject(message));
    int64_t pause_ms = MESH_FEED_RETRY_FIRST_MS;
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
        if (!mesh_feed_pause(self, &pause_ms))
            return false;
    }
}

void mesh_feed_leave_out(mesh_feed *self)
{
    count(self, MALFORMED);
    mesh_log(MESH_LOG_ERROR, "a malformed event is left out",
             MESH_LOG_S("stream", MESH_EVENTS_STREAM),
             MESH_LOG_I("after_sequence", (int64_t)self->sequence));
}
