#include "services/notification/feed.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/resource/page.h"
#include "mesh/rpc/watchers.h"
#include "notification/v1/notification.mesh.h"
#include "services/notification/store.h"

enum {
    RETRY_MS = 1000, /* between attempts while the database is away */
    FIRST_BLOCK_BYTES = 16 * 1024
};

static const char TOKEN_SCOPE[] = "notification.v1.NotificationService/WatchNotifications";

/* One who watches. */
typedef struct watcher {
    mesh_watcher base;
    bool placed;                      /* thread's; `position` counts, the first message was sent */
    int64_t position;                 /* thread's; the user's notifications up to here were sent */
    char after[MESH_UUID_TEXT_BYTES]; /* immutable; where the stream begins, "": from now on */
    uint64_t user_hash;               /* immutable */
    char user_id[];                   /* immutable; whose notifications */
} watcher;

struct notification_feed {
    mesh_db *db; /* immutable, as the next two */
    int64_t interval_ms;
    mesh_watchers *watchers;
    mesh_arena *shared; /* thread's; what a round reads for all, reset each round */
    mesh_arena *own;    /* thread's; what it reads for some, reset for each */
    int64_t head;       /* thread's; all who keep up have what is up to here */
    bool failing;       /* thread's; the last round could not use the database */
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
static bool send_one(watcher *to, char *token, Notification__V1__Notification *notification)
{
    Notification__V1__WatchNotificationsResponse message =
        NOTIFICATION__V1__WATCH_NOTIFICATIONS_RESPONSE__INIT;
    message.notification = notification;
    message.resume_token = token;
    return mesh_watcher_send(&to->base, &message.base);
}

/* Sends a watcher what is its own of a batch. False: it has to be read for again. */
static bool send_own(watcher *to, outgoing *out)
{
    const notification_batch *batch = &out->batch;
    for (size_t n = out->first[to->user_hash & out->mask]; n != 0; n = out->next[n - 1]) {
        Notification__V1__Notification *item = &batch->items[n - 1];
        if (strcmp(item->user_id, to->user_id) != 0)
            continue;
        if (out->tokens[n - 1] == NULL)
            out->tokens[n - 1] = notification_feed_token(out->arena, item->id);
        if (!send_one(to, out->tokens[n - 1], item))
            return false;
        to->position = batch->positions[n - 1];
    }
    return true;
}

/* --- a round ---------------------------------------------------------------------------------- */

static watcher *next_of(const watcher *one)
{
    return (watcher *)one->base.next;
}

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
    for (watcher *one = first; one != NULL; one = next_of(one))
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
    for (watcher *one = first; one != NULL; one = next_of(one))
        if (one->placed && one->position == feed->head && send_own(one, &out))
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
    for (watcher *one = first; one != NULL; one = next_of(one)) {
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
        begun[i]->placed = send_one(begun[i], notification_feed_token(feed->own, starts[i].last_id),
                                    NULL);
    }
    return MESH_OK;
}

/* Those who are behind the head, each from where it is. */
static mesh_code catch_up(notification_feed *feed, watcher *first, bool *more, mesh_error *err)
{
    for (watcher *one = first; one != NULL; one = next_of(one)) {
        if (!one->placed || one->position >= feed->head || !mesh_watcher_can_take(&one->base))
            continue;
        outgoing out = {.arena = feed->own};
        mesh_arena_reset(feed->own);
        mesh_code code = notification_store_own(feed->db, out.arena, one->user_id, one->position,
                                                feed->head, &out.batch, err);
        if (code == MESH_OK)
            code = prepare(&out, err);
        if (code != MESH_OK)
            return code;
        if (!send_own(one, &out))
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
    watcher *first = (watcher *)mesh_watchers_sweep(feed->watchers);
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

/* When there may be more to do. */
static int64_t run_round(void *context)
{
    notification_feed *feed = context;
    bool watched = false;
    bool more = false;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_code code = round_of(feed, &watched, &more, &err);
    report(feed, code, &err);
    if (code != MESH_OK)
        return RETRY_MS;
    if (more)
        return 0;
    return watched ? feed->interval_ms : -1;
}

/* --- from outside ----------------------------------------------------------------------------- */

mesh_code notification_feed_create(mesh_db *db, int64_t interval_ms, notification_feed **feed,
                                   mesh_error *err)
{
    notification_feed *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    const mesh_watchers_options options = {.round = run_round, .self = made};
    made->db = db;
    made->interval_ms = interval_ms;
    made->shared = mesh_arena_create(FIRST_BLOCK_BYTES, 0);
    made->own = mesh_arena_create(FIRST_BLOCK_BYTES, 0);
    mesh_code code = made->shared != NULL && made->own != NULL
                         ? mesh_watchers_create(&options, &made->watchers, err)
                         : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code != MESH_OK) {
        notification_feed_destroy(made);
        return code;
    }
    *feed = made;
    return MESH_OK;
}

void notification_feed_destroy(notification_feed *feed)
{
    if (feed == NULL)
        return;
    mesh_watchers_destroy(feed->watchers);
    mesh_arena_destroy(feed->own);
    mesh_arena_destroy(feed->shared);
    mesh_free(feed);
}

void notification_feed_wake(notification_feed *feed)
{
    mesh_watchers_wake(feed->watchers);
}

mesh_code notification_feed_add(notification_feed *feed, mesh_stream *stream, const char *user_id,
                                const char *after, mesh_error *err)
{
    size_t bytes = strlen(user_id) + 1;
    watcher *made = mesh_calloc(1, sizeof *made + bytes);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->user_hash = mesh_hash_text(MESH_HASH_EMPTY, user_id);
    snprintf(made->after, sizeof made->after, "%s", after);
    memcpy(made->user_id, user_id, bytes);
    return mesh_watchers_add(feed->watchers, &made->base, stream, err);
}

void notification_feed_end(notification_feed *feed)
{
    mesh_watchers_end(feed->watchers);
}
