#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/events/delivery_parts.h"

enum {
    /* Deliveries after which an aggregate may begin in the middle, if no earlier event can be
     * untried; and after which it does all the same: some of those that come are always new. By
     * then what an instance took into its death was given to another one. */
    ADOPT_DELIVERIES = 3,
    ADOPT_ANYWAY_DELIVERIES = ADOPT_DELIVERIES + 10,
    ADOPT_PAUSES = 8, /* so many from one to the other are an ack wait */
    /* Behind a dead letter an event waits for its replay only so long. */
    DEAD_GAP_WAIT_MS = 10000
};

static int by_aggregate(const void *left, const void *right)
{
    const mesh_delivery *a = *(mesh_delivery *const *)left;
    const mesh_delivery *b = *(mesh_delivery *const *)right;
    int order = strcmp(a->aggregate.type, b->aggregate.type);
    return order != 0 ? order : strcmp(a->meta.aggregate_id, b->meta.aggregate_id);
}

/* The aggregates that have versions, each once, in the order in which they are locked. */
static mesh_code list_aggregates(mesh_work *self, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(self->tx);
    mesh_delivery **sorted = mesh_arena_calloc(arena, self->count, sizeof(mesh_delivery *));
    self->aggregates = mesh_arena_calloc(arena, self->count, sizeof *self->aggregates);
    if (sorted == NULL || self->aggregates == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++) {
        mesh_delivery *d = self->deliveries[i];
        d->row = NULL;
        if (d->meta.version > 0)
            sorted[count++] = d;
    }
    qsort(sorted, count, sizeof(mesh_delivery *), by_aggregate);
    self->aggregate_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_aggregate(&sorted[i - 1], &sorted[i]) != 0)
            self->aggregates[self->aggregate_count++] = (mesh_aggregate){
                .type = sorted[i]->aggregate.type,
                .id = sorted[i]->meta.aggregate_id,
                .before = -1};
        sorted[i]->row = &self->aggregates[self->aggregate_count - 1];
    }
    return MESH_OK;
}

/* What is in turn if an aggregate's first event here is: that one, and those that follow without a
 * gap. */
static void expect_turns(mesh_work *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const mesh_delivery *d = self->deliveries[i];
        mesh_aggregate *a = d->row;
        if (a == NULL || d->forced)
            continue;
        if (a->before < 0)
            a->before = a->last = d->meta.version - 1;
        if (d->meta.version == a->last + 1)
            a->last++;
    }
}

bool mesh_place_is_cut(const mesh_work *self, const mesh_delivery *d)
{
    return d->late || mesh_broker_history_cut(self->settings->broker);
}

/* An aggregate may begin in the middle where what was before cannot come: with the lowest version
 * that was seen, which others wait for. */
static bool may_begin(const mesh_work *self, const mesh_delivery *d)
{
    mesh_aggregate *a = d->row;
    if (a->reached != 0 || a->dead != 0 || !mesh_place_is_cut(self, d))
        return false;
    if (a->begins == 0 || d->meta.version < a->begins)
        a->begins = d->meta.version;
    return d->meta.version == a->begins;
}

/* After some time for a lower one. */
static bool begins(const mesh_work *self, const mesh_delivery *d)
{
    return d->may_begin && d->number >= ADOPT_DELIVERIES &&
           (d->number >= ADOPT_ANYWAY_DELIVERIES ||
            mesh_broker_settled(self->settings->broker, d->sequence - 1));
}

int64_t mesh_place_pause_ms(const mesh_work *self, const mesh_delivery *d)
{
    int64_t pause_ms = self->settings->ack_wait_ms / ADOPT_PAUSES;
    return d->may_begin && d->number >= ADOPT_DELIVERIES && pause_ms > MESH_DELIVERY_GAP_PAUSE_MS
               ? pause_ms
               : MESH_DELIVERY_GAP_PAUSE_MS;
}

bool mesh_place_waits_in_vain(const mesh_work *self, const mesh_delivery *d)
{
    int64_t limit_ms = self->settings->gap_wait_ms;
    if (d->missing_dead && limit_ms > DEAD_GAP_WAIT_MS)
        limit_ms = DEAD_GAP_WAIT_MS;
    return mesh_clock_monotonic_ns() >= mesh_clock_add_ms(d->gap_ns, limit_ms);
}

static void note_gap(mesh_delivery *d)
{
    const mesh_aggregate *a = d->row;
    if (d->gap_ns == 0 || d->missing != a->reached + 1)
        d->gap_ns = mesh_clock_monotonic_ns();
    d->missing = a->reached + 1;
    d->missing_dead = a->dead != 0 && a->dead < d->meta.version;
}

/* What the version says of an event, in the order of the stream. */
static mesh_delivery_result place(const mesh_work *self, mesh_delivery *d)
{
    mesh_delivery_result placed = d->consumer != NULL ? MESH_DELIVERY_HANDLED
                                                      : MESH_DELIVERY_PASSED;
    mesh_aggregate *a = d->row;
    if (a == NULL)
        return placed;
    d->begun_with = d->meta.version < a->begins ? a->begins : 0;
    if (d->meta.version <= a->reached)
        return d->forced && d->begun_with != 0 ? placed : MESH_DELIVERY_PAST;
    bool next = d->meta.version == a->reached + 1 || d->forced;
    d->may_begin = !next && may_begin(self, d);
    if (!next && !begins(self, d)) {
        note_gap(d);
        return d->may_begin || mesh_place_waits_in_vain(self, d) ? MESH_DELIVERY_GAP
                                                                 : MESH_DELIVERY_HELD;
    }
    a->reached = d->meta.version;
    if (!next)
        a->begun_ns = d->stored_ns;
    return placed;
}

mesh_code mesh_place_all(mesh_work *self, mesh_versions_fn *read_versions, mesh_error *err)
{
    mesh_code code = list_aggregates(self, err);
    if (code == MESH_OK)
        expect_turns(self);
    if (code == MESH_OK && self->aggregate_count > 0)
        code = read_versions(self->tx, self->settings->service, self->aggregates,
                             self->aggregate_count, err);
    for (size_t i = 0; i < self->count && code == MESH_OK; i++)
        self->deliveries[i]->result = place(self, self->deliveries[i]);
    return code;
}
