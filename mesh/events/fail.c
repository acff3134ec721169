#include <inttypes.h>

#include "mesh/base/clock.h"
#include "mesh/events/dead.h"
#include "mesh/events/delivery_parts.h"
#include "mesh/events/envelope.h"

enum {
    /* So many times `max_deliver` may an event fail for trouble of the surroundings. */
    PATIENCE = 60,
    PAUSE_MAX_MS = 60000, /* between two attempts */
    LINK_TIMEOUT_MS = 500,
    STORE_RETRY_MS = 10000 /* a dead letter that could not be stored */
};

mesh_attempt_key mesh_fail_key(const mesh_work *self, const mesh_delivery *d)
{
    return (mesh_attempt_key){.consumer = self->settings->service,
                              .event = d->key,
                              .delivery = d->number,
                              .aggregate_type = d->aggregate.type,
                              .aggregate_id = d->meta.aggregate_id,
                              .version = d->meta.version};
}

/* After the n-th attempt that failed, from 1 on. */
static int64_t pause_ms(int64_t number)
{
    static const int64_t pauses_ms[] = {100,   500,   1000,  2000,        5000,
                                        10000, 20000, 30000, PAUSE_MAX_MS};
    int count = (int)(sizeof pauses_ms / sizeof pauses_ms[0]);
    return pauses_ms[number < 1 ? 0 : number <= count ? number - 1 : count - 1];
}

void mesh_fail_explain_gap(const mesh_delivery *d, mesh_error *err)
{
    mesh_error_set(err, MESH_FAILED_PRECONDITION,
                   "version %" PRId64 " of the aggregate is missing before version %" PRId64 "%s",
                   d->missing, d->meta.version,
                   d->missing_dead ? "; an earlier one is a dead letter" : "");
}

static void come_again(mesh_delivery *d, mesh_delivery_result result, int64_t after_ms)
{
    d->result = result;
    d->pause_ms = after_ms;
}

static mesh_code store_letter(const mesh_work *self, const mesh_delivery *d,
                              const mesh_error *cause, mesh_arena *arena, mesh_error *err)
{
    const mesh_attempt_key key = mesh_fail_key(self, d);
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
static mesh_code bury(const mesh_work *self, const mesh_delivery *d, mesh_error *err)
{
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(self->settings->db, NULL, &tx, err);
    if (code == MESH_OK && d->meta.version > 0)
        code = mesh_inbox_bury(tx, self->settings->service, d->aggregate.type, d->meta.aggregate_id,
                               d->meta.version, err);
    const char *events[] = {d->key};
    if (code == MESH_OK)
        code = mesh_attempts_forget(tx, self->settings->service, events, 1, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

void mesh_fail_for_good(const mesh_work *self, mesh_delivery *d, const mesh_error *cause)
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

static bool is_last(const mesh_work *self, const mesh_delivery *d, bool passes)
{
    int64_t most = self->settings->max_deliver;
    if (passes) /* without end nothing is tried, either */
        return d->before.passing + 1 >= most * PATIENCE;
    return d->before.failures + 1 >= most;
}

/* Where its aggregate may begin in the middle, not behind it: it comes again. */
static mesh_code note_seen(const mesh_work *self, const mesh_delivery *d, mesh_error *err)
{
    if (d->meta.version == 0 || !mesh_place_is_cut(self, d))
        return MESH_OK;
    const mesh_inbox_seen seen = {d->aggregate.type, d->meta.aggregate_id, d->meta.version};
    return mesh_inbox_see(self->settings->db, 0, self->settings->service, &seen, err);
}

/* The database cannot be told how it ended: that it began does not count against it. */
static void withdraw(const mesh_work *self, const mesh_delivery *d)
{
    const char *events[] = {d->key};
    int64_t deliveries[] = {d->number};
    const mesh_attempts_begun begun = {self->settings->service, events, deliveries, 1};
    mesh_withdrawals_add(self->settings->withdrawals, &begun);
}

void mesh_fail(const mesh_work *self, mesh_delivery *d, const mesh_error *cause)
{
    const mesh_attempt_key key = mesh_fail_key(self, d);
    bool passes = is_environment(cause->code);
    mesh_error err = {.code = MESH_OK};
    mesh_code code = mesh_attempt_end(
        self->settings->db, &key, passes ? MESH_ATTEMPT_PASSING : MESH_ATTEMPT_FAILED, cause, &err);
    if (code != MESH_OK && passes && d->number > 1)
        withdraw(self, d);
    if (code == MESH_OK)
        code = note_seen(self, d, &err);
    if (code == MESH_OK && is_last(self, d, passes)) {
        mesh_fail_for_good(self, d, cause);
        return;
    }
    mesh_envelope_log(MESH_LOG_WARN, "an event failed and comes again", &d->meta, &d->parent,
                      cause);
    come_again(d, MESH_DELIVERY_FAILED, pause_ms(d->before.failures + d->before.passing + 1));
}

/* What it waits for is tried again and again: it has not waited in vain. */
static mesh_code look_for_missing(const mesh_work *self, const mesh_delivery *d, bool *comes,
                                  mesh_error *err)
{
    mesh_attempt_key missing = mesh_fail_key(self, d);
    missing.version = d->missing;
    return mesh_attempt_comes_again(self->settings->db, &missing,
                                    PAUSE_MAX_MS + self->settings->handler_timeout_ms +
                                        self->settings->gap_wait_ms,
                                    comes, err);
}

void mesh_fail_gap(const mesh_work *self, mesh_delivery *d)
{
    mesh_error cause;
    bool comes = false;
    come_again(d, MESH_DELIVERY_GAP, mesh_place_pause_ms(self, d));
    if (!mesh_place_waits_in_vain(self, d) || look_for_missing(self, d, &comes, &cause) != MESH_OK)
        return;
    mesh_fail_explain_gap(d, &cause);
    if (!comes) {
        mesh_fail_for_good(self, d, &cause);
        return;
    }
    d->gap_ns = mesh_clock_monotonic_ns();
    d->result = MESH_DELIVERY_HELD;
}

void mesh_fail_gaps(const mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->result == MESH_DELIVERY_GAP)
            mesh_fail_gap(self, self->deliveries[i]);
}

static void give_up_left_out(const mesh_work *self, mesh_delivery *d)
{
    mesh_error err = {.code = MESH_OK};
    const mesh_inbox_earlier earlier = {d->aggregate.type, d->meta.aggregate_id, d->meta.id,
                                        d->stored_ns};
    bool left_out = false;
    if (mesh_inbox_left_out(self->settings->db, self->settings->service, &earlier, &left_out,
                            &err) != MESH_OK) {
        come_again(d, MESH_DELIVERY_AWAY, pause_ms(1));
        return;
    }
    if (!left_out)
        return;
    mesh_error_set(&err, MESH_FAILED_PRECONDITION,
                   "the aggregate began with version %" PRId64 " before this one was tried",
                   d->begun_with);
    mesh_fail_for_good(self, d, &err);
}

void mesh_fail_left_out(const mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->deliveries[i]->result == MESH_DELIVERY_PAST &&
            self->deliveries[i]->begun_with != 0)
            give_up_left_out(self, self->deliveries[i]);
}

void mesh_fail_away(const mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++)
        come_again(self->deliveries[i], MESH_DELIVERY_AWAY, pause_ms(1));
}
