/* Keys of a file that sign, and come and go. */
#include "services/user/signer.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/auth/verifier.h"
#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "services/user/signing_keys.h"
#include "tests/fixtures/memory.h"
#include "tests/fixtures/wait.h"
#include "tests/services/key_file.h"

static char path[KEY_FILE_PATH_BYTES];
static key_text one, other;
static mesh_arena *arena;
static mesh_error err;

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    key_file_path("signer.keys", path);
    one = key_file_key();
    other = key_file_key();
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    (void)rmdir(path);
    (void)unlink(path);
    return 0;
}

/* --- what is in a file ------------------------------------------------------------------------ */

static void the_first_key_signs_and_all_are_published_without_their_secrets(void **state)
{
    (void)state;
    user_file_stamp stamp = {.failure = 0};
    user_signing_keys *keys;
    mesh_key *first = NULL, *second = NULL;
    key_file_write(path, (const key_text[]){one, other}, 2);
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_OK);
    assert_int_equal(keys->count, 2);
    assert_int_equal(mesh_key_load(one.text, strlen(one.text), &first, &err), MESH_OK);
    assert_int_equal(mesh_key_load(other.text, strlen(other.text), &second, &err), MESH_OK);
    assert_string_equal(mesh_key_id(keys->keys[0]), mesh_key_id(first));
    assert_string_equal(keys->jwks,
                        mesh_arena_printf(arena, "{\"keys\":[%s,%s]}", mesh_key_public(first),
                                          mesh_key_public(second)));
    assert_null(strstr(keys->jwks, "\"d\""));
    mesh_key_destroy(first);
    mesh_key_destroy(second);
    user_signing_keys_destroy(keys);

    /* The same file is not read again, another one of the same length is. */
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_OK);
    assert_null(keys);
    key_file_write(path, (const key_text[]){other, one}, 2);
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_OK);
    assert_non_null(keys);
    user_signing_keys_destroy(keys);
}

/* S4.16 */
static void a_file_that_is_wrong_is_refused_once_without_a_word_of_it(void **state)
{
    (void)state;
    char twice[3 * MESH_KEY_TEXT_BYTES], many[18 * MESH_KEY_TEXT_BYTES] = "{\"keys\":[";
    static char large[MESH_KEYS_MAX_BYTES + 2];
    snprintf(twice, sizeof twice, "{\"keys\":[%s,%s]}", one.text, one.text);
    for (int i = 0; i < 17; i++)
        strcat(strcat(many, i == 0 ? "" : ","), key_file_key().text);
    strcat(many, "]}");
    memset(large, ' ', sizeof large - 1);
    const struct {
        const char *text, *said;
    } cases[] = {
        {"", "JSON"},
        {"{\"keys\":[", "JSON"},
        {one.text, "keys"},
        {"{\"keys\":[]}", "1 to 16"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"k\","
         "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
         "no private part"},
        {twice, "twice"},
        {many, "1 to 16"},
        {large, "too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        user_file_stamp stamp = {.failure = 0};
        user_signing_keys *keys;
        key_file_write_text(path, cases[i].text);
        assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_INVALID_ARGUMENT);
        if (strstr(err.message, cases[i].said) == NULL)
            fail_msg("case %zu: %s", i, err.message);
        assert_non_null(strstr(err.message, path));
        assert_null(strstr(err.message, "\"d\""));
        assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_OK);
        assert_null(keys);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    user_file_stamp stamp = {.failure = 0};
    user_signing_keys *keys;
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "No such file"));
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_OK);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "it is no file"));
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0); /* nobody will ever write to it */
    assert_int_equal(user_signing_keys_read(path, &stamp, &keys, &err), MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "it is no file"));
}

static mesh_code read_and_forget(void *context)
{
    user_file_stamp stamp = {.failure = 0};
    user_signing_keys *keys;
    (void)context;
    mesh_code code = user_signing_keys_read(path, &stamp, &keys, &err);
    if (code == MESH_RESOURCE_EXHAUSTED) /* so it is read again */
        assert_int_equal(stamp.file.st_ino, 0);
    else
        user_signing_keys_destroy(keys);
    return code;
}

static void failing_memory_is_an_error_and_the_file_is_read_again(void **state)
{
    (void)state;
    key_file_write(path, (const key_text[]){one, other}, 2);
    assert_int_equal(memory_fail_in_turn(read_and_forget, NULL), 3);
}

/* --- signing ---------------------------------------------------------------------------------- */

