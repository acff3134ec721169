#include "mesh/meshctl/suggest.h"

#include "tests/mesh/base/test.h"

static void distance_counts_edits_whatever_the_case(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"abc", "ABC", 0},
        {"order", "odrer", 1},
        {"order", "orde", 1},
        {"order", "ordert", 1},
        {"order", "orxer", 1},
        {"ca", "abc", 3},
        {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(ctl_distance(cases[i].a, cases[i].b), cases[i].distance);
}

static void long_names_are_compared_without_overrun(void **state)
{
    (void)state;
    char a[1000], b[1000];
    memset(a, 'a', sizeof a);
    memset(b, 'b', sizeof b);
    a[999] = b[999] = '\0';
    assert_int_equal(ctl_distance(a, b), CTL_SUGGEST_NAME_BYTES - 1);
}

static void near_names_are_offered_nearest_first(void **state)
{
    (void)state;
    static const char *const names[] = {"GetOrder",    "ListOrders", "CreateOrder",
                                        "DeleteOrder", "GetOrders",  "Watch"};
    static const struct {
        const char *wanted, *text;
    } cases[] = {
        {"getorder", "; did you mean GetOrder or GetOrders?"},
        {"GetOdrer", "; did you mean GetOrder or GetOrders?"},
        {"Create", "; did you mean CreateOrder?"},
        {"Wtach", "; did you mean Watch?"},
        {"Nothing", ""},
        {"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[200];
        ctl_suggestions near = ctl_suggest_begin(cases[i].wanted);
        for (size_t n = 0; n < COUNT(names); n++)
            ctl_suggest_offer(&near, names[n]);
        ctl_suggest_end(&near, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static void at_most_three_are_offered(void **state)
{
    (void)state;
    char text[200];
    ctl_suggestions near = ctl_suggest_begin("aaaa");
    static const char *const names[] = {"aaab", "aaac", "aaaa", "aaad", "aaae"};
    for (size_t n = 0; n < COUNT(names); n++)
        ctl_suggest_offer(&near, names[n]);
    ctl_suggest_end(&near, text, sizeof text);
    assert_string_equal(text, "; did you mean aaaa, aaab or aaac?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_edits_whatever_the_case),
        cmocka_unit_test(long_names_are_compared_without_overrun),
        cmocka_unit_test(near_names_are_offered_nearest_first),
        cmocka_unit_test(at_most_three_are_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
