#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/db/binary.h"
#include "mesh/db/db.h"
#include "tests/fixtures/postgres.h"

static mesh_db *db;

static int setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    const mesh_db_options options = {.pool_max = 4};
    db = postgres_open("tx_test", &options);
    postgres_value(db, "CREATE TABLE product (id text CONSTRAINT product_pkey PRIMARY KEY,"
                       " stock int NOT NULL CONSTRAINT stock_not_negative CHECK (stock >= 0))");
    postgres_value(db, "CREATE TABLE line (product text CONSTRAINT line_product REFERENCES product"
                       " DEFERRABLE INITIALLY DEFERRED)");
    return 0;
}

static int teardown(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

static int empty_tables(void **state)
{
    (void)state;
    postgres_value(db, "TRUNCATE product, line");
    return 0;
}

static mesh_tx *begin(const mesh_tx_options *options)
{
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    if (mesh_tx_begin(db, options, &tx, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return tx;
}

static mesh_code insert(mesh_tx *tx, const char *id, int64_t stock, mesh_error *err)
{
    return mesh_tx_query(tx, "INSERT INTO product (id, stock) VALUES ($1, $2)",
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(stock)), NULL, NULL, err);
}

static void values_travel_unchanged(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xff, '\\', 'x', 0};
    const int64_t time_ns = 1795248930123456000;
    mesh_rows *rows = NULL;
    mesh_tx *tx = begin(NULL);
    size_t size = 0;
    assert_int_equal(
        mesh_tx_query(tx,
                      "SELECT $1::text, $2::bigint, $3::float8, $4::bool, $5::bytea,"
                      " $6::timestamptz, $7::numeric, $8::text, $9::smallint, $10::float4",
                      MESH_SQL_PARAMS(MESH_SQL_TEXT("h\u00e9llo"), MESH_SQL_INT(INT64_MIN),
                                      MESH_SQL_DOUBLE(0.1), MESH_SQL_BOOL(true),
                                      MESH_SQL_BYTES(bytes, sizeof bytes), MESH_SQL_TIME(time_ns),
                                      MESH_SQL_INT(INT64_MAX), MESH_SQL_NULL, MESH_SQL_INT(-7),
                                      MESH_SQL_DOUBLE(-2.5)),
                      &rows, NULL, NULL),
        MESH_OK);
    assert_int_equal(mesh_rows_count(rows), 1);
    assert_string_equal(mesh_rows_text(rows, 0, 0), "h\u00e9llo");
    assert_true(mesh_rows_int(rows, 0, 1) == INT64_MIN);
    assert_true(mesh_rows_double(rows, 0, 2) == 0.1);
    assert_true(mesh_rows_bool(rows, 0, 3));
    const uint8_t *back = mesh_rows_bytes(rows, 0, 4, &size);
    assert_int_equal(size, sizeof bytes);
    assert_memory_equal(back, bytes, size);
    assert_true(mesh_rows_time(rows, 0, 5) == time_ns);
    assert_true(mesh_rows_int(rows, 0, 6) == INT64_MAX);
    assert_true(mesh_rows_is_null(rows, 0, 7));
    assert_true(mesh_rows_int(rows, 0, 8) == -7);
    assert_true(mesh_rows_double(rows, 0, 9) == -2.5);
    mesh_tx_rollback(tx);
}

static void times_before_1970_travel_unchanged(void **state)
{
    (void)state;
    static const int64_t times[] = {-1000, -1000000000, -2203891200000001000, 0, 1000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        mesh_rows *rows = NULL;
        mesh_tx *tx = begin(NULL);
        assert_int_equal(mesh_tx_query(tx, "SELECT $1::timestamptz",
                                       MESH_SQL_PARAMS(MESH_SQL_TIME(times[i])), &rows, NULL, NULL),
                         MESH_OK);
        assert_true(mesh_rows_time(rows, 0, 0) == times[i]);
        mesh_tx_rollback(tx);
    }
}

static void a_null_reads_as_nothing(void **state)
{
    (void)state;
    mesh_rows *rows = NULL;
    mesh_tx *tx = begin(NULL);
    size_t size = 1;
    assert_int_equal(mesh_tx_query(tx,
                                   "SELECT $1::text, null::bigint, null::float8, null::bool,"
                                   " $2::bytea, null::timestamptz",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(NULL), MESH_SQL_BYTES(NULL, 0)),
                                   &rows, NULL, NULL),
                     MESH_OK);
    assert_string_equal(mesh_rows_text(rows, 0, 0), "");
    assert_true(mesh_rows_int(rows, 0, 1) == 0);
    assert_true(mesh_rows_double(rows, 0, 2) == 0);
    assert_false(mesh_rows_bool(rows, 0, 3));
    assert_non_null(mesh_rows_bytes(rows, 0, 4, &size));
    assert_int_equal(size, 0);
    assert_true(mesh_rows_time(rows, 0, 5) == 0);
    for (size_t column = 0; column < 6; column++)
        assert_true(mesh_rows_is_null(rows, 0, column));
    mesh_tx_rollback(tx);
}

