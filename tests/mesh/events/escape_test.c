#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/events/escape.h"

static void text_survives_a_header(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *escaped;
    } cases[] = {
        {"", ""},
        {"odyssey-1_2.3~!#$&'()*+,/:;=?@[]", "odyssey-1_2.3~!#$&'()*+,/:;=?@[]"},
        {"a b", "a%20b"},
        {"100%", "100%25"},
        {"\"", "%22"},
        {"\r\nX: y\t\x7f", "%0D%0AX:%20y%09%7F"},
        {"\u20ac", "%E2%82%AC"},
    };
    mesh_arena *arena = mesh_arena_create(256, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char escaped[128];
        assert_int_equal(mesh_event_escaped_size(cases[i].text), strlen(cases[i].escaped) + 1);
        mesh_event_escape(cases[i].text, escaped);
        assert_string_equal(escaped, cases[i].escaped);
        assert_string_equal(mesh_event_unescape(arena, escaped), cases[i].text);
    }
    assert_string_equal(mesh_event_unescape(arena, "%e2%82%ac"), "\u20ac");
    mesh_arena_destroy(arena);
}

static void malformed_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {"%", "%4", "a%", "%g0", "%0g", "%00", "%%41", "%-1"};
    mesh_arena *arena = mesh_arena_create(256, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("%s\n", cases[i]);
        assert_null(mesh_event_unescape(arena, cases[i]));
    }
    mesh_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_survives_a_header),
        cmocka_unit_test(malformed_escapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
