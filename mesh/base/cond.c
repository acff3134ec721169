#include "mesh/base/cond.h"

#include <time.h>

#include "mesh/base/clock.h"

#define NS_PER_S INT64_C(1000000000)

bool mesh_cond_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns < 0) /* long ago; no valid timespec */
        deadline_ns = 0;
    const struct timespec until = {.tv_sec = deadline_ns / NS_PER_S,
                                   .tv_nsec = deadline_ns % NS_PER_S};
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until) == 0;
}

bool mesh_cond_rest(pthread_cond_t *condition, pthread_mutex_t *mutex, const bool *stop, int64_t ms)
{
    int64_t until_ns = mesh_clock_deadline_ns(ms);
    pthread_mutex_lock(mutex);
    while (!*stop && mesh_cond_wait_until(condition, mutex, until_ns))
        continue;
    bool go_on = !*stop;
    pthread_mutex_unlock(mutex);
    return go_on;
}
