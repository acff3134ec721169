#include "mesh/events/delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/events/dead.h"
#include "mesh/events/envelope.h"

enum {
    /* A delivery's number also counts those that failed for trouble of the surroundings. So many
     * times `max_deliver` is an event in itself. */
    PATIENCE = 60,
    /* Deliveries after which an aggregate may begin in the middle: what other instances had of it
     * they have handled by then. */
    ADOPT_DELIVERIES = 3,
    /* Before an event that comes too early is sent back: another instance may handle what is
     * missing, and what is sent back comes again alone. */
    HOLD_MS = 2000,
    GAP_PAUSE_MAX_MS = 10000,
    /* Behind a dead letter an event waits for its replay only so long. */
    DEAD_GAP_WAIT_MS = 10000,
    LINK_TIMEOUT_MS = 500,
    STORE_RETRY_MS = 10000 /* a dead letter that could not be stored */
};

/* Deliveries that are handled in one transaction. */
typedef struct work {
    const mesh_delivery_settings *settings;
    mesh_delivery **deliveries;
    size_t count;
    mesh_arena *arena;
    mesh_tx *tx;
    mesh_aggregate *aggregates;
    size_t aggregate_count;
    bool away; /* no transaction was to be had */
} work;

static int64_t pause_ms(int number)
{
    static const int64_t pauses_ms[] = {100, 500, 1000, 2000, 5000, 10000, 20000, 30000, 60000};
    int count = (int)(sizeof pauses_ms / sizeof pauses_ms[0]);
    return pauses_ms[number < 1 ? 0 : number <= count ? number - 1 : count - 1];
}

void mesh_delivery_read(mesh_delivery *d, natsMsg *message)
{
    jsMsgMetaData *metadata = NULL;
    d->message = message;
    d->subject = mesh_envelope_subject(message);
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
        d->aggregate_type = d->related->event->aggregate_type;
    return d->related != NULL;
}

/* ---- reading ---- */

static mesh_code read_event(mesh_delivery *d, mesh_arena *arena, mesh_error *err)
{
    d->meta = (mesh_event){.subject = d->subject, .sequence = d->sequence, .delivery = d->number};
    mesh_code code = mesh_envelope_read(d->message, arena, &d->meta, &d->parent, err);
    if (code == MESH_OK && d->consumer != NULL)
        code = mesh_envelope_unpack(d->message, d->consumer->event, arena, &d->event, err);
    return code;
}

static mesh_code read_all(work *self, mesh_error *err)
{
    mesh_code code = MESH_OK;
    mesh_arena_reset(self->arena);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++)
        code = read_event(self->deliveries[i], self->arena, err);
    return code;
}

/* ---- versions ---- */

static int by_aggregate(const void *left, const void *right)
{
    const mesh_delivery *a = *(mesh_delivery *const *)left;
    const mesh_delivery *b = *(mesh_delivery *const *)right;
    int order = strcmp(a->aggregate_type, b->aggregate_type);
    return order != 0 ? order : strcmp(a->meta.aggregate_id, b->meta.aggregate_id);
}

/* The aggregates that have versions, each once, in the order in which they are locked. */
static mesh_code list_aggregates(work *self, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(self->tx);
    mesh_delivery **sorted = mesh_arena_calloc(arena, self->count, sizeof(mesh_delivery *));
    self->aggregates = mesh_arena_calloc(arena, self->count, sizeof *self->aggregates);
    if (sorted == NULL || self->aggregates == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        d->aggregate = NULL;
        if (d->meta.version > 0)
            sorted[count++] = d;
    }
    qsort(sorted, count, sizeof(mesh_delivery *), by_aggregate);
    self->aggregate_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_aggregate(&sorted[i - 1], &sorted[i]) != 0)
            self->aggregates[self->aggregate_count++] = (mesh_aggregate){
                .type = sorted[i]->aggregate_type, .id = sorted[i]->meta.aggregate_id};
        sorted[i]->aggregate = &self->aggregates[self->aggregate_count - 1];
    }
    return MESH_OK;
}

/* An aggregate may begin in the middle where what was before cannot come: with the lowest version
 * that was seen, after some time for a lower one. */
