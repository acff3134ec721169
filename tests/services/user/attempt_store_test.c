/* What is counted, by two instances of the service that share their database. */
#include "services/user/attempt_store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/db/migrate.h"
#include "services/user/session_store.h"
#include "services/user/user_migrations.h"
#include "tests/fixtures/postgres.h"
#include "tests/services/key_file.h"

enum {
    LOGIN_MAX = 3,
    ADDRESS_MAX = 5,
    SIGN_UP_MAX = 4,
    CHANGE_MAX = 2,
    WINDOW_MS = 60000,
    CALLERS = 12,
    ROUNDS = 40
};

static const char HERE[] = "2 c0000201", THERE[] = "2 c0000202";
static char url[POSTGRES_URL_BYTES], keys_path[KEY_FILE_PATH_BYTES];
static user_service services[2];
static mesh_error err;

/* --- around the tests ------------------------------------------------------------------------- */

static void start(user_service *service)
{
    const mesh_db_options options = {.url = url, .pool_max = CALLERS};
    const user_signer_options signing = {.keys_file = keys_path, .lifetime_ms = 900000};
    *service = (user_service){.limits = {.login_max = LOGIN_MAX,
                                         .address_max = ADDRESS_MAX,
                                         .sign_up_max = SIGN_UP_MAX,
                                         .change_max = CHANGE_MAX,
                                         .window_ms = WINDOW_MS}};
    assert_int_equal(mesh_db_create(&options, &service->db, &err), MESH_OK);
    assert_int_equal(user_signer_create(&signing, &service->signer, &err), MESH_OK);
}

static void stop(user_service *service)
{
    user_signer_destroy(service->signer);
    mesh_db_destroy(service->db);
}

static int open_all(void **state)
{
    const key_text key = key_file_key();
    if (postgres_setup(state) != 0)
        return -1;
    postgres_create_database("attempts", url);
    key_file_path("attempts.keys", keys_path);
    key_file_write(keys_path, &key, 1);
    start(&services[0]);
    start(&services[1]);
    return mesh_migrate(services[0].db, "user", user_migrations, &err) != MESH_OK;
}

static int close_all(void **state)
{
    stop(&services[0]);
    stop(&services[1]);
    return postgres_teardown(state);
}

static const char *value(const char *sql)
{
    return postgres_value(services[0].db, sql);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    value("TRUNCATE attempt");
    return 0;
}

/* --- attempts --------------------------------------------------------------------------------- */

static mesh_code check_and_begin(user_attempt *attempt)
{
    mesh_error_clear(&err);
    mesh_code code = user_attempt_check(attempt, NULL, MESH_NO_DEADLINE, &err);
    return code == MESH_OK ? user_attempt_begin(attempt, NULL, MESH_NO_DEADLINE, &err) : code;
}

/* Another one at a password, by each instance in turn, which fails if it may be made. */
static mesh_code attempt(const char *login, const char *address)
{
    static unsigned turn;
    user_attempt one = user_attempt_at_password(&services[turn++ % 2], login, address);
    mesh_code code = check_and_begin(&one);
    return code == MESH_OK ? user_attempt_end(&one, USER_ATTEMPT_FAILED, &err) : code;
}

static void expect_refused(mesh_code code, int64_t longer_than_ms, int64_t at_most_ms)
{
    int64_t delay_ms = 0;
    assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_string_equal(err.domain, "user.v1");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > longer_than_ms && delay_ms <= at_most_ms);
}

static void expect_blocked(mesh_code code)
{
    expect_refused(code, WINDOW_MS - 30000, WINDOW_MS + 1);
}

static void fail_until_blocked(const char *login, const char *address, int times)
{
    for (int i = 0; i < times; i++)
        assert_int_equal(attempt(login, address), MESH_OK);
    expect_blocked(attempt(login, address));
}

