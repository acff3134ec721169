#include "tests/mesh/events/orders_frame.h"

mesh_db *db;
char url[POSTGRES_URL_BYTES];

int orders_frame_setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    orders_database("orders", url);
    return mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL) == MESH_OK ? 0 : -1;
}

int orders_frame_teardown(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

int orders_frame_begin(void **state)
{
    (void)state;
    orders_empty(db);
    return 0;
}
