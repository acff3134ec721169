#include "mesh/meshctl/header.h"

#include "tests/mesh/base/test.h"

static mesh_arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int teardown(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

static void headers_become_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key, *value;
        size_t size;
    } cases[] = {
        {"authorization: Bearer x:y", "authorization", "Bearer x:y", 10},
        {"X-Id:  7 \t", "x-id", "7", 1},
        {"a:", "a", "", 0},
        {"a-bin: AP8=", "a-bin", "\x00\xff", 2},
        {"a-bin: AP8", "a-bin", "\x00\xff", 2},
        {"a-bin: -_-_", "a-bin", "\xfb\xff\xbf", 3},
        {"a-bin:", "a-bin", "", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_metadata entry;
        ctl_failure failure;
        if (ctl_header_parse(cases[i].text, arena, &entry, &failure) != MESH_OK)
            fail_msg("%s", failure.err.message);
        assert_string_equal(entry.key, cases[i].key);
        assert_int_equal(entry.size, cases[i].size);
        assert_memory_equal(entry.value, cases[i].value, entry.size);
    }
}

static void mistakes_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"authorization", "no colon"},      {": x", "no key"},
        {"a b: x", "\"a b\" may have"},     {"a: \xc3\xa4", "not printable ASCII"},
        {"a: b\nc", "not printable ASCII"}, {"a-bin: ***", "not base64"},
        {"a-bin: AAAAA", "not base64"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_metadata entry;
        ctl_failure failure;
        assert_int_equal(ctl_header_parse(cases[i].text, arena, &entry, &failure),
                         MESH_INVALID_ARGUMENT);
        if (strstr(failure.err.message, cases[i].message) == NULL)
            fail_msg("%s", failure.err.message);
        assert_non_null(failure.hint);
    }
}

static void binary_values_are_shown_as_base64(void **state)
{
    (void)state;
    static const struct {
        mesh_metadata entry;
        const char *text;
    } cases[] = {
        {{"a", "x y", 3}, "a: x y\n"},
        {{"a-bin", "\x00\xff", 2}, "a-bin: AP8=\n"},
        {{"a-bin", "\xfb\xff\xbf", 3}, "a-bin: +/+/\n"},
        {{"a-bin", "M", 1}, "a-bin: TQ==\n"},
        {{"a-bin", "", 0}, "a-bin: \n"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);
        assert_non_null(out);
        ctl_header_print(out, &cases[i].entry);
        fclose(out);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_become_metadata),
        cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(binary_values_are_shown_as_base64),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
