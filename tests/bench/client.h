/* What the bench's clients in C share: the order that every client sends, and the measuring. */
#ifndef TESTS_BENCH_CLIENT_H
#define TESTS_BENCH_CLIENT_H

#include <stdatomic.h>

#include "bench/v1/echo.pb-c.h"

/* The order of tests/bench/order.textproto. */
const Bench__V1__Order *bench_order(void);

/*
 * Lets the calls that other threads make and count warm up for a quarter of the time, watches them
 * for `seconds`, prints "CALLS SECONDS CPU-SECONDS" and ends the program.
 */
_Noreturn void bench_measure(const atomic_long *calls, double seconds);

#endif