/* S4.1: at whichever instance. */
static void a_login_is_tried_a_few_times_from_anywhere(void **state)
{
    (void)state;
    assert_int_equal(attempt("ada", THERE), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX - 1);
    expect_blocked(attempt("ada", THERE));
    assert_int_equal(attempt("bob", HERE), MESH_OK);
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

/* S4.1 */
static void what_was_tried_is_known_after_a_restart(void **state)
{
    (void)state;
    fail_until_blocked("ada", HERE, LOGIN_MAX);
    for (size_t i = 0; i < 2; i++) {
        stop(&services[i]);
        start(&services[i]);
    }
    expect_blocked(attempt("ada", THERE));
    for (int i = LOGIN_MAX; i < ADDRESS_MAX; i++)
        assert_int_equal(attempt("bob", HERE), MESH_OK);
    expect_blocked(attempt("eve", HERE));
}

static void a_look_is_no_attempt(void **state)
{
    (void)state;
    const user_attempt one = user_attempt_at_password(&services[0], "ada", HERE);
    for (int i = 0; i < 20; i++)
        assert_int_equal(user_attempt_check(&one, NULL, MESH_NO_DEADLINE, &err), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX);
}

/* Also what was looked at before the others came. */
static void what_was_refused_is_not_counted(void **state)
{
    (void)state;
    fail_until_blocked("ada", HERE, LOGIN_MAX);
    for (int i = 0; i < 20; i++) {
        user_attempt one = user_attempt_at_password(&services[0], "ada", HERE);
        expect_blocked(attempt("ada", HERE));
        expect_refused(user_attempt_begin(&one, NULL, MESH_NO_DEADLINE, &err), 0, 1000);
    }
    for (int i = LOGIN_MAX; i < ADDRESS_MAX; i++)
        assert_int_equal(attempt("bob", HERE), MESH_OK);
    for (int i = 0; i < 20; i++) {
        user_attempt one = user_attempt_at_password(&services[0], "eve", HERE);
        expect_refused(user_attempt_begin(&one, NULL, MESH_NO_DEADLINE, &err), 0, 1000);
    }
    fail_until_blocked("eve", THERE, LOGIN_MAX);
}

static void a_success_forgets_the_logins_failures_and_not_the_addresses(void **state)
{
    (void)state;
    user_attempt one = user_attempt_at_password(&services[0], "ada", HERE);
    for (int i = 0; i < LOGIN_MAX - 1; i++)
        assert_int_equal(attempt("ada", HERE), MESH_OK);
    assert_int_equal(check_and_begin(&one), MESH_OK);
    assert_int_equal(user_attempt_end(&one, USER_ATTEMPT_SUCCEEDED, &err), MESH_OK);
    for (int i = LOGIN_MAX - 1; i < ADDRESS_MAX; i++)
        assert_int_equal(attempt("bob", HERE), MESH_OK);
    expect_blocked(attempt("eve", HERE));
    fail_until_blocked("ada", THERE, LOGIN_MAX);
}

static void an_attempt_that_says_nothing_of_the_password_is_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        user_attempt one = user_attempt_at_password(&services[i % 2], "ada", HERE);
        assert_int_equal(check_and_begin(&one), MESH_OK);
        assert_int_equal(user_attempt_end(&one, USER_ATTEMPT_UNKNOWN, &err), MESH_OK);
    }
    fail_until_blocked("ada", HERE, LOGIN_MAX);
}

/* S4.1: no more are tried at once than may fail, and those that go on do not count as failed. */
static void what_goes_on_holds_up_others_for_a_moment_only(void **state)
{
    (void)state;
    user_attempt going[LOGIN_MAX];
    user_attempt other = user_attempt_at_password(&services[1], "ada", THERE);
    for (size_t i = 0; i < LOGIN_MAX; i++) {
        going[i] = user_attempt_at_password(&services[0], "ada", HERE);
        assert_int_equal(check_and_begin(&going[i]), MESH_OK);
    }
    expect_refused(check_and_begin(&other), 0, 1000);

    /* A success makes room for one, not for those that go on. */
    assert_int_equal(user_attempt_end(&going[0], USER_ATTEMPT_SUCCEEDED, &err), MESH_OK);
    assert_int_equal(attempt("ada", THERE), MESH_OK);
    expect_refused(check_and_begin(&other), 0, 1000);
    for (size_t i = 1; i < LOGIN_MAX; i++)
        assert_int_equal(user_attempt_end(&going[i], USER_ATTEMPT_SUCCEEDED, &err), MESH_OK);
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
    user_attempt old = user_attempt_at_password(&services[0], "ada", HERE);
    assert_int_equal(check_and_begin(&old), MESH_OK);
    for (int i = 1; i < LOGIN_MAX; i++)
        assert_int_equal(attempt("ada", HERE), MESH_OK);
    expect_refused(attempt("ada", HERE), 0, 1000);
    value("UPDATE attempt SET end_time = now()");
    for (int i = 0; i < LOGIN_MAX; i++)
        assert_int_equal(attempt("ada", HERE), MESH_OK);

    /* What ends now is of the one before. */
    assert_int_equal(user_attempt_end(&old, USER_ATTEMPT_SUCCEEDED, &err), MESH_OK);
    expect_blocked(attempt("ada", HERE));
}

