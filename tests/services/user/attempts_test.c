#include "services/user/attempts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/fixtures/memory.h"
#include "tests/fixtures/wait.h"

enum {
    LOGIN_MAX = 3,
    ADDRESS_MAX = 5,
    SIGN_UP_MAX = 4,
    CHANGE_MAX = 2,
    WINDOW_MS = 60000
};

static const char HERE[] = "ipv4:192.0.2.1", THERE[] = "ipv4:192.0.2.2";
static user_attempts *attempts;
static mesh_error err;

static int begin_with(int64_t window_ms)
{
    const user_attempts_options options = {.login_max = LOGIN_MAX,
                                           .address_max = ADDRESS_MAX,
                                           .sign_up_max = SIGN_UP_MAX,
                                           .change_max = CHANGE_MAX,
                                           .window_ms = window_ms};
    mesh_error_clear(&err);
    return user_attempts_create(&options, &attempts, &err) != MESH_OK;
}

static int begin_test(void **state)
{
    (void)state;
    return begin_with(WINDOW_MS);
}

static int end_test(void **state)
{
    (void)state;
    user_attempts_destroy(attempts);
    return 0;
}

static mesh_code begin(const char *login, const char *address)
{
    mesh_error_clear(&err);
    return user_attempt_begin(attempts, login, address, &err);
}

/* One that fails, if it may be made. */
static mesh_code attempt(const char *login, const char *address)
{
    mesh_code code = begin(login, address);
    if (code == MESH_OK)
        user_attempt_end(attempts, login, address, USER_ATTEMPT_FAILED);
    return code;
}

static void fail_until_blocked(const char *login, const char *address, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(attempt(login, address), MESH_OK);
    int64_t delay_ms = 0;
    assert_int_equal(attempt(login, address), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_string_equal(err.domain, "user.v1");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > WINDOW_MS - 30000 && delay_ms <= WINDOW_MS);
}

