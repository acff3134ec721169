/*
 * Running out of memory ends the plugin with a message and status 1, wherever it happens. The first
 * argument names a file with a real request.
 */
#include "tests/mesh/base/test.h"

#include "tests/fixtures/memory.h"

int plugin_main(int argc, char **argv);

static const char *request_path;

static void running_out_of_memory_is_said_and_fails(void **state)
{
    char name[] = "protoc-gen-mesh";
    char *argv[] = {name, NULL};

    (void)state;
    assert_true(memory_fail_program_in_turn(plugin_main, 1, argv, request_path) > 20);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_is_said_and_fails),
    };
    request_path = argc > 1 ? argv[1] : "request.bin";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
