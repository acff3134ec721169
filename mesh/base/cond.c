#include "mesh/base/cond.h"

#include <time.h>

#define NS_PER_S INT64_C(1000000000)

bool mesh_cond_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns < 0) /* long ago; no valid timespec */
        deadline_ns = 0;
    const struct timespec until = {.tv_sec = deadline_ns / NS_PER_S,
                                   .tv_nsec = deadline_ns % NS_PER_S};
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &until) == 0;
}
