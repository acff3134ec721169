#include "tests/attack/attempt.h"

#include <poll.h>

#include "mesh/base/clock.h"

bool attempt_may_last(const attempt *attempt)
{
    return !atomic_load(&attempt->stop) && mesh_clock_left_ms(attempt->until_ns) > 0;
}

bool attempt_goes_on(const attempt *attempt)
{
    return attempt->units < attempt->most && attempt_may_last(attempt);
}

bool attempt_made(const attempt *attempt, int64_t took_ms)
{
    uint64_t units = attempt_units(attempt);

    return atomic_load(&attempt->stop) ||
           (units > 0 && (attempt->refused || attempt->waited_ns / 1000000 * 2 >= took_ms)) ||
           units >= attempt->most / 2 + attempt->most % 2;
}

uint64_t attempt_units(const attempt *attempt)
{
    return attempt->earlier + attempt->units;
}

void attempt_pause(const attempt *attempt, int64_t ms)
{
    int64_t until_ns = mesh_clock_deadline_ns(ms);

    while (attempt_may_last(attempt) && mesh_clock_left_ms(until_ns) > 0)
        (void)poll(NULL, 0, ATTEMPT_LOOK_MS);
}
