/*
 * The permission cache: what the user service answered to "does this user have this permission?",
 * allowed or denied, for 15 minutes. A check that finds no answer begins a load and is answered
 * when that ends; whoever asks the same meanwhile shares it. Internal.
 *
 *   mesh_permissions_create(&(mesh_permissions_options){.load = ask, .self = users}, &cache, &err);
 *   ...
 *   query->user = caller; query->permission = "movies.edit"; query->done = go_on;
 *   code = mesh_permissions_check(cache, query, &answer, &err);
 *   if (code == MESH_OK && answer == MESH_ANSWER_PENDING)
 *       ... go_on is called, once ...
 *
 * What it promises:
 *
 * - An answer is kept for `ttl_ms` from the moment its load began, however often it is used, and so
 *   is never older than that. Denials are kept as well. Failures are not answers: a load that fails
 *   allows nobody, and leaves what was known before it as it was.
 * - At most one load of a user's permission runs at a time; callers of the same share it.
 * - After a drop returned, whoever asks is answered from a load that began after it. Those who
 *   asked before and still wait are, too: what a load brings that ran when its user was dropped is
 *   neither kept nor given to anybody, not even to the second half of its waiters when the first
 *   half has it already. They are answered by another load; after MESH_PERMISSION_TRIES that were
 *   all dropped while they ran, with UNAVAILABLE.
 * - A fresh check takes no answer of a load that began before it was asked. It may so wait for two
 *   loads: the one that runs, and its own, which all share who wait for it.
 * - Neither max_entries nor max_bytes is ever exceeded. When full, the entry whose last load ended
 *   longest ago goes; one that keeps only a failure goes before all answers, so that an outage does
 *   not empty the cache.
 *
 * After a failed load, checks of the same that find no answer are refused at once for
 * MESH_PERMISSION_PAUSE_MS. Without that a permission that every call needs would be asked for
 * again and again as fast as the failures come back, by each instance of each service, where one
 * load in 15 minutes was enough before: just what an overloaded user service cannot bear. It costs
 * that the first calls after an outage may fail for so much longer, and that one load which failed
 * by accident refuses the calls of a quarter of a second and not only its own. It is kept for each
 * user and permission alone: a failure that only one of them has does not stop the others.
 *
 * All functions may be called from any thread, also from inside `load` and `done`, but for destroy.
 * None waits for anything but a short lock, again but for destroy; a drop_all frees all answers of
 * a shard while it holds that shard's.
 */
#ifndef MESH_AUTH_PERMISSIONS_H
#define MESH_AUTH_PERMISSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

enum {
    MESH_PERMISSION_USER_MAX = 512,        /* bytes of a user's id, without its NUL */
    MESH_PERMISSION_NAME_MAX = 128,        /* bytes of a permission, without its NUL */
    MESH_PERMISSION_TRIES = 3,             /* loads for one check */
    MESH_PERMISSION_PAUSE_MS = 250,        /* no load of the same after one that failed */
    MESH_PERMISSIONS_BYTES_MIN = 1024,     /* of max_bytes: room for an entry of any length */
    MESH_PERMISSIONS_ENTRIES_MAX = 1 << 24 /* of max_entries */
};

typedef struct mesh_permissions mesh_permissions;

/* A load that runs, until mesh_permissions_loaded is called with it. */
typedef struct mesh_permission_load mesh_permission_load;

/*
 * Begins to find out whether the user has the permission, and does not wait for it. It, or any
 * thread during or after it, calls mesh_permissions_loaded exactly once; it has a time limit of its
 * own, since waiters have none. Both texts are valid until then. It has to read what was true at or
 * after its call: from the user service itself and not from a copy that may lag behind its events.
 * It is called on a thread that checks, or on one that ends a load before.
 */
typedef void mesh_permissions_load_fn(void *self, const char *user, const char *permission,
                                      mesh_permission_load *load);

typedef struct mesh_permissions_options {
    mesh_permissions_load_fn *load;
    void *self;         /* borrowed until the cache is destroyed */
    int64_t ttl_ms;     /* from the begin of a load, default 15 minutes */
    size_t max_entries; /* running loads included, default 65,536 */
    size_t max_bytes;   /* of these entries, with their texts, default 16 MiB; the tables that find
                           them have 16 to 32 bytes for each of max_entries besides */
} mesh_permissions_options;

