#include "mesh/resource/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int make_arena(void **state)
{
    *state = mesh_arena_create(1024, 0);
    return *state == NULL;
}

static int free_arena(void **state)
{
    mesh_arena_destroy(*state);
    return 0;
}

static void page_sizes_have_a_default_and_a_limit(void **state)
{
    (void)state;
    static const struct {
        int32_t asked;
        mesh_code code;
        size_t size;
    } cases[] = {
        {0, MESH_OK, MESH_PAGE_SIZE_DEFAULT},
        {1, MESH_OK, 1},
        {MESH_PAGE_SIZE_MAX, MESH_OK, MESH_PAGE_SIZE_MAX},
        {MESH_PAGE_SIZE_MAX + 1, MESH_OK, MESH_PAGE_SIZE_MAX},
        {INT32_MAX, MESH_OK, MESH_PAGE_SIZE_MAX},
        {-1, MESH_INVALID_ARGUMENT, 0},
        {INT32_MIN, MESH_INVALID_ARGUMENT, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_check check = {.err = NULL};
        mesh_page page;
        mesh_page_read(&page, &check, "scope", cases[i].asked, "");
        assert_int_equal(check.code, cases[i].code);
        assert_string_equal(page.after, "");
        if (cases[i].code == MESH_OK)
            assert_int_equal(page.size, cases[i].size);
    }
}

static void a_token_brings_its_key_back(void **state)
{
    char longest[MESH_PAGE_KEY_BYTES];
    memset(longest, 'k', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *const keys[] = {
        "a", "ab", "abc", "0190a000-0000-7000-8000-000000000001", "\xC3\xA4\xFF", longest};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *token = mesh_page_token(*state, "scope", keys[i]);
        assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789-_"),
                         strlen(token));
        mesh_check check = {.err = NULL};
        mesh_page page;
        mesh_page_read(&page, &check, "scope", 0, token);
        assert_int_equal(check.code, MESH_OK);
        assert_string_equal(page.after, keys[i]);
    }
}

/*
 * A list that was begun before an update goes on after it: the form must never change by accident.
 */
static void a_token_stays_good_for_ever(void **state)
{
    assert_string_equal(mesh_page_token(*state, "product.v1.ProductService/ListProducts", "p7"),
                        "ATkCioJ4YA0PcDc");
}

static void foreign_and_damaged_tokens_are_refused(void **state)
{
    char *token = mesh_page_token(*state, "scope", "key");
    char key[MESH_PAGE_KEY_BYTES] = "untouched";
    assert_true(mesh_page_token_key(token, "scope", key));

    strcpy(key, "untouched");
    assert_false(mesh_page_token_key(token, "other", key));
    assert_false(mesh_page_token_key("", "scope", key));
    assert_false(mesh_page_token_key("x", "scope", key));
    assert_false(mesh_page_token_key("key", "scope", key));
    assert_false(mesh_page_token_key("not base64!", "scope", key));

    size_t size = strlen(token);
    for (size_t i = 0; i < size; i++) {
        char *damaged = mesh_arena_strdup(*state, token);
        damaged[i] = damaged[i] == 'A' ? 'B' : 'A';
        assert_false(mesh_page_token_key(damaged, "scope", key));
        assert_false(mesh_page_token_key(mesh_arena_strndup(*state, token, i), "scope", key));
    }
    char *longer = mesh_arena_printf(*state, "%sAAAA", token);
    assert_false(mesh_page_token_key(longer, "scope", key));
    char huge[4096];
    memset(huge, 'A', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    assert_false(mesh_page_token_key(huge, "scope", key));
    assert_string_equal(key, "untouched");
}

static void both_mistakes_are_reported(void **state)
{
    (void)state;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_check check = {.err = &err};
    mesh_page page;
    mesh_page_read(&page, &check, "scope", -1, "rubbish");
    mesh_error_violation violation;
    assert_true(mesh_error_violation_at(&err, 0, &violation));
    assert_memory_equal(violation.field, "page_size", violation.field_size);
    assert_true(mesh_error_violation_at(&err, 1, &violation));
    assert_memory_equal(violation.field, "page_token", violation.field_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_sizes_have_a_default_and_a_limit),
        cmocka_unit_test(a_token_brings_its_key_back),
        cmocka_unit_test(a_token_stays_good_for_ever),
        cmocka_unit_test(foreign_and_damaged_tokens_are_refused),
        cmocka_unit_test(both_mistakes_are_reported),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
