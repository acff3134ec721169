/* Templates and literals of generated code. */
#include "tests/mesh/base/test.h"

#include "mesh/plugin/text.h"

static void literals_mean_what_they_were_made_of(void **state)
{
    static const struct {
        const char *value, *literal;
    } cases[] = {
        {NULL, "NULL"},
        {"", "\"\""},
        {"plain", "\"plain\""},
        {"a \"quoted\\\" word", "\"a \\\"quoted\\\\\\\" word\""},
        {"?\?/ 100 %", "\"\\?\\?/ 100 %\""},
        {"\n1\x7f", "\"\\0121\\177\""},
        {"\xc3\xa4", "\"\\303\\244\""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        text out = {0};
        text_add_literal(&out, cases[i].value);
        assert_string_equal(out.data, cases[i].literal);
        text_free(&out);
    }
}

static void templates_are_filled(void **state)
{
    const text_var vars[] = {{"name", "order"}, {"nam", "x"}, {"empty", ""}, {NULL, NULL}};
    text out = {0};
    (void)state;
    text_fill(&out, vars, "$name$__$name$$empty$($nam$) 100 %\n");
    text_fill(&out, vars, "");
    assert_string_equal(out.data, "order__order(x) 100 %\n");
    text_free(&out);
    assert_null(out.data);
}

static void it_grows(void **state)
{
    text out = {0};
    (void)state;
    for (int i = 0; i < 10000; i++)
        text_addf(&out, "%d,", i % 10);
    assert_int_equal(out.size, 20000);
    assert_int_equal(strlen(out.data), 20000);
    text_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_mean_what_they_were_made_of),
        cmocka_unit_test(templates_are_filled),
        cmocka_unit_test(it_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
