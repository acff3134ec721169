/*
 * The client that users write: generated stubs, asynchronous, each answer's callback makes the next
 * call.
 *
 *   typed_client PORT IN_FLIGHT SECONDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/v1/echo.mesh.h"
#include "tests/bench/client.h"

static atomic_long calls;

static void call(mesh_channel *channel);

static void on_answer(void *context, mesh_code code, const Bench__V1__Order *answer,
                      const mesh_error *err)
{
    if (code != MESH_OK || strcmp(answer->id, bench_order()->id) != 0) {
        fprintf(stderr, "typed_client: wrong answer: %s\n", err == NULL ? "" : err->message);
        _Exit(1);
    }
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    call(context);
}

static void call(mesh_channel *channel)
{
    if (bench__v1__echo__call__async(channel, bench_order(), NULL, on_answer, channel) != MESH_OK) {
        fprintf(stderr, "typed_client: could not call\n");
        _Exit(1);
    }
}

int main(int argc, char **argv)
{
    mesh_channel *channel;
    char target[32];
    mesh_error err;

    if (argc != 4) {
        fprintf(stderr, "usage: typed_client PORT IN_FLIGHT SECONDS\n");
        return 2;
    }
    (void)snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    if (mesh_channel_create(target, NULL, &channel, &err) != MESH_OK) {
        fprintf(stderr, "typed_client: %s\n", err.message);
        return 1;
    }
    for (int i = atoi(argv[2]); i > 0; i--)
        call(channel);
    bench_measure(&calls, atof(argv[3]));
}
