/*
 * Another client of an attacked server: calls it without a pause, one call after the other, and has
 * a stream open, on a connection that is there before the attack. `bystander.h` starts it and says
 * what goes over its standard input and output.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/attack/channel.h"
#include "tests/interop/flags.h"

enum {
    LIMIT_MS = 5000, /* of a call, and of an answer on the stream */
    SAY_MS = 50,
    LOOK_MS = 1
};

static struct {
    const char *target;
    const char *ca;
    const char *path;
    const char *chat;
    int pause_ms;
} options;

static const flag flags[] = {
    {.name = "target", .text = &options.target, .help = "HOST:PORT or unix:PATH"},
    {.name = "ca", .text = &options.ca, .help = "PEM file: whom to trust; turns TLS on"},
    {.name = "path", .text = &options.path, .help = "a unary method that takes an empty message"},
    {.name = "chat", .text = &options.chat, .help = "a stream that answers each empty message"},
    {.name = "pause_ms", .number = &options.pause_ms, .help = "between two calls; default 0"},
};

static mesh_channel *channel;

/* What one of the threads does again and again. */
typedef struct work {
    atomic_ulong begun, done;
} work;

static work calls, answers;
static atomic_ulong failed;
static atomic_long slowest_ms;
static atomic_bool silent; /* the stream has ended, or did not answer in time */

/* --- calls ------------------------------------------------------------------------------------ */

static void *call(void *unused)
{
    const mesh_method method = channel_method(options.path, MESH_UNARY);

    (void)unused;
    for (;;) {
        int64_t before_ns = mesh_clock_monotonic_ns();
        long took_ms;

        atomic_fetch_add(&calls.begun, 1);
        if (!channel_call(channel, &method, LIMIT_MS))
            atomic_fetch_add(&failed, 1);
        took_ms = (long)((mesh_clock_monotonic_ns() - before_ns) / 1000000);
        if (took_ms > atomic_load(&slowest_ms))
            atomic_store(&slowest_ms, took_ms);
        atomic_fetch_add(&calls.done, 1);
        if (options.pause_ms > 0)
            (void)poll(NULL, 0, options.pause_ms);
    }
    return NULL;
}

/* --- a stream --------------------------------------------------------------------------------- */

static void *chat(void *unused)
{
    const mesh_method method = channel_method(options.chat, MESH_BIDI_STREAMING);
    mesh_stream *stream;
    const uint8_t *data;
    size_t size;

    (void)unused;
    if (mesh_stream_open(channel, &method, NULL, NULL, &stream, NULL) != MESH_OK) {
        atomic_store(&silent, true);
        return NULL;
    }
    for (;;) {
        atomic_fetch_add(&answers.begun, 1);
        if (mesh_stream_send_bytes(stream, "", 0) != MESH_OK ||
            mesh_stream_next_bytes(stream, &data, &size, NULL) != MESH_OK)
            break;
        atomic_fetch_add(&answers.done, 1);
        (void)poll(NULL, 0, SAY_MS);
    }
    atomic_store(&silent, true);
    (void)mesh_stream_finish(stream, NULL);
    return NULL;
}

/* --- what is said of them --------------------------------------------------------------------- */

/* Waits until one that began after now is done; false: not within the limit. */
static bool wait_for_next(work *work)
{
    unsigned long begun = atomic_load(&work->begun);
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);

    while (atomic_load(&work->done) <= begun && mesh_clock_left_ms(until_ns) > 0)
        (void)poll(NULL, 0, LOOK_MS);
    return atomic_load(&work->done) > begun;
}

/* A line of figures since the last one; see bystander.h. */
static void tell(void)
{
    static unsigned long served_before, failed_before;
    static int64_t told_ns;
    int64_t now_ns = mesh_clock_monotonic_ns();
    unsigned long missed = atomic_load(&failed), served = atomic_load(&calls.done) - missed;
    double seconds = (double)(now_ns - told_ns) / 1e9;
    double rate = (double)(served - served_before) / seconds;
    bool answered = true;

    (void)wait_for_next(&calls);
    if (options.chat != NULL)
        answered = !atomic_load(&silent) && wait_for_next(&answers) && !atomic_load(&silent);
    missed = atomic_load(&failed);
    served = atomic_load(&calls.done) - missed;
    printf("%lu %lu %ld %d %.0f\n", served - served_before, missed - failed_before,
           atomic_exchange(&slowest_ms, 0), answered, rate);
    (void)fflush(stdout);
    served_before = served;
    failed_before = missed;
    told_ns = mesh_clock_monotonic_ns();
}

static bool begins(void)
{
    const mesh_method method = channel_method(options.path, MESH_UNARY);
    const attempt attempt = {.target = options.target, .ca = options.ca};
    pthread_t thread;

    channel = channel_connect(&attempt, CHANNEL_OF_OTHERS);
    if (channel == NULL || !channel_call(channel, &method, LIMIT_MS) ||
        pthread_create(&thread, NULL, call, NULL) != 0)
        return false;
    if (options.chat != NULL && pthread_create(&thread, NULL, chat, NULL) != 0)
        return false;
    return options.chat == NULL || wait_for_next(&answers);
}

int main(int argc, char **argv)
{
    int byte;

    flags_read(
        argc, argv, flags, sizeof flags / sizeof flags[0],
        "Calls a server until the end of its standard input, and says for each line of it how "
        "that went.");
    if (options.target == NULL || options.path == NULL || !begins()) {
        fprintf(stderr, "bystander: %s does not answer\n",
                options.target != NULL ? options.target : "--target");
        return EXIT_FAILURE;
    }
    tell();
    while ((byte = getchar()) != EOF)
        if (byte == '\n')
            tell();
    _Exit(EXIT_SUCCESS); /* its threads go on to the end */
}
