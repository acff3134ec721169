/*
 * The comparison of all copies with what the user service says, with a real database. Who says it
 * is a part of this test, since that has to fail, lie and hang at will; tests/services/shop has the
 * real one.
 */
#include "services/notification/sync.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/resource/page.h"
#include "services/notification/users.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/notification/database.h"
#include "tests/services/serve.h"
#include "user/v1/user.mesh.h"

enum {
    USERS = 1300, /* three pages */
    PAGE = 500,
    SOON_MS = 50,
    NEVER_MS = 3600 * 1000
};

/* --- the user service ------------------------------------------------------------------------- */

static struct {
    atomic_int asked;     /* pages, in all */
    atomic_int first;     /* of them first ones */
    atomic_int failing;   /* the pages from this one on fail; 0: none does */
    atomic_bool shuffled; /* the second page is not in order */
    atomic_bool hanging;  /* nobody is answered before the call is given up */
    atomic_bool endless;  /* there is always another page, with nothing on it */
    atomic_bool nobody;   /* there are no users */
    atomic_bool adding;   /* somebody signs up after a page was read, and is heard of at once */
} says;

static notification_sync sync;
static mesh_metrics *metrics;
static reconciler *job;
static serve server;

static void id_of(int number, char id[40])
{
    snprintf(id, 40, "0190a000-0000-7000-8000-%012d", number);
}

static User__V1__User *user_of(mesh_arena *arena, int number)
{
    User__V1__User *user = mesh_arena_alloc(arena, sizeof *user);
    char id[40];
    assert_non_null(user);
    id_of(number, id);
    user__v1__user__init(user);
    user->id = mesh_arena_strdup(arena, id);
    user->username = mesh_arena_printf(arena, "user%d", number);
    user->version = 3;
    return user;
}

