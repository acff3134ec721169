/*
 * shop_load PRODUCT_ADDRESS ORDER_ADDRESS [WORKERS [SECONDS]]: load on every operation of a running
 * shop, one after the other. The variable SHOP_TOKEN is the access token of somebody who may write
 * products. Exit status 1 when a call failed.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/load/shop_load.h"

static long number(const char *text, long fallback)
{
    char *end;
    if (text == NULL)
        return fallback;
    long value = strtol(text, &end, 10);
    if (*end != '\0' || value < 1 || value > 1000) {
        fprintf(stderr, "shop_load: %s is no number from 1 to 1000\n", text);
        exit(2);
    }
    return value;
}

enum {
    TOKEN_BYTES = 4096
};

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 5) {
        fprintf(stderr, "Usage: shop_load PRODUCT_ADDRESS ORDER_ADDRESS [WORKERS [SECONDS]]\n");
        return 2;
    }
    long workers = number(argc > 3 ? argv[3] : NULL, 16);
    long seconds = number(argc > 4 ? argv[4] : NULL, 5);
    const char *token = getenv("SHOP_TOKEN");
    char authorization[TOKEN_BYTES];
    if (token == NULL || strlen(token) > TOKEN_BYTES - sizeof "Bearer ") {
        fprintf(stderr, "shop_load: SHOP_TOKEN must be the access token of a merchant\n");
        return 2;
    }
    snprintf(authorization, sizeof authorization, "Bearer %s", token);
    mesh_channel *products = NULL;
    mesh_channel *orders = NULL;
    mesh_error err;
    mesh_error_clear(&err);
    long failed = -1;
    if (mesh_channel_create(argv[1], NULL, &products, &err) == MESH_OK &&
        mesh_channel_create(argv[2], NULL, &orders, &err) == MESH_OK)
        failed = shop_load(products, orders, authorization, (size_t)workers, seconds * 1000,
                           stdout);
    else
        fprintf(stderr, "shop_load: %s\n", err.message);
    mesh_channel_destroy(orders);
    mesh_channel_destroy(products);
    return failed == 0 ? 0 : 1;
}
