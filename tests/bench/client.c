#include "tests/bench/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const Bench__V1__Order *bench_order(void)
{
    static Bench__V1__Customer customer = {
        .base = PROTOBUF_C_MESSAGE_INIT(&bench__v1__customer__descriptor),
        .name = (char *)"Ada",
        .email = (char *)"ada@example.org",
    };
    static Bench__V1__Line lines[] = {
        {.base = PROTOBUF_C_MESSAGE_INIT(&bench__v1__line__descriptor),
         .product_id = (char *)"odyssey",
         .quantity = 2,
         .price_minor = 9999},
        {.base = PROTOBUF_C_MESSAGE_INIT(&bench__v1__line__descriptor),
         .product_id = (char *)"argo",
         .quantity = 1,
         .price_minor = 4999},
    };
    static Bench__V1__Line *line_list[] = {&lines[0], &lines[1]};
    static Bench__V1__Order__LabelsEntry label = {
        .base = PROTOBUF_C_MESSAGE_INIT(&bench__v1__order__labels_entry__descriptor),
        .key = (char *)"k",
        .value = (char *)"v",
    };
    static Bench__V1__Order__LabelsEntry *label_list[] = {&label};
    static const Bench__V1__Order order = {
        .base = PROTOBUF_C_MESSAGE_INIT(&bench__v1__order__descriptor),
        .id = (char *)"0192f0c1-7a2b-7c3d",
        .created_ms = INT64_C(1763712000000),
        .customer = &customer,
        .n_lines = 2,
        .lines = line_list,
        .express = 1,
        .n_labels = 1,
        .labels = label_list,
        .discount = 0.1,
    };

    return &order;
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;

    (void)clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_for(double seconds)
{
    struct timespec time = {.tv_sec = (time_t)seconds};

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    (void)nanosleep(&time, NULL);
}

void bench_measure(const atomic_long *calls, double seconds)
{
    double cpu, started;
    long before;

    wait_for(seconds / 4);
    before = atomic_load(calls);
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    started = seconds_of(CLOCK_MONOTONIC);
    wait_for(seconds);
    printf("%ld %f %f\n", atomic_load(calls) - before, seconds_of(CLOCK_MONOTONIC) - started,
           seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    (void)fflush(stdout);
    _Exit(0);
}
