/*
 * Times as text: what PostgreSQL writes with ISO dates in UTC, and RFC 3339 in UTC. Private to
 * mesh/.
 */
#ifndef MESH_DB_TIME_TEXT_H
#define MESH_DB_TIME_TEXT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Reads "2026-11-21 08:15:30.123456+00", "2026-11-21T08:15:30.123456Z", with none to nine digits
 * of a fraction, and "infinity". What is out of range of int64 nanoseconds gives INT64_MIN or
 * INT64_MAX. False, and `wall_ns` untouched, when it is something else.
 */
bool mesh_time_parse(const char *text, int64_t *wall_ns);

#endif
