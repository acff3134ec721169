#include "services/user/password.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/memory.h"

static const char PASSWORD[] = "correct horse battery staple";
static const user_passwords_options cheapest = {
    .memory_bytes = USER_HASH_MEMORY_MIN, .passes = USER_HASH_PASSES_MIN, .concurrency = 1};

static user_passwords *passwords;
static mesh_error err;

static int make_passwords(void **state)
{
    (void)state;
    return user_passwords_create(&cheapest, &passwords, &err) != MESH_OK;
}

static int free_passwords(void **state)
{
    (void)state;
    user_passwords_destroy(passwords);
    return 0;
}

static void hash_it(const char *password, char *hash)
{
    assert_int_equal(user_password_hash(passwords, password, hash, &err), MESH_OK);
}

static bool fits_with(user_passwords *with, const char *password, const char *hash, bool *outdated)
{
    bool right = true;
    assert_int_equal(user_password_verify(with, password, hash, &right, outdated, &err), MESH_OK);
    return right;
}

static bool fits(const char *password, const char *hash, bool *outdated)
{
    return fits_with(passwords, password, hash, outdated);
}

/* S4.1 */
static void a_hash_fits_its_password_alone_and_does_not_show_it(void **state)
{
    (void)state;
    char hash[USER_HASH_BYTES], other[USER_HASH_BYTES];
    bool outdated;
    hash_it(PASSWORD, hash);
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_null(strstr(hash, PASSWORD));
    hash_it(PASSWORD, other);
    assert_string_not_equal(hash, other); /* a salt for each */
    assert_true(fits(PASSWORD, hash, &outdated));
    assert_false(outdated);
    assert_true(fits(PASSWORD, other, &outdated));
    assert_false(fits("correct horse battery stapl", hash, &outdated));
    assert_false(fits("", hash, &outdated));
    assert_false(outdated);
}

static void a_hash_of_other_numbers_still_fits_and_is_outdated(void **state)
{
    (void)state;
    user_passwords_options stronger = cheapest;
    user_passwords *later;
    char hash[USER_HASH_BYTES];
    bool outdated = false;
    stronger.passes++;
    hash_it(PASSWORD, hash);
    assert_int_equal(user_passwords_create(&stronger, &later, &err), MESH_OK);
    assert_true(fits_with(later, PASSWORD, hash, &outdated));
    assert_true(outdated);
    assert_false(fits_with(later, "wrong", hash, &outdated));
    assert_false(outdated);
    user_passwords_destroy(later);
}

/* CPU of a wrong guess, if it is less than `quickest_ns`: others use the machine, too. */
static int64_t quicker_ns(const char *hash, int64_t quickest_ns)
{
    struct timespec from, to;
    bool outdated;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    assert_false(fits("wrong password", hash, &outdated));
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    int64_t took_ns = (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
    return took_ns < quickest_ns ? took_ns : quickest_ns;
}

/* S4.1: how long an answer takes does not tell who has an account. */
static void nobodys_password_takes_as_long_as_a_wrong_one(void **state)
{
    int64_t wrong_ns = INT64_MAX, nobody_ns = INT64_MAX;
    char hash[USER_HASH_BYTES];
    (void)state;
    hash_it(PASSWORD, hash);
    for (int i = 0; i < 5; i++) {
        wrong_ns = quicker_ns(hash, wrong_ns);
        nobody_ns = quicker_ns(NULL, nobody_ns);
    }
    assert_true(nobody_ns > wrong_ns / 2 && wrong_ns > nobody_ns / 2);
}

static void numbers_that_are_too_small_are_refused(void **state)
{
    (void)state;
    static const user_passwords_options cases[] = {
        {USER_HASH_MEMORY_MIN - 1, USER_HASH_PASSES_MIN, 1},
        {0, USER_HASH_PASSES_MIN, 1},
        {INT64_MAX, USER_HASH_PASSES_MIN, 1},
        {USER_HASH_MEMORY_MIN, USER_HASH_PASSES_MIN - 1, 1},
        {USER_HASH_MEMORY_MIN, INT64_MAX, 1},
        {USER_HASH_MEMORY_MIN, USER_HASH_PASSES_MIN, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        user_passwords *none = NULL;
        assert_int_equal(user_passwords_create(&cases[i], &none, &err), MESH_INVALID_ARGUMENT);
        assert_null(none);
    }
}

enum {
    CALLERS = 16
};

typedef struct caller {
    pthread_t thread;
    user_hash_use use;
    mesh_code code;
    mesh_error err;
} caller;

static void *call(void *context)
{
    caller *me = context;
    char hash[USER_HASH_BYTES];
    mesh_error_clear(&me->err);
    user_waiter waiter = {.login = NULL};
    me->code = user_password_turn_take(passwords, me->use, NULL, &waiter, &me->err);
    if (me->code != MESH_OK)
        return NULL;
    me->code = user_password_hash(passwords, PASSWORD, hash, &me->err);
    user_turn_end(&waiter);
    return NULL;
}

/* S4.1: one is worked on and two wait, so that the others' workers are free for other calls. */
static void who_finds_too_many_waiting_is_sent_away_at_once(void **state)
{
    (void)state;
    static caller callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call, &callers[i]), 0);
    }
    size_t worked = 0, refused = 0;
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        if (callers[i].code == MESH_OK) {
            worked++;
            continue;
        }
        int64_t delay_ms = 0;
        refused++;
        assert_int_equal(callers[i].code, MESH_RESOURCE_EXHAUSTED);
        assert_string_equal(callers[i].err.reason, "TOO_MANY_PASSWORDS");
        assert_string_equal(callers[i].err.domain, "user.v1");
        assert_true(mesh_error_retry_delay(&callers[i].err, &delay_ms));
        assert_true(delay_ms == USER_HASH_WAIT_MS);
        assert_null(strstr(callers[i].err.message, PASSWORD));
    }
    assert_true(worked >= 1 + USER_HASH_WAITING);
    assert_true(refused >= 1); /* a hash takes much longer than to start the others */
}

