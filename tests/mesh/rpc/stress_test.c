/*
 * Many threads against one server, with everything at once: blocking calls, asynchronous ones,
 * streams, children, cancels and deadlines too short to be met. Afterwards nothing is left, and
 * every callback ran once.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/mesh/rpc/service.h"

enum {
    THREADS = 8,
    RUN_MS = 1500
};

static testing_service service;
static bool may_block;               /* handlers: they make calls of their own then */
static atomic_size_t started, ended; /* asynchronous calls and their callbacks */
static atomic_size_t opened, closed; /* on_open and on_close of an interceptor */

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    atomic_fetch_add(&opened, 1);
    return MESH_OK;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    (void)self;
    (void)call;
    (void)code;
    atomic_fetch_add(&closed, 1);
}

static void on_done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    (void)context;
    (void)err;
    if (code == MESH_OK && response == NULL)
        abort();
    atomic_fetch_add(&ended, 1);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* 0: none; else mostly too short to be met. */
static int64_t some_timeout(uint32_t *seed)
{
    return (int64_t)(next_random(seed) % 3 == 0 ? 1 + next_random(seed) % 5 : 2000);
}

static void stress_unary(mesh_channel *channel, mesh_arena *arena, uint32_t *seed)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.text = "stress";
    request.defer = next_random(seed) % 4 == 0;
    request.forward = may_block && next_random(seed) % 4 == 0;
    request.answer_size = (int32_t)(next_random(seed) % 2 * 30000);
    (void)testing__v1__testing__echo(channel, &request, &response,
                                     &(mesh_call_options){.arena = arena,
                                                          .timeout_ms = some_timeout(seed),
                                                          .compress = next_random(seed) % 8 == 0},
                                     NULL);
}

static void stress_async(mesh_channel *channel, uint32_t *seed)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    const mesh_call_options options = {.timeout_ms = some_timeout(seed)};

    request.text = "stress";
    for (int i = 0; i < 5; i++)
        if (testing__v1__testing__echo__async(channel, &request, &options, on_done, NULL) ==
            MESH_OK)
            atomic_fetch_add(&started, 1);
}

static void stress_double(mesh_channel *channel, uint32_t *seed)
{
    const mesh_call_options options = {.timeout_ms = some_timeout(seed)};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled;
    mesh_stream *stream;

    if (testing__v1__testing__double(channel, &stream, &options, NULL) != MESH_OK)
        return;
    for (int i = 0; i < 5; i++)
        if (testing__v1__testing__double__send(stream, &number) != MESH_OK ||
            testing__v1__testing__double__next(stream, &doubled) != MESH_OK)
            break;
    if (next_random(seed) % 2 == 0)
        mesh_stream_cancel(stream);
    (void)mesh_stream_finish(stream, NULL);
}

static void stress_count(mesh_channel *channel, uint32_t *seed)
{
    const mesh_call_options options = {.timeout_ms = some_timeout(seed)};
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const Testing__V1__Number *number;
    mesh_stream *stream;
    uint32_t wanted = next_random(seed) % 20;

    request.value = next_random(seed) % 2 == 0 ? -1 : 30;
    request.padding = 2000;
    if (testing__v1__testing__count(channel, &request, &stream, &options, NULL) != MESH_OK)
        return;
    while (wanted-- > 0 && testing__v1__testing__count__next(stream, &number) == MESH_OK)
        ;
    mesh_stream_cancel(stream);
    (void)mesh_stream_finish(stream, NULL);
}

typedef struct worker {
    pthread_t thread;
    uint32_t seed;
    int64_t until_ns;
} worker;

static void *run(void *argument)
{
    worker *self = argument;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_channel *own = NULL;

    while (mesh_clock_monotonic_ns() < self->until_ns) {
        mesh_channel *channel = own != NULL ? own : service.channel;

        mesh_arena_reset(arena);
        switch (next_random(&self->seed) % 6) {
        case 0:
        case 1:
            stress_unary(channel, arena, &self->seed);
            break;
        case 2:
            stress_async(channel, &self->seed);
            break;
        case 3:
            stress_double(channel, &self->seed);
            break;
        case 4:
            stress_count(channel, &self->seed);
            break;
        default: /* channels come and go, with calls on them */
            mesh_channel_destroy(own);
            own = NULL;
            if (next_random(&self->seed) % 2 == 0)
                (void)mesh_channel_create(service.address, NULL, &own, NULL);
        }
    }
    mesh_channel_destroy(own);
    mesh_arena_destroy(arena);
    return NULL;
}

static void stress(testing_style style)
{
    const mesh_interceptor counter = {.name = "counter", .on_open = on_open, .on_close = on_close};
    worker workers[THREADS];
    int64_t until_ns = mesh_clock_deadline_ns(RUN_MS);

    may_block = style == TESTING_WORKER;
    atomic_store(&started, 0);
    atomic_store(&ended, 0);
    atomic_store(&opened, 0);
    atomic_store(&closed, 0);
    testing_service_start(&service, style,
                          &(mesh_server_options){.worker_count = 8,
                                                 .worker_queue = 8,
                                                 .max_calls = 40,
                                                 .interceptors = &counter,
                                                 .interceptor_count = 1},
                          NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        workers[i] = (worker){.seed = 7 * i + 1, .until_ns = until_ns};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, run, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    (void)mesh_server_drain(service.server, 5000);
    mesh_channel_destroy(service.channel); /* no handler calls through it any more */
    service.channel = NULL;
    assert_int_equal(atomic_load(&ended), atomic_load(&started));
    assert_int_equal(mesh_server_active(service.server), 0);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
    assert_true(atomic_load(&opened) > 0);
    printf("%zu calls, %zu of them asynchronous\n", atomic_load(&opened), atomic_load(&started));
    testing_service_stop(&service);
}

static void everything_at_once_with_workers(void **state)
{
    (void)state;
    stress(TESTING_WORKER);
}

static void everything_at_once_with_events(void **state)
{
    (void)state;
    stress(TESTING_INLINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_at_once_with_workers),
        cmocka_unit_test(everything_at_once_with_events),
    };

    return cmocka_run_group_tests_name("stress", tests, NULL, NULL);
}
