#include "services/user/refresh.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void a_token_is_read_as_it_was_made(void **state)
{
    (void)state;
    char text[USER_REFRESH_TEXT_BYTES];
    user_refresh made, read;
    user_refresh_create(&made, text);
    assert_int_equal(strlen(text), USER_REFRESH_TEXT_BYTES - 1);
    assert_true(user_refresh_read(text, &read));
    assert_memory_equal(&read, &made, sizeof made);
}

static void tokens_of_a_session_share_the_selector_alone(void **state)
{
    (void)state;
    char first_text[USER_REFRESH_TEXT_BYTES], text[USER_REFRESH_TEXT_BYTES];
    user_refresh first, next, other, read;
    user_refresh_create(&first, first_text);
    user_refresh_renew(&first, &next, text);
    assert_memory_equal(next.selector, first.selector, USER_SELECTOR_BYTES);
    assert_memory_not_equal(next.secret_hash, first.secret_hash, USER_SECRET_HASH_BYTES);
    assert_string_not_equal(text, first_text);
    assert_true(user_refresh_read(text, &read));
    assert_memory_equal(&read, &next, sizeof next);
    user_refresh_create(&other, text);
    assert_memory_not_equal(other.selector, first.selector, USER_SELECTOR_BYTES);
    assert_memory_not_equal(other.secret_hash, first.secret_hash, USER_SECRET_HASH_BYTES);
}

/* S0.4: each other byte of a token makes it another token, or none. */
static void no_changed_token_is_the_same(void **state)
{
    (void)state;
    char text[USER_REFRESH_TEXT_BYTES];
    user_refresh made, read;
    user_refresh_create(&made, text);
    for (size_t i = 0; i < USER_REFRESH_TEXT_BYTES - 1; i++) {
        char was = text[i];
        for (int byte = 0; byte < 256; byte++) {
            text[i] = (char)byte;
            if (text[i] == was)
                continue;
            bool letter = byte != 0 && byte < 128 && (isalnum(byte) || byte == '-' || byte == '_');
            assert_int_equal(user_refresh_read(text, &read), letter);
            if (letter)
                assert_memory_not_equal(&read, &made, sizeof made);
        }
        text[i] = was;
    }
}

static void text_of_another_form_is_no_token(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "x",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "'; DROP TABLE session; --                                       ",
    };
    user_refresh read;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_false(user_refresh_read(cases[i], &read));
    assert_true(user_refresh_read(
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_read_as_it_was_made),
        cmocka_unit_test(tokens_of_a_session_share_the_selector_alone),
        cmocka_unit_test(no_changed_token_is_the_same),
        cmocka_unit_test(text_of_another_form_is_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
