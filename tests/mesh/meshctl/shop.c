#include "tests/mesh/meshctl/shop.h"

#include "tests/mesh/base/test.h"

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
