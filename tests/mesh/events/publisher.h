/*
 * The frame of tests of what becomes of an event: each has a database of its own, and on it a
 * service that publishes. A program has one such frame, hence the short names.
 */
#ifndef TESTS_MESH_EVENTS_PUBLISHER_H
#define TESTS_MESH_EVENTS_PUBLISHER_H

#include "tests/mesh/events/bus.h"

extern char url[POSTGRES_URL_BYTES]; /* of the database */
extern instance publisher;           /* of the service "shop" */

/* Set-up and tear-down of a test; the stream and the instances of the last one are gone. */
int publisher_begin(void **state);
int publisher_end(void **state);

#endif