static bool may_begin(const work *self, const mesh_delivery *d)
{
    mesh_aggregate *a = d->aggregate;
    if (a->reached != 0 || a->dead != 0 ||
        !(d->late || mesh_broker_history_cut(self->settings->broker)))
        return false;
    if (a->begins == 0 || d->meta.version < a->begins)
        a->begins = d->meta.version;
    return d->number >= ADOPT_DELIVERIES && d->meta.version == a->begins;
}

static bool is_held(mesh_delivery *d)
{
    int64_t now_ns = mesh_clock_monotonic_ns();
    if (d->gap_ns == 0)
        d->gap_ns = now_ns;
    return d->number == 1 && !d->missing_dead && now_ns < mesh_clock_add_ms(d->gap_ns, HOLD_MS);
}

/* What the version says of an event, in the order of the stream. */
static mesh_delivery_result place(const work *self, mesh_delivery *d)
{
    mesh_delivery_result placed = d->consumer != NULL ? MESH_DELIVERY_HANDLED
                                                      : MESH_DELIVERY_PASSED;
    mesh_aggregate *a = d->aggregate;
    if (a == NULL)
        return placed;
    if (d->meta.version <= a->reached)
        return MESH_DELIVERY_PAST;
    if (d->meta.version != a->reached + 1 && !d->forced && !may_begin(self, d)) {
        d->missing = a->reached + 1;
        d->missing_dead = a->dead != 0 && a->dead < d->meta.version;
        return is_held(d) ? MESH_DELIVERY_HELD : MESH_DELIVERY_GAP;
    }
    a->reached = d->meta.version;
    return placed;
}

static mesh_code place_all(work *self, mesh_error *err)
{
    const char *consumer = self->settings->service;
    mesh_code code = list_aggregates(self, err);
    if (code == MESH_OK && self->aggregate_count > 0)
        code = mesh_inbox_lock(self->tx, consumer, self->aggregates, self->aggregate_count, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < self->count; i++)
        self->deliveries[i]->result = place(self, self->deliveries[i]);
    if (self->aggregate_count > 0)
        code = mesh_inbox_advance(self->tx, consumer, self->aggregates, self->aggregate_count, err);
    return code;
}

/* ---- one transaction ---- */

static mesh_attempt_key key_of(const work *self, const mesh_delivery *d)
{
    return (mesh_attempt_key){
        .consumer = self->settings->service, .event = d->key, .delivery = d->number};
}

/* The ids of those that are to be handled; who is there already is a duplicate. */
static mesh_code note_ids(work *self, mesh_error *err)
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

static void explain_gap(const mesh_delivery *d, mesh_error *err)
{
    mesh_error_set(err, MESH_FAILED_PRECONDITION,
                   "version %" PRId64 " of the aggregate is missing before version %" PRId64 "%s",
                   d->missing, d->meta.version,
                   d->missing_dead ? "; an earlier one is a dead letter" : "");
}

/* Attempts go with the event, and a gap is one. */
static mesh_code note_attempts(work *self, mesh_error *err)
{
    mesh_code code = MESH_OK;
    for (size_t i = 0; i < self->count && code == MESH_OK; i++) {
        const mesh_delivery *d = self->deliveries[i];
        const mesh_attempt_key key = key_of(self, d);
        mesh_error cause;
        if (d->result == MESH_DELIVERY_GAP) {
            explain_gap(d, &cause);
            code = mesh_attempt_end(NULL, self->tx, &key, MESH_ATTEMPT_GAP, &cause, err);
        } else if (d->number > 1) {
            code = mesh_attempt_forget(self->tx, &key, err);
        }
    }
    return code;
}

static mesh_code call_handler(work *self, mesh_delivery *d, mesh_error *err)
{
    mesh_trace trace;
    mesh_trace_child(&trace, &d->parent);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    mesh_code code = d->consumer->adapter(d->consumer->handler, d->consumer->self, self->tx,
                                          &d->meta, d->event, err);
    mesh_trace_set_current(before);
    return code;
}

