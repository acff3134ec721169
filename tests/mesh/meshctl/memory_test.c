/* Running out of memory ends every command with a message and a status that is not 0. */
#include <signal.h>

#include "tests/fixtures/memory.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/shop.h"

int meshctl_main(int argc, char **argv);

static shop open_shop;

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    shop_open(&open_shop, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    shop_close(&open_shop);
    return 0;
}

#define A open_shop.address

/* What meshctl status looks at. */
static void write_services(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s/services", getenv("TEST_TMPDIR"));
    setenv("MESH_DATA", getenv("TEST_TMPDIR"), 1);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "shop %s 127.0.0.1:2\n", A);
    fclose(out);
}

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

    (void)state;
    write_services();
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
    return cmocka_run_group_tests(tests, setup, teardown);
}
