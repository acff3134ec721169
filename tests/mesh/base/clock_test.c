#include "mesh/base/clock.h"

#include "tests/mesh/base/test.h"

static void times_are_written_as_rfc_3339(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {INT64_C(1795248930123456789), "2026-11-21T08:15:30.123456Z"},
        {INT64_C(951782400000000000), "2000-02-29T00:00:00.000000Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {INT64_MAX, "2262-04-11T23:47:16.854775Z"},
        {INT64_MIN, "1677-09-21T00:12:43.145224Z"},
    };
    char text[MESH_TIME_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        mesh_clock_format(cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void clocks_run(void **state)
{
    int64_t before = mesh_clock_monotonic_ns();

    (void)state;
    assert_true(before > 0);
    assert_true(mesh_clock_monotonic_ns() >= before);
    assert_true(mesh_clock_wall_ns() > INT64_C(1700000000000000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(clocks_run),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