static void binary_values_are_the_same(void **state)
{
    (void)state;
    mesh_rows *rows[2];
    size_t sizes[2];
    mesh_tx *tx = begin(NULL);
    static const char SQL[] =
        "SELECT text, number, number::int, number::smallint, number > 0, decode(text, 'escape'),"
        " time, null::text, null::bigint FROM (VALUES ('', 0, '1970-01-01 00:00:00+00'),"
        "  ('h\u00e9llo', 32767, '2026-11-21 08:15:30.123456+00'), ('\\001\\377', -32768,"
        "  '1678-01-01 00:00:00.000001+00'), ('x', -1, '1900-02-28 23:59:59.999999+00'),"
        "  ('y', 1, 'infinity'), ('z', 2, '-infinity'), ('', 3, '9999-01-01 00:00:00+00'),"
        "  ('', 4, '1600-01-01 00:00:00+00'))"
        " AS v (text, number, written), LATERAL (SELECT written::timestamptz AS time) t";
    assert_int_equal(mesh_tx_query(tx, SQL, MESH_SQL_NO_PARAMS, &rows[0], NULL, NULL), MESH_OK);
    assert_int_equal(mesh_tx_query_binary(tx, SQL, MESH_SQL_NO_PARAMS, &rows[1], NULL), MESH_OK);
    assert_int_equal(mesh_rows_count(rows[1]), 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(mesh_rows_text(rows[1], i, 0), mesh_rows_text(rows[0], i, 0));
        for (size_t column = 1; column <= 3; column++)
            assert_true(mesh_rows_int(rows[1], i, column) == mesh_rows_int(rows[0], i, column));
        assert_true(mesh_rows_bool(rows[1], i, 4) == mesh_rows_bool(rows[0], i, 4));
        const uint8_t *text = mesh_rows_bytes(rows[0], i, 5, &sizes[0]);
        const uint8_t *binary = mesh_rows_bytes(rows[1], i, 5, &sizes[1]);
        assert_int_equal(sizes[1], sizes[0]);
        assert_memory_equal(binary, text, sizes[0]);
        assert_true(mesh_rows_time(rows[1], i, 6) == mesh_rows_time(rows[0], i, 6));
        assert_true(mesh_rows_is_null(rows[1], i, 7) && mesh_rows_int(rows[1], i, 8) == 0);
    }
    /* What follows is text again. */
    assert_int_equal(mesh_tx_query(tx, "SELECT 7.5", MESH_SQL_NO_PARAMS, &rows[0], NULL, NULL),
                     MESH_OK);
    assert_true(mesh_rows_double(rows[0], 0, 0) == 7.5);
    mesh_tx_rollback(tx);
}

