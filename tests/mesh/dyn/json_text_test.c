#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/dyn/json_text.h"

static void a_value_ends_where_it_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        mesh_json_result result;
        size_t end;
    } cases[] = {
        {"", MESH_JSON_NOTHING, 0},
        {" \n\t", MESH_JSON_NOTHING, 3},
        {"{}", MESH_JSON_VALUE, 2},
        {" {\"a\":[1,2,{\"b\":null}]} {}", MESH_JSON_VALUE, 23},
        {"\"a\\\"b\" x", MESH_JSON_VALUE, 6},
        {"-0.5e+3,", MESH_JSON_VALUE, 7},
        {"true", MESH_JSON_VALUE, 4},
        {"\"\\ud83d\\ude00\"", MESH_JSON_VALUE, 14},
        {"{\"a\":", MESH_JSON_PARTIAL, 0},
        {"[1,", MESH_JSON_PARTIAL, 0},
        {"\"abc", MESH_JSON_PARTIAL, 0},
        {"tru", MESH_JSON_PARTIAL, 0},
        {"{a:1}", MESH_JSON_BAD, 0},
        {"{\"a\" 1}", MESH_JSON_BAD, 0},
        {"{\"a\":1,}", MESH_JSON_BAD, 0},
        {"[1,]", MESH_JSON_BAD, 0},
        {"01", MESH_JSON_BAD, 0},
        {"nul!", MESH_JSON_BAD, 0},
        {"\"\n\"", MESH_JSON_BAD, 0},
        {"\"\xff\"", MESH_JSON_BAD, 0},
        {"\"\\x\"", MESH_JSON_BAD, 0},
        {"\"\\ude00\"", MESH_JSON_BAD, 0},
        {"\"\\ud83dx\"", MESH_JSON_BAD, 0},
        {"[[[[]]]]", MESH_JSON_BAD, 0},
        {"'a'", MESH_JSON_BAD, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_json_scan scan;
        mesh_json_result got = mesh_json_scan_value(cases[i].text, strlen(cases[i].text), 3, &scan);
        if (got != cases[i].result || (got <= MESH_JSON_NOTHING && scan.end != cases[i].end))
            fail_msg("%s: got %d, end %zu (%s)", cases[i].text, got, scan.end, scan.why);
    }
}

static void types_and_depth_are_noticed(void **state)
{
    (void)state;
    mesh_json_scan scan;
    const char *text = "{\"d\":[{\"@type\":\"x\"}]}";
    assert_int_equal(mesh_json_scan_value(text, strlen(text), 10, &scan), MESH_JSON_VALUE);
    assert_true(scan.has_type);
    assert_int_equal(scan.depth, 3);
}

static void lines_and_columns_count_from_one_in_characters(void **state)
{
    (void)state;
    unsigned line, column;
    mesh_json_locate("{\n \"\xc3\xa4\": x", 9, 9, &line, &column);
    assert_int_equal(line, 2);
    assert_int_equal(column, 7);
}

static void a_position_has_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *upto, *rest, *path;
    } cases[] = {
        {"", "{}", ""},
        {"{\"id\":5", "}", "id"},
        {"{\"id\":5,\"lines\":[{},{\"quantity\":\"x\"", "}]}", "lines[1].quantity"},
        {"{\"id\":{\"a\":1},\"b\":", "2}", "b"},
        {"[1,2,[3", "]]", "[2][0]"},
        {"{\"a\":{\"b\":[1,2", ",]}", "a.b[1]"},
    };
    mesh_arena *arena = mesh_arena_create(1024, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_text path = MESH_TEXT_INIT(arena, 0);
        char *text = mesh_arena_printf(arena, "%s%s", cases[i].upto, cases[i].rest);
        mesh_json_path(text, strlen(text), strlen(cases[i].upto), &path);
        assert_string_equal(mesh_text_string(&path), cases[i].path);
    }
    mesh_arena_destroy(arena);
}

static void layout_indents_and_leaves_strings_alone(void **state)
{
    (void)state;
    const char *text = "{\"a\":[1,{\"b\":\"x{,\\\"}\"}],\"c\":{},\"d\":[]}";
    mesh_arena *arena = mesh_arena_create(1024, 0);
    mesh_text out = MESH_TEXT_INIT(arena, 0);
    mesh_json_indent(text, strlen(text), 2, &out);
    assert_string_equal(out.data, "{\n"
                                  "  \"a\": [\n"
                                  "    1,\n"
                                  "    {\n"
                                  "      \"b\": \"x{,\\\"}\"\n"
                                  "    }\n"
                                  "  ],\n"
                                  "  \"c\": {},\n"
                                  "  \"d\": []\n"
                                  "}");
    mesh_arena_destroy(arena);
}

static void text_stops_at_its_limit(void **state)
{
    (void)state;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    mesh_text out = MESH_TEXT_INIT(arena, 5);
    mesh_text_puts(&out, "abc");
    mesh_text_printf(&out, "%d", 12);
    assert_false(out.failed);
    mesh_text_puts(&out, "x");
    assert_true(out.failed);
    assert_string_equal(mesh_text_string(&out), "abc12");
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_ends_where_it_ends),
        cmocka_unit_test(types_and_depth_are_noticed),
        cmocka_unit_test(lines_and_columns_count_from_one_in_characters),
        cmocka_unit_test(a_position_has_a_path),
        cmocka_unit_test(layout_indents_and_leaves_strings_alone),
        cmocka_unit_test(text_stops_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
