#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/db/time_text.h"

static void times_are_read_to_the_microsecond(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t wall_ns;
    } cases[] = {
        {"1970-01-01 00:00:00+00", 0},
        {"1970-01-01 00:00:00.000001+00", 1000},
        {"1969-12-31 23:59:59.9+00", -100000000},
        {"2026-11-21 08:15:30.123456+00", 1795248930123456000},
        {"2026-11-21T08:15:30.123456789Z", 1795248930123456789},
        {"2026-11-21T08:15:30Z", 1795248930000000000},
        {"2000-02-29 12:00:00+00", 951825600000000000},
        {"1900-03-01 00:00:00+00", -2203891200000000000},
        {"2261-12-31 23:59:59.999999+00", 9214646399999999000},
        {"2262-01-01 00:00:00+00", INT64_MAX},
        {"294276-12-31 23:59:59+00", INT64_MAX},
        {"1677-12-31 23:59:59+00", INT64_MIN},
        {"4713-01-01 00:00:00+00 BC", INT64_MIN},
        {"infinity", INT64_MAX},
        {"-infinity", INT64_MIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t wall_ns = 1;
        print_message("%s\n", cases[i].text);
        assert_true(mesh_time_parse(cases[i].text, &wall_ns));
        assert_true(wall_ns == cases[i].wall_ns);
    }
}

static void anything_else_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "now",
        "2026-11-21",
        "2026-11-21 08:15:30",
        "2026-11-21 08:15:30+01",
        "2026-11-21 08:15:30.1234567890+00",
        "2026-13-21 08:15:30+00",
        "2026-11-00 08:15:30+00",
        "2026-11-21 24:15:30+00",
        "2026-11-21 08:60:30+00",
        "2026-11-21 08:15:30.+00",
        "2026-11-21 08:15:30+00 AD",
        "2026/11/21 08:15:30+00",
        "99999999999-11-21 08:15:30+00",
        "-1-11-21 08:15:30+00",
        "2026-11-21t08:15:30z",
        "2026-11-21 08:15:30+00 BC and more",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t wall_ns = 1;
        print_message("%s\n", cases[i]);
        assert_false(mesh_time_parse(cases[i], &wall_ns));
        assert_true(wall_ns == 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_to_the_microsecond),
        cmocka_unit_test(anything_else_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
