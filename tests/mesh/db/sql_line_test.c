#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/db/sql_line.h"

static void a_position_is_on_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        size_t position;
        size_t line;
    } cases[] = {
        {"abc", 1, 1},       {"abc", 3, 1},   {"a\nb\nc", 3, 2},
        {"a\nb\nc", 5, 3},   {"\n\nx", 3, 3}, {"\u00e4\u00e4\nx", 4, 2}, /* characters, not bytes */
        {"\u20ac\nx", 3, 2}, {"abc", 99, 1},  {"", 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mesh_db_line_of_position(cases[i].sql, cases[i].position), cases[i].line);
}

static void a_statement_begins_on_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        size_t index;
        size_t line;
    } cases[] = {
        {"A; B; C", 2, 1},
        {"A;\nB;\nC", 1, 2},
        {"-- a; b\nA;\n\n  B", 1, 4},
        {"/* ; /* ; */ ; */ A;\nB", 1, 2},
        {"A ';' ; \nB", 1, 2},
        {"A 'it''s;' ;\nB", 1, 2},
        {"A E'\\';' ;\nB", 1, 2},
        {"A e'x' name';' ;\nB", 1, 2},
        {"A \";\" ;\nB", 1, 2},
        {"A $$;$$ ;\nB", 1, 2},
        {"A $a$ ; $$ ; $b$ ; $a$ ;\nB", 1, 2},
        {"A $1; \nB", 1, 2},
        {"A a$b$c; \nB", 1, 2},
        {";;;\nA;\n;B", 1, 3},
        {"A 'never ended ;\n", 0, 1},
        {"A $$never ended ;\n", 0, 1},
        {"/* never ended", 0, 1},
        {"", 3, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("%s\n", cases[i].sql);
        assert_int_equal(mesh_db_line_of_statement(cases[i].sql, cases[i].index), cases[i].line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_position_is_on_its_line),
        cmocka_unit_test(a_statement_begins_on_its_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
