#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/log.h"
#include "mesh/db/db.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"

static char url[POSTGRES_URL_BYTES];

static int setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    postgres_create_database("pool_test", url);
    return 0;
}

static mesh_db *open_pool(mesh_db_options options)
{
    mesh_db *db = NULL;
    options.url = url;
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    return db;
}

static mesh_db_stats stats_of(mesh_db *db)
{
    mesh_db_stats stats;
    mesh_db_get_stats(db, &stats);
    return stats;
}

static void urls_are_checked_and_never_repeated(void **state)
{
    (void)state;
    static const char *const malformed[] = {
        "postgresql://user:secret@[::1/x",
        "postgresql://user:secret@host:1/x?nothing=1",
        "postgresql://user:secret%zz@host/x",
        "user=u password=secret bad",
    };
    for (size_t i = 0; i < sizeof malformed / sizeof malformed[0]; i++) {
        mesh_error err = {0};
        mesh_db *db = NULL;
        assert_int_equal(mesh_db_create(&(mesh_db_options){.url = malformed[i]}, &db, &err),
                         MESH_INVALID_ARGUMENT);
        assert_null(db);
        assert_null(strstr(err.message, "secret"));
    }
    mesh_db *db = NULL;
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = NULL}, &db, NULL),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url, .max_age_ms = -1}, &db, NULL),
                     MESH_INVALID_ARGUMENT);
    mesh_db_destroy(NULL);
}

static void a_statement_timeout_is_at_most_what_postgresql_takes(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_db *db = NULL;
    mesh_db_options options = {.url = url, .statement_timeout_ms = INT64_C(1) + INT32_MAX};
    assert_int_equal(mesh_db_create(&options, &db, &err), MESH_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "statement_timeout_ms is out of range; PostgreSQL's is at most 2147483647");
    assert_null(db);
    options.statement_timeout_ms = INT32_MAX;
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
    mesh_db_destroy(db);
}

static void an_absent_database_is_unavailable_and_its_password_unsaid(void **state)
{
    (void)state;
    int ends[2];
    char text[8192] = "";
    mesh_error err = {0};
    mesh_db *db = NULL;
    assert_int_equal(pipe(ends), 0);
    mesh_log_setup("test", MESH_LOG_DEBUG);
    mesh_log_output(ends[1]);
    const mesh_db_options options = {.url = "postgresql://user:secret@127.0.0.1:1/x"};
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    assert_int_equal(mesh_db_ping(db, &err), MESH_UNAVAILABLE);
    mesh_log_output(-1);
    mesh_log_setup("test", MESH_LOG_INFO);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    assert_null(strstr(text, "secret"));
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(stats_of(db).connect_errors, 1);
    assert_int_equal(stats_of(db).open, 0);
    mesh_db_destroy(db);
}

/* S1.7: connections are pooled with a fixed limit. */
static void the_limit_holds_and_a_wait_ends(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 2, .acquire_timeout_ms = 1000});
    mesh_tx *first = NULL, *second = NULL, *third = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_tx_begin(db, NULL, &first, NULL), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &second, NULL), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &third, &err), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(mesh_db_ping(db, NULL), MESH_RESOURCE_EXHAUSTED);
    const mesh_tx_options options = {.deadline_ns = mesh_clock_deadline_ns(10)};
    assert_int_equal(mesh_tx_begin(db, &options, &third, &err), MESH_DEADLINE_EXCEEDED);
    assert_int_equal(stats_of(db).open, 2);
    assert_int_equal(stats_of(db).acquire_errors, 3);
    assert_true(stats_of(db).wait_ns >= 2000000000);
    mesh_tx_rollback(first);
    assert_int_equal(mesh_tx_begin(db, NULL, &third, &err), MESH_OK);
    mesh_tx_rollback(second);
    mesh_tx_rollback(third);
    assert_int_equal(stats_of(db).open, 2);
    assert_int_equal(stats_of(db).idle, 2);
    assert_int_equal(stats_of(db).connects, 2);
    mesh_db_destroy(db);
}

