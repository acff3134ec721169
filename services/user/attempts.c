#include "services/user/attempts.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "user/v1/user.mesh.h"

enum {
    SETS = 4096, /* a power of two */
    WAYS = 8     /* entries of a set: any of them may be a key's */
};

typedef struct entry {
    uint64_t key;
    int64_t end_ns; /* of the window, on the monotonic clock; passed: the entry is free */
    int64_t count;
} entry;

struct user_attempts {
    user_attempts_options options;                     /* immutable, as is the next one */
    unsigned char hash_key[crypto_shorthash_KEYBYTES]; /* nobody outside can choose collisions */
    pthread_mutex_t mu;
    entry entries[SETS][WAYS]; /* guarded by mu */
};

mesh_code user_attempts_create(const user_attempts_options *options, user_attempts **attempts,
                               mesh_error *err)
{
    if (sodium_init() < 0)
        return mesh_error_set(err, MESH_INTERNAL, "libsodium cannot be used");
    user_attempts *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->options = *options;
    crypto_shorthash_keygen(made->hash_key);
    pthread_mutex_init(&made->mu, NULL);
    *attempts = made;
    return MESH_OK;
}

void user_attempts_destroy(user_attempts *attempts)
{
    if (attempts == NULL)
        return;
    pthread_mutex_destroy(&attempts->mu);
    mesh_free(attempts);
}

/* A login and an address of the same text are two keys. */
static uint64_t key_of(const user_attempts *attempts, const char *text, uint64_t what)
{
    uint64_t key;
    crypto_shorthash((unsigned char *)&key, (const unsigned char *)text, strlen(text),
                     attempts->hash_key);
    return key ^ what;
}

static uint64_t login_key(const user_attempts *attempts, const char *login)
{
    return key_of(attempts, login, 0);
}

static uint64_t address_key(const user_attempts *attempts, const char *address)
{
    return key_of(attempts, address, UINT64_MAX);
}

/* Under mu. NULL: nothing is counted for that key. */
static entry *find(user_attempts *attempts, uint64_t key, int64_t now_ns)
{
    entry *set = attempts->entries[key % SETS];
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].key == key && set[i].end_ns > now_ns)
            return &set[i];
    return NULL;
}

/* Under mu. */
static void count(user_attempts *attempts, uint64_t key, int64_t now_ns)
{
    entry *found = find(attempts, key, now_ns);
    if (found != NULL) {
        found->count++;
        return;
    }
    entry *set = attempts->entries[key % SETS];
    entry *first = &set[0];
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].end_ns < first->end_ns)
            first = &set[i];
    *first = (entry){
        .key = key, .end_ns = mesh_clock_add_ms(now_ns, attempts->options.window_ms), .count = 1};
}

/* Under mu. When the key may be tried again; 0: now. */
static int64_t blocked_until_ns(user_attempts *attempts, uint64_t key, int64_t max, int64_t now_ns)
{
    const entry *found = find(attempts, key, now_ns);
    return found != NULL && found->count >= max ? found->end_ns : 0;
}

mesh_code user_attempt_begin(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err)
{
    const uint64_t by_login = login_key(attempts, login);
    const uint64_t by_address = address_key(attempts, address);
    const int64_t now_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&attempts->mu);
    int64_t until_ns = blocked_until_ns(attempts, by_login, attempts->options.login_max, now_ns);
    int64_t later_ns = blocked_until_ns(attempts, by_address, attempts->options.address_max,
                                        now_ns);
    until_ns = until_ns > later_ns ? until_ns : later_ns;
    if (until_ns == 0) {
        count(attempts, by_login, now_ns);
        count(attempts, by_address, now_ns);
    }
    pthread_mutex_unlock(&attempts->mu);
    if (until_ns == 0)
        return MESH_OK;
    user__v1__error_reason__set(err, MESH_RESOURCE_EXHAUSTED,
                                USER__V1__ERROR_REASON__TOO_MANY_ATTEMPTS,
                                "too many attempts to sign in failed");
    mesh_error_retry_after(err, mesh_clock_left_ms(until_ns));
    return MESH_RESOURCE_EXHAUSTED;
}

void user_attempt_forget(user_attempts *attempts, const char *login, const char *address,
                         bool succeeded)
{
    const int64_t now_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&attempts->mu);
    entry *of_login = find(attempts, login_key(attempts, login), now_ns);
    entry *of_address = find(attempts, address_key(attempts, address), now_ns);
    if (of_login != NULL && of_login->count > 0)
        of_login->count = succeeded ? 0 : of_login->count - 1;
    if (of_address != NULL && of_address->count > 0)
        of_address->count--;
    pthread_mutex_unlock(&attempts->mu);
}