static void large_values_travel_unchanged(void **state)
{
    (void)state;
    const size_t size = 5 * 1024 * 1024 + 3;
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + i % 23);
    text[size] = '\0';
    mesh_rows *rows = NULL;
    mesh_tx *tx = begin(NULL);
    size_t read = 0;
    assert_int_equal(mesh_tx_query(tx, "SELECT $1::text, $2::bytea",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(text), MESH_SQL_BYTES(text, size)),
                                   &rows, NULL, NULL),
                     MESH_OK);
    assert_int_equal(strlen(mesh_rows_text(rows, 0, 0)), size);
    assert_int_equal(strcmp(mesh_rows_text(rows, 0, 0), text), 0);
    assert_int_equal(memcmp(mesh_rows_bytes(rows, 0, 1, &read), text, size), 0);
    assert_int_equal(read, size);
    mesh_tx_rollback(tx);
    free(text);
}

static void hostile_strings_are_only_strings(void **state)
{
    (void)state;
    static const char *const strings[] = {
        "'; DROP TABLE product; --", "$1",       "\\'; SELECT 1", "\"", "%s%n", "\x01\x1f\x7f",
        "\xf0\x9f\x92\xa9",          "E'\\x00'", "null",          "",
    };
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        mesh_rows *rows = NULL;
        mesh_tx *tx = begin(NULL);
        assert_int_equal(insert(tx, strings[i], 1, NULL), MESH_OK);
        assert_int_equal(mesh_tx_query(tx, "SELECT id FROM product WHERE id = $1",
                                       MESH_SQL_PARAMS(MESH_SQL_TEXT(strings[i])), &rows, NULL,
                                       NULL),
                         MESH_OK);
        assert_int_equal(mesh_rows_count(rows), 1);
        assert_string_equal(mesh_rows_text(rows, 0, 0), strings[i]);
        assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    }
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "10");
}

static void text_that_is_not_utf8_is_refused(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_tx *tx = begin(NULL);
    assert_int_equal(insert(tx, "\xff\xfe", 1, &err), MESH_INVALID_ARGUMENT);
    mesh_tx_rollback(tx);
}

static void affected_counts_rows(void **state)
{
    (void)state;
    int64_t affected = -1;
    mesh_rows *rows = NULL;
    mesh_tx *tx = begin(NULL);
    insert(tx, "a", 1, NULL);
    insert(tx, "b", 1, NULL);
    assert_int_equal(mesh_tx_query(tx, "UPDATE product SET stock = stock + 1", MESH_SQL_NO_PARAMS,
                                   NULL, &affected, NULL),
                     MESH_OK);
    assert_int_equal(affected, 2);
    assert_int_equal(mesh_tx_query(tx, "SELECT id FROM product WHERE stock > 7", MESH_SQL_NO_PARAMS,
                                   &rows, &affected, NULL),
                     MESH_OK);
    assert_int_equal(affected, 0);
    assert_int_equal(mesh_rows_count(rows), 0);
    mesh_tx_rollback(tx);
}

static void a_commit_is_seen_by_others_and_not_before(void **state)
{
    (void)state;
    mesh_tx *tx = begin(NULL);
    assert_int_equal(insert(tx, "odyssey", 3, NULL), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "0");
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "1");
}

static void a_rollback_leaves_nothing(void **state)
{
    (void)state;
    mesh_tx *tx = begin(NULL);
    assert_int_equal(insert(tx, "odyssey", 3, NULL), MESH_OK);
    mesh_tx_rollback(tx);
    mesh_tx_rollback(NULL);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "0");
}

static void a_failed_statement_dooms_the_transaction(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_tx *tx = begin(NULL);
    assert_int_equal(insert(tx, "odyssey", 3, NULL), MESH_OK);
    assert_int_equal(insert(tx, "iliad", -1, NULL), MESH_FAILED_PRECONDITION);
    assert_int_equal(insert(tx, "aeneid", 1, &err), MESH_FAILED_PRECONDITION);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_FAILED_PRECONDITION);
    assert_int_equal(err.code, MESH_FAILED_PRECONDITION);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "0");
}

