#include "tests/load/load.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"

typedef struct worker {
    pthread_t thread;
    load_fn *fn;
    void *context;
    size_t number;
    int64_t until_ns;
    int64_t *times_us;
    size_t calls, room, failed;
    bool no_memory;
    mesh_error first_error;
} worker;

static bool note(worker *me, int64_t time_us)
{
    if (me->calls == me->room) {
        size_t room = me->room == 0 ? 4096 : me->room * 2;
        int64_t *grown = realloc(me->times_us, room * sizeof *grown);
        if (grown == NULL)
            return false;
        me->times_us = grown;
        me->room = room;
    }
    me->times_us[me->calls++] = time_us;
    return true;
}

static void *work(void *context)
{
    worker *me = context;
    mesh_arena *arena = mesh_arena_create(16 * 1024, 0);
    me->no_memory = arena == NULL;
    for (size_t turn = 0; !me->no_memory; turn++) {
        mesh_error err;
        int64_t start_ns = mesh_clock_monotonic_ns();
        if (start_ns >= me->until_ns)
            break;
        mesh_error_clear(&err);
        mesh_code code = me->fn(me->context, me->number, turn, arena, &err);
        if (code == MESH_EOF)
            break;
        me->no_memory = !note(me, (mesh_clock_monotonic_ns() - start_ns) / 1000);
        if (code != MESH_OK && me->failed++ == 0)
            me->first_error = err;
        mesh_arena_reset(arena);
    }
    mesh_arena_destroy(arena);
    return NULL;
}

static int compare(const void *one, const void *other)
{
    const int64_t a = *(const int64_t *)one;
    const int64_t b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

/* All workers' figures in one. */
static bool add_up(worker *workers, size_t count, int64_t took_ns, load_result *result)
{
    memset(result, 0, sizeof *result);
    for (size_t i = 0; i < count; i++) {
        if (workers[i].no_memory)
            return false;
        if (result->failed == 0 && workers[i].failed != 0)
            result->first_error = workers[i].first_error;
        result->calls += workers[i].calls;
        result->failed += workers[i].failed;
    }
    if (result->calls == 0)
        return true;
    int64_t *all = malloc(result->calls * sizeof *all);
    if (all == NULL)
        return false;
    size_t used = 0;
    for (size_t i = 0; i < count; i++)
        if (workers[i].calls != 0) {
            memcpy(all + used, workers[i].times_us, workers[i].calls * sizeof *all);
            used += workers[i].calls;
        }
    qsort(all, used, sizeof *all, compare);
    result->p50_us = all[used / 2];
    result->p99_us = all[used * 99 / 100];
    result->max_us = all[used - 1];
    result->calls_per_s = (double)used * 1e9 / (double)took_ns;
    free(all);
    return true;
}

bool load_run(load_fn *fn, void *context, size_t workers, int64_t duration_ms, load_result *result)
{
    worker *all = calloc(workers, sizeof *all);
    if (all == NULL)
        return false;
    int64_t start_ns = mesh_clock_monotonic_ns();
    size_t started = 0;
    for (; started < workers; started++) {
        worker *one = &all[started];
        one->fn = fn;
        one->context = context;
        one->number = started;
        one->until_ns = start_ns + duration_ms * 1000000;
        if (pthread_create(&one->thread, NULL, work, one) != 0)
            break;
    }
    for (size_t i = 0; i < started; i++)
        pthread_join(all[i].thread, NULL);
    bool right = started == workers &&
                 add_up(all, workers, mesh_clock_monotonic_ns() - start_ns, result);
    for (size_t i = 0; i < workers; i++)
        free(all[i].times_us);
    free(all);
    return right;
}
