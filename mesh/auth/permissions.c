#include "mesh/auth/permissions.h"

#include <assert.h>
#include <pthread.h>
#include <string.h>
#include <sys/queue.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/hash.h"
#include "mesh/base/options.h"
#include "mesh/v1/reason.mesh.h"

enum {
    DEFAULT_TTL_MS = 15 * 60 * 1000,
    DEFAULT_MAX_ENTRIES = 1 << 16,
    DEFAULT_MAX_BYTES = 16 << 20,
    MOST_SHARDS = 16,
    /* No shard of several has less: the more it has, the more even their parts of the users are. */
    SHARD_ENTRIES = 1 << 10,
    SHARD_BYTES = 128 << 10
};

typedef enum stage {
    KEPT,     /* no load runs */
    LOADING,  /* one does */
    ANSWERING /* it ended, and those who waited are being answered */
} stage;

/* What a load came to. */
typedef struct outcome {
    bool there;
    bool allowed;
    mesh_error err; /* when it failed; its code else is MESH_OK */
} outcome;

/* A user's permission: what is known of it, and its load when one runs. Guarded by the shard's mu
 * but for what is immutable. */
typedef struct mesh_permission_load {
    LIST_ENTRY(mesh_permission_load) same_key;
    LIST_ENTRY(mesh_permission_load) same_user;
    TAILQ_ENTRY(mesh_permission_load) place; /* among those kept or those loading */
    struct shard *shard;                     /* immutable */
    uint64_t hash;                           /* of the key; immutable */
    int64_t expires_ns;                      /* of `allowed`; 0: there is no answer */
    int64_t pause_ns;                        /* no load before, since one failed; 0: none did */
    int64_t began_ns;                        /* the load */
    mesh_permission_query *waiters;
    outcome *outcome; /* where the load puts it that ends while `load` is called */
    stage stage;
    bool allowed;
    bool dropped;       /* since the load began */
    uint8_t name_size;  /* of the permission with its NUL, as the next; immutable */
    uint16_t user_size; /* immutable */
    char text[];        /* the user and its NUL, the permission and its NUL; immutable */
} entry;

LIST_HEAD(entry_list, mesh_permission_load);
TAILQ_HEAD(entry_queue, mesh_permission_load);

typedef struct shard {
    pthread_mutex_t mu;
    const mesh_permissions *permissions; /* immutable */
    struct entry_list *keys;             /* by hash; the table is immutable, as is the next */
    struct entry_list *users;            /* by hash of the user alone */

    /* guarded by mu, as these lists are */
    struct entry_queue kept; /* those to go first are first */
    struct entry_queue loading;
    mesh_permissions_stats stats;
    bool ending;
    pthread_cond_t ended; /* the last load did */
} shard;

/* All immutable. */
struct mesh_permissions {
    mesh_permissions_load_fn *load;
    void *self;
    int64_t ttl_ms;
    size_t shard_entries; /* at most */
    size_t shard_bytes;   /* at most */
    size_t table_size;    /* lists in each table, a power of two */
    struct entry_list *tables;
    size_t shard_count; /* a power of two */
    shard shards[];
};

/* Who asks and is answered by the return of a function. `query` is NULL once that is known. */
typedef struct asker {
    mesh_permission_query *query;
    mesh_permission_answer *answer;
    mesh_code code;
    mesh_error *err;
} asker;

/* --- keys ------------------------------------------------------------------------------------- */

typedef struct key {
    const char *user;
    const char *name;
    size_t user_size; /* with its NUL, as the next */
    size_t name_size;
    uint64_t user_hash;
    uint64_t hash;
} key;

static bool read_text(const char *text, size_t most, size_t *size)
{
    *size = strnlen(text, most + 1) + 1;
    return *size > 1 && *size <= most + 1;
}

/* Fills in what its two texts give. */
static mesh_code read_key(key *key, mesh_error *err)
{
    if (!read_text(key->user, MESH_PERMISSION_USER_MAX, &key->user_size))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a user's id has 1 to %d bytes",
                              (int)MESH_PERMISSION_USER_MAX);
    if (!read_text(key->name, MESH_PERMISSION_NAME_MAX, &key->name_size))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a permission has 1 to %d bytes",
                              (int)MESH_PERMISSION_NAME_MAX);
    key->user_hash = mesh_hash_quick(MESH_HASH_EMPTY, key->user, key->user_size);
    key->hash = mesh_hash_quick(key->user_hash, key->name, key->name_size);
    return MESH_OK;
}

static const char *name_of(const entry *e)
{
    return e->text + e->user_size;
}

