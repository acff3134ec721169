/* What operators see of aggregates that wait for a version which has not come. */
#include <string.h>

#include "mesh/events/operate.h"
#include "tests/mesh/events/logged.h"
#include "tests/mesh/events/publisher.h"

static mesh_arena *arena;

static int begin(void **state)
{
    arena = mesh_arena_create(4096, 0);
    log_to_file();
    return publisher_begin(state);
}

static int finish(void **state)
{
    log_as_before();
    mesh_arena_destroy(arena);
    return publisher_end(state);
}

static instance open_consumer(int64_t gap_wait_ms)
{
    return bus_open(&(instance_options){
        .service = "stock", .url = url, .handler = bus_note, .gap_wait_ms = gap_wait_ms});
}

static mesh_consumer_state state_of(instance *self)
{
    mesh_consumer_state seen;
    mesh_error err = {0};
    mesh_arena_reset(arena);
    if (mesh_consumer_get_state(self->events, arena, &seen, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return seen;
}

/* S4.10: which aggregate waits, for which version, for how long, and how many events with it. */
static void an_aggregate_that_waits_is_told_with_its_missing_version(void **state)
{
    (void)state;
    instance self = open_consumer(0);
    bus_add(&publisher, "odyssey", 1);
    bus_add(&publisher, "ilias", 2);
    WAIT_FOR(bus_stats(&self).oldest_gap_ms > 10);
    for (int version = 3; version <= 5; version++)
        bus_add(&publisher, "caf\u00e9 100%", version);
    WAIT_FOR(bus_stats(&self).held == 4 && state_of(&self).gap_count == 2);
    mesh_consumer_state seen = state_of(&self);
    assert_int_equal(seen.held, 4);
    assert_string_equal(seen.gaps[0].aggregate_type, "stock");
    assert_string_equal(seen.gaps[0].aggregate_id, "ilias"); /* which waits longer */
    assert_int_equal(seen.gaps[0].missing, 1);
    assert_int_equal(seen.gaps[0].events, 1);
    assert_string_equal(seen.gaps[1].aggregate_id, "caf\u00e9 100%");
    assert_int_equal(seen.gaps[1].missing, 1);
    assert_int_equal(seen.gaps[1].events, 3);
    assert_false(seen.gaps[1].dead);
    WAIT_FOR(bus_stats(&self).oldest_gap_ms > 100 && state_of(&self).gaps[1].waits_ms > 100);

    /* What it waits for now. */
    bus_add(&publisher, "caf\u00e9 100%", 1);
    WAIT_FOR(bus_handled(&self) == 2);
    WAIT_FOR(state_of(&self).gap_count == 2 && state_of(&self).gaps[1].missing == 2);
    bus_add(&publisher, "caf\u00e9 100%", 2);
    bus_add(&publisher, "ilias", 1);
    WAIT_FOR(bus_handled(&self) == 8);
    WAIT_FOR(bus_stats(&self).held == 0);
    assert_int_equal(bus_stats(&self).oldest_gap_ms, 0);
    assert_int_equal(state_of(&self).gap_count, 0);
    assert_false(logged("an aggregate waits"));
    bus_close(&self);
}

/* S0.6: who waits longer than usual is in the log, long before it is given up. */
static void an_aggregate_that_waits_long_is_logged(void **state)
{
    (void)state;
    instance self = open_consumer(20000);
    bus_add(&publisher, "odyssey", 2);
    WAIT_FOR(logged("an aggregate waits for a version that has not come"));
    assert_true(logged("\"aggregate_type\":\"stock\",\"aggregate_id\":\"odyssey\","
                       "\"missing_version\":1"));
    assert_true(logged("meshctl dlq list"));
    assert_int_equal(bus_stats(&self).dead, 0);
    assert_int_equal(bus_stats(&self).held, 1);
    bus_close(&self);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_aggregate_that_waits_is_told_with_its_missing_version),
        CASE(an_aggregate_that_waits_long_is_logged),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
