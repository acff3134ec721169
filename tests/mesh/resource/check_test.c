#include "mesh/resource/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define CHECK_VIOLATION(err, index, name, text)                       \
    do {                                                              \
        mesh_error_violation found;                                   \
        assert_true(mesh_error_violation_at((err), (index), &found)); \
        assert_int_equal(found.field_size, strlen(name));             \
        assert_memory_equal(found.field, (name), found.field_size);   \
        assert_int_equal(found.description_size, strlen(text));       \
        assert_memory_equal(found.description, (text), strlen(text)); \
    } while (0)

static size_t count(const mesh_error *err)
{
    mesh_error_violation found;
    size_t n = 0;
    while (mesh_error_violation_at(err, n, &found))
        n++;
    return n;
}

static void every_violation_is_reported_with_the_path_of_its_field(void **state)
{
    (void)state;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_check check = {.err = &err};
    mesh_check_integer(&check, "first", 5, 1, 4);
    mesh_check_enter(&check, "order");
    mesh_check_enter(&check, "lines[%zu]", (size_t)2);
    mesh_check_integer(&check, "quantity", 0, 1, 9);
    mesh_check_leave(&check);
    mesh_check_fail(&check, "id", "is %s", "odd");
    mesh_check_leave(&check);
    mesh_check_fail(&check, "last", "wrong");

    assert_int_equal(check.code, MESH_INVALID_ARGUMENT);
    assert_int_equal(err.code, MESH_INVALID_ARGUMENT);
    assert_int_equal(count(&err), 4);
    CHECK_VIOLATION(&err, 0, "first", "must be between 1 and 4");
    CHECK_VIOLATION(&err, 1, "order.lines[2].quantity", "must be between 1 and 9");
    CHECK_VIOLATION(&err, 2, "order.id", "is odd");
    CHECK_VIOLATION(&err, 3, "last", "wrong");
}

static void a_check_without_an_error_still_says_the_code(void **state)
{
    (void)state;
    mesh_check check = {.err = NULL};
    mesh_check_text(&check, "title", "x", 1, 5);
    assert_int_equal(check.code, MESH_OK);
    mesh_check_text(&check, "title", "", 1, 5);
    assert_int_equal(check.code, MESH_INVALID_ARGUMENT);
}

