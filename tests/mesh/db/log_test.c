/* What is logged of statements: their text and time, and no value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/log.h"
#include "mesh/db/db.h"
#include "tests/fixtures/postgres.h"

static mesh_db *db;

static int setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    db = postgres_open("log_test", NULL);
    return 0;
}

static int teardown(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

static int log_ends[2];

/* What is logged goes into a pipe, of which read_log reads a little. */
static void catch_log(void)
{
    assert_int_equal(pipe(log_ends), 0);
    mesh_log_setup("test", MESH_LOG_DEBUG);
    mesh_log_output(log_ends[1]);
}

static const char *read_log(void)
{
    static char text[8192];
    mesh_log_output(-1);
    mesh_log_setup("test", MESH_LOG_INFO);
    close(log_ends[1]);
    ssize_t size = read(log_ends[0], text, sizeof text - 1);
    assert_true(size > 0);
    text[size] = '\0';
    close(log_ends[0]);
    return text;
}

/* S1.7: SQL time per call is visible. */
static void every_statement_is_logged_with_its_time(void **state)
{
    (void)state;
    mesh_db_stats before, after;
    mesh_db_get_stats(db, &before);
    catch_log();
    mesh_tx *tx;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "SELECT $1::text",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT("a secret value")), NULL, NULL,
                                   NULL),
                     MESH_OK);
    mesh_tx_rollback(tx);
    const char *text = read_log();
    mesh_db_get_stats(db, &after);
    assert_non_null(strstr(text, "SELECT $1::text"));
    assert_non_null(strstr(text, "\"duration_ms\":"));
    assert_null(strstr(text, "a secret value"));
    assert_int_equal(after.queries, before.queries + 1);
    assert_true(after.query_ns > before.query_ns);
}

/* PostgreSQL itself repeats the value that it could not read. */
static void a_refused_value_is_not_logged(void **state)
{
    (void)state;
    mesh_error err = {0};
    catch_log();
    mesh_code code = mesh_db_exec(db, 0, "SELECT $1::text::int",
                                  MESH_SQL_PARAMS(MESH_SQL_TEXT("a secret value")), NULL, &err);
    const char *text = read_log();
    assert_int_equal(code, MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(text, "\"sqlstate\":\"22P02\""));
    assert_null(strstr(text, "a secret value"));
    assert_null(strstr(err.message, "a secret value"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_statement_is_logged_with_its_time),
        cmocka_unit_test(a_refused_value_is_not_logged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
