#include "mesh/events/gaps.h"

#include <stdlib.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/events/envelope.h"

enum {
    TELL_PART = 10,         /* of gap_wait_ms */
    TELL_PERIOD_MS = 10000, /* between two lines */
    ARENA_BYTES = 1024
};

typedef void visit_fn(mesh_delivery *delivery, void *context);

/* All that wait for others, those included that are being looked at. With mu held. */
static void each_held(const mesh_consumption *self, visit_fn *fn, void *context)
{
    for (const mesh_lane *lane = self->lanes; lane < self->lanes + self->settings.lanes; lane++) {
        mesh_held_each(&lane->held, fn, context);
        for (size_t i = 0; lane->looking && i < lane->running; i++)
            fn(lane->batch[i], context);
    }
}

/* One that is known to wait for a version; others wait for such ones. */
static bool is_first(const mesh_delivery *delivery)
{
    return delivery->held_for > 0;
}

/* --- figures ---------------------------------------------------------------------------------- */

typedef struct figures {
    size_t count;
    int64_t since_ns;
} figures;

static void measure(mesh_delivery *delivery, void *context)
{
    figures *found = context;
    found->count++;
    if (is_first(delivery))
        found->since_ns = mesh_clock_earlier(found->since_ns, delivery->held_since_ns);
}

void mesh_gaps_figures(const mesh_consumption *self, mesh_events_stats *stats)
{
    const int64_t now_ns = mesh_clock_monotonic_ns();
    figures found = {.since_ns = now_ns};
    each_held(self, measure, &found);
    stats->held = found.count;
    stats->oldest_gap_ms = (now_ns - found.since_ns) / 1000000;
}

/* --- a list ----------------------------------------------------------------------------------- */

typedef struct listing {
    struct {
        const mesh_delivery *first;
        size_t events;
    } found[MESH_GAPS_SHOWN];
    size_t count;
} listing;

static void list(mesh_delivery *delivery, void *context)
{
    listing *all = context;
    size_t i = 0;
    while (i < all->count && !mesh_delivery_same_aggregate(all->found[i].first, delivery))
        i++;
    if (i == MESH_GAPS_SHOWN)
        return;
    if (i == all->count) {
        all->found[all->count].first = delivery;
        all->found[all->count++].events = 0;
    }
    const mesh_delivery *first = all->found[i].first;
    all->found[i].events++;
    if (is_first(delivery) && (!is_first(first) || delivery->held_since_ns < first->held_since_ns))
        all->found[i].first = delivery;
}

static void describe(const mesh_delivery *first, size_t events, mesh_arena *arena, mesh_gap *gap)
{
    const char *id = mesh_envelope_read_aggregate_id(first->message, arena);
    *gap = (mesh_gap){
        .aggregate_type = first->aggregate.type,
        .aggregate_id = id != NULL ? id : mesh_arena_strdup(arena, first->aggregate.id),
        .missing = first->held_for,
        .dead = first->held_behind_dead,
        .waits_ms = (mesh_clock_monotonic_ns() - first->held_since_ns) / 1000000,
        .events = events,
    };
}

static int by_time(const void *left, const void *right)
{
    const mesh_gap *a = left, *b = right;
    return (a->waits_ms < b->waits_ms) - (a->waits_ms > b->waits_ms);
}

bool mesh_gaps_list(mesh_consumption *self, mesh_arena *arena, const mesh_gap **out, size_t *count)
{
    listing all;
    size_t listed = 0;
    mesh_gap *gaps = mesh_arena_calloc(arena, MESH_GAPS_SHOWN, sizeof *gaps);
    if (gaps == NULL)
        return false;
    all.count = 0;
    pthread_mutex_lock(&self->mu);
    each_held(self, list, &all);
    for (size_t i = 0; i < all.count; i++)
        if (is_first(all.found[i].first))
            describe(all.found[i].first, all.found[i].events, arena, &gaps[listed++]);
    pthread_mutex_unlock(&self->mu);
    qsort(gaps, listed, sizeof *gaps, by_time);
    *out = gaps;
    *count = listed;
    return !mesh_arena_overflowed(arena);
}

/* --- the log ---------------------------------------------------------------------------------- */

typedef struct telling {
    int64_t before_ns; /* they have waited since */
    mesh_delivery *longest;
    size_t events;
} telling;

static void find_longest(mesh_delivery *delivery, void *context)
{
    telling *what = context;
    if (is_first(delivery) && !delivery->held_told && delivery->held_since_ns <= what->before_ns &&
        (what->longest == NULL || delivery->held_since_ns < what->longest->held_since_ns))
        what->longest = delivery;
}

static void mark_told(mesh_delivery *delivery, void *context)
{
    telling *what = context;
    if (!mesh_delivery_same_aggregate(delivery, what->longest))
        return;
    delivery->held_told = true;
    what->events++;
}

static void log_gap(const mesh_gap *gap)
{
    mesh_log(MESH_LOG_WARN, "an aggregate waits for a version that has not come",
             MESH_LOG_S("aggregate_type", gap->aggregate_type),
             MESH_LOG_S("aggregate_id", gap->aggregate_id),
             MESH_LOG_I("missing_version", gap->missing), MESH_LOG_I("waits_ms", gap->waits_ms),
             MESH_LOG_I("events", (int64_t)gap->events),
             MESH_LOG_S("do", "look for that version: meshctl dlq list, meshctl outbox, meshctl "
                              "events tail; publish it if it is nowhere (docs/operate.md)"));
}

void mesh_gaps_tell(mesh_consumption *self)
{
    const int64_t now_ns = mesh_clock_monotonic_ns();
    const int64_t limit_ms = self->settings.delivery.gap_wait_ms / TELL_PART;
    telling what = {.before_ns = now_ns - limit_ms * 1000000};
    mesh_gap gap;
    mesh_arena *arena = NULL;
    if (now_ns < self->gaps_told_ns)
        return;
    pthread_mutex_lock(&self->mu);
    each_held(self, find_longest, &what);
    if (what.longest != NULL)
        arena = mesh_arena_create(ARENA_BYTES, 0);
    if (arena != NULL) {
        each_held(self, mark_told, &what);
        describe(what.longest, what.events, arena, &gap);
    }
    pthread_mutex_unlock(&self->mu);
    if (arena == NULL)
        return;
    self->gaps_told_ns = mesh_clock_add_ms(now_ns, TELL_PERIOD_MS);
    log_gap(&gap);
    mesh_arena_destroy(arena);
}
