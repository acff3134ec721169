#include "mesh/events/round.h"

#include "mesh/base/clock.h"
#include "mesh/base/log.h"

enum {
    /* For publishing, less than MESH_QUEUE_IDLE_MS with the broker's time-out added. */
    PUBLISH_MS = 2000
};

/* A batch on its way. */
typedef struct trip {
    mesh_round *round;
    mesh_queue_batch batch;
    bool *passed; /* of each entry: it is not to be sent in this round any more */
    size_t first; /* all before have passed */
    mesh_queue_stored *stored;
    size_t stored_count;
    mesh_slot *refused;
    size_t refused_count;
} trip;

static mesh_code prepare(trip *t, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(t->round->tx);
    t->passed = mesh_arena_calloc(arena, t->batch.count, sizeof *t->passed);
    t->stored = mesh_arena_calloc(arena, t->batch.count, sizeof *t->stored);
    t->refused = mesh_arena_calloc(arena, t->batch.count, sizeof *t->refused);
    if (t->passed == NULL || t->stored == NULL || t->refused == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return MESH_OK;
}

/* It waits for one that was refused, here or before. */
static bool has_to_wait(const trip *t, size_t i)
{
    if (t->batch.queues[i] != t->round->queue)
        return true;
    for (size_t k = 0; k < t->refused_count; k++) {
        if (mesh_aggregate_same(&t->refused[k].entry->aggregate, &t->batch.entries[i].aggregate))
            return true;
    }
    return false;
}

/* Fills the window with the first of each aggregate that is left. */
static void fill(trip *t, mesh_window *w)
{
    while (t->first < t->batch.count && t->passed[t->first])
        t->first++;
    for (size_t i = t->first; i < t->batch.count && w->count < MESH_WINDOW_MAX; i++) {
        if (!t->passed[i] && has_to_wait(t, i))
            t->passed[i] = true;
        if (!t->passed[i])
            mesh_window_add(w, &t->batch.entries[i]);
    }
}

/* What became of a window. */
static void take(trip *t, const mesh_window *w)
{
    mesh_round *round = t->round;
    for (const mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        round->failed += at->outcome != MESH_STORED;
        if (at->outcome == MESH_NO_WORD)
            continue;
        t->passed[at->entry - t->batch.entries] = true;
        if (at->outcome == MESH_REFUSED) {
            t->refused[t->refused_count++] = *at;
            continue;
        }
        int64_t sequence = (int64_t)at->sequence;
        t->stored[t->stored_count++] = (mesh_queue_stored){at->entry->position, sequence};
        if (at->duplicate)
            continue;
        round->went_back = round->went_back || sequence <= round->last_sequence;
        if (sequence > round->last_sequence)
            round->last_sequence = sequence;
    }
}

/*
 * What the window says about the broker. It works when it has answered, and stored something or had
 * nothing but an event that it refused before: that one, tried again, says nothing about others.
 */
static bool judge(const mesh_round *round, const mesh_window *w)
{
    bool stored = false;
    const mesh_slot *silent = NULL;
    for (const mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        stored = stored || at->outcome == MESH_STORED;
        if (at->outcome == MESH_NO_WORD && silent == NULL)
            silent = at;
        if (at->outcome == MESH_REFUSED && (round->queue == 0))
            mesh_entry_log(at->entry, "an event is refused and holds back its aggregate", at->cause,
                           at->jetstream_code);
    }
    if (silent != NULL)
        mesh_log(
            MESH_LOG_WARN, "publishing events failed and is tried again",
            MESH_LOG_S("cause", silent->cause != NULL ? silent->cause : "the connection was lost"));
    return silent == NULL && (stored || round->queue != 0);
}

static void publish(trip *t)
{
    mesh_round *round = t->round;
    int64_t until_ns = mesh_clock_deadline_ns(PUBLISH_MS);
    round->works = true;
    while (round->works && !round->went_back && mesh_clock_monotonic_ns() < until_ns) {
        mesh_window w = {.count = 0};
        fill(t, &w);
        if (w.count == 0)
            return;
        mesh_window_publish(&w, round->sender);
        take(t, &w);
        round->works = judge(round, &w);
    }
}

static mesh_code note_refused(const trip *t, mesh_error *err)
{
    const mesh_round *round = t->round;
    mesh_code code = MESH_OK;
    for (size_t i = 0; code == MESH_OK && i < t->refused_count; i++) {
        const mesh_slot *at = &t->refused[i];
        code = round->queue == 0
                   ? mesh_queue_refuse(round->tx, at->entry, at->cause, at->jetstream_code, err)
                   : mesh_queue_refuse_again(round->tx, round->queue, at->cause, at->jetstream_code,
                                             err);
    }
    return code;
}

static mesh_code settle(trip *t, mesh_error *err)
{
    mesh_round *round = t->round;
    int64_t first = t->batch.count > 0 ? t->batch.entries[0].position : 0;
    bool all = t->stored_count == t->batch.count && t->batch.whole;
    mesh_code code = mesh_queue_settle(round->tx, round->queue, t->stored, t->stored_count, err);
    if (code == MESH_OK)
        code = note_refused(t, err);
    if (code == MESH_OK && round->queue == 0)
        code = mesh_queue_hold(round->tx, &t->batch, err);
    if (code == MESH_OK && round->queue == 0)
        code = mesh_queue_advance(round->tx, &round->state, first, err);
    if (code == MESH_OK && round->queue != 0 && all)
        code = mesh_queue_end(round->tx, round->queue, err);
    round->more = !all;
    return code;
}

mesh_code mesh_round_run(mesh_round *round, mesh_error *err)
{
    trip t = {.round = round};
    mesh_code code = mesh_queue_read(round->tx, round->queue, &t.batch, err);
    if (code == MESH_OK)
        code = prepare(&t, err);
    if (code != MESH_OK)
        return code;
    publish(&t);
    code = settle(&t, err);
    round->stored = t.stored_count;
    return code;
}