/* S4.1: however many people sign up, those who are known sign in; and the other way round. */
static void who_signs_up_and_who_signs_in_have_turns_of_their_own(void **state)
{
    (void)state;
    static const user_hash_use uses[] = {USER_HASH_KNOWN, USER_HASH_NEW};
    for (size_t i = 0; i < 2; i++) {
        caller waiting[USER_HASH_WAITING];
        user_waiter one = {.login = NULL}, other = one;
        int64_t from_ns = mesh_clock_monotonic_ns();
        assert_int_equal(user_password_turn_take(passwords, uses[i], NULL, &one, &err), MESH_OK);
        for (size_t j = 0; j < USER_HASH_WAITING; j++) {
            waiting[j].use = uses[i];
            assert_int_equal(pthread_create(&waiting[j].thread, NULL, call, &waiting[j]), 0);
        }
        assert_int_equal(user_password_turn_take(passwords, uses[1 - i], NULL, &other, &err),
                         MESH_OK);
        assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * USER_HASH_WAIT_MS);
        user_turn_end(&other);
        user_turn_end(&one);
        for (size_t j = 0; j < USER_HASH_WAITING; j++)
            assert_int_equal(pthread_join(waiting[j].thread, NULL), 0);
    }
}

static void half_as_many_sign_up_at_once_as_sign_in(void **state)
{
    (void)state;
    assert_int_equal(user_hashes_at_once(1, USER_HASH_KNOWN), 1);
    assert_int_equal(user_hashes_at_once(1, USER_HASH_NEW), 1);
    assert_int_equal(user_hashes_at_once(5, USER_HASH_KNOWN), 5);
    assert_int_equal(user_hashes_at_once(5, USER_HASH_NEW), 3);
    assert_int_equal(user_hashes_at_once(5, USER_HASH_USES), 8);
}

static mesh_code make_and_hash(void *context)
{
    user_passwords *made;
    char hash[USER_HASH_BYTES];
    (void)context;
    mesh_code code = user_passwords_create(&cheapest, &made, &err);
    if (code != MESH_OK)
        return code;
    code = user_password_hash(made, PASSWORD, hash, &err);
    user_passwords_destroy(made);
    return code;
}

static void failing_memory_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(memory_fail_in_turn(make_and_hash, NULL), 1);
}

static void a_wiped_password_is_gone(void **state)
{
    (void)state;
    char password[] = "correct horse";
    char zeros[sizeof password] = {0};
    user_password_wipe(password);
    assert_memory_equal(password, zeros, sizeof zeros);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_fits_its_password_alone_and_does_not_show_it),
        cmocka_unit_test(a_hash_of_other_numbers_still_fits_and_is_outdated),
        cmocka_unit_test(nobodys_password_takes_as_long_as_a_wrong_one),
        cmocka_unit_test(numbers_that_are_too_small_are_refused),
        cmocka_unit_test(who_finds_too_many_waiting_is_sent_away_at_once),
        cmocka_unit_test(who_signs_up_and_who_signs_in_have_turns_of_their_own),
        cmocka_unit_test(half_as_many_sign_up_at_once_as_sign_in),
        cmocka_unit_test(failing_memory_is_an_error),
        cmocka_unit_test(a_wiped_password_is_gone),
    };
    return cmocka_run_group_tests(tests, make_passwords, free_passwords);
}
