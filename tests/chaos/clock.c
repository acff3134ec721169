/*
 * A wall clock that jumps: with CHAOS_CLOCK=jump it is off by hours, forth and back, by another
 * amount every half a second. Only the runtime's own reading of it (--wrap, BUILD); the monotonic
 * clock goes on as it does.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"

int64_t __real_mesh_clock_wall_ns(void);
int64_t __wrap_mesh_clock_wall_ns(void);

int64_t __wrap_mesh_clock_wall_ns(void)
{
    static const int hours[] = {0, 1, -1, 26, -26, 5, -400, 400, -1, 0, 3};
    const char *clock = getenv("CHAOS_CLOCK");
    int64_t now_ns = __real_mesh_clock_wall_ns();
    if (clock == NULL || strcmp(clock, "jump") != 0)
        return now_ns;
    int64_t step = mesh_clock_monotonic_ns() / 500000000;
    return now_ns +
           hours[step % (int64_t)(sizeof hours / sizeof hours[0])] * INT64_C(3600000000000);
}
