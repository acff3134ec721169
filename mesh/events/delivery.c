#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/events/delivery_parts.h"
#include "mesh/events/envelope.h"

void mesh_delivery_read(mesh_delivery *d, natsMsg *message)
{
    jsMsgMetaData *metadata = NULL;
    d->message = message;
    d->bytes = mesh_envelope_bytes(message);
    d->subject = mesh_envelope_subject(message);
    d->aggregate.id = mesh_envelope_aggregate_id(message);
    d->aggregate.hash = mesh_aggregate_hash(d->aggregate.id);
    d->version = mesh_envelope_version(message);
    d->number = 1;
    if (natsMsg_GetMetaData(&metadata, message) == NATS_OK) {
        d->sequence = metadata->Sequence.Stream;
        d->stored_ns = metadata->Timestamp;
        d->number = (int)metadata->NumDelivered;
    }
    jsMsgMetaData_Destroy(metadata);
}

/* An event has its own consumer rather than that of the one that takes its place. */
static const mesh_consumer *consumer_of(const mesh_consumer *consumers, const char *subject)
{
    const mesh_consumer *takes = NULL;
    for (const mesh_consumer *c = consumers; c->event != NULL; c++) {
        if (strcmp(c->event->subject, subject) == 0)
            return c;
        if (takes == NULL && mesh_event_takes(c->event, subject))
            takes = c;
    }
    return takes;
}

/* Who handles events of the same aggregates. They have to come from the same service: others could
 * say anything of its aggregates. */
static const mesh_consumer *related_to(const mesh_consumer *consumers, const mesh_delivery *d)
{
    size_t service = strcspn(d->subject, ".") + 1;
    const char *type = NULL;
    for (const mesh_consumer *c = consumers; c->event != NULL; c++) {
        if (strncmp(c->event->subject, d->subject, service) != 0)
            continue;
        if (type == NULL && (type = mesh_envelope_aggregate_type(d->message)) == NULL)
            return NULL;
        if (strcmp(c->event->aggregate_type, type) == 0)
            return c;
    }
    return NULL;
}

bool mesh_delivery_address(mesh_delivery *d, const mesh_consumer *consumers)
{
    d->consumer = consumer_of(consumers, d->subject);
    d->related = d->consumer != NULL ? d->consumer : related_to(consumers, d);
    if (d->related != NULL)
        d->aggregate.type = d->related->event->aggregate_type;
    return d->related != NULL;
}

bool mesh_delivery_same_aggregate(const mesh_delivery *a, const mesh_delivery *b)
{
    return mesh_aggregate_same(&a->aggregate, &b->aggregate);
}

/* ---- reading ---- */

static mesh_code read_headers(mesh_delivery *d, mesh_arena *arena, mesh_error *err)
{
    d->meta = (mesh_event){.subject = d->subject, .sequence = d->sequence, .delivery = d->number};
    return mesh_envelope_read(d->message, arena, &d->meta, &d->parent, err);
}

static mesh_code read_event(mesh_delivery *d, mesh_arena *arena, mesh_error *err)
{
    mesh_code code = read_headers(d, arena, err);
    if (code == MESH_OK && d->consumer != NULL)
        code = mesh_envelope_unpack(d->message, d->consumer->event, arena, &d->event, err);
    return code;
}

typedef mesh_code read_fn(mesh_delivery *delivery, mesh_arena *arena, mesh_error *err);

static mesh_code read_all(mesh_work *self, read_fn *read, mesh_error *err)
{
    mesh_code code = MESH_OK;
    mesh_arena_reset(self->arena);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++)
        code = read(self->deliveries[i], self->arena, err);
    return code;
}