static void a_path_too_long_is_cut_and_left_again(void **state)
{
    (void)state;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_check check = {.err = &err};
    char name[MESH_CHECK_PATH_BYTES * 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    mesh_check_enter(&check, "a");
    mesh_check_enter(&check, "%s", name);
    mesh_check_fail(&check, "x", "wrong");
    mesh_check_leave(&check);
    mesh_check_fail(&check, "y", "wrong");
    assert_int_equal(count(&err), 2);
    CHECK_VIOLATION(&err, 1, "a.y", "wrong");
    mesh_check_leave(&check);
    mesh_check_leave(&check); /* one too many changes nothing */
    mesh_check_fail(&check, "z", "wrong");
    CHECK_VIOLATION(&err, 2, "z", "wrong");
}

typedef void check_fn(mesh_check *check, const char *value);

static void text_1_to_3(mesh_check *check, const char *value)
{
    mesh_check_text(check, "f", value, 1, 3);
}

static void text_0_to_3(mesh_check *check, const char *value)
{
    mesh_check_text(check, "f", value, 0, 3);
}

static void id_to_5(mesh_check *check, const char *value)
{
    mesh_check_id(check, "f", value, 5);
}

static void currency(mesh_check *check, const char *value)
{
    mesh_check_currency(check, "f", value);
}

static void request_id(mesh_check *check, const char *value)
{
    mesh_check_request_id(check, "f", value);
}

static void values_are_taken_or_refused_by_their_rule(void **state)
{
    (void)state;
    static const struct {
        check_fn *rule;
        const char *value;
        bool right;
    } cases[] = {
        {text_1_to_3, "a", true},
        {text_1_to_3, "abc", true},
        {text_1_to_3, "abcd", false},
        {text_1_to_3, "", false},
        {text_1_to_3, "äöü", true}, /* characters count, not bytes */
        {text_1_to_3, "\xF0\x9F\x9A\x80\xF0\x9F\x9A\x80\xF0\x9F\x9A\x80", true},
        {text_1_to_3, "äöüß", false},
        {text_1_to_3, "  ", false},
        {text_1_to_3, "\u00A0", false},       /* a space that breaks no line */
        {text_1_to_3, "\u200B", false},       /* one without a width */
        {text_1_to_3, "\u00AD\uFEFF", false}, /* a soft hyphen, a byte order mark */
        {text_1_to_3, "\u3000\u2003", false}, /* wide spaces */
        {text_1_to_3, "\u3164", false},       /* a filler */
        {text_1_to_3, "\U000E0041", false},   /* a tag */
        {text_1_to_3, "\u200Ba", true},
        {text_1_to_3, "a\u200Db", true}, /* joins what it is between */
        {text_1_to_3, "a\u200E", true},
        {text_1_to_3, "a\u202E", false}, /* from right to left, whatever follows */
        {text_1_to_3, "a\u2066", false},
        {text_1_to_3, "a\u2028", false},   /* the end of a line */
        {text_1_to_3, "a\xC2\x80", false}, /* U+0080 */
        {text_1_to_3, "\U0001F600", true},
        {text_1_to_3, " a", true},
        {text_1_to_3, "a\nb", false},
        {text_1_to_3, "a\x7F", false},
        {text_0_to_3, "", true},
        {text_0_to_3, " ", true},
        {text_0_to_3, "\u200B", true},
        {text_0_to_3, "\u202E", false},
        {id_to_5, "a", true},
        {id_to_5, "9", true},
        {id_to_5, "a.b-_", true},
        {id_to_5, "abcdef", false},
        {id_to_5, "", false},
        {id_to_5, ".a", false},
        {id_to_5, "-a", false},
        {id_to_5, "a b", false},
        {id_to_5, "a/b", false},
        {id_to_5, "\xC3\xA4", false},
        {currency, "EUR", true},
        {currency, "eur", false},
        {currency, "EU", false},
        {currency, "EURO", false},
        {currency, "E1R", false},
        {currency, "", false},
        {request_id, "", true},
        {request_id, "0190a000-0000-7000-8000-000000000001", true},
        {request_id, "0190A000-0000-4000-8000-00000000000F", true},
        {request_id, "0190a000-0000-7000-8000-00000000000", false},
        {request_id, "0190a00000007000800000000000000001", false},
        {request_id, "x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error err;
        mesh_error_clear(&err);
        mesh_check check = {.err = &err};
        cases[i].rule(&check, cases[i].value);
        if ((check.code == MESH_OK) != cases[i].right)
            fail_msg("case %zu, \"%s\"", i, cases[i].value);
    }
}

static void integers_are_compared_with_both_bounds(void **state)
{
    (void)state;
    static const struct {
        int64_t value, min, max;
        bool right;
    } cases[] = {
        {0, 0, 0, true},
        {-1, 0, 0, false},
        {1, 0, 0, false},
        {INT64_MIN, INT64_MIN, INT64_MAX, true},
        {INT64_MAX, INT64_MIN, INT64_MAX, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_check check = {.err = NULL};
        mesh_check_integer(&check, "f", cases[i].value, cases[i].min, cases[i].max);
        assert_int_equal(check.code == MESH_OK, cases[i].right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_violation_is_reported_with_the_path_of_its_field),
        cmocka_unit_test(a_check_without_an_error_still_says_the_code),
        cmocka_unit_test(a_path_too_long_is_cut_and_left_again),
        cmocka_unit_test(values_are_taken_or_refused_by_their_rule),
        cmocka_unit_test(integers_are_compared_with_both_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
