/* The server of server.c, running, for the tests that call it with meshctl. */
#ifndef TESTS_MESH_MESHCTL_SHOP_H
#define TESTS_MESH_MESHCTL_SHOP_H

#include "tests/mesh/meshctl/program.h"

#define MESHCTL "mesh/meshctl/meshctl"

typedef struct shop {
    program server;
    char address[64]; /* "127.0.0.1:PORT" */
    char port[16];
} shop;

/* Starts it with up to six arguments, NULL at the end. */
void shop_open(shop *shop, const char *const *arguments);

/* Ends it and expects that it ended well. */
void shop_close(shop *shop);

/* One for all cases of a test, started without arguments: for cmocka_run_group_tests. */
extern shop open_shop;
#define A open_shop.address /* short: it stands in almost every command line */

int open_shop_setup(void **state);
int open_shop_teardown(void **state);

/* Makes a data folder of the mesh whose list of services is the text, and sets MESH_DATA to it. */
void write_services(const char *text);

#endif