/* --- at once ---------------------------------------------------------------------------------- */

typedef struct caller {
    pthread_t thread;
    user_attempt attempt;
    size_t counted, refused;
    bool ends; /* each of its attempts was right, and is given back */
} caller;

static void *try_often(void *context)
{
    caller *me = context;
    for (int i = 0; i < ROUNDS; i++) {
        mesh_code code = user_attempt_begin(&me->attempt, NULL, MESH_NO_DEADLINE, NULL);
        me->counted += code == MESH_OK;
        me->refused += code == MESH_RESOURCE_EXHAUSTED;
        if (code == MESH_OK && me->ends &&
            user_attempt_end(&me->attempt, USER_ATTEMPT_SUCCEEDED, NULL) != MESH_OK)
            me->counted = SIZE_MAX / 2; /* no test expects as many */
    }
    return NULL;
}

/* How many attempts were counted; each was, or was refused. */
static size_t all_at_once(caller *callers)
{
    size_t counted = 0, refused = 0;
    for (size_t i = 0; i < CALLERS; i++)
        assert_int_equal(pthread_create(&callers[i].thread, NULL, try_often, &callers[i]), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        counted += callers[i].counted;
        refused += callers[i].refused;
    }
    assert_int_equal(counted + refused, CALLERS * ROUNDS);
    return counted;
}

/* S4.1: by two instances, which both have looked before any of them was made. */
static void attempts_at_once_are_as_many_as_may_be(void **state)
{
    (void)state;
    static caller callers[CALLERS];
    char text[16];
    for (size_t i = 0; i < CALLERS; i++) {
        snprintf(text, sizeof text, "address%zu", i);
        callers[i] = (caller){.attempt = user_attempt_at_password(&services[i % 2], "ada", text)};
    }
    assert_int_equal(all_at_once(callers), LOGIN_MAX);
    for (size_t i = 0; i < CALLERS; i++) {
        snprintf(text, sizeof text, "login%zu", i);
        callers[i] = (caller){.attempt = user_attempt_at_password(&services[i % 2], text, HERE)};
    }
    assert_int_equal(all_at_once(callers), ADDRESS_MAX);
    for (size_t i = 0; i < CALLERS; i++)
        callers[i] = (caller){.attempt = user_attempt_to_sign_up(&services[i % 2], HERE)};
    assert_int_equal(all_at_once(callers), SIGN_UP_MAX);
}

/* Rows are locked in one order: nobody is aborted; and nothing is left of what was right. */
static void right_passwords_at_once_leave_nothing(void **state)
{
    (void)state;
    static const char *const logins[] = {"ada", "bob", "eve"}, *const addresses[] = {HERE, THERE};
    static caller callers[CALLERS];
    for (size_t i = 0; i < CALLERS; i++)
        callers[i] = (caller){.attempt = user_attempt_at_password(&services[i % 2], logins[i % 3],
                                                                  addresses[i / 3 % 2]),
                              .ends = true};
    const size_t counted = all_at_once(callers);
    assert_true(counted > 0 && counted <= CALLERS * ROUNDS);
    assert_string_equal(value("SELECT sum(count) + sum(going) FROM attempt"), "0");
}

/* --- what else is counted --------------------------------------------------------------------- */

/* S4.1: also of accounts that are made, and of names that are looked for by trying them. */
static void an_address_makes_a_few_accounts(void **state)
{
    (void)state;
    user_attempt here = user_attempt_to_sign_up(&services[0], HERE);
    user_attempt there = user_attempt_to_sign_up(&services[1], THERE);
    for (int i = 0; i < SIGN_UP_MAX; i++)
        assert_int_equal(check_and_begin(&here), MESH_OK);
    expect_blocked(check_and_begin(&here));
    assert_int_equal(check_and_begin(&there), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX); /* counted apart */
}

