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

static void milliseconds_are_added_within_the_range(void **state)
{
    static const struct {
        int64_t from_ns, ms, sum_ns;
    } cases[] = {
        {0, 0, 0},
        {7, 250, 250000007},
        {7, -1, -999993},
        {0, INT64_MAX / 1000000, INT64_MAX / 1000000 * 1000000},
        {1000000, INT64_MAX / 1000000, MESH_NO_DEADLINE},
        {0, INT64_MAX / 1000000 + 1, MESH_NO_DEADLINE},
        {-1, INT64_MAX, MESH_NO_DEADLINE},
        {MESH_NO_DEADLINE, 1, MESH_NO_DEADLINE},
        {1, INT64_MIN, INT64_MIN},
        {INT64_MIN, -1, INT64_MIN},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(mesh_clock_add_ms(cases[i].from_ns, cases[i].ms), cases[i].sum_ns);
}

static void a_deadline_lies_its_time_out_ahead(void **state)
{
    int64_t before_ns = mesh_clock_monotonic_ns();
    int64_t deadline_ns = mesh_clock_deadline_ns(1500);

    (void)state;
    assert_in_range(deadline_ns, before_ns + 1500000000, mesh_clock_monotonic_ns() + 1500000000);
    assert_true(mesh_clock_deadline_ns(-1) < mesh_clock_monotonic_ns());
    assert_int_equal(mesh_clock_deadline_ns(INT64_MAX), MESH_NO_DEADLINE);
}

static void the_time_left_is_rounded_up(void **state)
{
    int64_t soon_ns = mesh_clock_deadline_ns(3), left_ms;

    (void)state;
    do {
        left_ms = mesh_clock_left_ms(soon_ns);
        assert_in_range(left_ms, 0, 3);
    } while (left_ms > 0);
    assert_true(mesh_clock_monotonic_ns() >= soon_ns);
    assert_int_equal(mesh_clock_left_ms(INT64_MIN), 0);
    assert_int_equal(mesh_clock_left_ms(MESH_NO_DEADLINE), INT64_MAX);
    assert_true(mesh_clock_left_ms(MESH_NO_DEADLINE - 1) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(milliseconds_are_added_within_the_range),
        cmocka_unit_test(a_deadline_lies_its_time_out_ahead),
        cmocka_unit_test(the_time_left_is_rounded_up),
    };

    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
