#include "mesh/events/delivery.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/events/broker.h"
#include "mesh/events/envelope.h"
#include "mesh/events/inbox.h"

/*
 * A delivery's number also counts those that no handler answered (its process was killed) and those
 * that failed for trouble of the surroundings. So many times `max_deliver` is an event in itself.
 */
static const int64_t patience = 60;

typedef struct attempt {
    const mesh_delivery_settings *settings;
    mesh_delivery *delivery;
    mesh_arena *arena;
    mesh_event meta;
    mesh_trace parent; /* who added the event */
    bool first;        /* the inbox did not have it */
    bool away;         /* no transaction was to be had */
} attempt;

int64_t mesh_delivery_pause_ms(int number)
{
    static const int64_t pauses_ms[] = {100, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000};
    int count = (int)(sizeof pauses_ms / sizeof pauses_ms[0]);
    return pauses_ms[number < 1 ? 0 : number <= count ? number - 1 : count - 1];
}

static mesh_code read_event(attempt *self, const ProtobufCMessage **event, mesh_error *err)
{
    mesh_code code = mesh_envelope_read(self->delivery->message, self->arena, &self->meta,
                                        &self->parent, err);
    if (code != MESH_OK)
        return code;
    return mesh_envelope_unpack(self->delivery->message, self->delivery->consumer->event,
                                self->arena, event, err);
}

/* The inbox row and the handler's changes, in one transaction. */
static mesh_code handle_in_transaction(attempt *self, const ProtobufCMessage *event,
                                       mesh_error *err)
{
    const mesh_consumer *consumer = self->delivery->consumer;
    const mesh_tx_options options = {
        .deadline_ns = mesh_clock_add_ms(self->delivery->touched_ns, self->settings->ack_wait_ms)};
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(self->settings->db, &options, &tx, err);
    if (code != MESH_OK) {
        self->away = true;
        return code;
    }
    code = mesh_inbox_note(tx, self->meta.id, self->settings->service, &self->first, err);
    if (code == MESH_OK && self->first)
        code = consumer->adapter(consumer->handler, consumer->self, tx, &self->meta, event, err);
    if (code == MESH_OK && self->first)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code try_event(attempt *self, mesh_error *err)
{
    const ProtobufCMessage *event = NULL;
    mesh_code code = read_event(self, &event, err);
    if (code != MESH_OK)
        return code;
    mesh_trace trace;
    mesh_trace_child(&trace, &self->parent);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    code = handle_in_transaction(self, event, err);
    mesh_trace_set_current(before);
    return code;
}

/* The one place where an event is given up. */
static mesh_delivery_result give_up(const attempt *self, const mesh_error *err)
{
    mesh_envelope_log(MESH_LOG_ERROR, "an event is given up after its last delivery", &self->meta,
                      &self->parent, err);
    natsMsg_Term(self->delivery->message, NULL);
    return MESH_DELIVERY_DEAD;
}

/* Trouble that passes: a lock held long, a full disk, a peer that is away. An event is given up for
 * it only when its deliveries were `patience` times as many as those of one that fails itself. */
static bool is_environment(mesh_code code)
{
    return code == MESH_UNAVAILABLE || code == MESH_DEADLINE_EXCEEDED || code == MESH_ABORTED ||
           code == MESH_RESOURCE_EXHAUSTED || code == MESH_CANCELLED;
}

static mesh_delivery_result fail(const attempt *self, const mesh_error *err)
{
    if (!is_environment(err->code) && !self->away &&
        self->meta.delivery >= self->settings->max_deliver)
        return give_up(self, err);
    mesh_envelope_log(MESH_LOG_WARN, "an event failed and comes again", &self->meta, &self->parent,
                      err);
    natsMsg_NakWithDelay(self->delivery->message, mesh_delivery_pause_ms(self->meta.delivery),
                         NULL);
    return self->away ? MESH_DELIVERY_AWAY : MESH_DELIVERY_FAILED;
}

static void read_metadata(attempt *self)
{
    jsMsgMetaData *metadata = NULL;
    if (natsMsg_GetMetaData(&metadata, self->delivery->message) == NATS_OK) {
        self->meta.sequence = metadata->Sequence.Stream;
        self->meta.delivery = (int)metadata->NumDelivered;
    }
    jsMsgMetaData_Destroy(metadata);
}

mesh_delivery_result mesh_delivery_handle(const mesh_delivery_settings *settings,
                                          mesh_delivery *delivery, mesh_arena *arena,
                                          bool *redelivered)
{
    mesh_error err = {.code = MESH_OK};
    attempt self = {
        .settings = settings,
        .delivery = delivery,
        .arena = arena,
        .meta = {.subject = natsMsg_GetSubject(delivery->message) + strlen(MESH_EVENTS_PREFIX),
                 .delivery = 1},
    };
    mesh_arena_reset(arena);
    read_metadata(&self);
    *redelivered = self.meta.delivery > 1;
    mesh_code code;
    /* It took its processes with it so often that it may not be the processes' fault. */
    if (self.meta.delivery > settings->max_deliver * patience)
        code = mesh_error_set(&err, MESH_INTERNAL, "delivered %d times without an answer",
                              self.meta.delivery - 1);
    else
        code = try_event(&self, &err);
    if (code != MESH_OK) {
        err.code = code; /* also when a handler set no error */
        return fail(&self, &err);
    }
    natsMsg_Ack(delivery->message, NULL);
    return self.first ? MESH_DELIVERY_HANDLED : MESH_DELIVERY_DUPLICATE;
}