static mesh_code handle_all(work *self, mesh_error *err)
{
    mesh_code code = place_all(self, err);
    if (code == MESH_OK)
        code = note_ids(self, err);
    if (code == MESH_OK)
        code = note_attempts(self, err);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++) {
        if (self->deliveries[i]->result == MESH_DELIVERY_HANDLED)
            code = call_handler(self, self->deliveries[i], err);
    }
    return code;
}

/* Inbox, versions and the handlers' changes, in one transaction. */
static mesh_code run(work *self, mesh_error *err)
{
    const mesh_tx_options options = {
        .deadline_ns = mesh_clock_deadline_ns(self->settings->handler_timeout_ms)};
    mesh_code code = read_all(self, err);
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

/* ---- what does not end well ---- */

static void come_again(mesh_delivery *d, mesh_delivery_result result, int64_t after_ms)
{
    d->result = result;
    d->pause_ms = after_ms;
}

static mesh_code store_letter(const work *self, const mesh_delivery *d, const mesh_error *cause,
                              mesh_arena *arena, mesh_error *err)
{
    const mesh_attempt_key key = key_of(self, d);
    const char *history;
    mesh_code code = mesh_attempt_history(self->settings->db, &key, arena, &history, err);
    if (code != MESH_OK)
        return code;

    const mesh_dead_cause why = {
        .key = d->key,
        .subject = d->subject,
        .sequence = d->sequence,
        .deliveries = d->number,
        .error = cause,
        .history = history,
    };
    mesh_link *link = mesh_broker_acquire(self->settings->broker, LINK_TIMEOUT_MS);
    if (link == NULL)
        return mesh_error_set(err, MESH_UNAVAILABLE, "there is no connection to the broker");
    natsStatus status = mesh_dead_store(link->js, self->settings->service, d->message, &why, arena);
    mesh_broker_release(self->settings->broker, link);
    if (status != NATS_OK)
        return mesh_error_set(err, MESH_UNAVAILABLE, "the dead letter is not stored: %s",
                              natsStatus_GetText(status));
    return MESH_OK;
}

/* Its attempts are told by the letter now, and its aggregate ends before it. */
static mesh_code bury(const work *self, const mesh_delivery *d, mesh_error *err)
{
    const mesh_attempt_key key = key_of(self, d);
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(self->settings->db, NULL, &tx, err);
    if (code == MESH_OK && d->meta.version > 0)
        code = mesh_inbox_bury(tx, self->settings->service, d->aggregate_type, d->meta.aggregate_id,
                               d->meta.version, err);
    if (code == MESH_OK)
        code = mesh_attempt_forget(tx, &key, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

/* The one place where an event is given up: only once its letter is stored. */
static void give_up(const work *self, mesh_delivery *d, const mesh_error *cause)
{
    /* Of its own: that of the event may be full of it. */
    mesh_arena *arena = mesh_arena_create(MESH_EVENT_ARENA_BYTES, 0);
    mesh_error err = {.code = MESH_OK};
    mesh_code code = arena != NULL ? store_letter(self, d, cause, arena, &err)
                                   : mesh_error_set(&err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_arena_destroy(arena);
    if (code == MESH_OK)
        code = bury(self, d, &err);
    if (code != MESH_OK) {
        mesh_envelope_log(MESH_LOG_ERROR, "an event is to be given up, and cannot be yet", &d->meta,
                          &d->parent, &err);
        come_again(d, MESH_DELIVERY_FAILED, STORE_RETRY_MS);
        return;
    }
    mesh_envelope_log(MESH_LOG_ERROR, "an event is given up; it is a dead letter now", &d->meta,
                      &d->parent, cause);
    d->result = MESH_DELIVERY_DEAD;
}

/* Trouble that passes: a lock held long, a full disk, a peer that is away. */
static bool is_environment(mesh_code code)
{
    return code == MESH_UNAVAILABLE || code == MESH_DEADLINE_EXCEEDED || code == MESH_ABORTED ||
           code == MESH_RESOURCE_EXHAUSTED || code == MESH_CANCELLED;
}

static bool is_last(const work *self, const mesh_delivery *d, bool passes)
{
    if (passes) /* without end nothing is tried, either */
        return d->number / PATIENCE >= self->settings->max_deliver;
    return d->before.failures + 1 >= self->settings->max_deliver;
}

static void fail(const work *self, mesh_delivery *d, const mesh_error *cause)
{
    const mesh_attempt_key key = key_of(self, d);
    bool passes = is_environment(cause->code);
    mesh_error err = {.code = MESH_OK};
    mesh_code code = mesh_attempt_end(self->settings->db, NULL, &key,
                                      passes ? MESH_ATTEMPT_PASSING : MESH_ATTEMPT_FAILED, cause,
                                      &err);
    if (code == MESH_OK && is_last(self, d, passes)) {
        give_up(self, d, cause);
        return;
    }
    mesh_envelope_log(MESH_LOG_WARN, "an event failed and comes again", &d->meta, &d->parent,
                      cause);
    come_again(d, MESH_DELIVERY_FAILED, pause_ms(d->number));
}

static void wait_for_missing(const work *self, mesh_delivery *d)
{
    int64_t limit_ms = self->settings->gap_wait_ms;
    int64_t pause = pause_ms(d->number);
    if (d->missing_dead && limit_ms > DEAD_GAP_WAIT_MS)
        limit_ms = DEAD_GAP_WAIT_MS;
    come_again(d, MESH_DELIVERY_GAP, pause < GAP_PAUSE_MAX_MS ? pause : GAP_PAUSE_MAX_MS);
    if (d->before.gap_wait_ms <= limit_ms)
        return;
    mesh_error cause;
    explain_gap(d, &cause);
    give_up(self, d, &cause);
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

/* Of a delivery again it is noted that it begins. False: it is not to. */
static bool begin(work *self, mesh_delivery *d)
{
    const mesh_attempt_key key = key_of(self, d);
    mesh_error err = {.code = MESH_OK};
    d->before = (mesh_attempts){.failures = 0};
    if (d->number == 1)
        return true;
    if (mesh_attempt_begin(self->settings->db, &key, &d->before, &err) != MESH_OK) {
        self->away = true;
        return false;
    }
    if (d->before.failures < self->settings->max_deliver)
        return true;
    /* It took its processes with it so often that it may not be the processes' fault. */
    read_all(self, &err);
    mesh_error_set(&err, MESH_INTERNAL, "%d attempts failed or never ended", d->before.failures);
    give_up(self, d, &err);
    return false;
}

static void handle_one(work *self)
{
    mesh_delivery *d = self->deliveries[0];
    mesh_error err = {.code = MESH_OK};
    mesh_code code = MESH_OK;
    bool begun = begin(self, d);
    if (begun)
        code = run(self, &err);
    err.code = code; /* also when a handler set no error */
    if (self->away)
        come_again(d, MESH_DELIVERY_AWAY, pause_ms(d->number));
    else if (begun && code != MESH_OK)
        fail(self, d, &err);
    else if (begun && d->result == MESH_DELIVERY_GAP)
        wait_for_missing(self, d);
}

bool mesh_delivery_handle(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                          size_t count, mesh_arena *arena)
{
    work self = {.settings = settings, .deliveries = deliveries, .count = count, .arena = arena};
    for (size_t i = 0; i < count; i++)
        write_key(deliveries[i]);
    if (count == 1) {
        handle_one(&self);
        return true;
    }
    mesh_error err = {.code = MESH_OK}; /* each says it again when it is handled alone */
    mesh_code code = run(&self, &err);
    for (size_t i = 0; i < count; i++) {
        if (self.away)
            come_again(deliveries[i], MESH_DELIVERY_AWAY, pause_ms(1));
        else if (code == MESH_OK && deliveries[i]->result == MESH_DELIVERY_GAP)
            wait_for_missing(&self, deliveries[i]);
    }
    return code == MESH_OK || self.away;
}

mesh_code mesh_delivery_try(const mesh_delivery_settings *settings, mesh_delivery *delivery,
                            mesh_arena *arena, mesh_error *err)
{
    work self = {.settings = settings, .deliveries = &delivery, .count = 1, .arena = arena};
    write_key(delivery);
    mesh_code code = run(&self, err);
    if (code == MESH_OK && delivery->result == MESH_DELIVERY_GAP) {
        explain_gap(delivery, err);
        code = MESH_FAILED_PRECONDITION;
    }
    return code;
}
