#include "mesh/db/array.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/postgres.h"

static void an_array_arrives_as_it_was_written(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "plain",       "",        "NULL", "null",        "a,b", "{curly}", "\"quoted\"",
        "back\\slash", " space ", "ä€",   "line\nbreak", "'",
    };
    static const int64_t integers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 7, 8, 9, 10, 11, 12, 13};
    enum {
        COUNT = sizeof texts / sizeof texts[0]
    };
    mesh_db *db = postgres_open("array_test", NULL);
    mesh_tx *tx;
    mesh_error err;
    mesh_error_clear(&err);
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    mesh_arena *arena = mesh_tx_arena(tx);

    static const char SQL[] = "SELECT text, number FROM unnest($1::text[], $2::bigint[])"
                              " WITH ORDINALITY AS item (text, number, place) ORDER BY place";
    mesh_rows *rows;
    assert_int_equal(
        mesh_tx_query(
            tx, SQL,
            MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_texts(arena, texts, COUNT)),
                            MESH_SQL_TEXT(mesh_array_of_integers(arena, integers, COUNT))),
            &rows, NULL, &err),
        MESH_OK);
    assert_int_equal(mesh_rows_count(rows), COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        assert_false(mesh_rows_is_null(rows, i, 0));
        assert_string_equal(mesh_rows_text(rows, i, 0), texts[i]);
        assert_true(mesh_rows_int(rows, i, 1) == integers[i]);
    }

    assert_int_equal(
        mesh_tx_query(tx, SQL,
                      MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_texts(arena, NULL, 0)),
                                      MESH_SQL_TEXT(mesh_array_of_integers(arena, NULL, 0))),
                      &rows, NULL, &err),
        MESH_OK);
    assert_int_equal(mesh_rows_count(rows), 0);
    mesh_tx_rollback(tx);
    mesh_db_destroy(db);
}

static void bytes_arrive_as_they_are(void **state)
{
    (void)state;
    static const mesh_bytes items[] = {{"\0\xff\\x00", 6}, {"", 0}, {"NULL", 4}};
    static const char SQL[] = "SELECT string_agg(encode(item, 'hex'), ',' ORDER BY place), count(*)"
                              " FROM unnest($1::bytea[]) WITH ORDINALITY AS bytes (item, place)";
    static const struct {
        size_t count;
        const char *hex;
    } cases[] = {{3, "00ff5c783030,,4e554c4c"}, {0, ""}};
    mesh_db *db = postgres_open("bytes_test", NULL);
    mesh_arena *arena = mesh_arena_create(64, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_rows *rows;
        mesh_bytes array = mesh_array_of_bytes(arena, items, cases[i].count);
        assert_int_equal(mesh_db_query(db, 0, SQL,
                                       MESH_SQL_PARAMS(MESH_SQL_BYTES(array.data, array.size)),
                                       &rows, NULL),
                         MESH_OK);
        assert_string_equal(mesh_rows_text(rows, 0, 0), cases[i].hex);
        assert_int_equal(mesh_rows_int(rows, 0, 1), cases[i].count);
        mesh_rows_end(rows);
    }
    mesh_arena_destroy(arena);
    mesh_db_destroy(db);
}

static void a_full_arena_gives_an_empty_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"0123456789abcdef0123456789abcdef"};
    static const int64_t integers[8] = {0};
    mesh_arena *arena = mesh_arena_create(16, 16);
    assert_non_null(arena);
    assert_string_equal(mesh_array_of_texts(arena, texts, 1), "");
    assert_string_equal(mesh_array_of_integers(arena, integers, 8), "");
    assert_null(mesh_array_of_bytes(arena, &(mesh_bytes){texts[0], 32}, 1).data);
    assert_true(mesh_arena_overflowed(arena));
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_array_arrives_as_it_was_written),
        cmocka_unit_test(bytes_arrive_as_they_are),
        cmocka_unit_test(a_full_arena_gives_an_empty_text),
    };
    return cmocka_run_group_tests(tests, postgres_setup, postgres_teardown);
}
