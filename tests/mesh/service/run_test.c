/* A service in one process, or its parts in several. */
#include "tests/mesh/service/demo_program.h"

#include <stdio.h>
#include <string.h>

static const char *const server[] = {"MESH_RUN=server", NULL};
static const char *const consumers[] = {"MESH_RUN=consumers", NULL};
static const char *const workers[] = {"MESH_RUN=workers", NULL};

/* Events that this process has handled, as its metrics say: after the commit, so it may take a
 * moment. */
static bool has_handled(const demo *one, int count)
{
    char line[64];
    snprintf(line, sizeof line, "\nmesh_events_consumed_total %d\n", count);
    return strstr(demo_metrics(program_field(one->listening, "metrics")), line) != NULL;
}

static demo start(const char *url, const char *const *part)
{
    demo made = demo_start(url, part);
    program_wait_log(made.program, "serving");
    return made;
}

static void server_consumers_and_workers_are_processes_of_one_program(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("parts", url);
    demo calls = start(url, server);
    demo events = start(url, consumers);
    demo rest = start(url, workers);
    assert_int_equal(demo_add(&calls, "by parts"), MESH_OK);
    WAIT_FOR(demo_heard(&calls, "by parts"));
    WAIT_FOR(has_handled(&events, 1));
    assert_true(has_handled(&calls, 0));
    assert_true(has_handled(&rest, 0));
    demo_stop(&calls);
    demo_stop(&events);
    demo_stop(&rest);
}

static void what_is_not_run_is_done_once_a_process_runs_it(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("later_parts", url);
    demo calls = start(url, server);
    assert_int_equal(demo_add(&calls, "waits"), MESH_OK);
    demo events = start(url, consumers);
    demo rest = start(url, workers);
    WAIT_FOR(demo_heard(&calls, "waits"));
    demo_stop(&calls);
    demo_stop(&events);
    demo_stop(&rest);
}

static void a_process_without_the_server_has_health_and_no_methods(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("no_server", url);
    demo events = start(url, consumers);
    assert_int_equal(demo_health(&events, ""), SERVING);
    assert_int_equal(demo_health(&events, "demo.v1.Demo"), -MESH_NOT_FOUND);
    assert_int_equal(demo_add(&events, "nobody"), MESH_UNIMPLEMENTED);
    demo_stop(&events);
}

static void the_command_line_comes_before_the_environment(void **state)
{
    char output[4096];
    const char *const arguments[] = {DEMO, "--run=server,workers", "--show-config", NULL};
    (void)state;
    assert_int_equal(
        demo_run(arguments, "postgresql://demo@127.0.0.1:1/demo", consumers, output, sizeof output),
        0);
    assert_non_null(strstr(output, "MESH_RUN=server,workers"));
}

static void a_part_that_is_none_is_a_mistake(void **state)
{
    static const char *const lists[] = {"",       "servers",       "server,", "server,,workers",
                                        "Server", "server workers"};
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char output[4096], option[64];
        snprintf(option, sizeof option, "--run=%s", lists[i]);
        const char *const arguments[] = {DEMO, option, "--check", NULL};
        assert_int_equal(demo_run(arguments, "postgresql://demo@127.0.0.1:1/demo", demo_defaults,
                                  output, sizeof output),
                         2);
        assert_non_null(strstr(output, "it is a list of server, consumers and workers"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_consumers_and_workers_are_processes_of_one_program), /* S0.12 */
        cmocka_unit_test(what_is_not_run_is_done_once_a_process_runs_it),            /* S0.12 */
        cmocka_unit_test(a_process_without_the_server_has_health_and_no_methods),
        cmocka_unit_test(the_command_line_comes_before_the_environment),
        cmocka_unit_test(a_part_that_is_none_is_a_mistake),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
