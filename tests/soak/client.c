/*
 * The client of scripts/soak: many calls and streams, one kind after the other.
 *
 *   client PORT SERVER_PID CALLS STREAMS
 *
 * A fifth of each kind goes before, so that all is as large as it gets; the rest in two rounds.
 * After the fifths and after each kind of a round, when nothing runs, it prints a line of what it
 * and the server hold, as soon as that is no more than it was before, or after a while; on stderr,
 * for people, too, and there also what of the fifths is done:
 *
 *   KIND COUNT FAILED SERVER_KIB SERVER_FDS SERVER_THREADS CLIENT_KIB CLIENT_FDS CLIENT_THREADS
 *
 * COUNT: how many of the kind were done since the line before. FAILED: calls and streams so far
 * that ended in another way than they should. Memory is what remains when both have given back to
 * the system what they can, and the least of several looks.
 */
#include <dirent.h>
#include <malloc.h>
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
    ROUNDS = 2,
    WARM_UP_PERCENT = 20,
    ROUND_PERCENT = (100 - WARM_UP_PERCENT) / ROUNDS,
    TIMEOUT_MS = 60000,
    ABANDON_MS = 20, /* how long who never reads is patient */
    LARGE_BYTES = 64 << 10,
    SETTLE_MS = 5000, /* for what a closed connection leaves behind */
    LOOKS = 5,
    LOOK_MS = 50,
    FAILURES_SHOWN = 5,
    WORKER_CALL = 4 /* the last digit of calls that run on a worker */
};

typedef struct soak {
    const char *target, *server_pid;
    mesh_channel *channel;
    const struct kind *kind; /* what runs, and what is left of it */
    atomic_long left;
    atomic_long failed;
} soak;

/* A way that calls or streams go, of which `run` does one. */
typedef struct kind {
    const char *name;
    void (*run)(soak *soak, mesh_channel *channel, long number, mesh_arena *arena);
} kind;

static void failed(soak *soak, const char *what, mesh_code code, const mesh_error *err)
{
    if (atomic_fetch_add(&soak->failed, 1) < FAILURES_SHOWN)
        fprintf(stderr, "client: %s: %s: %s\n", what, mesh_code_name(code), err->message);
}

/* --- unary calls ------------------------------------------------------------------------------ */