/* What the versions say of them at this moment. */
static mesh_code peek(mesh_work *self, mesh_error *err)
{
    const mesh_tx_options options = {.autocommit = true};
    mesh_code code = read_all(self, read_headers, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_begin(self->settings->db, &options, &self->tx, err);
    if (code == MESH_OK)
        code = mesh_place_all(self, mesh_inbox_peek, err);
    self->away = code != MESH_OK;
    mesh_tx_rollback(self->tx);
    self->tx = NULL;
    return code;
}

/* ---- one transaction ---- */

/* The ids of those that are to be handled; who is there already is a duplicate. */
static mesh_code note_ids(mesh_work *self, mesh_error *err)
{
    mesh_delivery *noted[MESH_DELIVERY_BATCH];
    const char *ids[MESH_DELIVERY_BATCH];
    bool first[MESH_DELIVERY_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (self->deliveries[i]->result != MESH_DELIVERY_HANDLED)
            continue;
        noted[count] = self->deliveries[i];
        ids[count++] = self->deliveries[i]->meta.id;
    }
    if (count == 0)
        return MESH_OK;
    mesh_code code = mesh_inbox_note(self->tx, self->settings->service, ids, first, count, err);
    for (size_t i = 0; code == MESH_OK && i < count; i++) {
        if (!first[i])
            noted[i]->result = MESH_DELIVERY_DUPLICATE;
    }
    return code;
}

/* Attempts go with the event. */
static mesh_code forget_attempts(mesh_work *self, mesh_error *err)
{
    const char *events[MESH_DELIVERY_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        const mesh_delivery *d = self->deliveries[i];
        if (d->number > 1 && d->result != MESH_DELIVERY_HELD && d->result != MESH_DELIVERY_GAP)
            events[count++] = d->key;
    }
    if (count == 0)
        return MESH_OK;
    return mesh_attempts_forget(self->tx, self->settings->service, events, count, err);
}

static mesh_code call_batch_handler(mesh_work *self, mesh_delivery *const *deliveries, size_t count,
                                    mesh_error *err)
{
    const mesh_consumer *consumer = deliveries[0]->consumer;
    mesh_received received[MESH_DELIVERY_BATCH];
    for (size_t i = 0; i < count; i++)
        received[i] = (mesh_received){&deliveries[i]->meta, deliveries[i]->event};
    return consumer->batch_adapter(consumer->handler, consumer->self, self->tx, received, count,
                                   err);
}

static mesh_code call_handler(mesh_work *self, mesh_delivery *const *deliveries, size_t count,
                              mesh_error *err)
{
    const mesh_delivery *d = deliveries[0];
    mesh_trace trace;
    mesh_trace_child(&trace, &d->parent);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    mesh_code code = d->consumer->batch_adapter != NULL
                         ? call_batch_handler(self, deliveries, count, err)
                         : d->consumer->adapter(d->consumer->handler, d->consumer->self, self->tx,
                                                &d->meta, d->event, err);
    mesh_trace_set_current(before);
    return code;
}

/* One that is to be handled, the `number`th. */
typedef struct turn {
    mesh_delivery *delivery;
    size_t number;
} turn;

static int by_aggregate_and_number(const void *left, const void *right)
{
    const turn *a = left, *b = right;
    const mesh_aggregate_name *one = &a->delivery->aggregate, *other = &b->delivery->aggregate;
    if (one->hash != other->hash)
        return one->hash < other->hash ? -1 : 1;
    int order = one->type == other->type ? 0 : strcmp(one->type, other->type);
    return order != 0 ? order : (a->number > b->number) - (a->number < b->number);
}

/* Lists those that are to be handled: by aggregates, in an order that is the same in all instances,
 * so that handlers that change rows of theirs lock these in the same order. */
static size_t list_turns(const mesh_work *self, mesh_delivery **list)
{
    turn turns[MESH_DELIVERY_BATCH];
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->result == MESH_DELIVERY_HANDLED)
            turns[count++] = (turn){self->deliveries[i], i};
    qsort(turns, count, sizeof *turns, by_aggregate_and_number);
    for (size_t i = 0; i < count; i++)
        list[i] = turns[i].delivery;
    return count;
}

/* One event each, or as many of one kind as follow each other. */
static mesh_code call_handlers(mesh_work *self, mesh_error *err)
{
    mesh_delivery *handled[MESH_DELIVERY_BATCH];
    size_t count = list_turns(self, handled);
    mesh_code code = MESH_OK;
    for (size_t first = 0, end; first < count && code == MESH_OK; first = end) {
        const mesh_consumer *consumer = handled[first]->consumer;
        end = first + 1;
        while (consumer->batch_adapter != NULL && end < count && handled[end]->consumer == consumer)
            end++;
        code = call_handler(self, &handled[first], end - first, err);
    }
    return code;
}

