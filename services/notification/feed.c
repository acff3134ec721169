#include "services/notification/feed.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/cond.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/resource/page.h"
#include "notification/v1/notification.mesh.h"
#include "services/notification/store.h"

enum {
    RETRY_MS = 1000, /* between attempts while the database is away */
    FIRST_BLOCK_BYTES = 16 * 1024
};

static const char TOKEN_SCOPE[] = "notification.v1.NotificationService/WatchNotifications";

/* One who watches. Freed by the feed's thread alone, so that the thread may look at it unlocked. */
typedef struct watcher {
    struct watcher *next; /* thread's, except that add puts new ones in front under mu */
    mesh_stream *stream;  /* guarded by mu; NULL: closed */
    bool full;            /* guarded by mu; the stream takes no more until it is writable */
    bool placed;          /* thread's; `position` counts, and the first message was sent */
    int64_t position;     /* thread's; the user's notifications up to here were sent */
    char after[MESH_UUID_TEXT_BYTES]; /* immutable; where the stream begins, "": from now on */
    uint64_t user_hash;               /* immutable */
    char user_id[];                   /* immutable; whose notifications */
} watcher;

struct notification_feed {
    mesh_db *db;         /* immutable */
    int64_t interval_ms; /* immutable */
    pthread_t thread;
    pthread_mutex_t mu;
    pthread_cond_t changed; /* with mu */
    bool woken;             /* guarded by mu */
    bool stopping;          /* guarded by mu */
    bool ended;             /* guarded by mu; no more streams */
    watcher *watchers;      /* the head is guarded by mu */
    mesh_arena *shared;     /* thread's; what a round reads for all, reset each round */
    mesh_arena *own;        /* thread's; what it reads for some, reset for each */
    int64_t head;           /* thread's; all who keep up have what is up to here */
    bool failing;           /* thread's; the last round could not use the database */
};

bool notification_feed_parse(const char *resume_token, char after[MESH_UUID_TEXT_BYTES])
{
    char key[MESH_PAGE_KEY_BYTES];
    if (!mesh_page_token_key(resume_token, TOKEN_SCOPE, key) || !mesh_uuid_valid(key))
        return false;
    memcpy(after, key, MESH_UUID_TEXT_BYTES);
    return true;
}

