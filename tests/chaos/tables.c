/*
 * Makes the runtime's tables in CHAOS_DATABASE.
 */
#include "tests/chaos/settings.h"

int main(void)
{
    mesh_error err = {0};
    mesh_db *db = open_database();
    expect_ok("migrations", mesh_migrate(db, "mesh_events", mesh_events_migrations(), &err), &err);
    mesh_db_destroy(db);
    return 0;
}
