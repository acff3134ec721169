#include "mesh/auth/users.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/hash.h"

enum {
    SHARDS = 16,
    FIRST_LISTS = 16,
    MARKS = 1 << 14 /* of a few thousand users who changed, some others have the same mark */
};

typedef struct user {
    struct user *next; /* in its list */
    struct user *older, *newer;
    uint64_t hash;
    int64_t until_ns;
    mesh_user_state state;
    char id[];
} user;

/* All is guarded by mu. */
typedef struct shard {
    pthread_mutex_t mu;
    user **lists; /* list_count of them, a power of two; NULL: none was needed yet */
    size_t list_count;
    size_t count;
    user *oldest, *newest; /* by their last change */
} shard;

struct mesh_users {
    int64_t keep_ms;          /* immutable */
    atomic_size_t count;      /* in all shards */
    atomic_uint marks[MARKS]; /* how many entries have this mark: looked at without a lock */
    shard shards[SHARDS];
};

static atomic_uint *mark_of(mesh_users *users, uint64_t hash)
{
    return &users->marks[hash / SHARDS % MARKS];
}

static shard *shard_of(mesh_users *users, uint64_t hash)
{
    return &users->shards[hash % SHARDS];
}

/* --- in a shard; mu is held ------------------------------------------------------------------- */

static user **list_of(const shard *here, uint64_t hash)
{
    return &here->lists[hash / SHARDS & (here->list_count - 1)];
}

static user **place_of(const shard *here, uint64_t hash, const char *id)
{
    user **at = list_of(here, hash);

    while (*at != NULL && ((*at)->hash != hash || strcmp((*at)->id, id) != 0))
        at = &(*at)->next;
    return at;
}

/* Out of the order of changes. */
static void unlink_user(shard *here, user *one)
{
    if (one->older != NULL)
        one->older->newer = one->newer;
    else
        here->oldest = one->newer;
    if (one->newer != NULL)
        one->newer->older = one->older;
    else
        here->newest = one->older;
}

static void link_newest(shard *here, user *one)
{
    one->older = here->newest;
    one->newer = NULL;
    if (here->newest != NULL)
        here->newest->newer = one;
    else
        here->oldest = one;
    here->newest = one;
}

/* Without memory for more lists the old ones get longer. False: there is none at all. */
static bool make_lists(shard *here)
{
    size_t count = here->list_count == 0 ? FIRST_LISTS : 2 * here->list_count;
    user **old = here->lists;
    user **lists;

    if (here->count < here->list_count)
        return true;
    lists = mesh_calloc(count, sizeof(user *));
    if (lists == NULL)
        return old != NULL;
    here->lists = lists;
    here->list_count = count;
    for (user *one = here->oldest; one != NULL; one = one->newer) {
        user **list = list_of(here, one->hash);

        one->next = *list;
        *list = one;
    }
    mesh_free(old);
    return true;
}

static void forget_old(mesh_users *users, shard *here, int64_t now_ns)
{
    while (here->oldest != NULL && here->oldest->until_ns <= now_ns) {
        user *one = here->oldest;

        *place_of(here, one->hash, one->id) = one->next;
        unlink_user(here, one);
        here->count--;
        atomic_fetch_sub(mark_of(users, one->hash), 1);
        atomic_fetch_sub(&users->count, 1);
        mesh_free(one);
    }
}

/* The user's entry, which is the newest now; NULL: out of memory. */
static user *entry_of(mesh_users *users, shard *here, uint64_t hash, const char *id)
{
    size_t size = strlen(id) + 1;
    user *one = here->lists != NULL ? *place_of(here, hash, id) : NULL;

    if (one != NULL) {
        unlink_user(here, one);
        link_newest(here, one);
        return one;
    }
    if (!make_lists(here))
        return NULL;
    one = mesh_malloc(sizeof *one + size);
    if (one == NULL)
        return NULL;
    *one = (user){.hash = hash, .state.version = INT64_MIN};
    memcpy(one->id, id, size);
    one->next = *list_of(here, hash);
    *list_of(here, hash) = one;
    link_newest(here, one);
    here->count++;
    atomic_fetch_add(mark_of(users, hash), 1);
    atomic_fetch_add(&users->count, 1);
    return one;
}

/* --- from outside ----------------------------------------------------------------------------- */

mesh_users *mesh_users_create(int64_t keep_ms)
{
    mesh_users *users = mesh_calloc(1, sizeof *users);

    if (users == NULL)
        return NULL;
    users->keep_ms = keep_ms;
    for (size_t i = 0; i < SHARDS; i++)
        pthread_mutex_init(&users->shards[i].mu, NULL);
    return users;
}

void mesh_users_destroy(mesh_users *users)
{
    if (users == NULL)
        return;
    for (size_t i = 0; i < SHARDS; i++) {
        forget_old(users, &users->shards[i], INT64_MAX);
        mesh_free(users->shards[i].lists);
        pthread_mutex_destroy(&users->shards[i].mu);
    }
    mesh_free(users);
}

mesh_code mesh_users_put(mesh_users *users, const char *id, const mesh_user_state *state,
                         mesh_error *err)
{
    uint64_t hash = mesh_hash_quick(MESH_HASH_EMPTY, id, strlen(id));
    shard *here = shard_of(users, hash);
    int64_t now_ns = mesh_clock_monotonic_ns();
    user *one;

    if (id[0] == '\0' || strlen(id) > MESH_USER_ID_BYTES_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "the id of a user has 1 to %d bytes, not %zu", MESH_USER_ID_BYTES_MAX,
                              strlen(id));
    if (state->role_count > MESH_ROLES_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a user has at most %d roles, not %zu",
                              MESH_ROLES_MAX, state->role_count);
    pthread_mutex_lock(&here->mu);
    forget_old(users, here, now_ns);
    one = entry_of(users, here, hash, id);
    if (one != NULL && one->state.version < state->version)
        one->state = *state;
    if (one != NULL)
        one->until_ns = mesh_clock_add_ms(now_ns, users->keep_ms);
    pthread_mutex_unlock(&here->mu);
    return one != NULL ? MESH_OK : mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

bool mesh_users_find(mesh_users *users, const char *id, mesh_user_state *state)
{
    uint64_t hash;
    shard *here;
    const user *one;

    /* most of the time nobody has changed */
    if (atomic_load_explicit(&users->count, memory_order_acquire) == 0)
        return false;
    hash = mesh_hash_quick(MESH_HASH_EMPTY, id, strlen(id));
    if (atomic_load_explicit(mark_of(users, hash), memory_order_acquire) == 0)
        return false;
    here = shard_of(users, hash);
    pthread_mutex_lock(&here->mu);
    one = here->lists != NULL ? *place_of(here, hash, id) : NULL;
    if (one != NULL && one->until_ns <= mesh_clock_monotonic_ns())
        one = NULL;
    if (one != NULL)
        *state = one->state;
    pthread_mutex_unlock(&here->mu);
    return one != NULL;
}

size_t mesh_users_count(mesh_users *users)
{
    int64_t now_ns = mesh_clock_monotonic_ns();

    for (size_t i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&users->shards[i].mu);
        forget_old(users, &users->shards[i], now_ns);
        pthread_mutex_unlock(&users->shards[i].mu);
    }
    return atomic_load(&users->count);
}
