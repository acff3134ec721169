#include "tests/mesh/meshctl/shop.h"

#include <signal.h>
#include <sys/stat.h>

#include "tests/mesh/base/test.h"

shop open_shop;

void shop_open(shop *shop, const char *const *arguments)
{
    const char *argv[8] = {"tests/mesh/meshctl/server"};
    for (size_t i = 0; arguments != NULL && arguments[i] != NULL; i++) {
        assert_true(i + 2 < COUNT(argv));
        argv[i + 1] = arguments[i];
    }
    program_start(&shop->server, argv);
    program_expect(&shop->server, "\n");
    int port;
    assert_int_equal(sscanf(shop->server.out, "%d", &port), 1);
    snprintf(shop->port, sizeof shop->port, "%d", port);
    snprintf(shop->address, sizeof shop->address, "127.0.0.1:%d", port);
}

void shop_close(shop *shop)
{
    program_close_input(&shop->server);
    program_wait(&shop->server);
    if (shop->server.status != 0)
        fail_msg("the server ended with %d: %s", shop->server.status, shop->server.err);
}

int open_shop_setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    shop_open(&open_shop, NULL);
    return 0;
}

int open_shop_teardown(void **state)
{
    (void)state;
    shop_close(&open_shop);
    return 0;
}

void write_services(const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/mesh", getenv("TEST_TMPDIR"));
    mkdir(path, 0700);
    setenv("MESH_DATA", path, 1);
    strcat(path, "/services");
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}