/* S4.1: with what they change, or not at all. */
static void a_user_makes_a_few_changes(void **state)
{
    (void)state;
    user_attempt ada = user_attempt_to_change(&services[0], "ada");
    user_attempt bob = user_attempt_to_change(&services[1], "bob");
    for (int i = 0; i < 2 * CHANGE_MAX; i++) {
        mesh_tx *tx = NULL;
        assert_int_equal(mesh_tx_begin(services[0].db, NULL, &tx, &err), MESH_OK);
        assert_int_equal(user_attempt_check(&ada, tx, 0, &err), MESH_OK);
        assert_int_equal(user_attempt_begin(&ada, tx, 0, &err), MESH_OK);
        if (i % 2 == 0)
            mesh_tx_rollback(tx);
        else
            assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
    }
    expect_blocked(check_and_begin(&ada));
    assert_int_equal(check_and_begin(&bob), MESH_OK);
    fail_until_blocked("ada", HERE, LOGIN_MAX); /* counted apart */
}

/* --- what is kept ----------------------------------------------------------------------------- */

/* S4.1: a password that was typed as a login is not to be read, nor found by trying. */
static void of_whose_it_is_a_digest_is_kept_with_a_key_from_elsewhere(void **state)
{
    (void)state;
    static const char PASSWORD[] = "Correct-Horse-Battery-7";
    const key_text old = key_file_key();
    user_service stranger;
    assert_int_equal(attempt(PASSWORD, HERE), MESH_OK);
    assert_int_equal(attempt(PASSWORD, HERE), MESH_OK);
    assert_null(
        strstr(value("SELECT string_agg(encode(digest, 'escape'), ' ') FROM attempt"), "Horse"));
    assert_string_equal(value("SELECT count(*) FROM attempt WHERE length(digest) = 16"), "2");

    /* The same text with another key. */
    key_file_write(keys_path, &old, 1);
    start(&stranger);
    user_attempt one = user_attempt_at_password(&stranger, PASSWORD, HERE);
    assert_int_equal(check_and_begin(&one), MESH_OK);
    assert_string_equal(value("SELECT count(*) FROM attempt"), "4");
    stop(&stranger);
}

/* A few at a time; what goes on stays. */
static void what_has_ended_is_swept(void **state)
{
    (void)state;
    static const char *const left[] = {"17", "7", "2", "2"};
    const user_scope scope = {.db = services[0].db, .deadline_ns = MESH_NO_DEADLINE};
    value("INSERT INTO attempt SELECT 1, decode(lpad(n::text, 32, '0'), 'hex'), 1, 0,"
          " now() - interval '1 minute' FROM generate_series(1, 25) n");
    assert_int_equal(attempt("ada", HERE), MESH_OK);
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        assert_int_equal(user_store_sweep(&scope, &err), MESH_OK);
        assert_string_equal(value("SELECT count(*) FROM attempt"), left[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin_test)
    const struct CMUnitTest tests[] = {
        TEST(a_login_is_tried_a_few_times_from_anywhere),
        TEST(an_address_tries_a_few_logins),
        TEST(what_was_tried_is_known_after_a_restart),
        TEST(a_look_is_no_attempt),
        TEST(what_was_refused_is_not_counted),
        TEST(a_success_forgets_the_logins_failures_and_not_the_addresses),
        TEST(an_attempt_that_says_nothing_of_the_password_is_forgotten),
        TEST(what_goes_on_holds_up_others_for_a_moment_only),
        TEST(a_login_is_no_address),
        TEST(a_window_ends),
        TEST(attempts_at_once_are_as_many_as_may_be),
        TEST(right_passwords_at_once_leave_nothing),
        TEST(an_address_makes_a_few_accounts),
        TEST(a_user_makes_a_few_changes),
        TEST(what_has_ended_is_swept),
        TEST(of_whose_it_is_a_digest_is_kept_with_a_key_from_elsewhere), /* the last: other keys */
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