static void sign_up(int number)
{
    mesh_tx *tx;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(notification_users_put(tx, user_of(mesh_tx_arena(tx), number), NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
}

static void hang(mesh_call *call)
{
    WAIT_FOR(mesh_call_cancelled(call));
}

static mesh_code snapshot(void *self, mesh_call *call,
                          const User__V1__SnapshotUsersRequest *request,
                          User__V1__SnapshotUsersResponse *response, mesh_error *error)
{
    (void)self;
    mesh_arena *arena = mesh_call_arena(call);
    int asked = atomic_fetch_add(&says.asked, 1) + 1;
    if (request->page_token[0] == '\0')
        atomic_fetch_add(&says.first, 1);
    if (atomic_load(&says.hanging))
        hang(call);
    if (atomic_load(&says.failing) != 0 && asked >= atomic_load(&says.failing))
        return mesh_error_set(error, MESH_UNAVAILABLE, "not now");
    if (atomic_load(&says.endless)) {
        response->next_page_token = mesh_arena_strdup(arena, "more");
        return MESH_OK;
    }
    if (atomic_load(&says.nobody))
        return MESH_OK;
    assert_int_equal(request->page_size, PAGE);
    int begin = atoi(request->page_token);
    int count = USERS - begin < PAGE ? USERS - begin : PAGE;
    response->users = mesh_arena_calloc(arena, PAGE, sizeof(User__V1__User *));
    for (int i = 0; i < count; i++)
        response->users[response->n_users++] = user_of(arena, begin + i + 1);
    if (begin != 0 && atomic_load(&says.shuffled)) {
        User__V1__User *last = response->users[count - 1];
        response->users[count - 1] = response->users[0];
        response->users[0] = last;
    }
    if (begin + count < USERS)
        response->next_page_token = mesh_arena_printf(arena, "%d", begin + count);
    else if (atomic_load(&says.adding))
        sign_up(USERS + 1);
    return MESH_OK;
}

static const user__v1__user_service__handlers handlers = {.snapshot_users = snapshot};

static mesh_code let_in(void *self, mesh_call *call, mesh_error *error)
{
    (void)self;
    (void)call;
    (void)error;
    return MESH_OK;
}

static const mesh_interceptor anybody = {.name = "anybody", .on_open = let_in, .authorizes = true};

/* --- its parts -------------------------------------------------------------------------------- */

static int begin_test(void **state)
{
    (void)state;
    memset(&says, 0, sizeof says);
    mesh_error_clear(&err);
    postgres_value(db, "TRUNCATE user_copy");
    serve_start_with(&server, user__v1__user_service__api(&handlers, NULL), &anybody);
    sync = (notification_sync){.db = db, .users = server.channel};
    metrics = mesh_metrics_create();
    return metrics == NULL;
}

static int end_test(void **state)
{
    (void)state;
    reconciler_destroy(job);
    job = NULL;
    serve_stop(&server);
    mesh_metrics_destroy(metrics);
    return 0;
}

static void start(int64_t interval_ms)
{
    assert_int_equal(notification_sync_start(&sync, interval_ms, metrics, &job, &err), MESH_OK);
}

/* A value of the metrics' text, -1 when it is not there. */
static long shown(const char *series)
{
    mesh_arena *arena = mesh_arena_create(4096, 0);
    const char *text;
    size_t size;
    assert_int_equal(mesh_metrics_text(metrics, arena, &text, &size, &err), MESH_OK);
    const char *at = strstr(text, series);
    long value = at != NULL ? atol(at + strlen(series)) : -1;
    mesh_arena_destroy(arena);
    return value;
}

static long runs(void)
{
    return shown("reconciler_runs_total{copy=\"users\"}");
}

static long failures(void)
{
    return shown("reconciler_failures_total{copy=\"users\"}");
}

static long repairs(const char *what)
{
    char series[96];
    snprintf(series, sizeof series, "reconciler_repairs_total{copy=\"users\",repair=\"%s\"}", what);
    return shown(series);
}

static void expect_repairs(long missing, long stale, long gone)
{
    assert_int_equal(repairs("missing"), missing);
    assert_int_equal(repairs("stale"), stale);
    assert_int_equal(repairs("gone"), gone);
}

static long rows(const char *condition)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM user_copy WHERE %s", condition);
    return atol(postgres_value(db, sql));
}

static void expect_all_right(void)
{
    assert_int_equal(rows("NOT deleted AND version = 3 AND doubt_time IS NULL"), USERS);
    assert_int_equal(rows("NOT deleted AND doubt_time IS NULL"), USERS);
    assert_string_equal(postgres_value(db, "SELECT username FROM user_copy WHERE id ="
                                           " '0190a000-0000-7000-8000-000000000777'"),
                        "user777");
}

/* --- tests ------------------------------------------------------------------------------------ */

/* S0.8 */
static void a_copy_that_has_nothing_gets_everything(void **state)
{
    (void)state;
    start(NEVER_MS);
    WAIT_FOR(runs() == 1);
    expect_all_right();
    expect_repairs(USERS, 0, 0);
    assert_int_equal(atomic_load(&says.asked), 3);
}

/* S0.8: rows deleted, versions lowered, ghosts added by hand, on every page and at their ends. */
static void a_copy_that_was_damaged_is_repaired(void **state)
{
    (void)state;
    start(SOON_MS);
    WAIT_FOR(runs() == 1);
    postgres_value(db, "DELETE FROM user_copy WHERE id LIKE '%001' OR id LIKE '%500'");
    postgres_value(db, "UPDATE user_copy SET version = 1 WHERE id LIKE '%99'");
    postgres_value(db, "INSERT INTO user_copy SELECT id || 'x', 1, false, 'ghost', '', '', 1, 6,"
                       " false FROM user_copy WHERE id LIKE '%77'");
    postgres_value(db, "INSERT INTO user_copy SELECT id, 1, false, 'ghost', '', '', 1, 6, false"
                       " FROM unnest('{0,f}'::text[]) AS id");
    long before = runs();
    WAIT_FOR(runs() >= before + 2); /* a whole one after the damage */
    expect_all_right();
    /* Rows 1, 500 and 1001; each hundred has a 99 and a 77. */
    expect_repairs(USERS + 3, 13, 0);
    assert_int_equal(repairs("doubted"), 13 + 2);
    postgres_value(db, "UPDATE user_copy SET doubt_time = doubt_time - interval '11 minutes'");
    WAIT_FOR(repairs("gone") == 13 + 2);
    assert_int_equal(rows("deleted AND username = ''"), 13 + 2);
    assert_int_equal(repairs("doubted"), 13 + 2);
}

/* S0.7 */
static void a_copy_that_is_right_is_not_written(void **state)
{
    (void)state;
    char before[64];
    start(SOON_MS);
    WAIT_FOR(runs() == 1);
    snprintf(before, sizeof before, "%s",
             postgres_value(db, "SELECT max(xmin::text::bigint) FROM user_copy"));
    WAIT_FOR(runs() == 3);
    assert_string_equal(postgres_value(db, "SELECT max(xmin::text::bigint) FROM user_copy"),
                        before);
    expect_repairs(USERS, 0, 0);
}

/* S0.8: a page is older than what is heard while it is on its way. */
static void who_signs_up_during_a_comparison_stays(void **state)
{
    (void)state;
    atomic_store(&says.adding, true);
    start(NEVER_MS);
    WAIT_FOR(runs() == 1);
    assert_int_equal(rows("NOT deleted"), USERS + 1);
    expect_repairs(USERS, 0, 0);
}

/* S0.3: without the user service the copies stay as they are, and the comparison waits for it. */
static void a_comparison_goes_on_where_it_failed(void **state)
{
    (void)state;
    sign_up(USERS + 1); /* a ghost, behind the last page */
    atomic_store(&says.failing, 2);
    start(NEVER_MS);
    WAIT_FOR(atomic_load(&says.asked) >= 3);
    assert_int_equal(rows("NOT deleted"), PAGE + 1);
    assert_int_equal(runs(), 0);
    atomic_store(&says.failing, 0);
    WAIT_FOR(runs() == 1);
    expect_all_right();
    assert_int_equal(atomic_load(&says.first), 1);
}

static void pages_out_of_order_are_not_believed(void **state)
{
    (void)state;
    atomic_store(&says.shuffled, true);
    start(NEVER_MS);
    WAIT_FOR(atomic_load(&says.asked) >= 3);
    assert_int_equal(rows("true"), PAGE);
    atomic_store(&says.shuffled, false);
    WAIT_FOR(runs() == 1);
    expect_all_right();
}

static void an_empty_page_that_is_not_the_last_is_not_believed(void **state)
{
    (void)state;
    sign_up(1);
    atomic_store(&says.endless, true);
    start(NEVER_MS);
    WAIT_FOR(atomic_load(&says.first) >= 2); /* nobody went on behind it */
    assert_int_equal(rows("NOT deleted"), 1);
    atomic_store(&says.endless, false);
    WAIT_FOR(runs() == 1);
    expect_all_right();
}

/* S0.8 */
static void a_list_of_nobody_is_counted_and_asked_for_again(void **state)
{
    (void)state;
    sign_up(1);
    sign_up(USERS);
    atomic_store(&says.nobody, true);
    start(NEVER_MS);
    WAIT_FOR(failures() >= 2);
    assert_int_equal(rows("NOT deleted AND doubt_time IS NULL"), 2);
    assert_int_equal(runs(), 0);
    atomic_store(&says.nobody, false);
    WAIT_FOR(runs() == 1);
    expect_all_right();
}

static void a_database_that_is_away_is_waited_for(void **state)
{
    (void)state;
    postgres_stop();
    start(NEVER_MS);
    postgres_restart();
    WAIT_FOR(runs() == 1);
    expect_all_right();
}

static void who_stops_waits_for_no_answer(void **state)
{
    (void)state;
    atomic_store(&says.hanging, true);
    start(NEVER_MS);
    WAIT_FOR(atomic_load(&says.asked) == 1);
    int64_t begin_ns = mesh_clock_monotonic_ns();
    reconciler_destroy(job);
    job = NULL;
    assert_true(mesh_clock_monotonic_ns() - begin_ns < INT64_C(3000000000)); /* a call has 5 s */
    assert_int_equal(rows("true"), 0);
}

static void what_memory_fails_is_not_made(void **state)
{
    (void)state;
    size_t failures = 0;
    while (job == NULL) {
        mesh_metrics *fresh = mesh_metrics_create();
        mesh_alloc_fail_at(failures + 1);
        mesh_code code = notification_sync_start(&sync, NEVER_MS, fresh, &job, &err);
        mesh_alloc_fail_at(0);
        assert_int_equal(code, job == NULL ? MESH_RESOURCE_EXHAUSTED : MESH_OK);
        failures += job == NULL;
        if (job != NULL)
            reconciler_destroy(job);
        mesh_metrics_destroy(fresh);
    }
    job = NULL;
    assert_true(failures >= 3); /* the job, its arena and its cancel */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(a_copy_that_has_nothing_gets_everything),
        TEST(a_copy_that_was_damaged_is_repaired),
        TEST(a_copy_that_is_right_is_not_written),
        TEST(who_signs_up_during_a_comparison_stays),
        TEST(a_comparison_goes_on_where_it_failed),
        TEST(pages_out_of_order_are_not_believed),
        TEST(an_empty_page_that_is_not_the_last_is_not_believed),
        TEST(a_list_of_nobody_is_counted_and_asked_for_again),
        TEST(a_database_that_is_away_is_waited_for),
        TEST(who_stops_waits_for_no_answer),
        TEST(what_memory_fails_is_not_made),
    };
    return cmocka_run_group_tests(tests, database_setup, database_teardown);
}
