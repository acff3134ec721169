#include "mesh/service/tails.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/events/v1/events.mesh.h"
#include "mesh/service/events_text.h"

enum {
    PERIOD_MS = 100, /* between two looks for what is new */
    BATCH = 128,     /* events of one tail before it is the next one's turn */
    FIRST_BLOCK_BYTES = 64 * 1024,
    /* An event and its answer; the broker takes none that is longer. */
    ARENA_LIMIT_BYTES = 8 * 1024 * 1024
};

/* One that is sent to. Freed by the thread alone, so that it may look at it unlocked. */
typedef struct watcher {
    struct watcher *next; /* thread's, except that add puts new ones in front under mu */
    mesh_stream *stream;  /* guarded by mu; NULL: closed */
    bool full;            /* guarded by mu; the stream takes no more until it is writable */
    bool placed;          /* thread's; the tail is made */
    bool told;            /* thread's; the client knows */
    mesh_tail tail;       /* thread's */
    mesh_tail_start start;
    char subject[MESH_TAIL_SUBJECT_BYTES];
} watcher;

struct mesh_tails {
    mesh_events *events;
    pthread_t thread;
    mesh_arena *arena; /* thread's; of one event */
    pthread_mutex_t mu;
    pthread_cond_t changed; /* with mu */
    /* Guarded by mu. */
    bool woken;
    bool stopping;
    bool ended;        /* no more streams */
    size_t count;      /* of open streams */
    watcher *watchers; /* the head */
};

/* --- sending ---------------------------------------------------------------------------------- */

static bool can_take(mesh_tails *tails, const watcher *one)
{
    pthread_mutex_lock(&tails->mu);
    bool can = one->stream != NULL && !one->full;
    pthread_mutex_unlock(&tails->mu);
    return can;
}

/* False: not now, or never again. */
static bool send(mesh_tails *tails, watcher *to, Mesh__Events__V1__Event *event, uint64_t next)
{
    Mesh__Events__V1__TailEventsResponse message = MESH__EVENTS__V1__TAIL_EVENTS_RESPONSE__INIT;
    message.event = event;
    message.next_sequence = next;
    bool sent = false;
    pthread_mutex_lock(&tails->mu);
    if (to->stream != NULL && !to->full) {
        sent = mesh__events__v1__events_service__tail_events__try_reply(to->stream, &message) ==
               MESH_OK;
        to->full = !sent; /* of a call that is over, on_close comes next */
    }
    pthread_mutex_unlock(&tails->mu);
    return sent;
}

static void give_up(mesh_tails *tails, watcher *one, mesh_code code, const mesh_error *err)
{
    pthread_mutex_lock(&tails->mu);
    if (one->stream != NULL)
        mesh_stream_end(one->stream, code, err);
    one->full = true; /* on_close comes next */
    pthread_mutex_unlock(&tails->mu);
}

/* --- a round ---------------------------------------------------------------------------------- */

/* Frees those that are closed and returns the first of the others. */
static watcher *sweep(mesh_tails *tails)
{
    pthread_mutex_lock(&tails->mu);
    watcher **link = &tails->watchers;
    while (*link != NULL) {
        watcher *at = *link;
        if (at->stream == NULL) {
            *link = at->next;
            mesh_free(at);
        } else {
            link = &at->next;
        }
    }
    watcher *first = tails->watchers;
    pthread_mutex_unlock(&tails->mu);
    return first;
}

/* Sends what is there up to `last`. */
static mesh_code follow(mesh_tails *tails, watcher *one, uint64_t last, bool *more, mesh_error *err)
{
    for (int i = 0; i < BATCH && can_take(tails, one); i++) {
        mesh_tail_event event;
        mesh_arena_reset(tails->arena);
        mesh_code code = mesh_tail_next(tails->events, &one->tail, last, tails->arena, &event, err);
        if (code == MESH_EOF)
            return MESH_OK;
        if (code != MESH_OK)
            return code;
        Mesh__Events__V1__Event *said = mesh_events_text_stored(&event, tails->arena);
        if (said == NULL)
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
        if (send(tails, one, said, event.sequence + 1))
            one->tail.next = event.sequence + 1;
    }
    *more = *more || can_take(tails, one);
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
    one->told = one->told || send(tails, one, NULL, one->tail.next);
    return one->told ? follow(tails, one, last, more, err) : MESH_OK;
}

/* False: nobody is there. */
static bool run_round(mesh_tails *tails, bool *more)
{
    uint64_t last = 0;
    mesh_error err;
    watcher *first = sweep(tails);
    if (first == NULL)
        return false;
    mesh_error_clear(&err);
    mesh_code asked = mesh_tail_last(tails->events, &last, &err);
    for (watcher *one = first; one != NULL; one = one->next) {
        mesh_error own = err;
        mesh_code code = asked == MESH_OK ? serve(tails, one, last, more, &own) : asked;
        if (code != MESH_OK)
            give_up(tails, one, code, &own);
    }
    return true;
}