static user_signer *start(void)
{
    const user_signer_options options = {.keys_file = path, .lifetime_ms = 60000};
    user_signer *signer = NULL;
    if (user_signer_create(&options, &signer, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return signer;
}

static const char *sign(user_signer *signer, mesh_arena *to)
{
    User__V1__Role roles[] = {USER__V1__ROLE__REGULAR, (User__V1__Role)99};
    User__V1__User user = USER__V1__USER__INIT;
    const char *token;
    int64_t expire_s;
    user.id = (char *)"somebody";
    user.roles = roles;
    user.n_roles = 2;
    assert_int_equal(user_signer_sign(signer, &user, "session", mesh_clock_wall_ns() / 1000000000,
                                      to, &token, &expire_s, NULL),
                     MESH_OK);
    return token;
}

static mesh_code verify(const char *jwks, const char *token)
{
    mesh_keys *keys = NULL;
    mesh_verifier *verifier = NULL;
    const mesh_claims *claims;
    assert_int_equal(mesh_keys_create(&keys, &err), MESH_OK);
    assert_int_equal(mesh_keys_replace(keys, jwks, strlen(jwks), &err), MESH_OK);
    assert_int_equal(mesh_verifier_create(MESH_OPTIONS(mesh_verifier_options, .keys = keys,
                                                       .issuer = "user", .audience = "mesh"),
                                          &verifier, &err),
                     MESH_OK);
    mesh_code code = mesh_verifier_check(verifier, token, strlen(token), arena, &claims, &err);
    if (code == MESH_OK) { /* a role of a later contract has no name */
        assert_int_equal(claims->role_count, 1);
        assert_string_equal(claims->roles[0], "regular");
    }
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    return code;
}

static void without_a_file_there_is_no_signer(void **state)
{
    (void)state;
    const user_signer_options options = {.keys_file = path, .lifetime_ms = 60000};
    user_signer *signer = NULL;
    assert_int_equal(user_signer_create(&options, &signer, &err), MESH_INVALID_ARGUMENT);
    assert_null(signer);
}

static void keys_that_are_gone_stay_until_there_are_others(void **state)
{
    (void)state;
    key_file_write(path, &one, 1);
    user_signer *signer = start();
    const char *before = user_signer_jwks(signer, arena);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify(before, sign(signer, arena)), MESH_OK);
    key_file_write_text(path, "nonsense");
    assert_string_equal(user_signer_jwks(signer, arena), before);
    key_file_write(path, &other, 1);
    WAIT_FOR(strcmp(user_signer_jwks(signer, arena), before) != 0);
    assert_int_equal(verify(user_signer_jwks(signer, arena), sign(signer, arena)), MESH_OK);
    assert_int_equal(verify(before, sign(signer, arena)), MESH_UNAUTHENTICATED);
    user_signer_destroy(signer);
}

enum {
    SIGNERS = 3,
    CHANGES = 3
};

typedef struct worker {
    pthread_t thread;
    user_signer *signer;
    bool stop; /* atomic */
    size_t done;
} worker;

static void *sign_all_the_time(void *context)
{
    worker *me = context;
    while (!__atomic_load_n(&me->stop, __ATOMIC_SEQ_CST)) {
        mesh_arena *own = mesh_arena_create(4096, 0);
        assert_true(strlen(sign(me->signer, own)) > 0);
        assert_non_null(strstr(user_signer_jwks(me->signer, own), "\"kid\""));
        mesh_arena_destroy(own);
        me->done++;
    }
    return NULL;
}

static void keys_are_changed_while_tokens_are_signed(void **state)
{
    (void)state;
    worker workers[SIGNERS] = {0};
    key_file_write(path, &one, 1);
    user_signer *signer = start();
    for (size_t i = 0; i < SIGNERS; i++) {
        workers[i].signer = signer;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, sign_all_the_time, &workers[i]),
                         0);
    }
    for (int i = 0; i < CHANGES; i++) {
        const char *before = user_signer_jwks(signer, arena);
        const key_text next = key_file_key();
        key_file_write(path, &next, 1);
        WAIT_FOR(strcmp(user_signer_jwks(signer, arena), before) != 0);
    }
    for (size_t i = 0; i < SIGNERS; i++) {
        __atomic_store_n(&workers[i].stop, true, __ATOMIC_SEQ_CST);
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        assert_true(workers[i].done > 0);
    }
    user_signer_destroy(signer);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(the_first_key_signs_and_all_are_published_without_their_secrets),
        TEST(a_file_that_is_wrong_is_refused_once_without_a_word_of_it),
        TEST(what_is_no_file_is_refused),
        TEST(failing_memory_is_an_error_and_the_file_is_read_again),
        TEST(without_a_file_there_is_no_signer),
        TEST(keys_that_are_gone_stay_until_there_are_others),
        TEST(keys_are_changed_while_tokens_are_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
