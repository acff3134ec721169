/* Ready means ready (S0.9): what it says of its health while database or broker are away. */
#include "tests/mesh/service/demo_program.h"

#include <signal.h>
#include <string.h>

static void starts_before_its_database_and_serves_when_it_came(void **state)
{
    char url[POSTGRES_URL_BYTES];
    (void)state;
    postgres_create_database("late", url);
    postgres_stop();

    demo demo = demo_start(url, demo_defaults);
    assert_non_null(strstr(program_wait_log(demo.program, "waiting"), "database"));
    assert_int_equal(demo_health(&demo, ""), NOT_SERVING);
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), NOT_SERVING);
    assert_int_equal(demo_add(&demo, "early"), MESH_UNAVAILABLE);

    postgres_restart();
    program_wait_log(demo.program, "serving");
    assert_int_equal(demo_health(&demo, ""), SERVING);
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), SERVING);
    assert_int_equal(demo_add(&demo, "database came"), MESH_OK);
    WAIT_FOR(demo_heard(&demo, "database came"));
    demo_stop(&demo);
}

/* What Sleep, which needs nothing of the database, answers. */
static mesh_code nap(const demo *demo, mesh_error *err)
{
    Demo__V1__SleepRequest request = DEMO__V1__SLEEP_REQUEST__INIT;
    Demo__V1__SleepResponse *response;
    const mesh_call_options options = {.arena = demo->arena, .timeout_ms = CALL_LIMIT_MS};
    mesh_error_clear(err);
    return demo__v1__demo__sleep(demo->channel, &request, &response, &options, err);
}

/* Somebody is about to make the same table, for whom the migration waits. */
static mesh_tx *hold_migration(mesh_db *db)
{
    mesh_tx *tx;
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(
        mesh_tx_query(tx, "CREATE TABLE demo ()", MESH_SQL_NO_PARAMS, NULL, NULL, NULL), MESH_OK);
    return tx;
}

/* S0.9: no handler meets a database without its tables. */
static void no_call_runs_before_the_migrations(void **state)
{
    char url[POSTGRES_URL_BYTES];
    mesh_db *db;
    mesh_error err;
    int64_t delay_ms = 0;
    (void)state;
    postgres_create_database("pending", url);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL), MESH_OK);
    mesh_tx *tx = hold_migration(db);

    demo demo = demo_start(url, demo_defaults);
    program_wait_log(demo.program, "migration applied"); /* of mesh/events */
    assert_int_equal(nap(&demo, &err), MESH_UNAVAILABLE);
    assert_string_equal(err.domain, "mesh.v1");
    assert_string_equal(err.reason, "SERVICE_STARTING");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > 0);
    assert_int_equal(demo_add(&demo, "early"), MESH_UNAVAILABLE);
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), NOT_SERVING);

    mesh_tx_rollback(tx);
    program_wait_log(demo.program, "serving");
    assert_int_equal(demo_add(&demo, "in time"), MESH_OK);
    assert_null(strstr(program_output(demo.program), "statement failed"));
    demo_stop(&demo);
    mesh_db_destroy(db);
}

/* S0.9: once they are there, it answers what it can. */
static void calls_run_while_the_database_is_away(void **state)
{
    mesh_error err;
    (void)state;
    demo demo = demo_serve("leaving", demo_defaults);
    postgres_stop();
    program_wait_log(demo.program, "not serving");
    assert_int_equal(nap(&demo, &err), MESH_OK);
    postgres_restart();
    program_wait_log(demo.program, "serving");
    demo_stop(&demo);
}

/* A server that it needs, which it calls `name` in what it says, goes away and comes back. */
static void is_not_serving_without(const char *name, void (*stop)(void), void (*restart)(void))
{
    demo demo = demo_serve(name, demo_defaults);

    stop();
    assert_non_null(strstr(program_wait_log(demo.program, "not serving"), name));
    assert_int_equal(demo_health(&demo, ""), NOT_SERVING);
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), NOT_SERVING);
    restart();
    program_wait_log(demo.program, "serving");
    assert_int_equal(demo_health(&demo, ""), SERVING);
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), SERVING);

    assert_int_equal(demo_add(&demo, name), MESH_OK); /* and events flow again */
    WAIT_FOR(demo_heard(&demo, name));
    demo_stop(&demo);
}

static void is_not_serving_while_the_broker_is_away(void **state)
{
    (void)state;
    is_not_serving_without("broker", nats_stop, nats_restart);
}

static void is_not_serving_while_the_database_is_away(void **state)
{
    (void)state;
    is_not_serving_without("database", postgres_stop, postgres_restart);
}

static int thaw(void **state)
{
    (void)state;
    postgres_thaw();
    return 0;
}

/* It takes connections and says nothing, which no error tells. */
static void is_not_serving_while_the_database_hangs(void **state)
{
    enum {
        NOTICE_LIMIT_MS = 10000,
        STOP_LIMIT_MS = 2000 + 15000
    };
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=2s", NULL};
    (void)state;
    demo demo = demo_serve("hanging", more);

    postgres_freeze();
    int64_t start_ns = mesh_clock_monotonic_ns();
    assert_non_null(strstr(program_wait_log(demo.program, "not serving"), "database"));
    assert_int_equal(demo_health(&demo, "demo.v1.Demo"), NOT_SERVING);
    assert_in_range((mesh_clock_monotonic_ns() - start_ns) / 1000000, 0, NOTICE_LIMIT_MS);
    postgres_thaw();
    program_wait_log(demo.program, "serving");
    assert_int_equal(demo_add(&demo, "database goes on"), MESH_OK);

    postgres_freeze();
    start_ns = mesh_clock_monotonic_ns();
    demo_stop(&demo);
    assert_in_range((mesh_clock_monotonic_ns() - start_ns) / 1000000, 0, STOP_LIMIT_MS);
    postgres_thaw();
}

/* Handlers have all connections for some time, which is not an outage. */
static void full_pool_is_not_a_lost_database(void **state)
{
    const char *const more[] = {"MESH_DB_POOL=1", NULL};
    (void)state;
    demo demo = demo_serve("busy", more);
    demo_nap nap;
    demo_start_nap(&demo, &nap, 4500, true); /* longer than the probe's interval and its wait */
    WAIT_FOR(nap.code != -1);
    assert_int_equal(nap.code, MESH_OK);
    assert_int_equal(demo_health(&demo, ""), SERVING);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "draining");
    assert_null(strstr(program_output(demo.program), "not serving"));
    demo_end(&demo, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_before_its_database_and_serves_when_it_came),
        cmocka_unit_test(no_call_runs_before_the_migrations),
        cmocka_unit_test(calls_run_while_the_database_is_away),
        cmocka_unit_test(is_not_serving_while_the_broker_is_away),
        cmocka_unit_test(is_not_serving_while_the_database_is_away),
        cmocka_unit_test_teardown(is_not_serving_while_the_database_hangs, thaw),
        cmocka_unit_test(full_pool_is_not_a_lost_database),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
