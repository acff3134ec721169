/*
 * Events of an older generation reach the consumers of the one that takes their place.
 */
#include <stdio.h>
#include <string.h>

#include "stock/v2/stock.mesh.h"
#include "tests/mesh/events/publisher.h"

/* A service with such consumers. */
static instance open_service(const mesh_consumer *consumers)
{
    return bus_start(&(instance_options){
        .service = "stock", .url = url, .consumers = consumers, .max_deliver = 2});
}

/* Notes an event: by which handler, what it was on the bus, and what it says. */
static mesh_code note(mesh_tx *tx, const char *handler, const mesh_event *meta, const char *what,
                      mesh_error *err)
{
    const char *text = mesh_arena_printf(mesh_tx_arena(tx), "%s %s %s", handler, meta->subject,
                                         what);
    return mesh_tx_query(
        tx, "INSERT INTO handled (product_id, version, trace_id) VALUES ($1, $2, '')",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(text), MESH_SQL_INT(meta->version)), NULL, NULL, err);
}

static mesh_code on_taken(void *self, mesh_tx *tx, const mesh_event *meta,
                          const Stock__V2__StockTaken *event, mesh_error *err)
{
    (void)self;
    return note(tx, "taken", meta, event->place, err);
}

static mesh_code on_lowered(void *self, mesh_tx *tx, const mesh_event *meta,
                            const Stock__V1__StockLowered *event, mesh_error *err)
{
    (void)self;
    return note(tx, "lowered", meta, event->product_id, err);
}

static void add_taken(const char *product_id, int64_t version, const char *place)
{
    Stock__V2__StockTaken event = STOCK__V2__STOCK_TAKEN__INIT;
    mesh_error err = {0};
    mesh_tx *tx;
    event.product_id = (char *)product_id;
    event.version = version;
    event.place = (char *)place;
    assert_int_equal(mesh_tx_begin(publisher.db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(stock__v2__stock_taken__add(tx, &event, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

static const char *handled(instance *self)
{
    return postgres_value(self->db, "SELECT coalesce(string_agg(product_id, '; ' ORDER BY version),"
                                    " '') FROM handled");
}

/* S4.12: a contract grows a new generation, and what is in the stream stays of use. */
static void an_old_event_is_turned_into_the_one_that_takes_its_place(void **state)
{
    (void)state;
    bus_add(&publisher, "fish-7", 1);
    add_taken("fish-7", 2, "fish, shelf 8");
    const mesh_consumer consumers[] = {stock__v2__stock_taken__consumer(on_taken, NULL), {0}};
    instance self = open_service(consumers);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(handled(&self), "taken stock.v1.StockLowered fish, shelf 7; "
                                        "taken stock.v2.StockTaken fish, shelf 8");
    bus_close(&self);
}

static void an_old_event_goes_to_its_own_consumer_where_there_is_one(void **state)
{
    (void)state;
    bus_add(&publisher, "fish-7", 1);
    add_taken("fish-7", 2, "fish, shelf 8");
    const mesh_consumer consumers[] = {stock__v2__stock_taken__consumer(on_taken, NULL),
                                       stock__v1__stock_lowered__consumer(on_lowered, NULL),
                                       {0}};
    instance self = open_service(consumers);
    WAIT_FOR(bus_stats(&self).consumed == 2);
    assert_string_equal(handled(&self), "lowered stock.v1.StockLowered fish-7; "
                                        "taken stock.v2.StockTaken fish, shelf 8");
    bus_close(&self);
}

static void one_that_cannot_be_turned_is_a_failed_delivery(void **state)
{
    (void)state;
    bus_add(&publisher, "nowhere", 1);
    const mesh_consumer consumers[] = {stock__v2__stock_taken__consumer(on_taken, NULL), {0}};
    instance self = open_service(consumers);
    WAIT_FOR(bus_stats(&self).dead == 1);
    assert_int_equal(bus_stats(&self).failed, 2);
    assert_string_equal(handled(&self), "");
    bus_close(&self);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(an_old_event_is_turned_into_the_one_that_takes_its_place),
        CASE(an_old_event_goes_to_its_own_consumer_where_there_is_one),
        CASE(one_that_cannot_be_turned_is_a_failed_delivery),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
