#include "services/user/password.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"

_Static_assert(USER_HASH_BYTES >= crypto_pwhash_STRBYTES, "room for a hash");

struct user_passwords {
    unsigned long long passes; /* immutable, as is all but the turns */
    size_t memory_bytes;
    char nobody[crypto_pwhash_STRBYTES]; /* hash of a password that nobody has */
    user_turns turns[USER_HASH_USES];
};

int64_t user_hashes_at_once(int64_t concurrency, user_hash_use use)
{
    const int64_t half = (concurrency + 1) / 2;
    return use == USER_HASH_KNOWN ? concurrency : use == USER_HASH_NEW ? half : concurrency + half;
}

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory for a password's hash");
}

static mesh_code check_options(const user_passwords_options *options, mesh_error *err)
{
    if (options->memory_bytes < USER_HASH_MEMORY_MIN ||
        (uint64_t)options->memory_bytes > crypto_pwhash_memlimit_max())
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "a hash's memory must be %d bytes or more", USER_HASH_MEMORY_MIN);
    if (options->passes < USER_HASH_PASSES_MIN ||
        (uint64_t)options->passes > crypto_pwhash_opslimit_max())
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a hash's passes must be %d or more",
                              USER_HASH_PASSES_MIN);
    if (options->concurrency < 1)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "at least one hash at a time");
    return MESH_OK;
}

/* Of random bytes that are forgotten at once. */
static mesh_code hash_of_nobody(user_passwords *passwords, mesh_error *err)
{
    char password[32];
    randombytes_buf(password, sizeof password);
    int failed = crypto_pwhash_str(passwords->nobody, password, sizeof password, passwords->passes,
                                   passwords->memory_bytes);
    sodium_memzero(password, sizeof password);
    return failed == 0 ? MESH_OK : no_memory(err);
}

mesh_code user_passwords_create(const user_passwords_options *options, user_passwords **passwords,
                                mesh_error *err)
{
    if (sodium_init() < 0)
        return mesh_error_set(err, MESH_INTERNAL, "libsodium cannot be used");
    mesh_code code = check_options(options, err);
    if (code != MESH_OK)
        return code;
    user_passwords *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->passes = (unsigned long long)options->passes;
    made->memory_bytes = (size_t)options->memory_bytes;
    code = hash_of_nobody(made, err);
    if (code != MESH_OK) {
        mesh_free(made);
        return code;
    }
    for (user_hash_use use = 0; use < USER_HASH_USES; use++) {
        const int64_t at_once = user_hashes_at_once(options->concurrency, use);
        user_turns_init(&made->turns[use], at_once, at_once * USER_HASH_WAITING, USER_HASH_WAIT_MS);
    }
    *passwords = made;
    return MESH_OK;
}

void user_passwords_destroy(user_passwords *passwords)
{
    if (passwords == NULL)
        return;
    for (user_hash_use use = 0; use < USER_HASH_USES; use++)
        user_turns_destroy(&passwords->turns[use]);
    mesh_free(passwords);
}

static void give_up(void *waiter)
{
    user_turn_give_up(waiter);
}

mesh_code user_password_turn_take(user_passwords *passwords, user_hash_use use, mesh_call *call,
                                  user_waiter *me, mesh_error *err)
{
    if (me == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    me->turns = &passwords->turns[use];
    me->deadline_ns = call != NULL ? mesh_call_deadline_ns(call) : MESH_NO_DEADLINE;
    if (call != NULL)
        mesh_call_on_cancel(call, give_up, me);
    return user_turn_take(me, err);
}

mesh_code user_password_hash(user_passwords *passwords, const char *password,
                             char hash[USER_HASH_BYTES], mesh_error *err)
{
    int failed = crypto_pwhash_str(hash, password, strlen(password), passwords->passes,
                                   passwords->memory_bytes);
    return failed == 0 ? MESH_OK : no_memory(err);
}

mesh_code user_password_verify(user_passwords *passwords, const char *password, const char *hash,
                               bool *right, bool *outdated, mesh_error *err)
{
    const char *known = hash != NULL ? hash : passwords->nobody;
    errno = 0;
    bool fits = crypto_pwhash_str_verify(known, password, strlen(password)) == 0;
    bool tried = fits || errno == EINVAL; /* which says that it is another password */
    if (!tried)
        return no_memory(err);
    *right = fits && hash != NULL;
    *outdated = *right && crypto_pwhash_str_needs_rehash(known, passwords->passes,
                                                         passwords->memory_bytes) != 0;
    return MESH_OK;
}

void user_password_wipe(char *password)
{
    sodium_memzero(password, strlen(password));
}