static void constraints_have_codes_and_names(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_tx *tx = begin(NULL);
    assert_string_equal(mesh_tx_constraint(tx), "");
    assert_int_equal(insert(tx, "odyssey", 3, NULL), MESH_OK);
    assert_int_equal(insert(tx, "odyssey", 3, &err), MESH_ALREADY_EXISTS);
    assert_int_equal(err.code, MESH_ALREADY_EXISTS);
    assert_string_equal(mesh_tx_constraint(tx), "product_pkey");
    assert_null(strstr(err.message, "product")); /* the server's words stay in the log */
    mesh_tx_rollback(tx);

    tx = begin(NULL);
    assert_int_equal(insert(tx, "iliad", -1, &err), MESH_FAILED_PRECONDITION);
    assert_string_equal(mesh_tx_constraint(tx), "stock_not_negative");
    mesh_tx_rollback(tx);

    tx = begin(NULL);
    assert_int_equal(mesh_tx_query(tx, "INSERT INTO line (product) VALUES ('none')",
                                   MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_FAILED_PRECONDITION);
}

static void statements_that_cannot_work_have_codes(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        mesh_code code;
    } cases[] = {
        {"SELECT 'x'::uuid", MESH_INVALID_ARGUMENT},
        {"SELECT 1 / (SELECT count(*) FROM product)", MESH_INVALID_ARGUMENT},
        {"SELECT 100000::smallint", MESH_INVALID_ARGUMENT},
        {"SELECT nothing", MESH_INTERNAL},
        {"SELEKT 1", MESH_INTERNAL},
        {"SELECT 1; SELECT 2", MESH_INTERNAL},
        {"COPY product TO STDOUT", MESH_INTERNAL},
        {"SELECT pg_terminate_backend(pg_backend_pid())", MESH_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error err = {0};
        mesh_tx *tx = begin(NULL);
        print_message("%s\n", cases[i].sql);
        assert_int_equal(mesh_tx_query(tx, cases[i].sql, MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                         cases[i].code);
        assert_true(err.message[0] != '\0');
        mesh_tx_rollback(tx);
        /* The pool goes on with that connection, or another. */
        assert_string_equal(postgres_value(db, "SELECT 1"), "1");
    }
}

static void a_deadlock_aborts_one_of_two(void **state)
{
    (void)state;
    postgres_value(db, "INSERT INTO product (id, stock) VALUES ('a', 1)");
    mesh_tx *holder = begin(NULL), *other = begin(NULL);
    static const char *const lock = "SELECT id FROM product WHERE id = 'a' FOR UPDATE NOWAIT";
    assert_int_equal(mesh_tx_query(holder, lock, MESH_SQL_NO_PARAMS, NULL, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_tx_query(other, lock, MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                     MESH_ABORTED);
    mesh_tx_rollback(other);
    mesh_tx_rollback(holder);
}

static void a_deadline_ends_a_statement(void **state)
{
    (void)state;
    const int64_t start_ns = mesh_clock_monotonic_ns();
    const mesh_tx_options options = {.deadline_ns = start_ns + 2000000000};
    mesh_error err = {0};
    mesh_tx *tx = begin(&options);
    /* or that might be what ends it */
    assert_int_equal(
        mesh_tx_query(tx, "SET LOCAL statement_timeout = 0", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
        MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "SELECT pg_sleep(60)", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_DEADLINE_EXCEEDED);
    mesh_tx_rollback(tx);
    assert_true(mesh_clock_monotonic_ns() - start_ns < 30000000000); /* not the minute */
    /* It ended at the server, too. */
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                           " WHERE state = 'active' AND query LIKE '%sleep(60)%'"
                                           " AND pid <> pg_backend_pid()"),
                        "0");
}

static void a_passed_deadline_stops_before_the_database(void **state)
{
    (void)state;
    const mesh_tx_options passed = {.deadline_ns = mesh_clock_monotonic_ns() - 1};
    mesh_error err = {0};
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(db, &passed, &tx, &err), MESH_DEADLINE_EXCEEDED);
    assert_null(tx);

    const mesh_tx_options options = {.deadline_ns = mesh_clock_deadline_ns(2000)};
    tx = begin(&options);
    assert_int_equal(insert(tx, "late", 1, NULL), MESH_OK);
    while (mesh_clock_monotonic_ns() < options.deadline_ns)
        usleep(1000);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_DEADLINE_EXCEEDED);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "0");
}

