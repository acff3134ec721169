/*
 * Steps that wait: until they are told how they ended, or their time is up.
 */
#include <stdio.h>
#include <string.h>

#include "tests/mesh/events/orders_frame.h"

static void a_step_that_waits_goes_on_when_told(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "waiting");
    assert_string_equal(orders_trail(db, "1"), "lock pay");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    assert_string_equal(orders_history(db, "1"), "begun:lock done:lock waiting:pay told:pay"
                                                 " done:ship completed:ship");
    mesh_sagas_destroy(sagas);
}

static void a_step_that_is_told_of_a_failure_is_undone(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "waiting");
    assert_true(orders_tell(sagas, db, "1", MESH_FAILED_PRECONDITION));
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -pay -lock");
    assert_string_equal(postgres_value(db, "SELECT code || ' ' || cause FROM mesh_saga"),
                        "FAILED_PRECONDITION so they say");
    mesh_sagas_destroy(sagas);
}

static void a_word_that_is_rolled_back_is_none(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_tx *tx = NULL;
    bool taken = false;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "waiting");
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    const mesh_saga_word word = {.definition = "order", .id = "1", .step = "pay"};
    assert_int_equal(mesh_saga_signal(sagas, tx, &word, &taken, NULL), MESH_OK);
    assert_true(taken);
    mesh_tx_rollback(tx);
    assert_string_equal(orders_status(db, "1"), "waiting");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    ORDERS_WAIT(db, "1", "completed");
    mesh_sagas_destroy(sagas);
}

static void a_word_that_comes_early_is_kept(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    orders_begin(sagas, db, "2");
    assert_true(orders_tell(sagas, db, "2", MESH_NOT_FOUND));
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    ORDERS_WAIT(db, "2", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    assert_string_equal(orders_trail(db, "2"), "lock pay -pay -lock");
    mesh_sagas_destroy(sagas);
}

static void who_is_told_early_is_in_time(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    postgres_value(db, "UPDATE mesh_saga SET step = 'pay', deadline = now() - interval '1 ms'");
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "pay ship");
    mesh_sagas_destroy(sagas);
}

/* A payment that came before it was asked for is paid back. */
static void who_is_told_early_is_undone_with_the_others(void **state)
{
    (void)state;
    plan plan = {.lock = {.failures = 1, .code = MESH_NOT_FOUND}};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    orders_begin(sagas, db, "2");
    assert_true(orders_tell(sagas, db, "2", MESH_OK));
    const mesh_saga_decision done = {.definition = "order",
                                     .id = "2",
                                     .step = "lock",
                                     .resolution = MESH_SAGA_STEP_DONE,
                                     .by = "ada: locked by hand"};
    const mesh_saga_decision back = {.definition = "order",
                                     .id = "2",
                                     .step = "pay",
                                     .resolution = MESH_SAGA_TURN_BACK,
                                     .by = "ada: no more"};
    assert_int_equal(mesh_saga_resolve(sagas, &done, NULL), MESH_OK);
    assert_int_equal(mesh_saga_resolve(sagas, &back, NULL), MESH_OK);
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "-pay");
    ORDERS_WAIT(db, "2", "compensated");
    assert_string_equal(orders_trail(db, "2"), "-pay -lock");
    mesh_sagas_destroy(sagas);
}

static void the_first_word_counts(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_true(orders_tell(sagas, db, "1", MESH_OK));
    assert_false(orders_tell(sagas, db, "1", MESH_NOT_FOUND));
    orders_begin(sagas, db, "2");
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "2", "waiting");
    assert_true(orders_tell(sagas, db, "2", MESH_OK));
    assert_false(orders_tell(sagas, db, "2", MESH_NOT_FOUND));
    ORDERS_WAIT(db, "1", "completed");
    ORDERS_WAIT(db, "2", "completed");
    assert_false(orders_tell(sagas, db, "2", MESH_OK));
    mesh_sagas_destroy(sagas);
}

static void a_step_whose_time_is_up_is_undone(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas_stats stats;
    mesh_sagas *sagas = orders_start(
        &(orders_options){.db = db, .plan = &plan, .pay_timeout_ms = 20});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -pay -lock");
    assert_string_equal(orders_history(db, "1"), "begun:lock done:lock waiting:pay timed out:pay"
                                                 " done:-pay done:-lock compensated:-lock");
    assert_false(orders_tell(sagas, db, "1", MESH_OK));
    mesh_sagas_get_stats(sagas, &stats);
    assert_int_equal(stats.timed_out, 1);
    assert_int_equal(stats.compensated, 1);
    mesh_sagas_destroy(sagas);
}

/* A time that passes while nobody runs is seen afterwards; what was not begun is not undone. */
static void time_passes_while_nothing_runs(void **state)
{
    (void)state;
    plan plan = {.lock = {.failures = 0}};
    mesh_sagas *sagas = orders_create(
        &(orders_options){.db = db, .plan = &plan, .pay_timeout_ms = 60000});
    orders_begin(sagas, db, "1");
    postgres_value(db, "UPDATE mesh_saga SET step = 'pay', undo = '{lock}',"
                       " deadline = now() - interval '1 ms'");
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "-lock");
    mesh_sagas_destroy(sagas);
}

