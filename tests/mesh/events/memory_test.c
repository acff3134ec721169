/*
 * Every allocation of a service's events fails in turn: the caller is told, nothing is left.
 */
#include "tests/fixtures/memory.h"
#include "tests/mesh/events/bus.h"

static char url[POSTGRES_URL_BYTES];

static int setup(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    bus_database("memory_test", url);
    return 0;
}

static mesh_code add_event(mesh_db *db, mesh_error *err)
{
    Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
    event.product_id = (char *)"odyssey";
    event.version = 1;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(db, NULL, &tx, err);
    if (code == MESH_OK)
        code = stock__v1__stock_lowered__add(tx, &event, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code run_service(void *context)
{
    (void)context;
    mesh_error err = {0};
    mesh_db *db = NULL;
    mesh_events *events = NULL;
    const mesh_consumer consumers[] = {stock__v1__stock_lowered__consumer(bus_note, NULL),
                                       {.event = NULL}};
    mesh_code code = mesh_db_create(&(mesh_db_options){.url = url}, &db, &err);
    const mesh_events_options options = {
        .url = "nats://127.0.0.1:1", .service = "stock", .db = db, .consumers = consumers};
    if (code == MESH_OK)
        code = mesh_events_create(&options, &events, &err);
    if (code == MESH_OK)
        code = add_event(db, &err);
    mesh_events_destroy(events);
    mesh_db_destroy(db);
    return code;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    assert_int_equal(run_service(NULL), MESH_OK);
    size_t failures = memory_fail_in_turn(run_service, NULL);
    print_message("%zu allocations failed\n", failures);
    assert_true(failures >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, setup, postgres_teardown);
}