/* S4.1 */
static void a_login_is_tried_a_few_times_from_anywhere(void **state)
{
    (void)state;
    assert_int_equal(attempt("ada", THERE), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX - 1);
    assert_int_equal(attempt("ada", THERE), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(attempt("bob", HERE), MESH_OK);
}

/* S4.1: who is sent away before a password is hashed can push nobody out. */
static void what_is_only_looked_at_pushes_nothing_out(void **state)
{
    (void)state;
    fail_until_blocked("ada", HERE, LOGIN_MAX);
    for (int i = 0; i < 200000; i++) {
        char login[32], address[32];
        snprintf(login, sizeof login, "user%d", i);
        snprintf(address, sizeof address, "ipv4:%d", i);
        assert_int_equal(user_attempt_check(attempts, login, address, &err), MESH_OK);
    }
    assert_int_equal(user_attempt_check(attempts, "ada", THERE, &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_int_equal(attempt("ada", THERE), MESH_RESOURCE_EXHAUSTED);
}

static void a_look_is_no_attempt(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(user_attempt_check(attempts, "ada", HERE, &err), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX);
}

/* S4.1 */
static void an_address_tries_a_few_logins(void **state)
{
    (void)state;
    char login[16];
    for (int i = 0; i < ADDRESS_MAX; i++) {
        snprintf(login, sizeof login, "user%d", i);
        assert_int_equal(attempt(login, HERE), MESH_OK);
    }
    fail_until_blocked("ada", HERE, 0);
    assert_int_equal(attempt("ada", THERE), MESH_OK);
}

static void what_was_refused_is_not_counted(void **state)
{
    (void)state;
    fail_until_blocked("ada", HERE, LOGIN_MAX);
    for (int i = 0; i < 100; i++)
        assert_int_equal(attempt("ada", HERE), MESH_RESOURCE_EXHAUSTED);
    for (int i = LOGIN_MAX; i < ADDRESS_MAX; i++)
        assert_int_equal(attempt("bob", HERE), MESH_OK);
}

static void a_success_forgets_the_logins_failures_and_not_the_addresses(void **state)
{
    (void)state;
    for (int i = 0; i < LOGIN_MAX - 1; i++)
        assert_int_equal(attempt("ada", HERE), MESH_OK);
    assert_int_equal(begin("ada", HERE), MESH_OK);
    user_attempt_end(attempts, "ada", HERE, USER_ATTEMPT_SUCCEEDED);
    for (int i = LOGIN_MAX - 1; i < ADDRESS_MAX; i++)
        assert_int_equal(attempt("bob", HERE), MESH_OK);
    assert_int_equal(attempt("eve", HERE), MESH_RESOURCE_EXHAUSTED);
    fail_until_blocked("ada", THERE, LOGIN_MAX);
}

static void an_attempt_that_says_nothing_of_the_password_is_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(begin("ada", HERE), MESH_OK);
        user_attempt_end(attempts, "ada", HERE, USER_ATTEMPT_UNKNOWN);
    }
    fail_until_blocked("ada", HERE, LOGIN_MAX);
}

/* S4.1: no more are tried at once than may fail, and those that go on do not count as failed. */
static void what_goes_on_holds_up_others_for_a_moment_only(void **state)
{
    (void)state;
    int64_t delay_ms = 0;
    for (int i = 0; i < LOGIN_MAX; i++)
        assert_int_equal(begin("ada", HERE), MESH_OK);
    assert_int_equal(user_attempt_check(attempts, "ada", HERE, &err), MESH_OK);
    assert_int_equal(begin("ada", THERE), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > 0 && delay_ms <= 1000);
    for (int i = 0; i < LOGIN_MAX; i++)
        user_attempt_end(attempts, "ada", HERE, USER_ATTEMPT_SUCCEEDED);
    fail_until_blocked("ada", THERE, LOGIN_MAX);
}

static void a_login_is_no_address(void **state)
{
    (void)state;
    fail_until_blocked(HERE, THERE, LOGIN_MAX);
    assert_int_equal(attempt("ada", HERE), MESH_OK);
}

static void a_window_ends(void **state)
{
    (void)state;
    user_attempts_destroy(attempts);
    assert_int_equal(begin_with(50), 0);
    for (int i = 0; i < LOGIN_MAX; i++)
        (void)attempt("ada", HERE);
    WAIT_FOR(attempt("ada", HERE) == MESH_OK);
}

/* However many logins and addresses come: the table stays as large as it is, and works. */
static void many_keys_push_out_only_those_that_end_first(void **state)
{
    (void)state;
    char login[32], address[32];
    for (int i = 0; i < 200000; i++) {
        snprintf(login, sizeof login, "user%d", i);
        snprintf(address, sizeof address, "ipv4:%d", i);
        assert_int_equal(attempt(login, address), MESH_OK);
    }
    fail_until_blocked("ada", HERE, LOGIN_MAX);
}

static mesh_code sign_up(const char *address)
{
    mesh_error_clear(&err);
    return user_attempt_sign_up(attempts, address, true, &err);
}

/* S4.1: also of accounts that are made, and of names that are looked for by trying them. */
static void an_address_makes_a_few_accounts(void **state)
{
    (void)state;
    int64_t delay_ms = 0;
    for (int i = 0; i < SIGN_UP_MAX; i++) {
        assert_int_equal(user_attempt_sign_up(attempts, HERE, false, &err), MESH_OK); /* a look */
        assert_int_equal(sign_up(HERE), MESH_OK);
    }
    assert_int_equal(sign_up(HERE), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > WINDOW_MS - 30000 && delay_ms <= WINDOW_MS);
    assert_int_equal(user_attempt_sign_up(attempts, HERE, false, &err), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(sign_up(THERE), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX); /* counted apart */
}

/* S4.1 */
static void a_user_makes_a_few_changes(void **state)
{
    (void)state;
    for (int i = 0; i < CHANGE_MAX; i++)
        assert_int_equal(user_attempt_change(attempts, "ada", &err), MESH_OK);
    assert_int_equal(user_attempt_change(attempts, "ada", &err), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_int_equal(user_attempt_change(attempts, "bob", &err), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX); /* counted apart */
}

static mesh_code make(void *context)
{
    const user_attempts_options options = {.login_max = 1, .address_max = 1, .window_ms = 1};
    user_attempts *made;
    (void)context;
    mesh_code code = user_attempts_create(&options, &made, &err);
    if (code == MESH_OK)
        user_attempts_destroy(made);
    return code;
}

static void failing_memory_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(memory_fail_in_turn(make, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_login_is_tried_a_few_times_from_anywhere, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(what_is_only_looked_at_pushes_nothing_out, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_look_is_no_attempt, begin_test, end_test),
        cmocka_unit_test_setup_teardown(an_address_tries_a_few_logins, begin_test, end_test),
        cmocka_unit_test_setup_teardown(what_was_refused_is_not_counted, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_success_forgets_the_logins_failures_and_not_the_addresses,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(an_attempt_that_says_nothing_of_the_password_is_forgotten,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(what_goes_on_holds_up_others_for_a_moment_only, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_login_is_no_address, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_window_ends, begin_test, end_test),
        cmocka_unit_test_setup_teardown(an_address_makes_a_few_accounts, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_user_makes_a_few_changes, begin_test, end_test),
        cmocka_unit_test_setup_teardown(many_keys_push_out_only_those_that_end_first, begin_test,
                                        end_test),
        cmocka_unit_test(failing_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
