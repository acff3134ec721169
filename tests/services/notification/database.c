#include "tests/services/notification/database.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/db/migrate.h"
#include "services/notification/notification_migrations.h"
#include "tests/fixtures/postgres.h"

mesh_db *db;
mesh_error err;

int database_setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    db = postgres_open("notification", NULL);
    assert_int_equal(mesh_migrate(db, "notification", notification_migrations, &err), MESH_OK);
    return 0;
}

int database_teardown(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}
