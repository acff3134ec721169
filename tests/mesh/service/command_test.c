/* Commands of a service's own: with everything that the service has, and nobody served. */
#include "tests/mesh/service/demo_program.h"

#include <string.h>

static char output[32768];

static int run_add(const char *name, const char *url, const char *const *more)
{
    return demo_run((const char *const[]){DEMO, "add", name, "be happy", NULL}, url, more, output,
                    sizeof output);
}

static void a_command_runs_on_a_new_database_and_its_events_are_published(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("commanded", url);
    assert_int_equal(run_add("early", url, demo_defaults), 0);
    assert_non_null(strstr(output, "added early, be happy\n"));
    assert_non_null(strstr(output, "on_start"));
    assert_non_null(strstr(output, "on_stop"));
    assert_null(strstr(output, "listening"));
    assert_null(strstr(output, "serving"));

    /* Also beside a running instance. */
    demo demo = demo_start(url, demo_defaults);
    program_wait_log(demo.program, "serving");
    WAIT_FOR(demo_heard(&demo, "early"));
    assert_int_equal(run_add("late", url, demo_defaults), 0);
    WAIT_FOR(demo_heard(&demo, "late"));
    demo_stop(&demo);
}

static void a_command_that_fails_says_why(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("refusing", url);
    assert_int_equal(run_add("twice", url, demo_defaults), 0);
    assert_int_equal(run_add("twice", url, demo_defaults), 1);
    assert_non_null(strstr(output, "demo: add: "));
    assert_null(strstr(output, "added"));
    assert_non_null(strstr(output, "on_stop"));

    static const char *const unwilling[] = {"DEMO_GREETING=-", NULL};
    assert_int_equal(run_add("thrice", url, unwilling), 1);
    assert_non_null(strstr(output, "demo: add: no greeting today"));
    assert_null(strstr(output, "on_stop"));
}

static void a_command_gives_up_on_a_database_that_does_not_answer(void **state)
{
    static const char *const hurried[] = {"MESH_STARTUP_TIMEOUT=300ms", NULL};
    (void)state;
    assert_int_equal(run_add("bob", "postgresql://demo@127.0.0.1:1/demo", hurried), 1);
    assert_non_null(strstr(output, "demo: add: database: "));
}

static void a_command_needs_its_arguments(void **state)
{
    static const char *const cases[][6] = {
        {DEMO, "add", NULL},           {DEMO, "add", "bob", NULL},
        {DEMO, "add", "a", "b", "c"},  {DEMO, "nothing", "bob", NULL},
        {DEMO, "subtract", "a", NULL}, {DEMO, "", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(
            demo_run(cases[i], "postgresql://x/y", demo_defaults, output, sizeof output), 2);
        assert_non_null(strstr(output, "Usage: demo [--config FILE]"));
    }
    assert_int_equal(demo_run(cases[1], "postgresql://x/y", demo_defaults, output, sizeof output),
                     2);
    assert_non_null(strstr(output, "demo: add needs NAME WISH\n"));
}

static void help_lists_commands(void **state)
{
    (void)state;
    assert_int_equal(demo_run((const char *const[]){DEMO, "--help", NULL}, "postgresql://x/y",
                              demo_defaults, output, sizeof output),
                     0);
    assert_non_null(strstr(output, "       demo [--config FILE] add NAME WISH\n"));
    assert_non_null(strstr(output, "  add      adds a name\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_runs_on_a_new_database_and_its_events_are_published),
        cmocka_unit_test(a_command_that_fails_says_why),
        cmocka_unit_test(a_command_gives_up_on_a_database_that_does_not_answer),
        cmocka_unit_test(a_command_needs_its_arguments),
        cmocka_unit_test(help_lists_commands),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
