/*
 * Every allocation of a transaction fails in turn: the caller is told, nothing is lost or left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/db/migrate.h"
#include "tests/fixtures/memory.h"
#include "tests/fixtures/postgres.h"
#include "tests/mesh/db/test_migrations.h"

static char url[POSTGRES_URL_BYTES];

static int setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    postgres_create_database("memory_test", url);
    return 0;
}

static void nothing(void *context)
{
    (void)context;
}

static mesh_code use_rows(mesh_tx *tx, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, "SELECT $1::text, $2::bytea",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT("a"), MESH_SQL_BYTES("bc", 2)),
                                   &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    size_t size = 0;
    assert_string_equal(mesh_rows_text(rows, 0, 0), "a");
    assert_memory_equal(mesh_rows_bytes(rows, 0, 1, &size), "bc", 2);
    return mesh_tx_after_commit(tx, nothing, NULL, err);
}

static mesh_code run_transaction(void *context)
{
    (void)context;
    mesh_error err = {0};
    mesh_db *db = NULL;
    mesh_tx *tx = NULL;
    const mesh_db_options options = {.url = url};
    mesh_code code = mesh_db_create(&options, &db, &err);
    if (code == MESH_OK)
        code = mesh_migrate(db, "test", test_migrations, &err);
    if (code == MESH_OK)
        code = mesh_tx_begin(db, NULL, &tx, &err);
    if (code == MESH_OK)
        code = use_rows(tx, &err);
    if (code == MESH_OK) {
        code = mesh_tx_commit(tx, &err);
        tx = NULL;
    }
    mesh_tx_rollback(tx);
    if (db != NULL) {
        mesh_db_stats stats;
        mesh_db_get_stats(db, &stats);
        assert_int_equal(stats.open, stats.idle);
    }
    mesh_db_destroy(db);
    return code;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run_transaction(NULL), MESH_OK);
    size_t failures = memory_fail_in_turn(run_transaction, NULL);
    print_message("%zu allocations failed\n", failures);
    assert_true(failures >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, postgres_teardown);
}
