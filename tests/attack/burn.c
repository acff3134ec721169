#include "tests/attack/burn.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "mesh/base/clock.h"

enum {
    SLICE_MS = 5, /* between two looks at the clocks */
    THREADS_MAX = 16
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;

    if (clock_gettime(clock, &now) != 0)
        abort();
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

int64_t burnt_ms(void)
{
    return clock_ms(CLOCK_PROCESS_CPUTIME_ID);
}

typedef struct share {
    int percent;
    int64_t ms;
    pthread_t thread;
} share;

/* On a machine with more to do than cores it gets less, as an attack does. */
static void *burn_share(void *context)
{
    const share *share = context;
    int64_t since_ns = mesh_clock_monotonic_ns(), passed_ms;

    while ((passed_ms = (mesh_clock_monotonic_ns() - since_ns) / 1000000) < share->ms) {
        int64_t slice_ns = mesh_clock_deadline_ns(SLICE_MS);

        if (clock_ms(CLOCK_THREAD_CPUTIME_ID) * 100 >= passed_ms * share->percent)
            (void)poll(NULL, 0, 1);
        else
            while (mesh_clock_left_ms(slice_ns) > 0)
                continue;
    }
    return NULL;
}

void burn(int percent, int64_t ms)
{
    share shares[THREADS_MAX];
    size_t count = 0;

    do {
        shares[count] = (share){.percent = percent < 100 ? percent : 100, .ms = ms};
        percent -= shares[count].percent;
        if (pthread_create(&shares[count].thread, NULL, burn_share, &shares[count]) != 0)
            abort();
    } while (++count < THREADS_MAX && percent > 0);
    for (size_t i = 0; i < count; i++)
        (void)pthread_join(shares[i].thread, NULL);
}
