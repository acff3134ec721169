/*
 * The client of scripts/soak: many calls and streams in every way that they end.
 *
 *   client PORT SERVER_PID CALLS STREAMS
 *
 * Ten times, when a tenth is done and nothing runs, it prints a line of what it and the server
 * hold, as soon as that is no more than it was before, or after a while:
 *
 *   PERCENT FAILED SERVER_KIB SERVER_FDS SERVER_THREADS CLIENT_KIB CLIENT_FDS CLIENT_THREADS
 *
 * FAILED: calls and streams so far that ended in another way than they should.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mesh/base/clock.h"
#include "mesh/rpc/channel.h"
#include "testing/v1/testing.mesh.h"

enum {
    THREADS = 8,
    PARTS = 10,
    TIMEOUT_MS = 60000,
    ABANDON_MS = 20, /* how long who never reads is patient */
    LARGE_BYTES = 64 << 10,
    SETTLE_MS = 5000, /* for what a closed connection leaves behind */
    FAILURES_SHOWN = 5
};

typedef struct soak {
    const char *target;
    mesh_channel *channel;
    long calls, streams; /* of a part */
    atomic_long next_call, next_stream;
    atomic_long failed;
} soak;

static void failed(soak *soak, const char *what, mesh_code code, const mesh_error *err)
{
    if (atomic_fetch_add(&soak->failed, 1) < FAILURES_SHOWN)
        fprintf(stderr, "client: %s: %s: %s\n", what, mesh_code_name(code), err->message);
}

/* --- unary calls ------------------------------------------------------------------------------ */

static void call_once(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    const mesh_metadata metadata = {"x-number", &number, 0};
    mesh_call_options options = {.arena = arena, .timeout_ms = TIMEOUT_MS};
    mesh_code want = MESH_OK, code;
    mesh_error err;

    mesh_error_clear(&err);
    request.text = "the text of a call";
    if (number % 10 == 1) {
        request.code = MESH_NOT_FOUND;
        want = MESH_NOT_FOUND;
    } else if (number % 10 == 2) {
        options.metadata = &metadata;
        options.metadata_count = 1;
    } else if (number % 100 == 3) {
        request.answer_size = LARGE_BYTES;
        options.compress = true;
    }
    if (number % 10 == 4) /* on a worker */
        code = testing__v1__testing__impatient(channel, &request, &response, &options, &err);
    else
        code = testing__v1__testing__echo(channel, &request, &response, &options, &err);
    if (code != want)
        failed(soak, "a call", code, &err);
    mesh_arena_reset(arena);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* Ends a stream and checks how; `or_ok`: that may also have been faster. */
static void end(soak *soak, const char *what, mesh_stream *stream, mesh_code want, bool or_ok)
{
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_stream_finish(stream, &err);
    if (code != want && !(or_ok && code == MESH_OK))
        failed(soak, what, code, &err);
}

static mesh_stream *count(soak *soak, mesh_channel *channel, int64_t until, int64_t timeout_ms)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    mesh_stream *stream = NULL;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    request.value = until;
    code = testing__v1__testing__count(channel, &request, &stream,
                                       &(mesh_call_options){.timeout_ms = timeout_ms}, &err);
    if (code != MESH_OK)
        failed(soak, "opening Count", code, &err);
    return code == MESH_OK ? stream : NULL;
}

static void read_some(mesh_stream *stream, int most)
{
    const Testing__V1__Number *number;

    while (most-- > 0 && testing__v1__testing__count__next(stream, &number) == MESH_OK)
        continue;
}

static void read_to_the_end(soak *soak, mesh_channel *channel)
{
    mesh_stream *stream = count(soak, channel, 20, TIMEOUT_MS);

    if (stream == NULL)
        return;
    read_some(stream, 21);
    end(soak, "a stream that was read", stream, MESH_OK, false);
}

static void cancel_midway(soak *soak, mesh_channel *channel)
{
    mesh_stream *stream = count(soak, channel, -1, TIMEOUT_MS);

    if (stream == NULL)
        return;
    read_some(stream, 3);
    mesh_stream_cancel(stream);
    end(soak, "a stream that was cancelled", stream, MESH_CANCELLED, false);
}

/* Never reads; the server fills its windows until the deadline ends it. */
static void abandon(soak *soak, mesh_channel *channel)
{
    mesh_stream *stream = count(soak, channel, -1, ABANDON_MS);

    if (stream != NULL)
        end(soak, "a stream that was abandoned", stream, MESH_DEADLINE_EXCEEDED, false);
}

static void cancel_at_once(soak *soak, mesh_channel *channel)
{
    mesh_stream *stream = count(soak, channel, -1, TIMEOUT_MS);

    if (stream == NULL)
        return;
    mesh_stream_cancel(stream);
    end(soak, "a stream that was cancelled at once", stream, MESH_CANCELLED, false);
}

static void talk(soak *soak, mesh_channel *channel, bool give_up)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled;
    mesh_stream *stream = NULL;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = testing__v1__testing__double(channel, &stream,
                                        &(mesh_call_options){.timeout_ms = TIMEOUT_MS}, &err);
    if (code != MESH_OK) {
        failed(soak, "opening Double", code, &err);
        return;
    }
    for (int i = 0; i < 5; i++) {
        number.value = i;
        (void)testing__v1__testing__double__send(stream, &number);
        (void)testing__v1__testing__double__next(stream, &doubled);
    }
    if (give_up)
        mesh_stream_cancel(stream);
    else
        (void)mesh_stream_close_send(stream);
    end(soak, "a stream both ways", stream, give_up ? MESH_CANCELLED : MESH_OK, false);
}

