#include "mesh/service/tails.h"

#include <stdio.h>

#include "mesh/base/alloc.h"
#include "mesh/events/v1/events.mesh.h"
#include "mesh/rpc/watchers.h"
#include "mesh/service/events_text.h"

enum {
    PERIOD_MS = 100, /* between two looks for what is new */
    BATCH = 128,     /* events of one tail before it is the next one's turn */
    FIRST_BLOCK_BYTES = 64 * 1024,
    /* An event and its answer; the broker takes none that is longer. */
    ARENA_LIMIT_BYTES = 8 * 1024 * 1024
};

/* One that is sent to; all is the thread's. */
typedef struct watcher {
    mesh_watcher base;
    bool placed; /* the tail is made */
    bool told;   /* the client knows */
    mesh_tail tail;
    mesh_tail_start start;
    char subject[MESH_TAIL_SUBJECT_BYTES];
} watcher;

struct mesh_tails {
    mesh_events *events;
    mesh_watchers *watchers;
    mesh_arena *arena; /* thread's; of one event */
};

/* False: not now, or never again. */
static bool send(watcher *to, Mesh__Events__V1__Event *event, uint64_t next)
{
    Mesh__Events__V1__TailEventsResponse message = MESH__EVENTS__V1__TAIL_EVENTS_RESPONSE__INIT;
    message.event = event;
    message.next_sequence = next;
    return mesh_watcher_send(&to->base, &message.base);
}

/* --- a round ---------------------------------------------------------------------------------- */

/* Sends what is there up to `last`. */
static mesh_code follow(mesh_tails *tails, watcher *one, uint64_t last, bool *more, mesh_error *err)
{
    for (int i = 0; i < BATCH && mesh_watcher_can_take(&one->base); i++) {
        mesh_stored_event event;
        mesh_arena_reset(tails->arena);
        mesh_code code = mesh_tail_next(tails->events, &one->tail, last, tails->arena, &event, err);
        if (code == MESH_EOF)
            return MESH_OK;
        if (code != MESH_OK)
            return code;
        Mesh__Events__V1__Event *said = mesh_events_text_stored(&event, tails->arena);
        if (said == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        if (send(one, said, event.sequence + 1))
            one->tail.next = event.sequence + 1;
    }
    *more = *more || mesh_watcher_can_take(&one->base);
    return MESH_OK;
}

static mesh_code serve(mesh_tails *tails, watcher *one, uint64_t last, bool *more, mesh_error *err)
{
    if (!one->placed) {
        mesh_code code = mesh_tail_begin(tails->events, &one->start, &one->tail, err);
        if (code != MESH_OK)
            return code;
        one->placed = true;
    }
    one->told = one->told || send(one, NULL, one->tail.next);
    return one->told ? follow(tails, one, last, more, err) : MESH_OK;
}

/* When there may be more to do. */
static int64_t run_round(void *context)
{
    mesh_tails *tails = context;
    uint64_t last = 0;
    bool more = false;
    mesh_error err;
    mesh_watcher *first = mesh_watchers_sweep(tails->watchers);
    if (first == NULL)
        return -1;
    mesh_error_clear(&err);
    mesh_code asked = mesh_tail_last(tails->events, &last, &err);
    for (mesh_watcher *one = first; one != NULL; one = one->next) {
        mesh_error own = err;
        mesh_code code = asked == MESH_OK ? serve(tails, (watcher *)one, last, &more, &own) : asked;
        if (code != MESH_OK)
            mesh_watcher_give_up(one, code, &own);
    }
    return more ? 0 : PERIOD_MS;
}

/* --- from outside ----------------------------------------------------------------------------- */

mesh_code mesh_tails_create(mesh_events *events, mesh_tails **tails, mesh_error *err)
{
    mesh_tails *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    const mesh_watchers_options options = {.round = run_round, .self = made, .max = MESH_TAILS_MAX};
    made->events = events;
    made->arena = mesh_arena_create(FIRST_BLOCK_BYTES, ARENA_LIMIT_BYTES);
    mesh_code code = made->arena != NULL
                         ? mesh_watchers_create(&options, &made->watchers, err)
                         : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code != MESH_OK) {
        mesh_tails_destroy(made);
        return code;
    }
    *tails = made;
    return MESH_OK;
}

void mesh_tails_destroy(mesh_tails *tails)
{
    if (tails == NULL)
        return;
    mesh_watchers_destroy(tails->watchers);
    mesh_arena_destroy(tails->arena);
    mesh_free(tails);
}

mesh_code mesh_tails_add(mesh_tails *tails, mesh_stream *stream, const mesh_tail_start *start,
                         mesh_error *err)
{
    watcher *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->start = *start;
    made->start.subject = made->subject;
    snprintf(made->subject, sizeof made->subject, "%s", start->subject);
    return mesh_watchers_add(tails->watchers, &made->base, stream, err);
}

void mesh_tails_end(mesh_tails *tails)
{
    if (tails != NULL)
        mesh_watchers_end(tails->watchers);
}