static mesh_code handle_all(mesh_work *self, mesh_error *err)
{
    mesh_code code = mesh_place_all(self, mesh_inbox_lock, err);
    if (code == MESH_OK && self->aggregate_count > 0)
        code = mesh_inbox_advance(self->tx, self->settings->service, self->aggregates,
                                  self->aggregate_count, err);
    for (size_t i = 0; code == MESH_OK && i < self->aggregate_count; i++)
        if (self->aggregates[i].begun_ns != 0)
            code = mesh_inbox_begin(self->tx, self->settings->service, &self->aggregates[i], err);
    if (code == MESH_OK)
        code = note_ids(self, err);
    if (code == MESH_OK)
        code = forget_attempts(self, err);
    if (code == MESH_OK)
        code = call_handlers(self, err);
    return code;
}

/* Inbox, versions and the handlers' changes, in one transaction. */
static mesh_code run(mesh_work *self, mesh_error *err)
{
    const mesh_tx_options options = {
        .size = sizeof options,
        .deadline_ns = mesh_clock_deadline_ns(self->settings->handler_timeout_ms),
        .silence_timeout_ms = self->settings->handler_timeout_ms,
    };
    mesh_code code = read_all(self, read_event, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_begin(self->settings->db, &options, &self->tx, err);
    if (code != MESH_OK) {
        self->away = true;
        return code;
    }
    code = handle_all(self, err);
    if (code == MESH_OK)
        return mesh_tx_commit(self->tx, err);
    mesh_tx_rollback(self->tx);
    return code;
}

/* ---- */

/* Without an id an event is told by its place in the stream, and when it came there. */
static void write_key(mesh_delivery *d)
{
    const char *id = mesh_envelope_id(d->message);
    if (id != NULL)
        snprintf(d->key, sizeof d->key, "%s", id);
    else
        snprintf(d->key, sizeof d->key, "%" PRIu64 "@%" PRId64, d->sequence, d->stored_ns);
}

/* Those that are delivered again. */
typedef struct redelivered {
    mesh_delivery *deliveries[MESH_DELIVERY_BATCH];
    const char *events[MESH_DELIVERY_BATCH];
    int64_t numbers[MESH_DELIVERY_BATCH];
    mesh_attempts_begun begun; /* of the two before */
} redelivered;

static void add_redelivered(const mesh_work *self, mesh_delivery *d, redelivered *again)
{
    mesh_attempts_begun *begun = &again->begun;
    begun->consumer = self->settings->service;
    begun->events = again->events;
    begun->deliveries = again->numbers;
    again->events[begun->count] = d->key;
    again->numbers[begun->count] = d->number;
    again->deliveries[begun->count++] = d;
}

/* Of deliveries again it is noted that they begin, with one word for all. */
static mesh_code note_begin(mesh_work *self, mesh_error *err)
{
    redelivered again = {.begun = {.count = 0}};
    mesh_attempts before[MESH_DELIVERY_BATCH];
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->number > 1)
            add_redelivered(self, self->deliveries[i], &again);
    if (again.begun.count == 0)
        return MESH_OK;
    mesh_withdrawals_settle(self->settings->withdrawals, self->settings->db,
                            self->settings->service);
    mesh_code code = mesh_attempts_begin(self->settings->db, self->arena, &again.begun, before,
                                         err);
    self->away = code != MESH_OK;
    for (size_t i = 0; i < again.begun.count && code == MESH_OK; i++)
        again.deliveries[i]->before = before[i];
    return code;
}

/* What only waits was not tried, nor was any of several that are handled alone now, or for which
 * there was no transaction. */
static void withdraw_begin(mesh_work *self, bool all)
{
    redelivered again = {.begun = {.count = 0}};
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        bool waits = d->result == MESH_DELIVERY_HELD || d->result == MESH_DELIVERY_GAP;
        if (d->number > 1 && (all || waits))
            add_redelivered(self, d, &again);
    }
    if (again.begun.count > 0 &&
        mesh_attempts_withdraw(self->settings->db, self->arena, &again.begun, NULL) != MESH_OK)
        mesh_withdrawals_add(self->settings->withdrawals, &again.begun);
}