/* The tables take the lower bits. */
static shard *shard_of(mesh_permissions *permissions, uint64_t user_hash)
{
    return &permissions->shards[(user_hash >> 32) & (permissions->shard_count - 1)];
}

static struct entry_list *list_of(const shard *shard, struct entry_list *table, uint64_t hash)
{
    return &table[hash & (shard->permissions->table_size - 1)];
}

/* --- entries; mu is held ---------------------------------------------------------------------- */

static bool is_of(const entry *e, const key *key)
{
    return e->hash == key->hash && e->user_size == key->user_size &&
           e->name_size == key->name_size && memcmp(e->text, key->user, key->user_size) == 0 &&
           memcmp(name_of(e), key->name, key->name_size) == 0;
}

static entry *find(const shard *shard, const key *key)
{
    entry *e = LIST_FIRST(list_of(shard, shard->keys, key->hash));

    while (e != NULL && !is_of(e, key))
        e = LIST_NEXT(e, same_key);
    return e;
}

static size_t bytes_of(size_t user_size, size_t name_size)
{
    return sizeof(entry) + user_size + name_size;
}

static void remove_kept(entry *e)
{
    shard *shard = e->shard;

    TAILQ_REMOVE(&shard->kept, e, place);
    LIST_REMOVE(e, same_key);
    LIST_REMOVE(e, same_user);
    shard->stats.entries--;
    shard->stats.bytes -= bytes_of(e->user_size, e->name_size);
    mesh_free(e);
}

/* False: running loads leave no room. */
static bool make_room(shard *shard, size_t bytes)
{
    while (shard->stats.entries >= shard->permissions->shard_entries ||
           shard->stats.bytes + bytes > shard->permissions->shard_bytes) {
        if (TAILQ_EMPTY(&shard->kept))
            return false;
        remove_kept(TAILQ_FIRST(&shard->kept));
        shard->stats.evictions++;
    }
    return true;
}

/* A new entry, of which nothing is known. */
static mesh_code add(shard *shard, const key *key, entry **added, mesh_error *err)
{
    size_t bytes = bytes_of(key->user_size, key->name_size);
    entry *e;

    if (!make_room(shard, bytes))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "as many permissions are being loaded as the cache may hold");
    e = mesh_malloc(bytes);
    if (e == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *e = (entry){.shard = shard,
                 .hash = key->hash,
                 .user_size = (uint16_t)key->user_size,
                 .name_size = (uint8_t)key->name_size};
    memcpy(e->text, key->user, key->user_size);
    memcpy(e->text + key->user_size, key->name, key->name_size);
    LIST_INSERT_HEAD(list_of(shard, shard->keys, key->hash), e, same_key);
    LIST_INSERT_HEAD(list_of(shard, shard->users, key->user_hash), e, same_user);
    TAILQ_INSERT_TAIL(&shard->kept, e, place);
    shard->stats.entries++;
    shard->stats.bytes += bytes;
    *added = e;
    return MESH_OK;
}

/* --- loads ------------------------------------------------------------------------------------ */

static mesh_code refuse(const char *permission, const char *cause, mesh_error *err)
{
    mesh__v1__auth_error_reason__set(
        err, MESH_UNAVAILABLE, MESH__V1__AUTH_ERROR_REASON__PERMISSION_UNKNOWN,
        "whether the caller has the permission %s is not known: %s", permission, cause);
    mesh_error_retry_after(err, MESH_PERMISSION_PAUSE_MS);
    return MESH_UNAVAILABLE;
}

/* mu is held, and the entry among those that load. */
static void begin(entry *e, int64_t now_ns)
{
    e->stage = LOADING;
    e->dropped = false;
    e->began_ns = now_ns;
    e->shard->stats.loads++;
}

/* mu is held. Nobody waits for the load that ended. */
static void settle(entry *e)
{
    shard *shard = e->shard;

    TAILQ_REMOVE(&shard->loading, e, place);
    e->stage = KEPT;
    if (e->expires_ns > 0)
        TAILQ_INSERT_TAIL(&shard->kept, e, place);
    else
        TAILQ_INSERT_HEAD(&shard->kept, e, place);
    if (e->expires_ns == 0 && e->pause_ns == 0)
        remove_kept(e);
    if (--shard->stats.loading == 0)
        pthread_cond_signal(&shard->ended);
}

/* mu is held. */
static void keep(entry *e, const outcome *came)
{
    int64_t now_ns = mesh_clock_monotonic_ns();

    if (came->err.code != MESH_OK) {
        e->shard->stats.failures++;
        e->pause_ns = mesh_clock_add_ms(now_ns, MESH_PERMISSION_PAUSE_MS);
        if (e->expires_ns <= now_ns)
            e->expires_ns = 0;
    } else if (!e->dropped) {
        e->allowed = came->allowed;
        e->expires_ns = mesh_clock_add_ms(e->began_ns, e->shard->permissions->ttl_ms);
        e->pause_ns = 0;
    }
}

