#include "tests/interop/pause.h"

#include <errno.h>
#include <semaphore.h>
#include <time.h>

#include "mesh/base/clock.h"

struct pause_timer {
    mesh_call *call;
    sem_t cancelled;
};

static void on_cancel(void *context)
{
    sem_post(context);
}

pause_timer *pause_timer_create(mesh_call *call)
{
    pause_timer *timer = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *timer);

    if (timer == NULL)
        return NULL;
    timer->call = call;
    (void)sem_init(&timer->cancelled, 0, 0); /* fails for shared or huge values only */
    mesh_call_on_cancel(call, on_cancel, &timer->cancelled);
    return timer;
}

bool pause_for(pause_timer *timer, int64_t microseconds)
{
    int64_t until_ns = mesh_clock_monotonic_ns() + microseconds * 1000;
    struct timespec until = {.tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000};
    int result = 0;

    if (timer == NULL || mesh_call_cancelled(timer->call))
        return false;
    do
        result = sem_clockwait(&timer->cancelled, CLOCK_MONOTONIC, &until);
    while (result != 0 && errno == EINTR);
    return result != 0;
}
