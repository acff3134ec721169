/*
 * Sagas that run: forward, back, again, and what happens once.
 */
#include <stdio.h>
#include <string.h>

#include "mesh/base/trace.h"
#include "tests/mesh/events/orders_frame.h"

static void steps_run_one_after_the_other(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    assert_true(orders_begin(sagas, db, "1"));
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    assert_string_equal(orders_history(db, "1"),
                        "begun:lock done:lock done:pay done:ship completed:ship");
    mesh_sagas_destroy(sagas);
}

static void a_beginning_that_is_rolled_back_is_none(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_tx *tx = NULL;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_saga_begin(sagas, tx,
                                     &(mesh_saga_beginning){.definition = "order", .id = "1"}, NULL,
                                     NULL),
                     MESH_OK);
    mesh_tx_rollback(tx);
    assert_string_equal(orders_status(db, "1"), "");
    mesh_sagas_destroy(sagas);
}

static void one_id_is_one_saga(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    assert_true(orders_begin(sagas, db, "1"));
    assert_false(orders_begin(sagas, db, "1"));
    ORDERS_WAIT(db, "1", "completed");
    assert_false(orders_begin(sagas, db, "1"));
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    mesh_sagas_destroy(sagas);
}

static void a_refusal_undoes_what_was_done_backwards(void **state)
{
    (void)state;
    plan plan = {.ship = {.failures = 1, .code = MESH_FAILED_PRECONDITION}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -pay -lock");
    assert_string_equal(orders_history(db, "1"), "begun:lock done:lock done:pay refused:ship"
                                                 " done:-pay done:-lock compensated:-lock");
    mesh_sagas_destroy(sagas);
}

static void each_final_code_is_a_refusal(void **state)
{
    (void)state;
    static const mesh_code codes[] = {MESH_INVALID_ARGUMENT,    MESH_NOT_FOUND,
                                      MESH_ALREADY_EXISTS,      MESH_PERMISSION_DENIED,
                                      MESH_FAILED_PRECONDITION, MESH_OUT_OF_RANGE};
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        plan.lock.code = codes[i];
        atomic_store(&plan.lock.failures, 1);
        orders_begin(sagas, db, mesh_code_name(codes[i]));
        ORDERS_WAIT(db, mesh_code_name(codes[i]), "compensated");
        assert_string_equal(orders_trail(db, mesh_code_name(codes[i])), "");
    }
    mesh_sagas_destroy(sagas);
}

/* An attempt that came to no clear end may have reached others. */
static void a_step_that_may_be_done_is_undone_too(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1, .code = MESH_UNAVAILABLE}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan, .retry_ms = 60000});
    orders_begin(sagas, db, "1");
    WAIT_FOR(strstr(orders_history(db, "1"), "failed:pay") != NULL);
    plan.pay.code = MESH_FAILED_PRECONDITION;
    atomic_store(&plan.pay.failures, 1);
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock -pay -lock");
    mesh_sagas_destroy(sagas);
}

static void what_fails_is_tried_again_by_the_same_key(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 2, .code = MESH_UNAVAILABLE}};
    mesh_sagas_stats stats;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    assert_string_equal(postgres_value(db, "SELECT attempt FROM act WHERE step = 'pay'"), "3");
    assert_string_equal(postgres_value(db, "SELECT string_agg(key, ' ' ORDER BY number) FROM act"),
                        "order/1/lock/do order/1/pay/do order/1/ship/do");
    assert_string_equal(orders_history(db, "1"), "begun:lock done:lock failed:pay failed:pay"
                                                 " done:pay done:ship completed:ship");
    mesh_sagas_get_stats(sagas, &stats);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(stats.attempts, 5);
    assert_int_equal(stats.completed, 1);
    mesh_sagas_destroy(sagas);
}

static void pauses_grow_up_to_the_longest(void **state)
{
    (void)state;
    static const char *const pauses[] = {"60", "120", "240", "300", "300"};
    plan plan = {.lock = {.failures = 1000, .code = MESH_UNAVAILABLE}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan, .retry_ms = 60000});
    orders_begin(sagas, db, "1");
    for (size_t i = 0; i < sizeof pauses / sizeof pauses[0]; i++) {
        char failed[8];
        snprintf(failed, sizeof failed, "%zu", i + 1);
        if (i > 0)
            assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_OK);
        WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM mesh_saga_history"
                                           " WHERE what = 'failed'"),
                        failed) == 0);
        assert_string_equal(postgres_value(db, "SELECT round(extract(epoch FROM due - changed_at))"
                                               "::text FROM mesh_saga"),
                            pauses[i]);
    }
    mesh_sagas_destroy(sagas);
}

static void what_fails_too_often_is_parked(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas_stats stats;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_string_equal(orders_history(db, "1"),
                        "begun:lock done:lock failed:pay failed:pay parked:pay");
    assert_string_equal(postgres_value(db, "SELECT code || ' ' || cause || ' ' || attempts"
                                           " FROM mesh_saga WHERE due IS NULL"),
                        "INTERNAL as planned 3");
    mesh_sagas_get_stats(sagas, &stats);
    assert_int_equal(stats.parked_total, 1);
    mesh_sagas_destroy(sagas);
}

