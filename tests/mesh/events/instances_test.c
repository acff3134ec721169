/*
 * Several instances of one service: the events of an aggregate go to any of them, and each has to
 * wait for what the others handle.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nats/nats.h>

#include "mesh/events/aggregate.h"
#include "tests/mesh/events/publisher.h"

/* Each handles one event after the other. */
static instance open_one(stock__v1__stock_lowered__handler *handler)
{
    return bus_open(
        &(instance_options){.service = "stock", .url = url, .handler = handler, .concurrency = 1});
}

typedef struct instances {
    instance all[3];
    size_t count;
} instances;

static instances open_many(size_t count, stock__v1__stock_lowered__handler *handler)
{
    instances self = {.count = count};
    for (size_t i = 0; i < count; i++)
        self.all[i] = open_one(handler);
    return self;
}

static void close_many(instances *self)
{
    for (size_t i = 0; i < self->count; i++)
        bus_close(&self->all[i]);
}

static uint64_t consumed(instances *self)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < self->count; i++)
        sum += bus_stats(&self->all[i]).consumed;
    return sum;
}

/* How many wait for a version. */
static size_t count_waiting(instances *self)
{
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        count += bus_stats(&self->all[i]).held > 0;
    return count;
}

static int64_t oldest_gap_ms(instances *self)
{
    int64_t oldest_ms = 0;
    for (size_t i = 0; i < self->count; i++) {
        int64_t gap_ms = bus_stats(&self->all[i]).oldest_gap_ms;
        oldest_ms = gap_ms > oldest_ms ? gap_ms : oldest_ms;
    }
    return oldest_ms;
}

static void add_versions(const char *product_id, int64_t first, int64_t last)
{
    for (int64_t version = first; version <= last; version++)
        bus_add(&publisher, product_id, version);
}

/* Adds versions of a product behind this one, until so many instances wait for others. The last
 * version. */
static int64_t add_until_waiting(instances *self, const char *product_id, int64_t version,
                                 size_t count)
{
    WAIT_FOR(count_waiting(self) == count || (bus_add(&publisher, product_id, ++version), false));
    return version;
}

/* Fails the case when the versions of any product were not handled in their order. */
static void expect_order(void)
{
    assert_string_equal(postgres_value(publisher.db,
                                       "SELECT count(*) FROM (SELECT version, row_number() OVER"
                                       " (PARTITION BY product_id ORDER BY number) AS turn"
                                       " FROM handled) AS row WHERE version <> turn"),
                        "0");
}

static atomic_bool is_held_up;

/* The events of "big" take until it is told, and hold up what the same instance has. */
static mesh_code note_big_when_told(void *self, mesh_tx *tx, const mesh_event *meta,
                                    const Stock__V1__StockLowered *event, mesh_error *err)
{
    if (strcmp(event->product_id, "big") != 0)
        return bus_note(self, tx, meta, event, err);
    atomic_store(&is_held_up, true);
    return bus_note_when_told(self, tx, meta, event, err);
}

/* One of the instances, until bus_may_go_on. */
static void hold_up_one(int64_t version)
{
    atomic_store(&bus_may_go_on, false);
    atomic_store(&is_held_up, false);
    bus_add(&publisher, "big", version);
    WAIT_FOR(atomic_load(&is_held_up));
}

enum {
    ROUNDS = 5,
    HELD_MS = 700 /* until the next look at the database is half a second away */
};

