/*
 * Handlers that take several events at once.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "stock/v2/stock.mesh.h"
#include "tests/mesh/events/publisher.h"

/* What a handler was given. */
typedef struct calls {
    atomic_size_t calls;
    atomic_size_t most; /* in one call */
    const char *bad;    /* a product that cannot be handled */
} calls;

static mesh_code count_call(calls *self, size_t count, mesh_error *err)
{
    atomic_fetch_add(&self->calls, 1);
    if (count > atomic_load(&self->most))
        atomic_store(&self->most, count);
    if (count >= 1 && count <= MESH_BATCH_MAX)
        return MESH_OK;
    return mesh_error_set(err, MESH_INTERNAL, "%zu events at once", count);
}

static mesh_code insert(mesh_tx *tx, const char *what, int64_t version, mesh_error *err)
{
    return mesh_tx_query(
        tx, "INSERT INTO handled (product_id, version, trace_id) VALUES ($1, $2, '')",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(what), MESH_SQL_INT(version)), NULL, NULL, err);
}

static mesh_code on_lowered(void *context, mesh_tx *tx,
                            const stock__v1__stock_lowered__received *received, size_t count,
                            mesh_error *err)
{
    calls *self = context;
    mesh_code code = count_call(self, count, err);
    for (size_t i = 0; i < count && code == MESH_OK; i++) {
        const Stock__V1__StockLowered *event = received[i].event;
        if (strcmp(event->product_id, received[i].meta->aggregate_id) != 0)
            return mesh_error_set(err, MESH_INTERNAL, "the event of another");
        code = insert(tx, event->product_id, event->version, err);
        if (self->bad != NULL && strcmp(event->product_id, self->bad) == 0)
            return mesh_error_set(err, MESH_INVALID_ARGUMENT, "not this one");
    }
    return code;
}

static mesh_code on_taken(void *context, mesh_tx *tx,
                          const stock__v2__stock_taken__received *received, size_t count,
                          mesh_error *err)
{
    mesh_code code = count_call(context, count, err);
    for (size_t i = 0; i < count && code == MESH_OK; i++)
        code = insert(tx, received[i].event->product_id, received[i].event->version, err);
    return code;
}

static instance open_batch(calls *self, int max_deliver)
{
    const mesh_consumer consumers[] = {stock__v1__stock_lowered__batch_consumer(on_lowered, self),
                                       stock__v2__stock_taken__batch_consumer(on_taken, self),
                                       {.event = NULL}};
    return bus_start(&(instance_options){.service = "stock",
                                         .url = url,
                                         .consumers = consumers,
                                         .concurrency = 1,
                                         .max_deliver = max_deliver});
}

/* Versions of `products` products, in turns; published before anybody takes them. */
static void add_all(int products, int versions)
{
    char id[32];
    for (int i = 0; i < products * versions; i++) {
        snprintf(id, sizeof id, "product-%d", i % products);
        bus_add(&publisher, id, i / products + 1);
    }
    WAIT_FOR(bus_stats(&publisher).published == (uint64_t)(products * versions));
}

static const char OUT_OF_ORDER[] =
    "SELECT count(*) FROM (SELECT version, coalesce(lag(version) OVER"
    " (PARTITION BY product_id ORDER BY number), 0) AS before FROM handled) h"
    " WHERE version <> before + 1";

/* S4.9 */
static void a_handler_gets_what_waits_at_once_and_in_order(void **state)
{
    (void)state;
    calls calls = {.bad = NULL};
    add_all(20, 20);
    instance self = open_batch(&calls, 2);
    WAIT_FOR(bus_stats(&self).consumed == 400);
    assert_true(atomic_load(&calls.calls) < 200);
    assert_true(atomic_load(&calls.most) > 1);
    assert_int_equal(bus_handled(&self), 400);
    assert_string_equal(postgres_value(self.db, OUT_OF_ORDER), "0");
    bus_close(&self);
}

/* S4.9: one that fails does not keep the others. */
static void of_a_batch_that_fails_each_is_handled_again_alone(void **state)
{
    (void)state;
    calls calls = {.bad = "product-7"};
    add_all(40, 1);
    instance self = open_batch(&calls, 2);
    WAIT_FOR(bus_stats(&self).dead == 1);
    WAIT_FOR(bus_stats(&self).consumed == 39);
    assert_true(atomic_load(&calls.most) > 1);
    assert_int_equal(bus_handled(&self), 39);
    assert_string_equal(
        postgres_value(self.db, "SELECT count(*) FROM handled WHERE product_id = 'product-7'"),
        "0");
    bus_close(&self);
}

static void add_taken(const char *product_id, int64_t version)
{
    Stock__V2__StockTaken event = STOCK__V2__STOCK_TAKEN__INIT;
    mesh_error err = {0};
    mesh_tx *tx;
    event.product_id = (char *)product_id;
    event.version = version;
    assert_int_equal(mesh_tx_begin(publisher.db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(stock__v2__stock_taken__add(tx, &event, &err), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

/* S4.9 */
static void events_of_other_kinds_between_them_keep_their_place(void **state)
{
    (void)state;
    calls calls = {.bad = NULL};
    for (int64_t version = 1; version <= 60; version += 3) {
        bus_add(&publisher, "chair", version);
        bus_add(&publisher, "chair", version + 1);
        add_taken("chair", version + 2);
    }
    WAIT_FOR(bus_stats(&publisher).published == 60);
    instance self = open_batch(&calls, 2);
    WAIT_FOR(bus_stats(&self).consumed == 60);
    assert_true(atomic_load(&calls.most) <= 2);
    assert_string_equal(postgres_value(self.db, OUT_OF_ORDER), "0");
    bus_close(&self);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_handler_gets_what_waits_at_once_and_in_order),
        CASE(of_a_batch_that_fails_each_is_handled_again_alone),
        CASE(events_of_other_kinds_between_them_keep_their_place),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
