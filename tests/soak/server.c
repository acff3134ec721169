/*
 * The server of scripts/soak: handlers of every style. Listens on a free port and prints it; ends
 * with SIGTERM, and prints how many calls and streams it has seen.
 *
 *   server [LEAK [LEAK_STREAM]]
 *
 * LEAK: bytes that each unary call leaks, to see that this is found; LEAK_STREAM: that each Sum
 * leaks which comes to its end.
 */
#include <malloc.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mesh/rpc/handlers.h"

enum {
    DRAIN_TIMEOUT_MS = 1000
};

static size_t leak_bytes, leak_stream_bytes;
static void *volatile leaked; /* volatile: or the compiler leaves the allocation out */
static atomic_ulong seen_calls, seen_streams;

static void leak(size_t size)
{
    if (size == 0)
        return;
    leaked = malloc(size);
    if (leaked != NULL)
        memset(leaked, 1, size);
}

/* Asked for "trim", it gives back to the system what it does not use, and counts no call. */
static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    leak(leak_bytes);
    if (strcmp(request->text, "trim") == 0)
        (void)malloc_trim(0);
    else
        atomic_fetch_add(&seen_calls, 1);
    return testing_answer(call, request, response, err);
}

/* On a worker: waits for each number. */
static mesh_code sum(void *self, mesh_call *call, mesh_stream *stream,
                     Testing__V1__Number *response, mesh_error *err)
{
    const Testing__V1__Number *number;
    mesh_code code;

    (void)self;
    (void)call;
    atomic_fetch_add(&seen_streams, 1);
    while ((code = testing__v1__testing__sum__receive(stream, &number, err)) == MESH_OK)
        response->value += number->value;
    if (code != MESH_EOF)
        return code;
    leak(leak_stream_bytes);
    return MESH_OK;
}

typedef struct counter {
    int64_t value;
    int64_t until; /* below 0: without end */
} counter;

static void count_on(void *self, mesh_stream *stream)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    counter *counter = mesh_stream_data(stream);

    (void)self;
    while (counter->until < 0 || counter->value < counter->until) {
        number.value = counter->value + 1;
        if (testing__v1__testing__count__try_reply(stream, &number) != MESH_OK)
            return;
        counter->value++;
    }
    mesh_stream_end(stream, MESH_OK, NULL);
}

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    counter *made = mesh_arena_calloc(mesh_call_arena(mesh_stream_call(stream)), 1, sizeof *made);

    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "no memory");
    atomic_fetch_add(&seen_streams, 1);
    made->until = request->value;
    mesh_stream_set_data(stream, made);
    count_on(self, stream);
    return MESH_OK;
}

static const testing__v1__testing__count__events count_events = {
    .on_open = count_open,
    .on_writable = count_on,
};

static mesh_code double_open(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)stream;
    (void)err;
    atomic_fetch_add(&seen_streams, 1);
    return MESH_OK;
}

static const testing__v1__testing__double__events double_events = {
    .on_open = double_open,
    .on_message = testing_double_message,
    .on_end = testing_double_end,
};

static const testing__v1__testing__handlers handlers = {
    .echo__inline = echo,
    .impatient = echo,
    .sum = sum,
    .count__events = &count_events,
    .double__events = &double_events,
};

int main(int argc, char **argv)
{
    const mesh_server_options options = {.listen = "127.0.0.1:0"};
    mesh_server *server;
    mesh_error err;
    sigset_t ends;
    int signal;

    leak_bytes = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    leak_stream_bytes = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (mesh_server_create(&options, &server, &err) != MESH_OK ||
        mesh_server_add(server, testing__v1__testing__api(&handlers, NULL), &err) != MESH_OK ||
        mesh_server_start(server, &err) != MESH_OK) {
        fprintf(stderr, "server: %s\n", err.message);
        return 1;
    }
    printf("%d\n", mesh_server_port(server));
    fflush(stdout);
    (void)sigwait(&ends, &signal);
    (void)mesh_server_drain(server, DRAIN_TIMEOUT_MS);
    mesh_server_destroy(server);
    printf("%lu %lu\n", atomic_load(&seen_calls), atomic_load(&seen_streams));
    return 0;
}