/*
 * Entries live in up to 16 shards by user, each with a lock and its part of both limits: one may be
 * full while others are not. A cache of less than 2,048 entries or 256 KiB has only one.
 * INVALID_ARGUMENT: a limit is out of range; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_MUST_CHECK mesh_code mesh_permissions_create(const mesh_permissions_options *options,
                                                  mesh_permissions **permissions, mesh_error *err);

/*
 * Waits until all running loads ended and those who waited for them were answered, as ever or, who
 * needs another load, with UNAVAILABLE; then frees it. Nobody may check or drop any more, except
 * from inside a `done`, which is refused. Not on a thread that a load needs to end. NULL is
 * accepted.
 */
void mesh_permissions_destroy(mesh_permissions *permissions);

typedef enum mesh_permission_answer {
    MESH_ANSWER_DENIED,
    MESH_ANSWER_ALLOWED,
    MESH_ANSWER_PENDING /* `done` says it */
} mesh_permission_answer;

/*
 * The answer to a pending check: `allowed` if the code is MESH_OK; else it is MESH_UNAVAILABLE,
 * with the reason PERMISSION_UNKNOWN and the cause in the message, `allowed` is false, and `err` is
 * valid for the call. Called exactly once, without a lock, on the thread that ends the load, or on
 * the one that began it if it ends inside `load`. It should be short: others wait behind it.
 */
typedef void mesh_permission_done_fn(void *context, mesh_code code, bool allowed,
                                     const mesh_error *err);

/* What is asked. Memory of whoever asks; while it is pending the cache links it to others. */
typedef struct mesh_permission_query {
    const char *user; /* as the next: borrowed for the check only */
    const char *permission;
    bool fresh; /* take no answer that was loaded before: methods that are `sensitive` */
    mesh_permission_done_fn *done;
    void *context;

    /* the cache's */
    struct mesh_permission_query *next;
    bool later;    /* no load that runs is for it, only the next */
    uint8_t tries; /* loads that were dropped while it waited for them */
} mesh_permission_query;

/*
 * MESH_OK: `answer` is set. When it is PENDING, `done` is or was called: on another thread it may
 * be before this returns. It is not called for any other answer, and never from inside for its own
 * query: a load that ends inside `load` is answered here.
 *
 * UNAVAILABLE with the reason PERMISSION_UNKNOWN: a load failed, now or less than
 * MESH_PERMISSION_PAUSE_MS ago, or the cache is being destroyed. RESOURCE_EXHAUSTED: out of memory,
 * or the shard is full of running loads. INVALID_ARGUMENT: user or permission is empty or too long.
 * None of them means allowed.
 */
MESH_MUST_CHECK mesh_code mesh_permissions_check(mesh_permissions *permissions,
                                                 mesh_permission_query *query,
                                                 mesh_permission_answer *answer, mesh_error *err);

/*
 * What would be answered at once, and how long ago its load began; false: nothing. It is no check:
 * nothing is loaded, counted or changed.
 */
bool mesh_permissions_peek(mesh_permissions *permissions, const char *user, const char *permission,
                           bool *allowed, int64_t *age_ms);

/*
 * Ends a load, once. Any code but MESH_OK: it failed; `err` (may be NULL, is copied) says why. A
 * user that does not exist is no failure but a denial. Calls `done` of those who waited, and `load`
 * for those who need another one. `load` is not valid any more.
 */
void mesh_permissions_loaded(mesh_permission_load *load, mesh_code code, bool allowed,
                             const mesh_error *err);

/* Drops what is known of a user, or of all, in running loads, too. See the promises. */
void mesh_permissions_drop_user(mesh_permissions *permissions, const char *user);
void mesh_permissions_drop_all(mesh_permissions *permissions);

/* Figures for metrics; the counts grow from the creation on. */
typedef struct mesh_permissions_stats {
    uint64_t hits;      /* checks answered by what was known */
    uint64_t misses;    /* all others that were well-formed, fresh ones among them */
    uint64_t loads;     /* begun */
    uint64_t failures;  /* loads that failed */
    uint64_t drops;     /* entries that were dropped, running loads included */
    uint64_t evictions; /* entries that went because the cache was full */
    size_t entries;     /* now; expired ones stay until they are asked for or evicted */
    size_t bytes;       /* of these */
    size_t loading;     /* loads that run, of these */
} mesh_permissions_stats;

/* Adds up the shards one after the other. */
void mesh_permissions_get_stats(mesh_permissions *permissions, mesh_permissions_stats *stats);

#endif