/* mu is held. Whether one who waited needs another load than the one that came to an answer. */
static bool needs_another(const entry *e, mesh_permission_query *waiter)
{
    if (e->shard->ending)
        return false;
    return waiter->later || (e->dropped && ++waiter->tries < MESH_PERMISSION_TRIES);
}

/* Without a lock. `cause` NULL: the answer is `allowed`. */
static void tell(const entry *e, mesh_permission_query *waiter, asker *own, bool allowed,
                 const char *cause)
{
    mesh_code code = MESH_OK;
    mesh_error err;

    if (own != NULL && waiter == own->query) {
        own->query = NULL;
        if (cause == NULL)
            *own->answer = allowed ? MESH_ANSWER_ALLOWED : MESH_ANSWER_DENIED;
        else
            own->code = refuse(name_of(e), cause, own->err);
        return;
    }
    if (cause != NULL) {
        mesh_error_clear(&err);
        code = refuse(name_of(e), cause, &err);
    }
    waiter->done(waiter->context, code, cause == NULL && allowed, cause == NULL ? NULL : &err);
}

/*
 * Answers those who waited for a load that ended, and leaves those who need another. mu is held
 * but not while one is told. So each is decided by itself: a drop between two of them is heeded.
 */
static void answer_waiters(entry *e, const outcome *came, asker *own)
{
    pthread_mutex_t *mu = &e->shard->mu;
    mesh_permission_query *left = NULL;

    e->stage = ANSWERING; /* who comes from now on waits for the next */
    while (e->waiters != NULL) {
        mesh_permission_query *waiter = e->waiters;
        const char *cause = NULL;

        e->waiters = waiter->next;
        if (came->err.code != MESH_OK) {
            cause = came->err.message;
        } else if (needs_another(e, waiter)) {
            waiter->later = false;
            waiter->next = left;
            left = waiter;
            continue;
        } else if (e->dropped || waiter->later) {
            cause = e->shard->ending ? "the service ends" : "it changes all the time";
        }
        pthread_mutex_unlock(mu);
        tell(e, waiter, own, came->allowed, cause);
        pthread_mutex_lock(mu);
    }
    e->waiters = left;
}

/* mu is held, but not all the time. True: it begins again, for those who need another load. */
static bool end(entry *e, const outcome *came, asker *own)
{
    keep(e, came);
    answer_waiters(e, came, own);
    if (e->waiters == NULL) {
        settle(e);
        return false;
    }
    begin(e, mesh_clock_monotonic_ns());
    return true;
}

/*
 * Loads until one does not end inside `load`, or nobody waits any more. mu is held; it is given
 * back. A loop and no recursion, however often a loader that answers at once has to go on.
 */
static void run(entry *e, asker *own)
{
    shard *shard = e->shard;
    const mesh_permissions *permissions = shard->permissions;
    outcome came;

    do {
        came.there = false;
        e->outcome = &came;
        pthread_mutex_unlock(&shard->mu);
        permissions->load(permissions->self, e->text, name_of(e), e);
        pthread_mutex_lock(&shard->mu);
        e->outcome = NULL;
        if (!came.there) {
            if (own != NULL && own->query != NULL) /* may be gone as soon as mu is */
                *own->answer = MESH_ANSWER_PENDING;
            break;
        }
    } while (end(e, &came, own));
    pthread_mutex_unlock(&shard->mu);
}

void mesh_permissions_loaded(mesh_permission_load *e, mesh_code code, bool allowed,
                             const mesh_error *err)
{
    shard *shard = e->shard;
    outcome came = {.there = true, .allowed = allowed};

    if (code != MESH_OK)
        mesh_error_set(&came.err, code, "%s: %s", mesh_code_name(code),
                       err != NULL ? err->message : "");
    pthread_mutex_lock(&shard->mu);
    assert(e->stage == LOADING);
    if (e->outcome != NULL) {
        assert(!e->outcome->there);
        *e->outcome = came;
    } else if (end(e, &came, NULL)) {
        run(e, NULL);
        return;
    }
    pthread_mutex_unlock(&shard->mu);
}

/* --- checks ----------------------------------------------------------------------------------- */

