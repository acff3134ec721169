/*
 * Processes that are killed while they run sagas: nothing is done twice, and nothing is left out.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixtures/program.h"
#include "tests/mesh/events/orders_frame.h"

#define PROGRAM "tests/mesh/events/saga_program"

static program *start(const char *step, const char *how)
{
    const char *const none[] = {NULL};
    const char *const arguments[] = {PROGRAM, url, step, how, NULL};
    program *made = program_start(arguments, none);
    program_wait_log(made, "running");
    return made;
}

static void kill_9(program *killed)
{
    program_signal(killed, SIGKILL);
    assert_int_equal(program_wait(killed), -SIGKILL);
    program_free(killed);
}

static void a_step_that_was_killed_in_the_middle_is_done_once(void **state)
{
    (void)state;
    static const char *const steps[] = {"lock", "pay", "ship"};
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_create(
        &(orders_options){.db = db, .plan = &plan, .takeover_ms = 200});
    for (size_t i = 0; i < 3; i++) {
        orders_begin(sagas, db, steps[i]);
        program *killed = start(steps[i], "stay");
        program_wait_log(killed, "inside"); /* its row is written, and not committed */
        kill_9(killed);
        program *next = start(NULL, NULL);
        ORDERS_WAIT(db, steps[i], "completed");
        assert_string_equal(orders_trail(db, steps[i]), "lock pay ship");
        kill_9(next);
    }
    /* The killed attempts count. */
    assert_string_equal(
        postgres_value(db, "SELECT bool_and(attempt > 1)::text FROM act WHERE step = id"), "true");
    mesh_sagas_destroy(sagas);
}

/* Its transaction has the saga's lock, and says nothing: another process has to get it. */
static void a_frozen_process_is_overtaken(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    program *frozen = start("pay", "stay");
    program_wait_log(frozen, "inside");
    program_signal(frozen, SIGSTOP);
    program *next = start(NULL, NULL);
    ORDERS_WAIT(db, "1", "completed");
    program_signal(frozen, SIGCONT);
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    kill_9(frozen);
    kill_9(next);
    mesh_sagas_destroy(sagas);
}

/* It is not tried for ever, with a process that it takes along each time. */
static void a_step_that_kills_its_process_is_parked(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_create(
        &(orders_options){.db = db, .plan = &plan, .takeover_ms = 200});
    orders_begin(sagas, db, "1");
    for (int i = 0; i < 3; i++) {
        program *killed = start("pay", "die");
        assert_int_equal(program_wait(killed), -SIGKILL);
        program_free(killed);
    }
    program *last = start("pay", "die");
    ORDERS_WAIT(db, "1", "parked");
    assert_string_equal(orders_trail(db, "1"), "lock");
    assert_string_equal(postgres_value(db, "SELECT code FROM mesh_saga"), "INTERNAL");
    kill_9(last);
    mesh_sagas_destroy(sagas);
}

static int64_t count(const char *sql)
{
    return strtoll(postgres_value(db, sql), NULL, 10);
}

/* Kills at moments that nobody chose; SQL counts what happened. */
static void whatever_is_killed_everything_happens_once(void **state)
{
    (void)state;
    enum {
        SAGAS = 300,
        KILLS = 8
    };
    static const char over[] = "SELECT count(*) FROM mesh_saga WHERE status = 'completed'";
    plan plan = {.context = NULL};
    char id[16];
    mesh_sagas *sagas = orders_create(
        &(orders_options){.db = db, .plan = &plan, .takeover_ms = 200, .attempts = KILLS + 2});
    for (int i = 0; i < SAGAS; i++) {
        snprintf(id, sizeof id, "%d", i);
        orders_begin(sagas, db, id);
    }
    program *one = start(NULL, NULL), *other = start(NULL, NULL);
    for (int i = 1; i <= KILLS; i++) {
        WAIT_FOR(count("SELECT count(*) FROM act") > SAGAS * 3 * i / (KILLS + 2));
        kill_9(one);
        one = other;
        other = start(NULL, NULL);
    }
    WAIT_FOR(count(over) == SAGAS);
    print_message("%d sagas, %d kills: %ld acts, %ld of them done more than once, %ld attempts"
                  " that were killed\n",
                  SAGAS, KILLS, (long)count("SELECT count(*) FROM act"),
                  (long)count("SELECT count(*) FROM (SELECT FROM act GROUP BY id, step"
                              " HAVING count(*) > 1) twice"),
                  (long)count("SELECT sum(attempt - 1) FROM act"));
    assert_int_equal(count("SELECT count(*) FROM act"), SAGAS * 3);
    assert_int_equal(count("SELECT count(*) FROM (SELECT DISTINCT id, step FROM act) once"),
                     SAGAS * 3);
    kill_9(one);
    kill_9(other);
    mesh_sagas_destroy(sagas);
}

static void a_database_that_restarts_is_outlived(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_start(
        &(orders_options){.db = db, .plan = &plan, .takeover_ms = 200});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "waiting");
    postgres_stop();
    postgres_restart();
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    mesh_sagas_destroy(sagas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_step_that_was_killed_in_the_middle_is_done_once,
                               orders_frame_begin),
        cmocka_unit_test_setup(a_frozen_process_is_overtaken, orders_frame_begin),
        cmocka_unit_test_setup(a_step_that_kills_its_process_is_parked, orders_frame_begin),
        cmocka_unit_test_setup(whatever_is_killed_everything_happens_once, orders_frame_begin),
        cmocka_unit_test_setup(a_database_that_restarts_is_outlived, orders_frame_begin),
    };
    return cmocka_run_group_tests(tests, orders_frame_setup, orders_frame_teardown);
}
