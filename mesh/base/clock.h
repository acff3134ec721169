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

/* Nanoseconds since the Unix epoch (CLOCK_REALTIME). */
MESH_API int64_t mesh_clock_wall_ns(void);

/* "2026-11-21T08:15:30.123456Z" (RFC 3339, UTC) of a wall time; `text` has MESH_TIME_TEXT_BYTES. */
enum {
    MESH_TIME_TEXT_BYTES = 32
};
MESH_API void mesh_clock_format(int64_t wall_ns, char *text);

MESH_END_DECLS

#endif