char *notification_feed_token(mesh_arena *arena, const char *after)
{
    return mesh_page_token(arena, TOKEN_SCOPE, after);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Notifications that are ready to be sent. */
typedef struct outgoing {
    mesh_arena *arena;
    notification_batch batch;
    char **tokens; /* of the batch's items; NULL until one is needed */
    size_t
        *first;   /* of the users' items, by their hash: the index and one more, 0: there is none */
    size_t *next; /* of the batch's items: the one that follows in the same place, likewise */
    size_t mask;  /* of the hash */
} outgoing;

static mesh_code prepare(outgoing *out, mesh_error *err)
{
    size_t count = out->batch.count;
    size_t places = 1;
    while (places < 2 * count)
        places *= 2;
    out->tokens = mesh_arena_calloc(out->arena, count, sizeof *out->tokens);
    out->first = mesh_arena_calloc(out->arena, places, sizeof *out->first);
    out->next = mesh_arena_calloc(out->arena, count, sizeof *out->next);
    out->mask = places - 1;
    if (out->tokens == NULL || out->first == NULL || out->next == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = count; i > 0; i--) {
        uint64_t hash = mesh_hash_text(MESH_HASH_EMPTY, out->batch.items[i - 1].user_id);
        out->next[i - 1] = out->first[hash & out->mask];
        out->first[hash & out->mask] = i;
    }
    return MESH_OK;
}

/* Sends a message to one watcher; false: not now, or never again. */
static bool send_one(notification_feed *feed, watcher *to, char *token,
                     Notification__V1__Notification *notification)
{
    Notification__V1__WatchNotificationsResponse message =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_RESPONSE__INIT;
    message.notification = notification;
    message.resume_token = token;

    bool sent = false;
    pthread_mutex_lock(&feed->mu);
    if (to->stream != NULL && !to->full) {
        mesh_code code = notification__v1__notification_service__watch_notifications__try_reply(
            to->stream, &message);
        sent = code == MESH_OK;
        to->full = !sent; /* of a call that is over, on_close comes next */
    }
    pthread_mutex_unlock(&feed->mu);
    return sent;
}

/* Sends a watcher what is its own of a batch. False: it has to be read for again. */
static bool send_own(notification_feed *feed, watcher *to, outgoing *out)
{
    const notification_batch *batch = &out->batch;
    for (size_t n = out->first[to->user_hash & out->mask]; n != 0; n = out->next[n - 1]) {
        Notification__V1__Notification *item = &batch->items[n - 1];
        if (strcmp(item->user_id, to->user_id) != 0)
            continue;
        if (out->tokens[n - 1] == NULL)
            out->tokens[n - 1] = notification_feed_token(out->arena, item->id);
        if (!send_one(feed, to, out->tokens[n - 1], item))
            return false;
        to->position = batch->positions[n - 1];
    }
    return true;
}

/* Frees those that are closed and returns the first of the others. */
static watcher *sweep(notification_feed *feed)
{
    pthread_mutex_lock(&feed->mu);
    watcher **link = &feed->watchers;
    while (*link != NULL) {
        watcher *at = *link;
        if (at->stream == NULL) {
            *link = at->next;
            mesh_free(at);
        } else {
            link = &at->next;
        }
    }
    watcher *first = feed->watchers;
    pthread_mutex_unlock(&feed->mu);
    return first;
}

static bool can_take(notification_feed *feed, const watcher *one)
{
    pthread_mutex_lock(&feed->mu);
    bool can = one->stream != NULL && !one->full;
    pthread_mutex_unlock(&feed->mu);
    return can;
}

/* --- a round ---------------------------------------------------------------------------------- */

static mesh_code place_all(notification_feed *feed, mesh_error *err)
{
    size_t placed = NOTIFICATION_BATCH;
    mesh_code code = MESH_OK;
    while (code == MESH_OK && placed == NOTIFICATION_BATCH)
        code = notification_store_place(feed->db, &placed, err);
    return code;
}

/* What is new, for all who have everything up to the head: read once. */
static mesh_code advance(notification_feed *feed, watcher *first, bool *more, mesh_error *err)
{
    bool anybody = false;
    for (watcher *one = first; one != NULL; one = one->next)
        anybody = anybody || one->placed;
    if (!anybody)
        return notification_store_last_position(feed->db, &feed->head, err);

    outgoing out = {.arena = feed->shared};
    const notification_batch *batch = &out.batch;
    mesh_code code = notification_store_after(feed->db, out.arena, feed->head, &out.batch, err);
    if (code == MESH_OK)
        code = prepare(&out, err);
    if (code != MESH_OK || batch->count == 0)
        return code;
    int64_t head = batch->positions[batch->count - 1];
    for (watcher *one = first; one != NULL; one = one->next)
        if (one->placed && one->position == feed->head && send_own(feed, one, &out))
            one->position = head;
    feed->head = head;
    *more = batch->count == NOTIFICATION_BATCH;
    return MESH_OK;
}

/* Begins watches, as many as one statement asks for. The first message: this one is in place. */
static mesh_code begin(notification_feed *feed, watcher *first, bool *more, mesh_error *err)
{
    notification_start starts[NOTIFICATION_BATCH];
    watcher *begun[NOTIFICATION_BATCH];
    size_t count = 0;
    for (watcher *one = first; one != NULL; one = one->next) {
        if (one->placed)
            continue;
        if (count == NOTIFICATION_BATCH) {
            *more = true;
            break;
        }
        starts[count] = (notification_start){.user_id = one->user_id, .after = one->after};
        begun[count++] = one;
    }
    if (count == 0)
        return MESH_OK;
    mesh_arena_reset(feed->own);
    mesh_code code = notification_store_start(feed->db, feed->own, feed->head, starts, count, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        begun[i]->position = starts[i].position;
        begun[i]->placed = send_one(feed, begun[i],
                                    notification_feed_token(feed->own, starts[i].last_id), NULL);
    }
    return MESH_OK;
}

/* Those who are behind the head, each from where it is. */
static mesh_code catch_up(notification_feed *feed, watcher *first, bool *more, mesh_error *err)
{
    for (watcher *one = first; one != NULL; one = one->next) {
        if (!one->placed || one->position >= feed->head || !can_take(feed, one))
            continue;
        outgoing out = {.arena = feed->own};
        mesh_arena_reset(feed->own);
        mesh_code code = notification_store_own(feed->db, out.arena, one->user_id, one->position,
                                                feed->head, &out.batch, err);
        if (code == MESH_OK)
            code = prepare(&out, err);
        if (code != MESH_OK)
            return code;
        if (!send_own(feed, one, &out))
            continue; /* it is full, which the next round sees */
        if (out.batch.count == NOTIFICATION_BATCH)
            *more = true;
        else
            one->position = feed->head;
    }
    return MESH_OK;
}

static mesh_code round_of(notification_feed *feed, bool *watched, bool *more, mesh_error *err)
{
    mesh_arena_reset(feed->shared);
    mesh_code code = place_all(feed, err);
    watcher *first = sweep(feed);
    *watched = first != NULL;
    if (code != MESH_OK || first == NULL)
        return code;
    code = advance(feed, first, more, err);
    if (code == MESH_OK)
        code = begin(feed, first, more, err);
    if (code == MESH_OK)
        code = catch_up(feed, first, more, err);
    return code;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Sleeps until it is woken, or for `limit_ms` unless that is negative. False: stop. */
static bool rest(notification_feed *feed, int64_t limit_ms)
{
    int64_t until_ns = limit_ms < 0 ? MESH_NO_DEADLINE : mesh_clock_deadline_ns(limit_ms);
    pthread_mutex_lock(&feed->mu);
    while (!feed->woken && !feed->stopping &&
           mesh_cond_wait_until(&feed->changed, &feed->mu, until_ns))
        continue;
    feed->woken = false;
    bool go_on = !feed->stopping;
    pthread_mutex_unlock(&feed->mu);
    return go_on;
}

static void report(notification_feed *feed, mesh_code code, const mesh_error *err)
{
    bool failing = code != MESH_OK;
    if (failing && !feed->failing)
        mesh_log(MESH_LOG_WARN, "the live feed waits for its database",
                 MESH_LOG_S("code", mesh_code_name(code)), MESH_LOG_S("error", err->message));
    if (!failing && feed->failing)
        mesh_log(MESH_LOG_INFO, "the live feed goes on");
    feed->failing = failing;
}

static void *run(void *context)
{
    notification_feed *feed = context;
    int64_t limit_ms = -1; /* nobody watches yet */
    while (rest(feed, limit_ms)) {
        bool watched = false;
        bool more = false;
        mesh_error err;
        mesh_error_clear(&err);
        mesh_code code = round_of(feed, &watched, &more, &err);
        report(feed, code, &err);
        if (code != MESH_OK)
            limit_ms = RETRY_MS;
        else if (more)
            limit_ms = 0;
        else
            limit_ms = watched ? feed->interval_ms : -1;
    }
    return NULL;
}

/* --- from outside ----------------------------------------------------------------------------- */

mesh_code notification_feed_create(mesh_db *db, int64_t interval_ms, notification_feed **feed,
                                   mesh_error *err)
{
    notification_feed *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        goto no_memory;
    made->db = db;
    made->interval_ms = interval_ms;
    made->shared = mesh_arena_create(FIRST_BLOCK_BYTES, 0);
    made->own = mesh_arena_create(FIRST_BLOCK_BYTES, 0);
    if (made->shared == NULL || made->own == NULL)
        goto no_memory;
    if (pthread_cond_init(&made->changed, NULL) != 0)
        goto no_memory;
    if (pthread_mutex_init(&made->mu, NULL) != 0)
        goto no_mutex;
    if (pthread_create(&made->thread, NULL, run, made) != 0)
        goto no_thread;
    *feed = made;
    return MESH_OK;

no_thread:
    pthread_mutex_destroy(&made->mu);
no_mutex:
    pthread_cond_destroy(&made->changed);
no_memory:
    if (made != NULL) {
        mesh_arena_destroy(made->own);
        mesh_arena_destroy(made->shared);
    }
    mesh_free(made);
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the live feed cannot start");
}

void notification_feed_destroy(notification_feed *feed)
{
    if (feed == NULL)
        return;
    pthread_mutex_lock(&feed->mu);
    feed->stopping = true;
    pthread_cond_signal(&feed->changed);
    pthread_mutex_unlock(&feed->mu);
    pthread_join(feed->thread, NULL);

    while (feed->watchers != NULL) {
        watcher *next = feed->watchers->next;
        mesh_free(feed->watchers);
        feed->watchers = next;
    }
    pthread_cond_destroy(&feed->changed);
    pthread_mutex_destroy(&feed->mu);
    mesh_arena_destroy(feed->own);
    mesh_arena_destroy(feed->shared);
    mesh_free(feed);
}

static void wake_locked(notification_feed *feed)
{
    feed->woken = true;
    pthread_cond_signal(&feed->changed);
}

void notification_feed_wake(notification_feed *feed)
{
    pthread_mutex_lock(&feed->mu);
    wake_locked(feed);
    pthread_mutex_unlock(&feed->mu);
}

mesh_code notification_feed_add(notification_feed *feed, mesh_stream *stream, const char *user_id,
                                const char *after, mesh_error *err)
{
    size_t bytes = strlen(user_id) + 1;
    watcher *made = mesh_calloc(1, sizeof *made + bytes);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->stream = stream;
    made->user_hash = mesh_hash_text(MESH_HASH_EMPTY, user_id);
    snprintf(made->after, sizeof made->after, "%s", after);
    memcpy(made->user_id, user_id, bytes);

    pthread_mutex_lock(&feed->mu);
    bool ended = feed->ended;
    if (!ended) {
        mesh_stream_set_data(stream, made);
        made->next = feed->watchers;
        feed->watchers = made;
        wake_locked(feed);
    }
    pthread_mutex_unlock(&feed->mu);
    if (!ended)
        return MESH_OK;
    mesh_free(made);
    return mesh_error_set(err, MESH_UNAVAILABLE, "the service stops, watch another instance");
}

void notification_feed_continue(notification_feed *feed, mesh_stream *stream)
{
    watcher *one = mesh_stream_data(stream);
    if (one == NULL)
        return;
    pthread_mutex_lock(&feed->mu);
    one->full = false;
    wake_locked(feed);
    pthread_mutex_unlock(&feed->mu);
}

void notification_feed_remove(notification_feed *feed, mesh_stream *stream)
{
    watcher *one = mesh_stream_data(stream);
    if (one == NULL)
        return;
    pthread_mutex_lock(&feed->mu);
    one->stream = NULL;
    wake_locked(feed);
    pthread_mutex_unlock(&feed->mu);
}

void notification_feed_end(notification_feed *feed)
{
    mesh_error err;
    mesh_error_clear(&err);
    mesh_error_set(&err, MESH_UNAVAILABLE, "the service stops, watch another instance");
    pthread_mutex_lock(&feed->mu);
    feed->ended = true;
    for (watcher *one = feed->watchers; one != NULL; one = one->next)
        if (one->stream != NULL)
            mesh_stream_end(one->stream, MESH_UNAVAILABLE, &err);
    pthread_mutex_unlock(&feed->mu);
}