enum {
    THREADS = 8
};

typedef struct turn {
    mesh_db *db;
    int number;
    int *order;
    atomic_int *next;
    mesh_code code;
} turn;

static void *take_turn(void *context)
{
    turn *self = context;
    mesh_tx *tx = NULL;
    self->code = mesh_tx_begin(self->db, NULL, &tx, NULL);
    if (self->code == MESH_OK)
        self->order[atomic_fetch_add(self->next, 1)] = self->number;
    mesh_tx_rollback(tx);
    return NULL;
}

static void threads_are_served_in_the_order_they_came(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 1, .acquire_timeout_ms = 20000});
    mesh_tx *holder = NULL;
    pthread_t threads[THREADS];
    turn turns[THREADS];
    int order[THREADS];
    atomic_int next = 0;
    assert_int_equal(mesh_tx_begin(db, NULL, &holder, NULL), MESH_OK);
    for (int i = 0; i < THREADS; i++) {
        turns[i] = (turn){.db = db, .number = i, .order = order, .next = &next};
        assert_int_equal(pthread_create(&threads[i], NULL, take_turn, &turns[i]), 0);
        WAIT_FOR(stats_of(db).waiting == (size_t)i + 1);
    }
    mesh_tx_rollback(holder);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(turns[i].code, MESH_OK);
        assert_int_equal(order[i], i);
    }
    assert_int_equal(stats_of(db).connects, 1);
    mesh_db_destroy(db);
}

static void *hammer(void *context)
{
    turn *self = context;
    for (int i = 0; i < 100 && self->code == MESH_OK; i++) {
        mesh_tx *tx = NULL;
        self->code = mesh_tx_begin(self->db, NULL, &tx, NULL);
        if (self->code == MESH_OK)
            self->code = mesh_tx_query(tx, "UPDATE counter SET n = n + 1", MESH_SQL_NO_PARAMS, NULL,
                                       NULL, NULL);
        if (self->code != MESH_OK || i % 10 == 9)
            mesh_tx_rollback(tx);
        else
            self->code = mesh_tx_commit(tx, NULL);
    }
    return NULL;
}

static void many_threads_share_few_connections(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 3, .acquire_timeout_ms = 20000});
    pthread_t threads[THREADS];
    turn turns[THREADS];
    postgres_value(db, "CREATE TABLE counter AS SELECT 0 AS n");
    for (int i = 0; i < THREADS; i++) {
        turns[i] = (turn){.db = db, .code = MESH_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &turns[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(turns[i].code, MESH_OK);
    }
    assert_string_equal(postgres_value(db, "SELECT n FROM counter"), "720");
    assert_in_range(stats_of(db).connects, 1, 3);
    mesh_db_destroy(db);
}

static void old_and_idle_connections_are_closed(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 3, .idle_timeout_ms = 1000});
    mesh_tx *txs[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(mesh_tx_begin(db, NULL, &txs[i], NULL), MESH_OK);
    for (int i = 0; i < 3; i++)
        mesh_tx_rollback(txs[i]);
    assert_int_equal(stats_of(db).idle, 3);
    int64_t later_ns = mesh_clock_deadline_ns(1010);
    WAIT_FOR(mesh_clock_monotonic_ns() > later_ns);
    assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
    assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
    assert_int_equal(stats_of(db).open, 1);
    mesh_db_destroy(db);

    db = open_pool((mesh_db_options){.max_age_ms = 1});
    assert_int_equal(mesh_tx_begin(db, NULL, &txs[0], NULL), MESH_OK);
    later_ns = mesh_clock_deadline_ns(2);
    WAIT_FOR(mesh_clock_monotonic_ns() > later_ns);
    mesh_tx_rollback(txs[0]);
    assert_int_equal(stats_of(db).open, 0);
    mesh_db_destroy(db);
}