/* One that failed before, or took its process with it, must not do so to others. */
static bool has_suspect(const mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->before.failures > 0)
            return true;
    return false;
}

static bool has_redelivered(const mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->number > 1)
            return true;
    return false;
}

/* Leaves those to be handled that do not have to wait for others. (Of one that may begin its
 * aggregate the version is noted.) */
static void set_ready(mesh_work *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        if (d->result == MESH_DELIVERY_GAP && !d->may_begin)
            mesh_fail_gap(self, d);
        else if (d->result != MESH_DELIVERY_HELD)
            self->ready[count++] = d;
    }
    self->deliveries = self->ready;
    self->count = count;
}

/* What comes again: what only waits for others is no attempt at it. */
static mesh_code prepare(mesh_work *self, mesh_error *err)
{
    if (!has_redelivered(self))
        return MESH_OK;
    mesh_code code = peek(self, err);
    if (code == MESH_OK)
        set_ready(self);
    else if (!self->away)
        code = MESH_OK; /* malformed, as will be said again */
    return code == MESH_OK ? note_begin(self, err) : code;
}

/* Of those that are not to be handled. */
static void end_others(mesh_work *self)
{
    withdraw_begin(self, false);
    mesh_fail_gaps(self);
    mesh_fail_left_out(self);
}

/* There was no transaction. */
static void end_away(mesh_work *self)
{
    withdraw_begin(self, true);
    mesh_fail_away(self);
}

static void handle_one(mesh_work *self)
{
    mesh_delivery *d = self->deliveries[0];
    mesh_error err = {.code = MESH_OK};
    mesh_code code = MESH_OK;
    if (d->before.failures >= self->settings->max_deliver) {
        /* It took its processes with it so often that it may not be the processes' fault. */
        read_all(self, read_headers, &err);
        mesh_error_set(&err, MESH_INTERNAL, "%" PRId64 " attempts failed or never ended",
                       d->before.failures);
        mesh_fail_for_good(self, d, &err);
        return;
    }
    code = run(self, &err);
    err.code = code; /* also when a handler set no error */
    if (self->away)
        end_away(self);
    else if (code != MESH_OK)
        mesh_fail(self, d, &err);
    else
        end_others(self);
}

bool mesh_delivery_handle(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                          size_t count, mesh_arena *arena)
{
    mesh_work self = {
        .settings = settings, .deliveries = deliveries, .count = count, .arena = arena};
    mesh_error err = {.code = MESH_OK}; /* each says it again when it is handled alone */
    for (size_t i = 0; i < count; i++) {
        write_key(deliveries[i]);
        deliveries[i]->before = (mesh_attempts){.failures = 0};
    }
    if (prepare(&self, &err) != MESH_OK) {
        mesh_fail_away(&self);
        return true;
    }
    if (self.count <= 1) {
        if (self.count == 1)
            handle_one(&self);
        return true;
    }
    mesh_code code = has_suspect(&self) ? MESH_ABORTED : run(&self, &err);
    if (self.away)
        end_away(&self);
    else if (code == MESH_OK)
        end_others(&self);
    else
        withdraw_begin(&self, true);
    return code == MESH_OK || self.away;
}

void mesh_delivery_look(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                        size_t count, mesh_arena *arena)
{
    mesh_work self = {
        .settings = settings, .deliveries = deliveries, .count = count, .arena = arena};
    mesh_error err = {.code = MESH_OK};
    if (peek(&self, &err) == MESH_OK)
        return;
    for (size_t i = 0; i < count; i++)
        deliveries[i]->result = MESH_DELIVERY_HELD;
}

mesh_code mesh_delivery_try(const mesh_delivery_settings *settings, mesh_delivery *delivery,
                            mesh_arena *arena, mesh_error *err)
{
    mesh_work self = {.settings = settings, .deliveries = &delivery, .count = 1, .arena = arena};
    write_key(delivery);
    mesh_code code = run(&self, err);
    if (code == MESH_OK &&
        (delivery->result == MESH_DELIVERY_GAP || delivery->result == MESH_DELIVERY_HELD)) {
        mesh_fail_explain_gap(delivery, err);
        code = MESH_FAILED_PRECONDITION;
    }
    return code;
}