static void the_statement_timeout_ends_a_statement(void **state)
{
    (void)state;
    const mesh_db_options options = {.statement_timeout_ms = 2000};
    mesh_db *strict = postgres_open("strict", &options);
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(strict, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "SELECT pg_sleep(60)", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                     MESH_DEADLINE_EXCEEDED);
    mesh_tx_rollback(tx);
    assert_string_equal(postgres_value(strict, "SELECT 1"), "1");
    mesh_db_destroy(strict);
}

static void read_only_refuses_changes(void **state)
{
    (void)state;
    const mesh_tx_options options = {.read_only = true};
    mesh_tx *tx = begin(&options);
    assert_int_equal(insert(tx, "a", 1, NULL), MESH_INTERNAL);
    mesh_tx_rollback(tx);
}

static void autocommit_keeps_each_statement(void **state)
{
    (void)state;
    const mesh_tx_options options = {.autocommit = true};
    mesh_tx *tx = begin(&options);
    assert_int_equal(insert(tx, "a", 1, NULL), MESH_OK);
    mesh_tx_rollback(tx);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "1");
}

static void a_single_statement_is_a_transaction_of_its_own(void **state)
{
    (void)state;
    static const char insert_one[] = "INSERT INTO product (id, stock) VALUES ($1, 1) RETURNING id";
    mesh_rows *rows = NULL;
    mesh_db_stats stats;
    int64_t affected = 0;
    assert_int_equal(
        mesh_db_query(db, 0, insert_one, MESH_SQL_PARAMS(MESH_SQL_TEXT("a")), &rows, NULL),
        MESH_OK);
    assert_string_equal(mesh_rows_text(rows, 0, 0), "a");
    mesh_rows_end(rows);
    mesh_rows_end(NULL);
    mesh_db_get_stats(db, &stats);
    assert_int_equal(stats.open, stats.idle); /* the rows have given their connection back */
    assert_string_equal(postgres_value(db, "SELECT id FROM product"), "a");
    assert_int_equal(
        mesh_db_exec(db, 0, "DELETE FROM product", MESH_SQL_NO_PARAMS, &affected, NULL), MESH_OK);
    assert_int_equal(affected, 1);
    assert_int_equal(mesh_db_exec(db, 0, "SELECT 1", MESH_SQL_NO_PARAMS, NULL, NULL), MESH_OK);
}

static void a_single_statement_that_fails_leaves_no_transaction(void **state)
{
    (void)state;
    mesh_rows *rows = NULL;
    mesh_error err = {0};
    mesh_db_stats stats;
    assert_int_equal(mesh_db_query(db, 0, "SELECT 1 / 0", MESH_SQL_NO_PARAMS, &rows, &err),
                     MESH_INVALID_ARGUMENT);
    assert_int_equal(err.code, MESH_INVALID_ARGUMENT);
    assert_int_equal(
        mesh_db_query(db, mesh_clock_monotonic_ns(), "SELECT 1", MESH_SQL_NO_PARAMS, &rows, NULL),
        MESH_DEADLINE_EXCEEDED);
    assert_int_equal(mesh_db_exec(db, 0, "SELECT 1 / 0", MESH_SQL_NO_PARAMS, NULL, NULL),
                     MESH_INVALID_ARGUMENT);
    assert_null(rows);
    mesh_db_get_stats(db, &stats);
    assert_int_equal(stats.open, stats.idle);
}