/* S0.9: it survives a restart of the database. */
static void a_restart_is_not_noticed_between_transactions(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 4});
    mesh_tx *txs[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(mesh_tx_begin(db, NULL, &txs[i], NULL), MESH_OK);
    for (int i = 0; i < 4; i++)
        mesh_tx_rollback(txs[i]);
    postgres_restart();
    for (int i = 0; i < 4; i++)
        assert_int_equal(mesh_tx_begin(db, NULL, &txs[i], NULL), MESH_OK);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(mesh_tx_query(txs[i], "SELECT 1", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                         MESH_OK);
        assert_int_equal(mesh_tx_commit(txs[i], NULL), MESH_OK);
    }
    mesh_db_destroy(db);
}

static void nothing_is_run_twice_when_the_database_goes_away(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 2});
    mesh_error err = {0};
    mesh_tx *begun = NULL, *changed = NULL;
    assert_int_equal(mesh_tx_begin(db, NULL, &begun, NULL), MESH_OK);
    assert_int_equal(mesh_tx_begin(db, NULL, &changed, NULL), MESH_OK);
    assert_int_equal(
        mesh_tx_query(changed, "CREATE TABLE gone (a int)", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
        MESH_OK);
    postgres_stop();
    assert_int_equal(mesh_tx_query(begun, "SELECT 1", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_UNAVAILABLE);
    mesh_tx_rollback(begun);
    assert_int_equal(mesh_tx_commit(changed, &err), MESH_UNAVAILABLE);
    assert_int_equal(mesh_db_ping(db, &err), MESH_UNAVAILABLE);
    assert_int_equal(mesh_tx_begin(db, NULL, &begun, &err), MESH_UNAVAILABLE);
    assert_int_equal(stats_of(db).open, 0);
    postgres_restart();
    assert_int_equal(mesh_db_ping(db, &err), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM pg_class WHERE relname = 'gone'"),
                        "0");
    mesh_db_destroy(db);
}

/* A server that kills one connection says so to nobody else. */
static void a_connection_that_dies_is_replaced(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 1});
    mesh_db *killer = open_pool((mesh_db_options){.pool_max = 1});
    for (int i = 0; i < 20; i++) {
        assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
        postgres_value(killer, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                               " WHERE datname = 'pool_test' AND pid <> pg_backend_pid()");
        mesh_tx *tx = NULL;
        assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
        mesh_tx_rollback(tx);
    }
    mesh_db_destroy(db);
    mesh_db_destroy(killer);
}

static int64_t ms_since(int64_t start_ns)
{
    return (mesh_clock_monotonic_ns() - start_ns) / 1000000;
}

static int thaw(void **state)
{
    (void)state;
    postgres_thaw();
    return 0;
}

typedef struct question {
    mesh_tx *tx;
    mesh_code code;
} question;

static void *ask(void *context)
{
    question *self = context;
    self->code = mesh_tx_query(self->tx, "SELECT 1", MESH_SQL_NO_PARAMS, NULL, NULL, NULL);
    mesh_tx_rollback(self->tx);
    return NULL;
}

static void begin_all(mesh_db *db, const mesh_tx_options *options, question *questions, int count)
{
    for (int i = 0; i < count; i++)
        assert_int_equal(mesh_tx_begin(db, options, &questions[i].tx, NULL), MESH_OK);
}