static int by_size(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

/* How long the versions of an aggregate take from the moment on when an instance goes on, for which
 * the other one has waited HELD_MS. */
static int64_t hand_over_ms(instances *both, int round)
{
    char product_id[16];
    uint64_t before = consumed(both);
    snprintf(product_id, sizeof product_id, "product-%d", round);
    hold_up_one(1 + round);
    int64_t versions = add_until_waiting(both, product_id, 0, 1);
    WAIT_FOR(oldest_gap_ms(both) >= HELD_MS);
    int64_t began_ns = mesh_clock_monotonic_ns();
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(consumed(both) == before + (uint64_t)versions + 1);
    return (mesh_clock_monotonic_ns() - began_ns) / 1000000;
}

/* S4.9: events that wait for another instance go on when that has handled what they wait for. */
static void what_waits_for_another_instance_goes_on_at_once(void **state)
{
    (void)state;
    instances both = open_many(2, note_big_when_told);
    int64_t took_ms[ROUNDS];
    for (int round = 0; round < ROUNDS; round++)
        took_ms[round] = hand_over_ms(&both, round);
    expect_order();
    qsort(took_ms, ROUNDS, sizeof took_ms[0], by_size);
    if (took_ms[ROUNDS / 2] > HELD_MS / 3)
        fail_msg("they took %d ms, as if nobody had been told", (int)took_ms[ROUNDS / 2]);
    close_many(&both);
}

/* Little-endian, as in turns.h. */
static void say(natsConnection *connection, uint64_t hash, int64_t version, int size)
{
    uint64_t words[3] = {htole64(4711), htole64(hash), htole64((uint64_t)version)};
    assert_int_equal(natsConnection_Publish(connection, "_INBOX_stock.turns", words, size),
                     NATS_OK);
}

/* S4.9: what is not true of what others handled changes nothing. */
static void what_is_said_wrongly_changes_nothing(void **state)
{
    static char much[64 * 1024];
    (void)state;
    instance self = open_one(bus_note);
    natsConnection *liar = NULL;
    assert_int_equal(natsConnection_ConnectTo(&liar, nats_url_of("admin")), NATS_OK);
    add_versions("odyssey", 1, 1);
    add_versions("odyssey", 3, 4);
    WAIT_FOR(bus_stats(&self).held == 2);
    uint64_t hash = mesh_aggregate_hash("odyssey");
    memset(much, 0x7f, sizeof much);
    for (int size = 0; size <= 24; size++)
        say(liar, hash, 2, size);
    say(liar, hash, 3, 24);
    say(liar, hash, 0, 24);
    say(liar, hash, -1, 24);
    say(liar, hash, INT64_MAX, 24);
    say(liar, hash, INT64_MIN, 24);
    assert_int_equal(natsConnection_Publish(liar, "_INBOX_stock.turns", much, sizeof much),
                     NATS_OK);
    assert_int_equal(natsConnection_Flush(liar), NATS_OK);
    add_versions("ilias", 1, 5);
    WAIT_FOR(bus_stats(&self).consumed == 6);
    WAIT_FOR(bus_stats(&self).held == 2);
    add_versions("odyssey", 2, 2);
    WAIT_FOR(bus_stats(&self).consumed == 9);
    expect_order();
    natsConnection_Destroy(liar);
    bus_close(&self);
}

enum {
    SHARED = 4096, /* what instances that wait for each other take together */
    FOLLOWING = 6000,
    ADDED_AT_ONCE = 500,
    WATCHED_MS = 3000,
    PARTS = 8
};

static void add_together(const char *product_id, int64_t first, int64_t count)
{
    mesh_error err = {.code = MESH_OK};
    mesh_tx *tx = NULL;
    assert_int_equal(mesh_tx_begin(publisher.db, NULL, &tx, &err), MESH_OK);
    for (int64_t version = first; version < first + count; version++) {
        Stock__V1__StockLowered event = STOCK__V1__STOCK_LOWERED__INIT;
        event.product_id = (char *)product_id;
        event.version = version;
        assert_int_equal(stock__v1__stock_lowered__add(tx, &event, &err), MESH_OK);
    }
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

/* S4.9: instances that wait for each other leave with the broker what would only wait, so that it
 * does not deal out the rest one by one; but not for long, since what they wait for may be behind
 * that. */
static void instances_that_wait_take_a_share_and_then_more(void **state)
{
    (void)state;
    instances both = open_many(2, bus_note);
    int64_t last = add_until_waiting(&both, "odyssey", 1, 2), most = 0;
    for (int64_t i = 0; i < FOLLOWING; i += ADDED_AT_ONCE, last += ADDED_AT_ONCE)
        add_together("odyssey", last + 1, ADDED_AT_ONCE);
    WAIT_FOR(bus_unanswered("stock") > SHARED / 2);
    while (oldest_gap_ms(&both) < WATCHED_MS) {
        int64_t unanswered = bus_unanswered("stock");
        most = unanswered > most ? unanswered : most;
    }
    if (most > SHARED)
        fail_msg("%" PRId64 " events were on their way", most);
    add_versions("odyssey", 1, 1);
    for (int64_t part = 1; part <= PARTS; part++) /* as long as it goes on */
        WAIT_FOR((int64_t)consumed(&both) >= last * part / PARTS);
    assert_int_equal(consumed(&both), last);
    expect_order();
    close_many(&both);
}

/* ---- handlers that change the same rows ---- */

enum {
    COUNTS = 4000,
    COUNTS_AT_ONCE = 100,
    PRODUCTS = 20
};

static mesh_code tally(void *self, mesh_tx *tx, const mesh_event *meta,
                       const Stock__V1__StockCounted *event, mesh_error *err)
{
    (void)self;
    (void)meta;
    bus_wait_until_told();
    return mesh_tx_query(tx,
                         "INSERT INTO tally VALUES ($1, 1) ON CONFLICT (product_id)"
                         " DO UPDATE SET number = tally.number + 1",
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(event->product_id)), NULL, NULL, err);
}

static void add_counts(int first)
{
    mesh_error err = {.code = MESH_OK};
    mesh_tx *tx = NULL;
    char product_id[16];
    assert_int_equal(mesh_tx_begin(publisher.db, NULL, &tx, &err), MESH_OK);
    for (int i = first; i < first + COUNTS_AT_ONCE; i++) {
        Stock__V1__StockCounted event = STOCK__V1__STOCK_COUNTED__INIT;
        /* In another order each time. */
        snprintf(product_id, sizeof product_id, "product-%d", i * 7919 % 4001 % PRODUCTS);
        event.product_id = product_id;
        assert_int_equal(stock__v1__stock_counted__add(tx, &event, &err), MESH_OK);
    }
    assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
}

/* S4.9: handlers of several instances that change rows of the same aggregates do not lock each
 * other out, though nothing says whose turn it is. */
static void handlers_of_the_same_aggregates_do_not_deadlock(void **state)
{
    (void)state;
    const mesh_consumer consumers[] = {stock__v1__stock_counted__consumer(tally, NULL),
                                       {.event = NULL}};
    const instance_options options = {.service = "stock", .url = url, .consumers = consumers};
    postgres_value(publisher.db, "CREATE TABLE tally (product_id text PRIMARY KEY, number int)");
    atomic_store(&bus_may_go_on, false);
    for (int i = 0; i < COUNTS; i += COUNTS_AT_ONCE)
        add_counts(i);
    WAIT_FOR(bus_stats(&publisher).published == COUNTS);
    instances both = {.all = {bus_open(&options), bus_open(&options)}, .count = 2};
    atomic_store(&bus_may_go_on, true);
    WAIT_FOR(consumed(&both) == COUNTS);
    close_many(&both);
    assert_string_equal(postgres_value(publisher.db, "SELECT sum(number) FROM tally"), "4000");
    assert_string_equal(postgres_value(publisher.db, "SELECT deadlocks FROM pg_stat_database"
                                                     " WHERE datname = current_database()"),
                        "0");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, publisher_begin, publisher_end)
    const struct CMUnitTest tests[] = {
        CASE(what_waits_for_another_instance_goes_on_at_once),
        CASE(what_is_said_wrongly_changes_nothing),
        CASE(instances_that_wait_take_a_share_and_then_more),
        CASE(handlers_of_the_same_aggregates_do_not_deadlock),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