/* Of what has no answer that may be taken. mu is held; it is given back. */
static mesh_code miss(entry *e, int64_t now_ns, asker *own)
{
    shard *shard = e->shard;
    mesh_permission_query *query = own->query;

    if (now_ns < e->pause_ns) {
        pthread_mutex_unlock(&shard->mu);
        return refuse(query->permission, "a moment ago it could not be loaded", own->err);
    }
    query->later = e->stage == ANSWERING || (e->stage == LOADING && (query->fresh || e->dropped));
    query->tries = 0;
    query->next = e->waiters;
    e->waiters = query;
    if (e->stage != KEPT) {
        *own->answer = MESH_ANSWER_PENDING;
        pthread_mutex_unlock(&shard->mu);
        return MESH_OK;
    }
    TAILQ_REMOVE(&shard->kept, e, place);
    TAILQ_INSERT_TAIL(&shard->loading, e, place);
    shard->stats.loading++;
    begin(e, now_ns);
    run(e, own);
    return own->code;
}

mesh_code mesh_permissions_check(mesh_permissions *permissions, mesh_permission_query *query,
                                 mesh_permission_answer *answer, mesh_error *err)
{
    key key = {.user = query->user, .name = query->permission};
    mesh_code code = read_key(&key, err);
    int64_t now_ns;
    shard *shard;
    entry *e;

    if (code != MESH_OK)
        return code;
    now_ns = mesh_clock_monotonic_ns();
    shard = shard_of(permissions, key.user_hash);
    pthread_mutex_lock(&shard->mu);
    e = find(shard, &key);
    if (e != NULL && now_ns < e->expires_ns && !query->fresh) {
        *answer = e->allowed ? MESH_ANSWER_ALLOWED : MESH_ANSWER_DENIED;
        shard->stats.hits++;
        pthread_mutex_unlock(&shard->mu);
        return MESH_OK;
    }
    shard->stats.misses++;
    if (shard->ending)
        code = refuse(query->permission, "the service ends", err);
    else if (e == NULL)
        code = add(shard, &key, &e, err);
    if (code != MESH_OK) {
        pthread_mutex_unlock(&shard->mu);
        return code;
    }
    return miss(e, now_ns, &(asker){.query = query, .answer = answer, .err = err});
}

bool mesh_permissions_peek(mesh_permissions *permissions, const char *user, const char *permission,
                           bool *allowed, int64_t *age_ms)
{
    key key = {.user = user, .name = permission};
    int64_t now_ns = mesh_clock_monotonic_ns();
    const entry *e;
    shard *shard;
    bool known;

    if (read_key(&key, NULL) != MESH_OK)
        return false;
    shard = shard_of(permissions, key.user_hash);
    pthread_mutex_lock(&shard->mu);
    e = find(shard, &key);
    known = e != NULL && now_ns < e->expires_ns;
    if (known) {
        *allowed = e->allowed;
        *age_ms = permissions->ttl_ms - (e->expires_ns - now_ns) / 1000000;
    }
    pthread_mutex_unlock(&shard->mu);
    return known;
}

/* --- drops ------------------------------------------------------------------------------------ */

/* mu is held. */
static void drop(entry *e)
{
    e->shard->stats.drops++;
    if (e->stage == KEPT) {
        remove_kept(e);
        return;
    }
    e->expires_ns = 0;
    e->dropped = true;
}

void mesh_permissions_drop_user(mesh_permissions *permissions, const char *user)
{
    size_t size;
    uint64_t hash;
    shard *shard;
    entry *next;

    if (!read_text(user, MESH_PERMISSION_USER_MAX, &size))
        return; /* nothing of it was ever kept */
    hash = mesh_hash_quick(MESH_HASH_EMPTY, user, size);
    shard = shard_of(permissions, hash);
    pthread_mutex_lock(&shard->mu);
    for (entry *e = LIST_FIRST(list_of(shard, shard->users, hash)); e != NULL; e = next) {
        next = LIST_NEXT(e, same_user);
        if (e->user_size == size && memcmp(e->text, user, size) == 0)
            drop(e);
    }
    pthread_mutex_unlock(&shard->mu);
}