static void sum_up(soak *soak, mesh_channel *channel, bool give_up, mesh_arena *arena)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *total;
    mesh_stream *stream = NULL;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = testing__v1__testing__sum(
        channel, &stream, &(mesh_call_options){.arena = arena, .timeout_ms = TIMEOUT_MS}, &err);
    if (code != MESH_OK) {
        failed(soak, "opening Sum", code, &err);
        return;
    }
    for (int i = 0; i < 5; i++)
        (void)testing__v1__testing__sum__send(stream, &number);
    if (give_up)
        mesh_stream_cancel(stream);
    code = testing__v1__testing__sum__finish(stream, &total, &err);
    if (code != (give_up ? MESH_CANCELLED : MESH_OK))
        failed(soak, "a stream of requests", code, &err);
    mesh_arena_reset(arena);
}

static void stream_once(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    switch (number % 8) {
    case 0:
        read_to_the_end(soak, channel);
        break;
    case 1:
        cancel_midway(soak, channel);
        break;
    case 2:
        abandon(soak, channel);
        break;
    case 3:
        cancel_at_once(soak, channel);
        break;
    case 4:
        talk(soak, channel, false);
        break;
    case 5:
        talk(soak, channel, true);
        break;
    case 6:
        sum_up(soak, channel, false, arena);
        break;
    default:
        sum_up(soak, channel, true, arena);
        break;
    }
}

/* On a connection of its own, which goes with it. */
static void stream_apart(soak *soak, long number, mesh_arena *arena)
{
    mesh_channel *channel;
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_channel_create(soak->target, NULL, &channel, &err);
    if (code != MESH_OK) {
        failed(soak, "a channel", code, &err);
        return;
    }
    call_once(soak, channel, 0, arena);
    stream_once(soak, channel, number / 10, arena);
    mesh_channel_destroy(channel);
}

/* --- a part, and what is held after it -------------------------------------------------------- */

static void *work(void *argument)
{
    soak *soak = argument;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    long number;

    if (arena == NULL)
        abort();
    while ((number = atomic_fetch_add(&soak->next_stream, 1)) < soak->streams) {
        if (number % 10 == 9)
            stream_apart(soak, number, arena);
        else
            stream_once(soak, soak->channel, number, arena);
    }
    while ((number = atomic_fetch_add(&soak->next_call, 1)) < soak->calls)
        call_once(soak, soak->channel, number, arena);
    mesh_arena_destroy(arena);
    return NULL;
}

static void run_part(soak *soak)
{
    pthread_t threads[THREADS];

    atomic_store(&soak->next_call, 0);
    atomic_store(&soak->next_stream, 0);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, soak) != 0)
            abort();
    for (int i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
}

typedef struct holding {
    long kib, fds, threads;
} holding;

static long entries(const char *pid, const char *folder)
{
    char path[64];
    DIR *dir;
    long count = -2; /* "." and ".." */

    snprintf(path, sizeof path, "/proc/%s/%s", pid, folder);
    dir = opendir(path);
    if (dir == NULL) {
        fprintf(stderr, "client: %s cannot be read\n", path);
        exit(1);
    }
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static holding look(const char *pid)
{
    holding now = {.fds = entries(pid, "fd"), .threads = entries(pid, "task")};
    char path[64];
    long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%s/statm", pid);
    file = fopen(path, "r");
    if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1) {
        fprintf(stderr, "client: %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    now.kib = pages * (sysconf(_SC_PAGESIZE) / 1024);
    return now;
}

static bool no_more(const holding *now, const holding *before)
{
    return now->fds <= before->fds && now->threads <= before->threads;
}

static void report(soak *soak, int part, const char *server_pid)
{
    static holding last[2];
    const struct timespec pause = {.tv_nsec = 10000000};
    int64_t until_ns = mesh_clock_deadline_ns(SETTLE_MS);
    holding server, client;

    for (;;) {
        server = look(server_pid);
        client = look("self");
        if (part == 1 || (no_more(&server, &last[0]) && no_more(&client, &last[1])) ||
            mesh_clock_monotonic_ns() >= until_ns)
            break;
        (void)nanosleep(&pause, NULL);
    }
    last[0] = server;
    last[1] = client;
    printf("%d %ld %ld %ld %ld %ld %ld %ld\n", part * 100 / PARTS, atomic_load(&soak->failed),
           server.kib, server.fds, server.threads, client.kib, client.fds, client.threads);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char target[32];
    soak soak = {.target = target};
    mesh_error err;

    if (argc != 5) {
        fprintf(stderr, "Usage: client PORT SERVER_PID CALLS STREAMS\n");
        return 2;
    }
    snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    soak.calls = strtol(argv[3], NULL, 10) / PARTS;
    soak.streams = strtol(argv[4], NULL, 10) / PARTS;
    mesh_error_clear(&err);
    if (mesh_channel_create(target, NULL, &soak.channel, &err) != MESH_OK) {
        fprintf(stderr, "client: %s\n", err.message);
        return 1;
    }
    for (int part = 1; part <= PARTS; part++) {
        run_part(&soak);
        report(&soak, part, argv[2]);
    }
    mesh_channel_destroy(soak.channel);
    return 0;
}
