#include "services/user/password.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "services/user/turns.h"

_Static_assert(USER_HASH_BYTES >= crypto_pwhash_STRBYTES, "room for a hash");

struct user_passwords {
    unsigned long long passes; /* immutable, as is all but the turns */
    size_t memory_bytes;
    char nobody[crypto_pwhash_STRBYTES]; /* hash of a password that nobody has */
    user_turns turns;
};

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
    user_turns_init(&made->turns, options->concurrency, options->concurrency * USER_HASH_WAITING,
                    USER_HASH_WAIT_MS);
    *passwords = made;
    return MESH_OK;
}

void user_passwords_destroy(user_passwords *passwords)
{
    if (passwords == NULL)
        return;
    user_turns_destroy(&passwords->turns);
    mesh_free(passwords);
}

mesh_code user_password_hash(user_passwords *passwords, const char *password, int64_t deadline_ns,
                             char hash[USER_HASH_BYTES], mesh_error *err)
{
    mesh_code code = user_turn_take(&passwords->turns, deadline_ns, err);
    if (code != MESH_OK)
        return code;
    int failed = crypto_pwhash_str(hash, password, strlen(password), passwords->passes,
                                   passwords->memory_bytes);
    user_turn_end(&passwords->turns);
    return failed == 0 ? MESH_OK : no_memory(err);
}

mesh_code user_password_turn_take(user_passwords *passwords, int64_t deadline_ns, mesh_error *err)
{
    return user_turn_take(&passwords->turns, deadline_ns, err);
}

void user_password_turn_end(user_passwords *passwords)
{
    user_turn_end(&passwords->turns);
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
