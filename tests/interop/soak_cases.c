/* Many large calls: on one channel, or each on a new one. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mesh/base/clock.h"
#include "tests/interop/client.h"

typedef struct soak {
    const interop_client *client;
    bool new_channels;
    int64_t end_ns; /* no call begins after it */
    atomic_int done;
    atomic_int failures;
} soak;

/* One call; false when it failed or took too long. */
static bool call_once(const soak *soak, mesh_channel *channel)
{
    const soak_options *options = &soak->client->soak;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    Grpc__Testing__SimpleRequest request;
    Grpc__Testing__SimpleResponse *response;
    int64_t start_ns = mesh_clock_monotonic_ns();
    int64_t took_ms;
    mesh_error err;
    mesh_code code;
    bool good;

    CHECK(arena != NULL, "out of memory");
    request = simple_request(arena, options->request_size, options->response_size);
    code = grpc__testing__test_service__unary_call(channel, &request, &response,
                                                   &(mesh_call_options){.arena = arena}, &err);
    took_ms = (mesh_clock_monotonic_ns() - start_ns) / 1000000;
    if (code == MESH_OK)
        check_payload(response->payload, options->response_size);
    else
        fprintf(stderr, "soak iteration failed: %s: %s\n", mesh_code_name(code), err.message);
    good = code == MESH_OK && took_ms <= options->max_latency_ms;
    if (code == MESH_OK && !good)
        fprintf(stderr, "soak iteration took %lld ms\n", (long long)took_ms);
    mesh_arena_destroy(arena);
    return good;
}

static bool iterate(const soak *soak)
{
    mesh_channel *channel = soak->client->channel;
    mesh_error err;
    bool good;

    if (soak->new_channels)
        CHECK(mesh_channel_create(soak->client->target, soak->client->channel_options, &channel,
                                  &err) == MESH_OK,
              "%s", err.message);
    good = call_once(soak, channel);
    if (soak->new_channels)
        mesh_channel_destroy(channel);
    return good;
}

static void *work(void *argument)
{
    soak *soak = argument;
    const soak_options *options = &soak->client->soak;
    int64_t next_ns = mesh_clock_monotonic_ns();

    for (int i = 0; i < options->iterations / options->threads; i++) {
        struct timespec next = {.tv_sec = next_ns / 1000000000, .tv_nsec = next_ns % 1000000000};

        (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        if (mesh_clock_monotonic_ns() > soak->end_ns)
            break;
        next_ns = mesh_clock_monotonic_ns() + options->min_interval_ms * INT64_C(1000000);
        if (!iterate(soak))
            atomic_fetch_add(&soak->failures, 1);
        atomic_fetch_add(&soak->done, 1);
    }
    return NULL;
}

static void run(const interop_client *client, bool new_channels)
{
    const soak_options *options = &client->soak;
    soak soak = {.client = client,
                 .new_channels = new_channels,
                 .end_ns = mesh_clock_monotonic_ns() +
                           options->overall_timeout_s * INT64_C(1000000000)};
    pthread_t *threads;

    CHECK(options->threads > 0 && options->iterations % options->threads == 0,
          "the iterations must divide evenly among the threads");
    threads = calloc((size_t)options->threads, sizeof *threads);
    CHECK(threads != NULL, "out of memory");
    for (int i = 0; i < options->threads; i++)
        CHECK(pthread_create(&threads[i], NULL, work, &soak) == 0, "cannot start a thread");
    for (int i = 0; i < options->threads; i++)
        (void)pthread_join(threads[i], NULL);
    free(threads);
    CHECK(soak.done == options->iterations, "only %d of %d iterations in %d s", (int)soak.done,
          options->iterations, options->overall_timeout_s);
    CHECK(soak.failures <= options->max_failures, "%d of %d iterations failed", (int)soak.failures,
          options->iterations);
}

static void rpc_soak(const interop_client *client)
{
    run(client, false);
}

static void channel_soak(const interop_client *client)
{
    run(client, true);
}

const interop_case soak_cases[] = {
    {"rpc_soak", rpc_soak, "many large calls on one channel"},
    {"channel_soak", channel_soak, "many large calls, each on a new channel"},
    {NULL, NULL, NULL},
};
