#include "mesh/events/delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/hash.h"
#include "mesh/events/dead.h"
#include "mesh/events/envelope.h"

enum {
    /* So many times `max_deliver` may an event fail for trouble of the surroundings. */
    PATIENCE = 60,
    /* Deliveries after which an aggregate may begin in the middle: what other instances had of it
     * they have handled by then. */
    ADOPT_DELIVERIES = 3,
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
    mesh_delivery *ready[MESH_DELIVERY_BATCH];
} work;

/* After the n-th attempt that failed, from 1 on. */
static int64_t pause_ms(int64_t number)
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
    d->aggregate_id = mesh_envelope_aggregate_id(message);
    d->aggregate_hash = mesh_hash_text(MESH_HASH_EMPTY, d->aggregate_id);
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
        d->aggregate_type = d->related->event->aggregate_type;
    return d->related != NULL;
}

bool mesh_delivery_same_aggregate(const mesh_delivery *a, const mesh_delivery *b)
{
    return a->aggregate_hash == b->aggregate_hash &&
           strcmp(a->aggregate_id, b->aggregate_id) == 0 &&
           strcmp(a->aggregate_type, b->aggregate_type) == 0;
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

static mesh_code read_all(work *self, read_fn *read, mesh_error *err)
{
    mesh_code code = MESH_OK;
    mesh_arena_reset(self->arena);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++)
        code = read(self->deliveries[i], self->arena, err);
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
    const mesh_aggregate *a = d->aggregate;
    return a->reached == 0 && a->dead == 0 &&
           (d->late || mesh_broker_history_cut(self->settings->broker));
}

static bool begins(mesh_delivery *d)
{
    mesh_aggregate *a = d->aggregate;
    if (a->begins == 0 || d->meta.version < a->begins)
        a->begins = d->meta.version;
    return d->number >= ADOPT_DELIVERIES && d->meta.version == a->begins;
}

/* Whether it has waited for long enough; from the aggregate's last progress on. */
static bool waits_in_vain(const work *self, const mesh_delivery *d)
{
    int64_t limit_ms = self->settings->gap_wait_ms;
    if (d->missing_dead && limit_ms > DEAD_GAP_WAIT_MS)
        limit_ms = DEAD_GAP_WAIT_MS;
    return mesh_clock_monotonic_ns() >= mesh_clock_add_ms(d->gap_ns, limit_ms);
}

static void note_gap(mesh_delivery *d)
{
    const mesh_aggregate *a = d->aggregate;
    if (d->gap_ns == 0 || d->missing != a->reached + 1)
        d->gap_ns = mesh_clock_monotonic_ns();
    d->missing = a->reached + 1;
    d->missing_dead = a->dead != 0 && a->dead < d->meta.version;
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
    d->may_begin = may_begin(self, d);
    bool next = d->meta.version == a->reached + 1 || d->forced;
    if (!next && !(d->may_begin && begins(d))) {
        note_gap(d);
        return d->may_begin || waits_in_vain(self, d) ? MESH_DELIVERY_GAP : MESH_DELIVERY_HELD;
    }
    a->reached = d->meta.version;
    return placed;
}

typedef mesh_code versions_fn(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                              size_t count, mesh_error *err);

static mesh_code place_all(work *self, versions_fn *read_versions, mesh_error *err)
{
    mesh_code code = list_aggregates(self, err);
    if (code == MESH_OK && self->aggregate_count > 0)
        code = read_versions(self->tx, self->settings->service, self->aggregates,
                             self->aggregate_count, err);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++)
        self->deliveries[i]->result = place(self, self->deliveries[i]);
    return code;
}

/* What the versions say of them at this moment. */
static mesh_code peek(work *self, mesh_error *err)
{
    const mesh_tx_options options = {.autocommit = true};
    mesh_code code = read_all(self, read_headers, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_begin(self->settings->db, &options, &self->tx, err);
    if (code == MESH_OK)
        code = place_all(self, mesh_inbox_peek, err);
    self->away = code != MESH_OK;
    mesh_tx_rollback(self->tx);
    self->tx = NULL;
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

/* Attempts go with the event. */
static mesh_code forget_attempts(work *self, mesh_error *err)
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
    mesh_code code = place_all(self, mesh_inbox_lock, err);
    if (code == MESH_OK && self->aggregate_count > 0)
        code = mesh_inbox_advance(self->tx, self->settings->service, self->aggregates,
                                  self->aggregate_count, err);
    if (code == MESH_OK)
        code = note_ids(self, err);
    if (code == MESH_OK)
        code = forget_attempts(self, err);
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
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(self->settings->db, NULL, &tx, err);
    if (code == MESH_OK && d->meta.version > 0)
        code = mesh_inbox_bury(tx, self->settings->service, d->aggregate_type, d->meta.aggregate_id,
                               d->meta.version, err);
    const char *events[] = {d->key};
    if (code == MESH_OK)
        code = mesh_attempts_forget(tx, self->settings->service, events, 1, err);
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
    int64_t most = self->settings->max_deliver;
    if (passes) /* without end nothing is tried, either */
        return d->before.passing + 1 >= most * PATIENCE;
    return d->before.failures + 1 >= most;
}

static void fail(const work *self, mesh_delivery *d, const mesh_error *cause)
{
    const mesh_attempt_key key = key_of(self, d);
    bool passes = is_environment(cause->code);
    mesh_error err = {.code = MESH_OK};
    mesh_code code = mesh_attempt_end(
        self->settings->db, &key, passes ? MESH_ATTEMPT_PASSING : MESH_ATTEMPT_FAILED, cause, &err);
    if (code == MESH_OK && is_last(self, d, passes)) {
        give_up(self, d, cause);
        return;
    }
    mesh_envelope_log(MESH_LOG_WARN, "an event failed and comes again", &d->meta, &d->parent,
                      cause);
    come_again(d, MESH_DELIVERY_FAILED, pause_ms(d->before.failures + d->before.passing + 1));
}

/* What comes too early and is not to be held comes again; what has waited in vain is given up. */
static void send_gap_back(const work *self, mesh_delivery *d)
{
    mesh_error cause;
    come_again(d, MESH_DELIVERY_GAP, MESH_DELIVERY_GAP_PAUSE_MS);
    explain_gap(d, &cause);
    if (waits_in_vain(self, d))
        give_up(self, d, &cause);
}

static void send_gaps_back(const work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->result == MESH_DELIVERY_GAP)
            send_gap_back(self, self->deliveries[i]);
}