static void a_statement_is_prepared_once(void **state)
{
    (void)state;
    mesh_tx *tx = begin(NULL);
    mesh_rows *rows = NULL;
    static const char *const prepared = "SELECT count(*) FROM pg_prepared_statements WHERE "
                                        "statement LIKE 'INSERT INTO product%$2)'";
    for (int i = 0; i < 3; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        assert_int_equal(insert(tx, id, 1, NULL), MESH_OK);
    }
    assert_int_equal(mesh_tx_query(tx, prepared, MESH_SQL_NO_PARAMS, &rows, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_rows_int(rows, 0, 0), 1);
    mesh_tx_rollback(tx);
}

static void prepared_statements_are_bounded(void **state)
{
    (void)state;
    mesh_tx *tx = begin(NULL);
    mesh_rows *rows = NULL;
    for (int i = 0; i < 300; i++) {
        const char *sql = mesh_arena_printf(mesh_tx_arena(tx), "SELECT %d", i);
        assert_int_equal(mesh_tx_query(tx, sql, MESH_SQL_NO_PARAMS, &rows, NULL, NULL), MESH_OK);
        assert_int_equal(mesh_rows_int(rows, 0, 0), i);
    }
    assert_int_equal(mesh_tx_query(tx, "SELECT count(*) FROM pg_prepared_statements",
                                   MESH_SQL_NO_PARAMS, &rows, NULL, NULL),
                     MESH_OK);
    assert_in_range(mesh_rows_int(rows, 0, 0), 1, 128);
    mesh_tx_rollback(tx);
}

static void a_table_may_change_under_a_prepared_statement(void **state)
{
    (void)state;
    static const char *const select = "SELECT * FROM shape";
    mesh_tx *tx = begin(NULL);
    postgres_value(db, "CREATE TABLE shape (a int)");
    assert_int_equal(mesh_tx_query(tx, select, MESH_SQL_NO_PARAMS, NULL, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    postgres_value(db, "ALTER TABLE shape ADD b int");
    /* Each connection that had it prepared fails once at most, then it is as if never prepared. */
    int failures = 0;
    for (int i = 0; i < 10; i++) {
        tx = begin(NULL);
        failures += mesh_tx_query(tx, select, MESH_SQL_NO_PARAMS, NULL, NULL, NULL) != MESH_OK;
        mesh_tx_rollback(tx);
    }
    assert_in_range(failures, 0, 1);
    postgres_value(db, "DROP TABLE shape");
}

static mesh_code select_shape(bool autocommit)
{
    const mesh_tx_options options = {.autocommit = autocommit};
    mesh_tx *tx = begin(&options);
    mesh_code code = mesh_tx_query(tx, "SELECT * FROM shape", MESH_SQL_NO_PARAMS, NULL, NULL, NULL);
    mesh_tx_rollback(tx);
    return code;
}

/* Once by a table that changed, once by a statement that is gone. */
static void a_stale_statement_is_no_failure_of_a_single_read(void **state)
{
    (void)state;
    static const char *const changes[] = {"ALTER TABLE shape ADD b int", "DEALLOCATE ALL"};
    postgres_value(db, "CREATE TABLE shape (a int)");
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        assert_int_equal(select_shape(true), MESH_OK);
        postgres_value(db, changes[i]); /* on the same connection: it was used last */
        assert_int_equal(select_shape(true), MESH_OK);
    }
    assert_int_equal(select_shape(true), MESH_OK);
    postgres_value(db, "ALTER TABLE shape ADD c int");
    assert_int_equal(select_shape(false), MESH_ABORTED); /* which says: try again */
    assert_int_equal(select_shape(false), MESH_OK);
    postgres_value(db, "DROP TABLE shape");
}

/* Not every 0A000 tells of a changed table. */
static void what_the_server_cannot_do_is_no_conflict(void **state)
{
    (void)state;
    mesh_tx *tx = begin(NULL);
    postgres_value(db, "CREATE FUNCTION cannot() RETURNS int LANGUAGE plpgsql AS"
                       " 'BEGIN RAISE EXCEPTION ''no'' USING ERRCODE = ''0A000''; END'");
    assert_int_equal(mesh_tx_query(tx, "SELECT cannot()", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                     MESH_INTERNAL);
    mesh_tx_rollback(tx);
}

static void note(void *context)
{
    char *text = context;
    text[strlen(text)] = (char)('a' + strlen(text));
}

static void after_commit_runs_in_order_and_only_after_a_commit(void **state)
{
    (void)state;
    char committed[8] = "", rolled_back[8] = "", failed[8] = "";
    mesh_tx *tx = begin(NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mesh_tx_after_commit(tx, note, committed, NULL), MESH_OK);
    assert_string_equal(committed, "");
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_string_equal(committed, "abc");

    tx = begin(NULL);
    assert_int_equal(mesh_tx_after_commit(tx, note, rolled_back, NULL), MESH_OK);
    mesh_tx_rollback(tx);
    assert_string_equal(rolled_back, "");

    tx = begin(NULL);
    assert_int_equal(mesh_tx_after_commit(tx, note, failed, NULL), MESH_OK);
    assert_int_equal(insert(tx, "iliad", -1, NULL), MESH_FAILED_PRECONDITION);
    assert_int_not_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_string_equal(failed, "");

    const mesh_tx_options autocommit = {.autocommit = true};
    tx = begin(&autocommit);
    assert_int_equal(mesh_tx_after_commit(tx, note, failed, NULL), MESH_FAILED_PRECONDITION);
    mesh_tx_rollback(tx);
}

static mesh_code insert_before(mesh_tx *tx, void *context, mesh_error *why)
{
    return insert(tx, context, 1, why);
}

static mesh_code refuse_before(mesh_tx *tx, void *context, mesh_error *why)
{
    (void)tx;
    (void)context;
    return mesh_error_set(why, MESH_RESOURCE_EXHAUSTED, "not today");
}

/* S0.6: what is done just before the commit is part of the transaction. */
static void before_commit_is_part_of_the_transaction(void **state)
{
    (void)state;
    mesh_error why = {0};
    mesh_tx *tx = begin(NULL);
    assert_int_equal(mesh_tx_before_commit(tx, insert_before, (void *)"iliad", NULL), MESH_OK);
    assert_int_equal(mesh_tx_before_commit(tx, insert_before, (void *)"aeneid", NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT string_agg(id, ' ' ORDER BY id) FROM product"),
                        "aeneid iliad");

    char committed[8] = "";
    tx = begin(NULL);
    assert_int_equal(insert(tx, "odyssey", 1, NULL), MESH_OK);
    assert_int_equal(mesh_tx_after_commit(tx, note, committed, NULL), MESH_OK);
    assert_int_equal(mesh_tx_before_commit(tx, refuse_before, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_tx_before_commit(tx, insert_before, (void *)"edda", NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &why), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(why.message, "not today");
    assert_string_equal(committed, "");

    tx = begin(NULL); /* the second one fails by itself */
    assert_int_equal(insert(tx, "odyssey", 1, NULL), MESH_OK);
    assert_int_equal(mesh_tx_before_commit(tx, insert_before, (void *)"iliad", NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &why), MESH_ALREADY_EXISTS);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM product"), "2");
}

static void before_commit_is_for_transactions_that_can_write(void **state)
{
    (void)state;
    const mesh_tx_options cases[] = {{.autocommit = true}, {.read_only = true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_tx *tx = begin(&cases[i]);
        assert_int_equal(mesh_tx_before_commit(tx, refuse_before, NULL, NULL),
                         MESH_FAILED_PRECONDITION);
        assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    }
    mesh_tx *tx = begin(NULL);
    assert_int_equal(mesh_tx_before_commit(tx, refuse_before, NULL, NULL), MESH_OK);
    assert_int_not_equal(insert(tx, "iliad", -1, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_FAILED_PRECONDITION); /* of the statement */
}

/* Who is frozen with a lock does not keep it. */
static void the_server_ends_a_transaction_that_is_silent(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_tx *silent = begin(MESH_OPTIONS(mesh_tx_options, .silence_timeout_ms = 100));
    assert_int_equal(insert(silent, "held", 1, &err), MESH_OK);
    mesh_tx *other = begin(NULL);
    assert_int_equal(insert(other, "held", 2, &err), MESH_OK); /* once the other's is gone */
    assert_int_equal(mesh_tx_commit(other, &err), MESH_OK);
    assert_int_equal(insert(silent, "more", 1, &err), MESH_UNAVAILABLE);
    mesh_tx_rollback(silent);
    assert_string_equal(postgres_value(db, "SELECT stock FROM product"), "2");
}

static void one_that_speaks_goes_on(void **state)
{
    (void)state;
    mesh_error err = {0};
    mesh_tx *tx = begin(MESH_OPTIONS(mesh_tx_options, .silence_timeout_ms = 400));
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            mesh_tx_query(tx, "SELECT pg_sleep(0.2)", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
            MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_travel_unchanged),
        cmocka_unit_test(times_before_1970_travel_unchanged),
        cmocka_unit_test(a_null_reads_as_nothing),
        cmocka_unit_test(binary_values_are_the_same),
        cmocka_unit_test(large_values_travel_unchanged),
        cmocka_unit_test_setup(hostile_strings_are_only_strings, empty_tables),
        cmocka_unit_test(text_that_is_not_utf8_is_refused),
        cmocka_unit_test_setup(affected_counts_rows, empty_tables),
        cmocka_unit_test_setup(a_commit_is_seen_by_others_and_not_before, empty_tables),
        cmocka_unit_test_setup(a_rollback_leaves_nothing, empty_tables),
        cmocka_unit_test_setup(a_failed_statement_dooms_the_transaction, empty_tables),
        cmocka_unit_test_setup(constraints_have_codes_and_names, empty_tables),
        cmocka_unit_test_setup(statements_that_cannot_work_have_codes, empty_tables),
        cmocka_unit_test_setup(a_deadlock_aborts_one_of_two, empty_tables),
        cmocka_unit_test(a_deadline_ends_a_statement),
        cmocka_unit_test_setup(a_passed_deadline_stops_before_the_database, empty_tables),
        cmocka_unit_test(the_statement_timeout_ends_a_statement),
        cmocka_unit_test_setup(read_only_refuses_changes, empty_tables),
        cmocka_unit_test_setup(autocommit_keeps_each_statement, empty_tables),
        cmocka_unit_test_setup(a_single_statement_is_a_transaction_of_its_own, empty_tables),
        cmocka_unit_test(a_single_statement_that_fails_leaves_no_transaction),
        cmocka_unit_test_setup(a_statement_is_prepared_once, empty_tables),
        cmocka_unit_test(prepared_statements_are_bounded),
        cmocka_unit_test(a_table_may_change_under_a_prepared_statement),
        cmocka_unit_test(a_stale_statement_is_no_failure_of_a_single_read),
        cmocka_unit_test(what_the_server_cannot_do_is_no_conflict),
        cmocka_unit_test_setup(before_commit_is_part_of_the_transaction, empty_tables),
        cmocka_unit_test_setup(before_commit_is_for_transactions_that_can_write, empty_tables),
        cmocka_unit_test_setup(after_commit_runs_in_order_and_only_after_a_commit, empty_tables),
        cmocka_unit_test_setup(the_server_ends_a_transaction_that_is_silent, empty_tables),
        cmocka_unit_test_setup(one_that_speaks_goes_on, empty_tables),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