/* A server that takes everything and says nothing: no wait is longer than its limit. */
static void a_frozen_server_holds_nobody(void **state)
{
    (void)state;
    enum {
        QUESTIONS = 20,  /* more than may wait to be cancelled */
        SLACK_MS = 15000 /* the grace after a deadline, and a busy machine */
    };
    mesh_db *db = open_pool((mesh_db_options){.pool_max = QUESTIONS, .connect_timeout_ms = 2000});
    question questions[QUESTIONS];
    pthread_t threads[QUESTIONS];
    mesh_error err = {0};
    begin_all(db, NULL, questions, QUESTIONS); /* connects, which has all the time it takes */
    for (int i = 0; i < QUESTIONS; i++)
        mesh_tx_rollback(questions[i].tx);
    int64_t start_ns = mesh_clock_monotonic_ns();
    const mesh_tx_options options = {.deadline_ns = start_ns + 2000000000};
    begin_all(db, &options, questions, QUESTIONS);
    postgres_freeze();
    for (int i = 0; i < QUESTIONS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &questions[i]), 0);
    for (int i = 0; i < QUESTIONS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(questions[i].code, MESH_DEADLINE_EXCEEDED);
    }
    assert_in_range(ms_since(start_ns), 2000, 2000 + SLACK_MS);
    assert_int_equal(stats_of(db).open, 0);
    start_ns = mesh_clock_monotonic_ns();
    assert_int_equal(mesh_db_ping(db, &err), MESH_UNAVAILABLE);
    assert_in_range(ms_since(start_ns), 0, 2000 + SLACK_MS);

    start_ns = mesh_clock_monotonic_ns();
    mesh_db_destroy(db); /* while requests to cancel wait for an answer */
    assert_in_range(ms_since(start_ns), 0, SLACK_MS);
    postgres_thaw();
    db = open_pool((mesh_db_options){.pool_max = 1});
    assert_int_equal(mesh_db_ping(db, &err), MESH_OK);
    mesh_db_destroy(db);
}

/* What is asked of the server cannot hit the next statement of the connection. */
static void a_cancelled_statement_leaves_its_connection_whole(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 1});
    mesh_error err = {0};
    for (int i = 0; i < 20; i++) {
        const mesh_tx_options options = {.autocommit = true,
                                         .deadline_ns = mesh_clock_deadline_ns(20)};
        mesh_tx *tx = NULL;
        mesh_code code = mesh_tx_begin(db, &options, &tx, &err);
        if (code == MESH_OK)
            code = mesh_tx_query(tx, "SELECT pg_sleep(60)", MESH_SQL_NO_PARAMS, NULL, NULL, &err);
        mesh_tx_rollback(tx);
        assert_int_equal(code, MESH_DEADLINE_EXCEEDED);
        for (int j = 0; j < 5; j++)
            assert_int_equal(mesh_db_ping(db, &err), MESH_OK);
    }
    mesh_db_destroy(db);
}

static void a_limit_may_be_as_long_as_numbers_go(void **state)
{
    (void)state;
    mesh_db *db = open_pool((mesh_db_options){.pool_max = 1,
                                              .acquire_timeout_ms = INT64_MAX,
                                              .connect_timeout_ms = INT64_MAX,
                                              .idle_timeout_ms = INT64_MAX,
                                              .max_age_ms = INT64_MAX});
    assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
    assert_int_equal(mesh_db_ping(db, NULL), MESH_OK);
    assert_int_equal(stats_of(db).connects, 1);
    mesh_db_destroy(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_checked_and_never_repeated),
        cmocka_unit_test(a_statement_timeout_is_at_most_what_postgresql_takes),
        cmocka_unit_test(an_absent_database_is_unavailable_and_its_password_unsaid),
        cmocka_unit_test(the_limit_holds_and_a_wait_ends),
        cmocka_unit_test(threads_are_served_in_the_order_they_came),
        cmocka_unit_test(many_threads_share_few_connections),
        cmocka_unit_test(old_and_idle_connections_are_closed),
        cmocka_unit_test(a_restart_is_not_noticed_between_transactions),
        cmocka_unit_test(nothing_is_run_twice_when_the_database_goes_away),
        cmocka_unit_test(a_connection_that_dies_is_replaced),
        cmocka_unit_test_teardown(a_frozen_server_holds_nobody, thaw),
        cmocka_unit_test(a_cancelled_statement_leaves_its_connection_whole),
        cmocka_unit_test(a_limit_may_be_as_long_as_numbers_go),
    };
    return cmocka_run_group_tests(tests, setup, postgres_teardown);
}
