#include "services/user/attempts.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "user/v1/user.mesh.h"

enum {
    SETS = 4096,     /* a power of two */
    WAYS = 8,        /* entries of a set: any of them may be a key's */
    MOMENT_MS = 1000 /* by then the attempts that go on have ended */
};

typedef struct entry {
    uint64_t key;
    int64_t end_ns;   /* of the window, on the monotonic clock; passed: the entry is free */
    int64_t failures; /* or sign-ups, or changes */
    int64_t running;  /* attempts that have not ended */
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

/* What is counted of a text: each has a key of its own. */
enum {
    OF_LOGIN,
    OF_ADDRESS,
    OF_SIGN_UPS,
    OF_CHANGES
};

static uint64_t key_of(const user_attempts *attempts, const char *text, uint64_t what)
{
    uint64_t key;
    crypto_shorthash((unsigned char *)&key, (const unsigned char *)text, strlen(text),
                     attempts->hash_key);
    return key ^ what << 62;
}

static uint64_t login_key(const user_attempts *attempts, const char *login)
{
    return key_of(attempts, login, OF_LOGIN);
}

static uint64_t address_key(const user_attempts *attempts, const char *address)
{
    return key_of(attempts, address, OF_ADDRESS);
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

/* Under mu. The entry that ends first gives way to a new one. */
static entry *find_or_add(user_attempts *attempts, uint64_t key, int64_t now_ns)
{
    entry *found = find(attempts, key, now_ns);
    if (found != NULL)
        return found;
    entry *set = attempts->entries[key % SETS];
    entry *first = &set[0];
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].end_ns < first->end_ns)
            first = &set[i];
    *first = (entry){.key = key, .end_ns = mesh_clock_add_ms(now_ns, attempts->options.window_ms)};
    return first;
}

/* Under mu. When the key may be tried again; 0: now. Those that go on may all fail: `begins` counts
 * them. */
static int64_t blocked_until_ns(user_attempts *attempts, uint64_t key, int64_t max, bool begins,
                                int64_t now_ns)
{
    const entry *found = find(attempts, key, now_ns);
    if (found == NULL)
        return 0;
    if (found->failures >= max)
        return found->end_ns;
    return begins && found->failures + found->running >= max ? mesh_clock_add_ms(now_ns, MOMENT_MS)
                                                             : 0;
}

static mesh_code refuse(const char *why, int64_t until_ns, mesh_error *err)
{
    user__v1__error_reason__set(err, MESH_RESOURCE_EXHAUSTED,
                                USER__V1__ERROR_REASON__TOO_MANY_ATTEMPTS, "%s", why);
    mesh_error_retry_after(err, mesh_clock_left_ms(until_ns));
    return MESH_RESOURCE_EXHAUSTED;
}

static mesh_code admit(user_attempts *attempts, const char *login, const char *address, bool begins,
                       mesh_error *err)
{
    const uint64_t by_login = login_key(attempts, login);
    const uint64_t by_address = address_key(attempts, address);
    const int64_t now_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&attempts->mu);
    int64_t until_ns = blocked_until_ns(attempts, by_login, attempts->options.login_max, begins,
                                        now_ns);
    int64_t later_ns = blocked_until_ns(attempts, by_address, attempts->options.address_max, begins,
                                        now_ns);
    until_ns = until_ns > later_ns ? until_ns : later_ns;
    if (until_ns == 0 && begins) {
        find_or_add(attempts, by_login, now_ns)->running++;
        find_or_add(attempts, by_address, now_ns)->running++;
    }
    pthread_mutex_unlock(&attempts->mu);
    return until_ns == 0 ? MESH_OK : refuse("too many passwords were wrong", until_ns, err);
}

mesh_code user_attempt_check(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err)
{
    return admit(attempts, login, address, false, err);
}

mesh_code user_attempt_begin(user_attempts *attempts, const char *login, const char *address,
                             mesh_error *err)
{
    return admit(attempts, login, address, true, err);
}

/* Under mu. The entry may be gone, or of the next window: a failure is counted all the same. */
static void end(user_attempts *attempts, uint64_t key, bool failed, bool forget, int64_t now_ns)
{
    entry *one = failed ? find_or_add(attempts, key, now_ns) : find(attempts, key, now_ns);
    if (one == NULL)
        return;
    one->running -= one->running > 0;
    one->failures = forget ? 0 : one->failures + failed;
    if (one->failures == 0 && one->running == 0)
        one->end_ns = 0;
}

void user_attempt_end(user_attempts *attempts, const char *login, const char *address,
                      user_attempt_result result)
{
    const int64_t now_ns = mesh_clock_monotonic_ns();
    const bool failed = result == USER_ATTEMPT_FAILED;
    pthread_mutex_lock(&attempts->mu);
    end(attempts, login_key(attempts, login), failed, result == USER_ATTEMPT_SUCCEEDED, now_ns);
    end(attempts, address_key(attempts, address), failed, false, now_ns);
    pthread_mutex_unlock(&attempts->mu);
}

/* Of what is counted by itself, without attempts that go on. */
static mesh_code count(user_attempts *attempts, uint64_t key, int64_t max, bool now,
                       const char *why, mesh_error *err)
{
    const int64_t now_ns = mesh_clock_monotonic_ns();
    pthread_mutex_lock(&attempts->mu);
    int64_t until_ns = blocked_until_ns(attempts, key, max, false, now_ns);
    if (until_ns == 0 && now)
        find_or_add(attempts, key, now_ns)->failures++;
    pthread_mutex_unlock(&attempts->mu);
    return until_ns == 0 ? MESH_OK : refuse(why, until_ns, err);
}

mesh_code user_attempt_sign_up(user_attempts *attempts, const char *address, bool now,
                               mesh_error *err)
{
    return count(attempts, key_of(attempts, address, OF_SIGN_UPS), attempts->options.sign_up_max,
                 now, "too many sign-ups from one address", err);
}

mesh_code user_attempt_change(user_attempts *attempts, const char *user_id, mesh_error *err)
{
    return count(attempts, key_of(attempts, user_id, OF_CHANGES), attempts->options.change_max,
                 true, "too many changes of one account", err);
}