static void a_compensation_is_never_refused_but_parked(void **state)
{
    (void)state;
    plan plan = {.ship = {.failures = 1, .code = MESH_NOT_FOUND},
                 .refund = {.failures = 1000, .code = MESH_NOT_FOUND}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_string_equal(orders_history(db, "1"), "begun:lock done:lock done:pay refused:ship"
                                                 " failed:-pay failed:-pay parked:-pay");
    atomic_store(&plan.refund.failures, 0);
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -pay -lock");
    mesh_sagas_destroy(sagas);
}

static void a_context_goes_from_step_to_step(void **state)
{
    (void)state;
    plan plan = {.context = "seat 7"};
    mesh_tx *tx = NULL;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    const mesh_saga_beginning beginning = {
        .definition = "order", .id = "1", .context = "any", .context_size = 3};
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_saga_begin(sagas, tx, &beginning, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_tx_commit(tx, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(
        postgres_value(db, "SELECT string_agg(context, ', ' ORDER BY number) FROM act"),
        "any, seat 7, seat 7");
    mesh_sagas_destroy(sagas);
}

static void steps_run_in_the_trace_of_the_beginning(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_trace trace;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    mesh_trace_start(&trace);
    mesh_trace_id_format(&trace, trace_id);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    orders_begin(sagas, db, "1");
    mesh_trace_set_current(before);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(postgres_value(db, "SELECT string_agg(DISTINCT trace_id, ' ') FROM act"),
                        trace_id);
    mesh_sagas_destroy(sagas);
}

static void two_processes_share_the_sagas(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    const orders_options options = {.db = db, .plan = &plan};
    char id[16];
    mesh_sagas *one = orders_start(&options), *other = orders_start(&options);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "%d", i);
        orders_begin(i % 2 != 0 ? one : other, db, id);
    }
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM mesh_saga WHERE status = 'completed'"),
                    "200") == 0);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM (SELECT FROM act GROUP BY id, step"
                                           " HAVING count(*) = 1 AND max(attempt) = 1) once"),
                        "600");
    mesh_sagas_destroy(one);
    mesh_sagas_destroy(other);
}

static _Atomic int inside;
static _Atomic bool go_on;

/* Only the first saga does. */
static void stay(const mesh_saga_run *run)
{
    if (strcmp(run->id, "1") != 0)
        return;
    inside++;
    while (!go_on)
        wait_a_moment();
}

/* Others look for what is due, and leave alone what is in somebody's hands. */
static void a_step_that_takes_long_is_not_begun_beside_itself(void **state)
{
    (void)state;
    plan plan = {.lock = {.meanwhile = stay}};
    const orders_options options = {.db = db, .plan = &plan, .attempts = 1000, .takeover_ms = 1};
    mesh_sagas *one = orders_start(&options), *other = orders_start(&options);
    inside = 0;
    go_on = false;
    orders_begin(one, db, "1");
    WAIT_FOR(inside == 1);
    orders_begin(one, db, "2");
    orders_begin(other, db, "3");
    ORDERS_WAIT(db, "2", "completed");
    ORDERS_WAIT(db, "3", "completed");
    assert_int_equal(inside, 1);
    go_on = true;
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    mesh_sagas_destroy(one);
    mesh_sagas_destroy(other);
}

static void a_drain_waits_for_what_runs_and_takes_no_more(void **state)
{
    (void)state;
    plan plan = {.lock = {.meanwhile = stay}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    inside = 0;
    go_on = false;
    orders_begin(sagas, db, "1");
    WAIT_FOR(inside == 1);
    assert_false(mesh_sagas_drain(sagas, 10));
    orders_begin(sagas, db, "2");
    go_on = true;
    assert_true(mesh_sagas_drain(sagas, WAIT_LIMIT_S * 1000));
    assert_string_equal(orders_trail(db, "1"), "lock");
    assert_string_equal(orders_trail(db, "2"), "");
    mesh_sagas_destroy(sagas);
    sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    ORDERS_WAIT(db, "1", "completed");
    ORDERS_WAIT(db, "2", "completed");
    mesh_sagas_destroy(sagas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(steps_run_one_after_the_other, orders_frame_begin),
        cmocka_unit_test_setup(a_beginning_that_is_rolled_back_is_none, orders_frame_begin),
        cmocka_unit_test_setup(one_id_is_one_saga, orders_frame_begin),
        cmocka_unit_test_setup(a_refusal_undoes_what_was_done_backwards, orders_frame_begin),
        cmocka_unit_test_setup(each_final_code_is_a_refusal, orders_frame_begin),
        cmocka_unit_test_setup(a_step_that_may_be_done_is_undone_too, orders_frame_begin),
        cmocka_unit_test_setup(what_fails_is_tried_again_by_the_same_key, orders_frame_begin),
        cmocka_unit_test_setup(pauses_grow_up_to_the_longest, orders_frame_begin),
        cmocka_unit_test_setup(what_fails_too_often_is_parked, orders_frame_begin),
        cmocka_unit_test_setup(a_compensation_is_never_refused_but_parked, orders_frame_begin),
        cmocka_unit_test_setup(a_context_goes_from_step_to_step, orders_frame_begin),
        cmocka_unit_test_setup(steps_run_in_the_trace_of_the_beginning, orders_frame_begin),
        cmocka_unit_test_setup(two_processes_share_the_sagas, orders_frame_begin),
        cmocka_unit_test_setup(a_step_that_takes_long_is_not_begun_beside_itself,
                               orders_frame_begin),
        cmocka_unit_test_setup(a_drain_waits_for_what_runs_and_takes_no_more, orders_frame_begin),
    };
    return cmocka_run_group_tests(tests, orders_frame_setup, orders_frame_teardown);
}