static void call(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
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
    if (number % 10 == WORKER_CALL)
        code = testing__v1__testing__impatient(channel, &request, &response, &options, &err);
    else
        code = testing__v1__testing__echo(channel, &request, &response, &options, &err);
    if (code != want)
        failed(soak, "a call", code, &err);
    mesh_arena_reset(arena);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* Ends a stream and checks how. */
static void end(soak *soak, const char *what, mesh_stream *stream, mesh_code want)
{
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    code = mesh_stream_finish(stream, &err);
    if (code != want)
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

static void read_to_the_end(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    mesh_stream *stream = count(soak, channel, 20, TIMEOUT_MS);

    (void)number;
    (void)arena;
    if (stream == NULL)
        return;
    read_some(stream, 21);
    end(soak, "a stream that was read", stream, MESH_OK);
}

static void cancel_midway(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    mesh_stream *stream = count(soak, channel, -1, TIMEOUT_MS);

    (void)number;
    (void)arena;
    if (stream == NULL)
        return;
    read_some(stream, 3);
    mesh_stream_cancel(stream);
    end(soak, "a stream that was cancelled", stream, MESH_CANCELLED);
}

/* Never reads; the server fills its windows until the deadline ends it. */
static void abandon(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    mesh_stream *stream = count(soak, channel, -1, ABANDON_MS);

    (void)number;
    (void)arena;
    if (stream != NULL)
        end(soak, "a stream that was abandoned", stream, MESH_DEADLINE_EXCEEDED);
}

/* Who does that often has other calls answered in between: a server on nghttp2 ends others. */
static void cancel_at_once(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    mesh_stream *stream = count(soak, channel, -1, TIMEOUT_MS);

    (void)number;
    if (stream == NULL)
        return;
    mesh_stream_cancel(stream);
    end(soak, "a stream that was cancelled at once", stream, MESH_CANCELLED);
    call(soak, channel, 0, arena);
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
    end(soak, "a stream both ways", stream, give_up ? MESH_CANCELLED : MESH_OK);
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

static void talk_to_the_end(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    (void)number;
    (void)arena;
    talk(soak, channel, false);
}

static void talk_and_cancel(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    (void)number;
    (void)arena;
    talk(soak, channel, true);
}

static void sum_to_the_end(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    (void)number;
    sum_up(soak, channel, false, arena);
}

/*
 * The call is as above, since no answer had begun, and takes a worker as the stream does: a client
 * that did not wait would have more streams in the queue than there is room, on a machine that is
 * busy, since those that it gave up leave it one after the other.
 */
static void sum_and_cancel(soak *soak, mesh_channel *channel, long number, mesh_arena *arena)
{
    (void)number;
    sum_up(soak, channel, true, arena);
    call(soak, channel, WORKER_CALL, arena);
}

static const kind streams[] = {
    {"read", read_to_the_end},      {"cancelled", cancel_midway},
    {"abandoned", abandon},         {"cancelled_at_once", cancel_at_once},
    {"both_ways", talk_to_the_end}, {"both_ways_cancelled", talk_and_cancel},
    {"requests", sum_to_the_end},   {"requests_cancelled", sum_and_cancel},
};

enum {
    STREAM_KINDS = sizeof streams / sizeof streams[0]
};

/* A call and a stream on a connection of their own, which goes with them. */
static void connect_apart(soak *soak, mesh_channel *shared, long number, mesh_arena *arena)
{
    mesh_channel *channel;
    mesh_error err;
    mesh_code code;

    (void)shared;
    mesh_error_clear(&err);
    code = mesh_channel_create(soak->target, NULL, &channel, &err);
    if (code != MESH_OK) {
        failed(soak, "a channel", code, &err);
        return;
    }
    call(soak, channel, 0, arena);
    streams[number % STREAM_KINDS].run(soak, channel, number, arena);
    mesh_channel_destroy(channel);
}

static const kind calls = {"calls", call}, connections = {"connections", connect_apart};

/* --- many of a kind, and what is held after them ---------------------------------------------- */

static void *work(void *argument)
{
    soak *soak = argument;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    long number;

    if (arena == NULL)
        abort();
    while ((number = atomic_fetch_sub(&soak->left, 1)) > 0)
        soak->kind->run(soak, soak->channel, number, arena);
    mesh_arena_destroy(arena);
    return NULL;
}

static void run(soak *soak, const kind *kind, long count)
{
    pthread_t threads[THREADS];

    soak->kind = kind;
    atomic_store(&soak->left, count);
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

static void pause_ms(long ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000};

    (void)nanosleep(&pause, NULL);
}

/* Both processes give back to the system what they do not use. */
static void trim(soak *soak)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    mesh_arena *arena = mesh_arena_create(4096, 0);
    mesh_call_options options = {.arena = arena, .timeout_ms = TIMEOUT_MS};
    mesh_error err;
    mesh_code code;

    mesh_error_clear(&err);
    request.text = "trim";
    code = testing__v1__testing__echo(soak->channel, &request, &response, &options, &err);
    if (code != MESH_OK)
        failed(soak, "the call to trim", code, &err);
    mesh_arena_destroy(arena);
    (void)malloc_trim(0);
}

static void report(soak *soak, const char *kind, long count)
{
    static holding last[2];
    static bool known;
    int64_t until_ns = mesh_clock_deadline_ns(SETTLE_MS);
    holding server, client;

    for (;;) {
        server = look(soak->server_pid);
        client = look("self");
        if (!known || (no_more(&server, &last[0]) && no_more(&client, &last[1])) ||
            mesh_clock_monotonic_ns() >= until_ns)
            break;
        pause_ms(10);
    }
    for (int i = 0; i < LOOKS; i++) {
        holding again;

        trim(soak);
        pause_ms(LOOK_MS);
        again = look(soak->server_pid);
        server.kib = again.kib < server.kib ? again.kib : server.kib;
        again = look("self");
        client.kib = again.kib < client.kib ? again.kib : client.kib;
    }
    known = true;
    last[0] = server;
    last[1] = client;
    printf("%s %ld %ld %ld %ld %ld %ld %ld %ld\n", kind, count, atomic_load(&soak->failed),
           server.kib, server.fds, server.threads, client.kib, client.fds, client.threads);
    fflush(stdout);
    fprintf(stderr,
            "%s (%ld): server %ld KiB, %ld fds, %ld threads; client %ld KiB, %ld fds, %ld threads; "
            "%ld failed\n",
            kind, count, server.kib, server.fds, server.threads, client.kib, client.fds,
            client.threads, atomic_load(&soak->failed));
}

int main(int argc, char **argv)
{
    char target[32];
    soak soak = {.target = target};
    const kind *kinds[STREAM_KINDS + 2];
    long counts[STREAM_KINDS + 2];
    size_t kind_count = 0;
    mesh_error err;

    if (argc != 5) {
        fprintf(stderr, "Usage: client PORT SERVER_PID CALLS STREAMS\n");
        return 2;
    }
    snprintf(target, sizeof target, "127.0.0.1:%s", argv[1]);
    soak.server_pid = argv[2];
    kinds[kind_count] = &calls;
    counts[kind_count++] = strtol(argv[3], NULL, 10);
    for (size_t i = 0; i < STREAM_KINDS; i++) {
        kinds[kind_count] = &streams[i];
        counts[kind_count++] = strtol(argv[4], NULL, 10);
    }
    kinds[kind_count] = &connections;
    counts[kind_count++] = strtol(argv[4], NULL, 10);
    mesh_error_clear(&err);
    if (mesh_channel_create(target, NULL, &soak.channel, &err) != MESH_OK) {
        fprintf(stderr, "client: %s\n", err.message);
        return 1;
    }
    for (size_t i = 0; i < kind_count; i++) {
        long count = counts[i] * WARM_UP_PERCENT / 100;

        run(&soak, kinds[i], count);
        fprintf(stderr, "warm_up, %s (%ld)\n", kinds[i]->name, count);
    }
    report(&soak, "warm_up", 0);
    for (size_t i = 0; i < ROUNDS * kind_count; i++) {
        const kind *kind = kinds[i % kind_count];
        long count = counts[i % kind_count] * ROUND_PERCENT / 100;

        run(&soak, kind, count);
        report(&soak, kind->name, count);
    }
    mesh_channel_destroy(soak.channel);
    return 0;
}
