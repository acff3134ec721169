/* Running out of memory ends every command with a message and a status that is not 0. */
#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/shop.h"

int meshctl_main(int argc, char **argv);

#define WORDS_MAX 8

static void each_command_says_it_and_fails(void **state)
{
    static const char *const commands[][WORDS_MAX] = {
        {"meshctl", "list", A},
        {"meshctl", "list", A, "--json"},
        {"meshctl", "list", A, "ShopService"},
        {"meshctl", "describe", A, "ShopService"},
        {"meshctl", "status", "--json"},
        {"meshctl", "call", A, "StockService.Count", "{}", "-H", "some: header"},
        {"meshctl", "call", A, "ShopService.Count", "{\"upTo\":2}"},
        /* so many that some wait to be sent */
        {"meshctl", "call", A, "Double",
         "{\"quantity\":1}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{}{\"quantity\":2}"},
        {"meshctl", "call", A, "Fill", "{\"quantity\":1}"},
        {"meshctl", "help", "call"},
    };
    char services[128];

    (void)state;
    snprintf(services, sizeof services, "shop %s 127.0.0.1:2\n", A);
    write_services(services); /* which meshctl status looks at */
    for (size_t i = 0; i < COUNT(commands); i++) {
        int argc = 0;
        size_t failures;

        while (argc < WORDS_MAX && commands[i][argc] != NULL)
            argc++;
        failures = memory_fail_program_in_turn(meshctl_main, argc, (char **)commands[i],
                                               "/dev/null");
        printf("%s %s: %zu allocations failed\n", commands[i][1], commands[i][argc - 1], failures);
        assert_true(failures > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_says_it_and_fails),
    };
    return cmocka_run_group_tests(tests, open_shop_setup, open_shop_teardown);
}
