/*
 * Running out of memory ends the plugin with a message and status 1, wherever it happens; without
 * that it leaves nothing that is not freed. The arguments name files with a real request, and with
 * one that is refused.
 */
#include "tests/mesh/base/test.h"

#include "tests/fixtures/memory.h"

int plugin_main(int argc, char **argv);

static const char *request_path, *refused_path;

static size_t fail_in_turn(const char *path)
{
    char name[] = "protoc-gen-mesh";
    char *argv[] = {name, NULL};

    return memory_fail_program_in_turn(plugin_main, 1, argv, path);
}

static void running_out_of_memory_is_said_and_fails(void **state)
{
    (void)state;
    assert_true(fail_in_turn(request_path) > 20);
}

static void so_it_is_with_a_request_that_is_refused(void **state)
{
    (void)state;
    assert_true(fail_in_turn(refused_path) > 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(running_out_of_memory_is_said_and_fails),
        cmocka_unit_test(so_it_is_with_a_request_that_is_refused),
    };
    request_path = argc > 1 ? argv[1] : "request.bin";
    refused_path = argc > 2 ? argv[2] : "refused";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