static void all_away(const work *self)
{
    for (size_t i = 0; i < self->count; i++)
        come_again(self->deliveries[i], MESH_DELIVERY_AWAY, pause_ms(1));
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

/* Of deliveries again it is noted that they begin, with one word for all. */
static mesh_code note_begin(work *self, mesh_error *err)
{
    mesh_delivery *again[MESH_DELIVERY_BATCH];
    const char *events[MESH_DELIVERY_BATCH];
    int64_t deliveries[MESH_DELIVERY_BATCH];
    mesh_attempts before[MESH_DELIVERY_BATCH];
    mesh_attempts_begun begun = {
        .consumer = self->settings->service, .events = events, .deliveries = deliveries};
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        if (d->number == 1)
            continue;
        events[begun.count] = d->key;
        deliveries[begun.count] = d->number;
        again[begun.count++] = d;
    }
    if (begun.count == 0)
        return MESH_OK;
    mesh_code code = mesh_attempts_begin(self->settings->db, self->arena, &begun, before, err);
    self->away = code != MESH_OK;
    for (size_t i = 0; i < begun.count && code == MESH_OK; i++)
        again[i]->before = before[i];
    return code;
}

/* One that failed before, or took its process with it, must not do so to others. */
static bool has_suspect(const work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->before.failures > 0)
            return true;
    return false;
}

static bool has_redelivered(const work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->number > 1)
            return true;
    return false;
}

/* Leaves those to be handled that do not have to wait for others. (Of one that may begin its
 * aggregate the version is noted.) */
static void set_ready(work *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        if (d->result == MESH_DELIVERY_GAP && !d->may_begin)
            send_gap_back(self, d);
        else if (d->result != MESH_DELIVERY_HELD)
            self->ready[count++] = d;
    }
    self->deliveries = self->ready;
    self->count = count;
}

/* What comes again: what only waits for others is no attempt at it. */
static mesh_code prepare(work *self, mesh_error *err)
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

static void handle_one(work *self)
{
    mesh_delivery *d = self->deliveries[0];
    mesh_error err = {.code = MESH_OK};
    mesh_code code = MESH_OK;
    if (d->before.failures >= self->settings->max_deliver) {
        /* It took its processes with it so often that it may not be the processes' fault. */
        read_all(self, read_headers, &err);
        mesh_error_set(&err, MESH_INTERNAL, "%" PRId64 " attempts failed or never ended",
                       d->before.failures);
        give_up(self, d, &err);
        return;
    }
    code = run(self, &err);
    err.code = code; /* also when a handler set no error */
    if (self->away)
        all_away(self);
    else if (code != MESH_OK)
        fail(self, d, &err);
    else
        send_gaps_back(self);
}

bool mesh_delivery_handle(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                          size_t count, mesh_arena *arena)
{
    work self = {.settings = settings, .deliveries = deliveries, .count = count, .arena = arena};
    mesh_error err = {.code = MESH_OK}; /* each says it again when it is handled alone */
    for (size_t i = 0; i < count; i++) {
        write_key(deliveries[i]);
        deliveries[i]->before = (mesh_attempts){.failures = 0};
    }
    if (prepare(&self, &err) != MESH_OK) {
        all_away(&self);
        return true;
    }
    if (self.count <= 1) {
        if (self.count == 1)
            handle_one(&self);
        return true;
    }
    if (has_suspect(&self))
        return false;
    mesh_code code = run(&self, &err);
    if (self.away)
        all_away(&self);
    else if (code == MESH_OK)
        send_gaps_back(&self);
    return code == MESH_OK || self.away;
}

void mesh_delivery_look(const mesh_delivery_settings *settings, mesh_delivery **deliveries,
                        size_t count, mesh_arena *arena)
{
    work self = {.settings = settings, .deliveries = deliveries, .count = count, .arena = arena};
    mesh_error err = {.code = MESH_OK};
    if (peek(&self, &err) == MESH_OK)
        return;
    for (size_t i = 0; i < count; i++)
        deliveries[i]->result = MESH_DELIVERY_HELD;
}

mesh_code mesh_delivery_try(const mesh_delivery_settings *settings, mesh_delivery *delivery,
                            mesh_arena *arena, mesh_error *err)
{
    work self = {.settings = settings, .deliveries = &delivery, .count = 1, .arena = arena};
    write_key(delivery);
    mesh_code code = run(&self, err);
    if (code == MESH_OK &&
        (delivery->result == MESH_DELIVERY_GAP || delivery->result == MESH_DELIVERY_HELD)) {
        explain_gap(delivery, err);
        code = MESH_FAILED_PRECONDITION;
    }
    return code;
}
