/* The frame of tests of what the service keeps: a real database with its migrations. */
#ifndef TESTS_SERVICES_NOTIFICATION_DATABASE_H
#define TESTS_SERVICES_NOTIFICATION_DATABASE_H

#include "mesh/db/db.h"

extern mesh_db *db;
extern mesh_error err; /* of the last call */

/* Group set-up and tear-down of cmocka. */
int database_setup(void **state);
int database_teardown(void **state);

#endif