void mesh_permissions_drop_all(mesh_permissions *permissions)
{
    for (size_t i = 0; i < permissions->shard_count; i++) {
        shard *shard = &permissions->shards[i];
        entry *e;

        pthread_mutex_lock(&shard->mu);
        while ((e = TAILQ_FIRST(&shard->kept)) != NULL)
            drop(e);
        for (e = TAILQ_FIRST(&shard->loading); e != NULL; e = TAILQ_NEXT(e, place))
            drop(e);
        pthread_mutex_unlock(&shard->mu);
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static mesh_code read_options(const mesh_permissions_options *given,
                              mesh_permissions_options *options, mesh_error *err)
{
    assert(given->load != NULL);
    *options = *given;
    MESH_OPTION_DEFAULT(options->ttl_ms, DEFAULT_TTL_MS);
    MESH_OPTION_DEFAULT(options->max_entries, DEFAULT_MAX_ENTRIES);
    MESH_OPTION_DEFAULT(options->max_bytes, DEFAULT_MAX_BYTES);
    if (options->ttl_ms < 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "the ttl of permissions is negative");
    if (options->max_entries > MESH_PERMISSIONS_ENTRIES_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "at most %d permissions can be kept",
                              (int)MESH_PERMISSIONS_ENTRIES_MAX);
    if (options->max_bytes < MESH_PERMISSIONS_BYTES_MIN)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the cache of permissions needs at least %d bytes",
                              (int)MESH_PERMISSIONS_BYTES_MIN);
    return MESH_OK;
}

static size_t count_shards(const mesh_permissions_options *options)
{
    size_t count = MOST_SHARDS;

    while (count > 1 && (options->max_entries / count < SHARD_ENTRIES ||
                         options->max_bytes / count < SHARD_BYTES))
        count /= 2;
    return count;
}

static void init_shard(mesh_permissions *permissions, size_t index)
{
    shard *shard = &permissions->shards[index];
    struct entry_list *tables = permissions->tables + index * 2 * permissions->table_size;

    pthread_mutex_init(&shard->mu, NULL);
    pthread_cond_init(&shard->ended, NULL);
    shard->permissions = permissions;
    shard->keys = tables; /* zeroed lists are empty */
    shard->users = tables + permissions->table_size;
    TAILQ_INIT(&shard->kept);
    TAILQ_INIT(&shard->loading);
}

mesh_code mesh_permissions_create(const mesh_permissions_options *given,
                                  mesh_permissions **permissions, mesh_error *err)
{
    mesh_permissions_options options;
    mesh_code code = read_options(given, &options, err);
    mesh_permissions *made;
    size_t shards;

    if (code != MESH_OK)
        return code;
    shards = count_shards(&options);
    made = mesh_calloc(1, sizeof *made + shards * sizeof made->shards[0]);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->load = options.load;
    made->self = options.self;
    made->ttl_ms = options.ttl_ms;
    made->shard_entries = options.max_entries / shards;
    made->shard_bytes = options.max_bytes / shards;
    for (made->table_size = 1; made->table_size < made->shard_entries; made->table_size *= 2)
        continue;
    made->tables = mesh_calloc(shards * 2 * made->table_size, sizeof *made->tables);
    if (made->tables == NULL) {
        mesh_free(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (; made->shard_count < shards; made->shard_count++)
        init_shard(made, made->shard_count);
    *permissions = made;
    return MESH_OK;
}

/* Refuses to begin more loads, and waits for those that run. */
static void end_shard(shard *shard)
{
    pthread_mutex_lock(&shard->mu);
    shard->ending = true;
    while (shard->stats.loading > 0)
        pthread_cond_wait(&shard->ended, &shard->mu);
    pthread_mutex_unlock(&shard->mu);
}

static void free_shard(shard *shard)
{
    while (!TAILQ_EMPTY(&shard->kept))
        remove_kept(TAILQ_FIRST(&shard->kept));
    pthread_cond_destroy(&shard->ended);
    pthread_mutex_destroy(&shard->mu);
}

void mesh_permissions_destroy(mesh_permissions *permissions)
{
    if (permissions == NULL)
        return;
    for (size_t i = 0; i < permissions->shard_count;
         i++)                               /* all, before one goes: a `done` of one */
        end_shard(&permissions->shards[i]); /* may check in another */
    for (size_t i = 0; i < permissions->shard_count; i++)
        free_shard(&permissions->shards[i]);
    mesh_free(permissions->tables);
    mesh_free(permissions);
}

void mesh_permissions_get_stats(mesh_permissions *permissions, mesh_permissions_stats *stats)
{
    *stats = (mesh_permissions_stats){.hits = 0};
    for (size_t i = 0; i < permissions->shard_count; i++) {
        shard *shard = &permissions->shards[i];

        pthread_mutex_lock(&shard->mu);
        stats->hits += shard->stats.hits;
        stats->misses += shard->stats.misses;
        stats->loads += shard->stats.loads;
        stats->failures += shard->stats.failures;
        stats->drops += shard->stats.drops;
        stats->evictions += shard->stats.evictions;
        stats->entries += shard->stats.entries;
        stats->bytes += shard->stats.bytes;
        stats->loading += shard->stats.loading;
        pthread_mutex_unlock(&shard->mu);
    }
}
