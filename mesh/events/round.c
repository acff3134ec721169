#include "mesh/events/round.h"

#include "mesh/base/clock.h"
#include "mesh/base/log.h"

enum {
    /* For publishing, less than MESH_QUEUE_IDLE_MS with the broker's time-out added. */
    PUBLISH_MS = 2000
};

/* A batch on its way. */
typedef struct flight {
    mesh_round *round;
    mesh_queue_batch batch;
    bool *passed; /* of each entry: it is not to be sent in this round any more */
    size_t first; /* all before have passed */
    mesh_queue_stored *stored;
    size_t stored_count;
    mesh_slot *refused;
    size_t refused_count;
} flight;

static mesh_code prepare(flight *f, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(f->round->tx);
    f->passed = mesh_arena_calloc(arena, f->batch.count, sizeof *f->passed);
    f->stored = mesh_arena_calloc(arena, f->batch.count, sizeof *f->stored);
    f->refused = mesh_arena_calloc(arena, f->batch.count, sizeof *f->refused);
    if (f->passed == NULL || f->stored == NULL || f->refused == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return MESH_OK;
}

/* It waits for one that was refused, here or before. */
static bool has_to_wait(const flight *f, size_t i)
{
    if (f->batch.queues[i] != f->round->queue)
        return true;
    for (size_t k = 0; k < f->refused_count; k++) {
        if (mesh_aggregate_same(&f->refused[k].entry->aggregate, &f->batch.entries[i].aggregate))
            return true;
    }
    return false;
}

/* Fills the window with the first of each aggregate that is left. */
static void fill(flight *f, mesh_window *w)
{
    while (f->first < f->batch.count && f->passed[f->first])
        f->first++;
    for (size_t i = f->first; i < f->batch.count && w->count < MESH_WINDOW_MAX; i++) {
        if (!f->passed[i] && has_to_wait(f, i))
            f->passed[i] = true;
        if (!f->passed[i])
            mesh_window_add(w, &f->batch.entries[i]);
    }
}

/* What became of a window. */
static void take(flight *f, const mesh_window *w)
{
    mesh_round *round = f->round;
    for (const mesh_slot *at = w->slots; at < w->slots + w->count; at++) {
        round->failed += at->outcome != MESH_STORED;
        if (at->outcome == MESH_NO_WORD)
            continue;
        f->passed[at->entry - f->batch.entries] = true;
        if (at->outcome == MESH_REFUSED) {
            f->refused[f->refused_count++] = *at;
            continue;
        }
        int64_t sequence = (int64_t)at->sequence;
        f->stored[f->stored_count++] = (mesh_queue_stored){at->entry->position, sequence};
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

static void publish(flight *f)
{
    mesh_round *round = f->round;
    int64_t until_ns = mesh_clock_deadline_ns(PUBLISH_MS);
    round->works = true;
    while (round->works && !round->went_back && mesh_clock_monotonic_ns() < until_ns) {
        mesh_window w = {.count = 0};
        fill(f, &w);
        if (w.count == 0)
            return;
        mesh_window_publish(&w, round->sender);
        take(f, &w);
        round->works = judge(round, &w);
    }
}

static mesh_code note_refused(const flight *f, mesh_error *err)
{
    const mesh_round *round = f->round;
    mesh_code code = MESH_OK;
    for (size_t i = 0; code == MESH_OK && i < f->refused_count; i++) {
        const mesh_slot *at = &f->refused[i];
        code = round->queue == 0
                   ? mesh_queue_refuse(round->tx, at->entry, at->cause, at->jetstream_code, err)
                   : mesh_queue_refuse_again(round->tx, round->queue, at->cause, at->jetstream_code,
                                             err);
    }
    return code;
}

static mesh_code settle(flight *f, mesh_error *err)
{
    mesh_round *round = f->round;
    int64_t first = f->batch.count > 0 ? f->batch.entries[0].position : 0;
    bool all = f->stored_count == f->batch.count && f->batch.whole;
    mesh_code code = mesh_queue_settle(round->tx, round->queue, f->stored, f->stored_count, err);
    if (code == MESH_OK)
        code = note_refused(f, err);
    if (code == MESH_OK && round->queue == 0)
        code = mesh_queue_hold(round->tx, &f->batch, err);
    if (code == MESH_OK && round->queue == 0)
        code = mesh_queue_advance(round->tx, &round->state, first, err);
    if (code == MESH_OK && round->queue != 0 && all)
        code = mesh_queue_end(round->tx, round->queue, err);
    round->more = !all;
    return code;
}

mesh_code mesh_round_run(mesh_round *round, mesh_error *err)
{
    flight f = {.round = round};
    mesh_code code = mesh_queue_read(round->tx, round->queue, &f.batch, err);
    if (code == MESH_OK)
        code = prepare(&f, err);
    if (code != MESH_OK)
        return code;
    publish(&f);
    code = settle(&f, err);
    round->stored = f.stored_count;
    return code;
}
