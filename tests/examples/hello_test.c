/* The example as its reader runs it: started, called by its client, asked for help, stopped. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/program.h"

#define HELLO "examples/hello/hello_service"
#define CLIENT "examples/hello/hello_client"

static const char *const nothing[] = {NULL};

static void client_is_greeted_by_name_until_the_service_is_told_to_stop(void **state)
{
    static const struct {
        const char *name;
        int status;
        const char *output;
    } cases[] = {
        {"Ada", 0, "Hello, Ada\n"},
        {"J\xc3\xbcrgen", 0, "Hello, J\xc3\xbcrgen\n"},
        {"", 1, "INVALID_ARGUMENT: name: must not be empty\n"},
    };
    const char *const service_arguments[] = {HELLO, NULL};
    const char *const settings[] = {"MESH_LISTEN=127.0.0.1:0", NULL};
    char address[256], output[1024];
    (void)state;

    program *service = program_start(service_arguments, settings);
    snprintf(address, sizeof address, "%s",
             program_field(program_wait_log(service, "listening"), "address"));
    program_wait_log(service, "serving");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const arguments[] = {CLIENT, address, cases[i].name, NULL};
        assert_int_equal(program_run(arguments, nothing, output, sizeof output), cases[i].status);
        assert_string_equal(output, cases[i].output);
    }

    program_signal(service, SIGTERM);
    program_wait_log(service, "draining");
    program_wait_log(service, "stopped");
    program_expect(service, 0);
    program_free(service);

    const char *const arguments[] = {CLIENT, address, NULL};
    assert_int_equal(program_run(arguments, nothing, output, sizeof output), 1);
    assert_non_null(strstr(output, "UNAVAILABLE"));
}

static void help_lists_the_settings_that_matter_to_it(void **state)
{
    const char *const arguments[] = {HELLO, "--help", NULL};
    char output[16384];
    (void)state;
    assert_int_equal(program_run(arguments, nothing, output, sizeof output), 0);
    assert_non_null(strstr(output, "MESH_LISTEN"));
    assert_null(strstr(output, "MESH_DATABASE_URL")); /* it has none */
    assert_null(strstr(output, "MESH_NATS_URL"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_is_greeted_by_name_until_the_service_is_told_to_stop),
        cmocka_unit_test(help_lists_the_settings_that_matter_to_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
