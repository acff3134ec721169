#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/db/migrate.h"
#include "tests/fixtures/postgres.h"
#include "tests/mesh/db/test_migrations.h"

static const mesh_migration none[] = {{0}};

static mesh_code migrate(mesh_db *db, const mesh_migration *migrations, mesh_error *err)
{
    return mesh_migrate(db, "product", migrations, err);
}

static void files_are_applied_in_order_and_once(void **state)
{
    (void)state;
    mesh_db *db = postgres_open("forward", NULL);
    mesh_error err = {0};
    for (int i = 0; i < 2; i++) {
        if (migrate(db, test_migrations, &err) != MESH_OK)
            fail_msg("%s", err.message);
    }
    assert_string_equal(postgres_value(db, "SELECT id || stock || note FROM product"),
                        "ilias3it's\ta \\ \"note\"; ?\?=");
    assert_string_equal(
        postgres_value(db, "SELECT string_agg(number || name, ',' ORDER BY number)"
                           " FROM mesh_migration WHERE component = 'product'"),
        "10001_create_product.sql,20002_add_stock.sql,30003_without_a_newline_at_the_end.sql");
    mesh_db_destroy(db);
}

static void later_ones_are_added_to_earlier_ones(void **state)
{
    (void)state;
    mesh_db *db = postgres_open("later", NULL);
    const mesh_migration first[] = {
        {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x int)"}, {0}};
    const mesh_migration both[] = {
        {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x int)"},
        {.number = 2, .name = "0002_b.sql", .sql = "ALTER TABLE a ADD y int"},
        {0},
    };
    assert_int_equal(migrate(db, none, NULL), MESH_OK);
    assert_int_equal(migrate(db, first, NULL), MESH_OK);
    assert_int_equal(migrate(db, both, NULL), MESH_OK);
    postgres_value(db, "SELECT x, y FROM a");
    mesh_db_destroy(db);
}

static void components_are_numbered_apart(void **state)
{
    (void)state;
    mesh_db *db = postgres_open("components", NULL);
    const mesh_migration one[] = {
        {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x int)"}, {0}};
    const mesh_migration other[] = {
        {.number = 1, .name = "0001_b.sql", .sql = "CREATE TABLE b (x int)"}, {0}};
    assert_int_equal(mesh_migrate(db, "one", one, NULL), MESH_OK);
    assert_int_equal(mesh_migrate(db, "other", other, NULL), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM mesh_migration"), "2");
    mesh_db_destroy(db);
}

static void what_was_applied_may_not_change(void **state)
{
    (void)state;
    mesh_db *db = postgres_open("changed", NULL);
    const mesh_migration before[] = {
        {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x int)"}, {0}};
    const mesh_migration text[] = {
        {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x  int)"}, {0}};
    const mesh_migration name[] = {
        {.number = 1, .name = "0001_b.sql", .sql = "CREATE TABLE a (x int)"}, {0}};
    mesh_error err = {0};
    assert_int_equal(migrate(db, before, &err), MESH_OK);
    assert_int_equal(migrate(db, text, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "0001_a.sql"));
    assert_int_equal(migrate(db, name, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "0001_b.sql"));
    assert_int_equal(migrate(db, before, &err), MESH_OK);
    mesh_db_destroy(db);
}

static void a_newer_database_is_refused(void **state)
{
    (void)state;
    mesh_db *db = postgres_open("newer", NULL);
    mesh_migration fewer[4];
    mesh_error err = {0};
    assert_int_equal(migrate(db, test_migrations, &err), MESH_OK);
    memcpy(fewer, test_migrations, sizeof fewer);
    fewer[2] = (mesh_migration){0};
    assert_int_equal(migrate(db, fewer, &err), MESH_FAILED_PRECONDITION);
    assert_non_null(strstr(err.message, "newer"));
    assert_int_equal(migrate(db, none, &err), MESH_FAILED_PRECONDITION);
    mesh_db_destroy(db);
}

static void a_failing_one_is_rolled_back_and_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        const char *message;
    } cases[] = {
        {"CREATE TABLE b (x int);\n\nSELECT nothing", "0002_b.sql:3: column \"nothing\""},
        {"CREATE TABLE b (x int);\nCREATE TABEL c (x int)", "0002_b.sql:2: syntax error"},
        {"CREATE TABLE b (x int UNIQUE);\n-- two\nINSERT INTO b VALUES (1);\n\n"
         "INSERT INTO b\n VALUES (1)",
         "0002_b.sql:5: duplicate key"},
        {"CREATE TABLE b (x int);\nDO $$\nBEGIN RAISE EXCEPTION 'no;'; END $$",
         "0002_b.sql:2: no;"},
        {"CREATE TABLE b (x int REFERENCES a DEFERRABLE INITIALLY DEFERRED);\n"
         "INSERT INTO b VALUES (7)",
         "0002_b.sql:1: insert or update on table \"b\""},
        {"ROLLBACK", "0002_b.sql: it ended its transaction"},
    };
    mesh_db *db = postgres_open("failing", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mesh_migration migrations[] = {
            {.number = 1, .name = "0001_a.sql", .sql = "CREATE TABLE a (x int PRIMARY KEY)"},
            {.number = 2, .name = "0002_b.sql", .sql = cases[i].sql},
            {.number = 3, .name = "0003_c.sql", .sql = "CREATE TABLE c (x int)"},
            {0},
        };
        mesh_error err = {0};
        assert_int_equal(migrate(db, migrations, &err), MESH_INTERNAL);
        print_message("%s\n", err.message);
        assert_ptr_equal(strstr(err.message, cases[i].message), err.message);
        assert_string_equal(postgres_value(db, "SELECT max(number) FROM mesh_migration"), "1");
        assert_string_equal(
            postgres_value(db, "SELECT count(*) FROM pg_class WHERE relname IN ('b', 'c')"), "0");
    }
    mesh_db_destroy(db);
}

typedef struct instance {
    mesh_db *db;
    mesh_code code;
} instance;

static void *migrate_slowly(void *context)
{
    static const mesh_migration migrations[] = {
        {.number = 1,
         .name = "0001_slow.sql",
         .sql = "CREATE TABLE slow (x int); SELECT pg_sleep(0.1)"},
        {.number = 2, .name = "0002_slow.sql", .sql = "INSERT INTO slow VALUES (1)"},
        {0},
    };
    instance *self = context;
    self->code = migrate(self->db, migrations, NULL);
    return NULL;
}

static void several_instances_at_once_apply_it_once(void **state)
{
    (void)state;
    enum {
        INSTANCES = 4
    };
    mesh_db *db = postgres_open("instances", NULL);
    instance instances[INSTANCES];
    pthread_t threads[INSTANCES];
    for (int i = 0; i < INSTANCES; i++) {
        instances[i] = (instance){.db = db};
        assert_int_equal(pthread_create(&threads[i], NULL, migrate_slowly, &instances[i]), 0);
    }
    for (int i = 0; i < INSTANCES; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(instances[i].code, MESH_OK);
    }
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM slow"), "1");
    mesh_db_destroy(db);
}

static void a_migration_may_take_longer_than_a_statement(void **state)
{
    (void)state;
    const mesh_db_options options = {.statement_timeout_ms = 1000};
    const mesh_migration migrations[] = {
        {.number = 1, .name = "0001_slow.sql", .sql = "SELECT pg_sleep(1.5)"}, {0}};
    mesh_db *db = postgres_open("patient", &options);
    assert_int_equal(migrate(db, migrations, NULL), MESH_OK);
    mesh_db_destroy(db);
}

static void without_a_database_it_is_unavailable(void **state)
{
    (void)state;
    const mesh_db_options options = {.url = "postgresql://127.0.0.1:1/x"};
    mesh_db *db = NULL;
    assert_int_equal(mesh_db_create(&options, &db, NULL), MESH_OK);
    assert_int_equal(migrate(db, test_migrations, NULL), MESH_UNAVAILABLE);
    mesh_db_destroy(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_applied_in_order_and_once),
        cmocka_unit_test(later_ones_are_added_to_earlier_ones),
        cmocka_unit_test(components_are_numbered_apart),
        cmocka_unit_test(what_was_applied_may_not_change),
        cmocka_unit_test(a_newer_database_is_refused),
        cmocka_unit_test(a_failing_one_is_rolled_back_and_named_with_its_line),
        cmocka_unit_test(several_instances_at_once_apply_it_once),
        cmocka_unit_test(a_migration_may_take_longer_than_a_statement),
        cmocka_unit_test(without_a_database_it_is_unavailable),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
