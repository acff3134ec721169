/*
 * Clocks. Deadlines and time-outs use the monotonic clock, what is shown or stored the wall clock.
 * Thread-safe.
 */
#ifndef MESH_BASE_CLOCK_H
#define MESH_BASE_CLOCK_H

#include <stdint.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

#define MESH_NO_DEADLINE INT64_MAX

/* Nanoseconds of CLOCK_MONOTONIC. */
MESH_API int64_t mesh_clock_monotonic_ns(void);

/*
 * `ms` milliseconds after `from_ns`, or before it when negative. What lies beyond the range of
 * int64_t becomes its end: a time-out that is too long for a deadline is MESH_NO_DEADLINE.
 */
MESH_API int64_t mesh_clock_add_ms(int64_t from_ns, int64_t ms);

/* The earlier of two moments on the same clock. */
static inline int64_t mesh_clock_earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* The deadline of something that may take `timeout_ms` from now on, on the monotonic clock. */
MESH_API int64_t mesh_clock_deadline_ns(int64_t timeout_ms);

/* Milliseconds until a deadline on the monotonic clock, rounded up: 0 when it has passed, INT64_MAX
 * for MESH_NO_DEADLINE. */
MESH_API int64_t mesh_clock_left_ms(int64_t deadline_ns);

/* Nanoseconds since the Unix epoch (CLOCK_REALTIME). */
MESH_API int64_t mesh_clock_wall_ns(void);

/* "2026-11-21T08:15:30.123456Z" (RFC 3339, UTC) of a wall time; `text` has MESH_TIME_TEXT_BYTES. */
enum {
    MESH_TIME_TEXT_BYTES = 32
};
MESH_API void mesh_clock_format(int64_t wall_ns, char *text);

MESH_END_DECLS

#endif
