/* S1.6: load on every operation of the shop. */
#ifndef TESTS_LOAD_SHOP_LOAD_H
#define TESTS_LOAD_SHOP_LOAD_H

#include <stdio.h>

#include "mesh/rpc/channel.h"

/*
 * Runs one operation after the other, each from `workers` threads for `duration_ms`, and prints a
 * line of figures for each. `authorization` is "Bearer" and the token of somebody who may write
 * products. Products that it makes have an id of this run in their ids; those that
 * the load on deletion did not reach stay. Returns how many calls failed, or -1 after saying what
 * kept it from starting.
 */
long shop_load(mesh_channel *products, mesh_channel *orders, const char *authorization,
               size_t workers, int64_t duration_ms, FILE *out);

#endif