static void attempts_end_with_the_time_of_the_step(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000000, .code = MESH_UNAVAILABLE}};
    mesh_sagas *sagas = orders_start(
        &(orders_options){.db = db, .plan = &plan, .attempts = 1000000, .pay_timeout_ms = 50});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock -pay -lock");
    mesh_sagas_destroy(sagas);
}

/* Of a word and the end of the time one wins: who is told "taken" sees the order completed. */
static void a_word_or_the_time_wins(void **state)
{
    (void)state;
    enum {
        COUNT = 60
    };
    plan plan = {.pay = {.wait = true}};
    char id[16];
    int told = 0;
    bool taken[COUNT];
    mesh_sagas *sagas = orders_start(
        &(orders_options){.db = db, .plan = &plan, .pay_timeout_ms = 600000});
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%d", i);
        orders_begin(sagas, db, id);
    }
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM mesh_saga WHERE status = 'waiting'"),
                    "60") == 0);
    /* The times end one after the other, while the words come from the other end. */
    postgres_value(db, "UPDATE mesh_saga SET due = clock_timestamp() + id::int * interval '2 ms'");
    for (int i = COUNT - 1; i >= 0; i--) {
        snprintf(id, sizeof id, "%d", i);
        taken[i] = orders_tell(sagas, db, id, MESH_OK);
        told += taken[i];
    }
    for (int i = 0; i < COUNT; i++) {
        snprintf(id, sizeof id, "%d", i);
        ORDERS_WAIT(db, id, taken[i] ? "completed" : "compensated");
        assert_string_equal(orders_trail(db, id),
                            taken[i] ? "lock pay ship" : "lock pay -pay -lock");
    }
    print_message("%d of %d were told in time\n", told, COUNT);
    mesh_sagas_destroy(sagas);
}

static void a_compensation_cannot_wait(void **state)
{
    (void)state;
    plan plan = {.ship = {.failures = 1, .code = MESH_NOT_FOUND}, .refund = {.wait = true}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_string_equal(postgres_value(db, "SELECT cause FROM mesh_saga"),
                        "a compensation cannot wait");
    mesh_sagas_destroy(sagas);
}

static void who_tells_nobody_is_told_so(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_tx *tx = NULL;
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    static const struct {
        mesh_saga_word word;
        mesh_code code;
    } cases[] = {
        {{.definition = "order", .id = "none", .step = "pay"}, MESH_NOT_FOUND},
        {{.definition = "order", .id = "none", .step = "none"}, MESH_INVALID_ARGUMENT},
        {{.definition = "none", .id = "none", .step = "pay"}, MESH_INVALID_ARGUMENT},
        {{.id = "none"}, MESH_INVALID_ARGUMENT},
    };
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mesh_saga_signal(sagas, tx, &cases[i].word, NULL, NULL), cases[i].code);
    mesh_tx_rollback(tx);
    assert_int_equal(mesh_tx_begin(db, &(mesh_tx_options){.autocommit = true}, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_saga_signal(sagas, tx, &cases[0].word, NULL, NULL),
                     MESH_FAILED_PRECONDITION);
    mesh_tx_rollback(tx);
    mesh_sagas_destroy(sagas);
}

static const char *acts(void)
{
    return postgres_value(db, "SELECT count(*) FROM act");
}

/* S2.14: who looks for work when the drain begins may find some. */
static void no_action_runs_after_a_drain(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_tx *tx = NULL;
    char before[16];
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(
        mesh_tx_query(tx, "LOCK TABLE mesh_saga", MESH_SQL_NO_PARAMS, NULL, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_locks WHERE NOT granted"), "0") !=
             0);
    assert_false(mesh_sagas_drain(sagas, 50));
    mesh_tx_rollback(tx);
    WAIT_FOR(mesh_sagas_drain(sagas, 1000));
    snprintf(before, sizeof before, "%s", acts());
    mesh_sagas_destroy(sagas); /* joins the threads */
    assert_string_equal(acts(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_step_that_waits_goes_on_when_told, orders_frame_begin),
        cmocka_unit_test_setup(a_step_that_is_told_of_a_failure_is_undone, orders_frame_begin),
        cmocka_unit_test_setup(a_word_that_is_rolled_back_is_none, orders_frame_begin),
        cmocka_unit_test_setup(a_word_that_comes_early_is_kept, orders_frame_begin),
        cmocka_unit_test_setup(who_is_told_early_is_in_time, orders_frame_begin),
        cmocka_unit_test_setup(who_is_told_early_is_undone_with_the_others, orders_frame_begin),
        cmocka_unit_test_setup(the_first_word_counts, orders_frame_begin),
        cmocka_unit_test_setup(a_step_whose_time_is_up_is_undone, orders_frame_begin),
        cmocka_unit_test_setup(time_passes_while_nothing_runs, orders_frame_begin),
        cmocka_unit_test_setup(attempts_end_with_the_time_of_the_step, orders_frame_begin),
        cmocka_unit_test_setup(a_word_or_the_time_wins, orders_frame_begin),
        cmocka_unit_test_setup(a_compensation_cannot_wait, orders_frame_begin),
        cmocka_unit_test_setup(who_tells_nobody_is_told_so, orders_frame_begin),
        cmocka_unit_test_setup(no_action_runs_after_a_drain, orders_frame_begin),
    };
    return cmocka_run_group_tests(tests, orders_frame_setup, orders_frame_teardown);
}