/* Sleeps until it is woken, or for `limit_ms` unless that is negative. False: stop. */
static bool rest(mesh_tails *tails, int64_t limit_ms)
{
    int64_t until_ns = limit_ms < 0 ? MESH_NO_DEADLINE : mesh_clock_deadline_ns(limit_ms);
    pthread_mutex_lock(&tails->mu);
    while (!tails->woken && !tails->stopping &&
           mesh_cond_wait_until(&tails->changed, &tails->mu, until_ns))
        continue;
    tails->woken = false;
    bool go_on = !tails->stopping;
    pthread_mutex_unlock(&tails->mu);
    return go_on;
}

static void *run(void *context)
{
    mesh_tails *tails = context;
    int64_t limit_ms = -1;
    while (rest(tails, limit_ms)) {
        bool more = false;
        bool watched = run_round(tails, &more);
        limit_ms = more ? 0 : watched ? PERIOD_MS : -1;
    }
    return NULL;
}

/* --- from outside ----------------------------------------------------------------------------- */

mesh_code mesh_tails_create(mesh_events *events, mesh_tails **tails, mesh_error *err)
{
    mesh_tails *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->events = events;
    pthread_mutex_init(&made->mu, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->arena = mesh_arena_create(FIRST_BLOCK_BYTES, ARENA_LIMIT_BYTES);
    int status = made->arena != NULL ? pthread_create(&made->thread, NULL, run, made) : 0;
    if (made->arena == NULL || status != 0) {
        mesh_arena_destroy(made->arena);
        pthread_cond_destroy(&made->changed);
        pthread_mutex_destroy(&made->mu);
        mesh_free(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no thread for tails of events: %s",
                              status != 0 ? strerror(status) : "out of memory");
    }
    *tails = made;
    return MESH_OK;
}

void mesh_tails_destroy(mesh_tails *tails)
{
    if (tails == NULL)
        return;
    pthread_mutex_lock(&tails->mu);
    tails->stopping = true;
    pthread_cond_signal(&tails->changed);
    pthread_mutex_unlock(&tails->mu);
    pthread_join(tails->thread, NULL);
    while (tails->watchers != NULL) {
        watcher *next = tails->watchers->next;
        mesh_free(tails->watchers);
        tails->watchers = next;
    }
    mesh_arena_destroy(tails->arena);
    pthread_cond_destroy(&tails->changed);
    pthread_mutex_destroy(&tails->mu);
    mesh_free(tails);
}

static void wake_locked(mesh_tails *tails)
{
    tails->woken = true;
    pthread_cond_signal(&tails->changed);
}

static mesh_code no_place(const mesh_tails *tails, mesh_error *err)
{
    if (tails->ended)
        return mesh_error_set(err, MESH_UNAVAILABLE, "the service stops; ask another instance");
    if (tails->count >= MESH_TAILS_MAX)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "%d tails are read here already; end one, or ask another service",
                              MESH_TAILS_MAX);
    return MESH_OK;
}

mesh_code mesh_tails_add(mesh_tails *tails, mesh_stream *stream, const mesh_tail_start *start,
                         mesh_error *err)
{
    watcher *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->stream = stream;
    made->start = *start;
    made->start.subject = made->subject;
    snprintf(made->subject, sizeof made->subject, "%s", start->subject);
    pthread_mutex_lock(&tails->mu);
    mesh_code code = no_place(tails, err);
    if (code == MESH_OK) {
        mesh_stream_set_data(stream, made);
        made->next = tails->watchers;
        tails->watchers = made;
        tails->count++;
        wake_locked(tails);
    }
    pthread_mutex_unlock(&tails->mu);
    if (code != MESH_OK)
        mesh_free(made);
    return code;
}

void mesh_tails_go_on(mesh_tails *tails, mesh_stream *stream)
{
    watcher *one = mesh_stream_data(stream);
    if (one == NULL)
        return;
    pthread_mutex_lock(&tails->mu);
    one->full = false;
    wake_locked(tails);
    pthread_mutex_unlock(&tails->mu);
}

void mesh_tails_remove(mesh_tails *tails, mesh_stream *stream)
{
    watcher *one = mesh_stream_data(stream);
    if (one == NULL)
        return;
    pthread_mutex_lock(&tails->mu);
    one->stream = NULL;
    tails->count--;
    wake_locked(tails);
    pthread_mutex_unlock(&tails->mu);
}

void mesh_tails_end(mesh_tails *tails)
{
    mesh_error err;
    if (tails == NULL)
        return;
    mesh_error_clear(&err);
    mesh_error_set(&err, MESH_UNAVAILABLE, "the service stops; ask another instance");
    pthread_mutex_lock(&tails->mu);
    tails->ended = true;
    for (watcher *one = tails->watchers; one != NULL; one = one->next)
        if (one->stream != NULL)
            mesh_stream_end(one->stream, MESH_UNAVAILABLE, &err);
    pthread_mutex_unlock(&tails->mu);
}
