/* The frame of tests of sagas: a database with the tables, emptied before each test. */
#ifndef TESTS_MESH_EVENTS_ORDERS_FRAME_H
#define TESTS_MESH_EVENTS_ORDERS_FRAME_H

#include "tests/mesh/events/orders.h"

extern mesh_db *db;
extern char url[POSTGRES_URL_BYTES]; /* of the same database */

/* Group set-up and tear-down of cmocka. */
int orders_frame_setup(void **state);
int orders_frame_teardown(void **state);

/* Set-up of a test. */
int orders_frame_begin(void **state);

#endif
