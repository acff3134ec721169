/*
 * What operators see of sagas, and what they can do.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/mesh/events/orders_frame.h"

static mesh_arena *arena;

static int setup(void **state)
{
    arena = mesh_arena_create(4096, 0);
    return arena == NULL ? -1 : orders_frame_setup(state);
}

static int teardown(void **state)
{
    mesh_arena_destroy(arena);
    return orders_frame_teardown(state);
}

static int empty_tables(void **state)
{
    mesh_arena_reset(arena);
    return orders_frame_begin(state);
}

static mesh_saga_info show(mesh_sagas *sagas, const char *id)
{
    mesh_saga_info info;
    assert_int_equal(mesh_saga_show(sagas, "order", id, arena, &info, NULL), MESH_OK);
    return info;
}

/* Ada's decision about the order 1. */
static mesh_code resolve(mesh_sagas *sagas, mesh_saga_resolution resolution, const char *step)
{
    return mesh_saga_resolve(sagas,
                             MESH_OPTIONS(mesh_saga_decision, .definition = "order", .id = "1",
                                          .step = step, .resolution = resolution,
                                          .by = "ada: by hand"),
                             NULL);
}

static mesh_code resolve_compensation(mesh_sagas *sagas, mesh_saga_resolution resolution,
                                      const char *step)
{
    return mesh_saga_resolve(sagas,
                             MESH_OPTIONS(mesh_saga_decision, .definition = "order", .id = "1",
                                          .step = step, .compensating = true,
                                          .resolution = resolution, .by = "ada: by hand"),
                             NULL);
}

static void what_is_known_of_a_saga_is_shown(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL}, .context = "seat 7"};
    int64_t before_ns = mesh_clock_wall_ns() - 1000000;
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan, .attempts = 2});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    mesh_saga_info info = show(sagas, "1");
    assert_string_equal(info.definition, "order");
    assert_string_equal(info.id, "1");
    assert_int_equal(info.status, MESH_SAGA_PARKED);
    assert_false(info.compensating);
    assert_string_equal(info.step, "pay");
    assert_int_equal(info.attempts, 2);
    assert_int_equal(info.attempts_max, 2);
    assert_true(info.begun_ns >= before_ns && info.changed_ns > info.begun_ns);
    assert_true(info.due_ns == 0 && info.deadline_ns == 0);
    assert_int_equal(info.code, MESH_INTERNAL);
    assert_string_equal(info.cause, "as planned");
    assert_int_equal(info.context_size, 6);
    assert_memory_equal(info.context, "seat 7", 6);
    assert_int_equal(info.history_count, 4);
    const mesh_saga_entry *last = &info.history[3];
    assert_string_equal(last->what, "parked");
    assert_string_equal(last->step, "pay");
    assert_int_equal(last->attempt, 2);
    assert_int_equal(last->code, MESH_INTERNAL);
    assert_string_equal(last->cause, "as planned");
    assert_true(last->at_ns >= before_ns);
    assert_int_equal(mesh_saga_show(sagas, "order", "2", arena, &info, NULL), MESH_NOT_FOUND);
    mesh_sagas_destroy(sagas);
}

static void sagas_are_listed_page_by_page(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    char id[16];
    const mesh_saga_info *list = NULL;
    size_t count = 0;
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    for (int i = 0; i < 25; i++) {
        snprintf(id, sizeof id, "%d", i);
        orders_begin(sagas, db, id);
    }
    postgres_value(db, "UPDATE mesh_saga SET status = 'parked' WHERE id::int % 2 = 0");
    mesh_saga_query query = {.status = MESH_SAGA_PARKED, .definition = "order", .limit = 10};
    assert_int_equal(mesh_saga_list(sagas, &query, arena, &list, &count, NULL), MESH_OK);
    assert_int_equal(count, 10);
    assert_string_equal(list[0].id, "0");
    assert_string_equal(list[9].id, "18");
    query.after = list[9].number;
    assert_int_equal(mesh_saga_list(sagas, &query, arena, &list, &count, NULL), MESH_OK);
    assert_int_equal(count, 3);
    assert_string_equal(list[2].id, "24");
    assert_int_equal(list[2].status, MESH_SAGA_PARKED);
    assert_int_equal(mesh_saga_list(sagas, NULL, arena, &list, &count, NULL), MESH_OK);
    assert_int_equal(count, 25);
    query = (mesh_saga_query){.definition = "none"};
    assert_int_equal(mesh_saga_list(sagas, &query, arena, &list, &count, NULL), MESH_OK);
    assert_int_equal(count, 0);
    query = (mesh_saga_query){.limit = MESH_SAGA_PAGE_MAX + 1};
    assert_int_equal(mesh_saga_list(sagas, &query, arena, &list, &count, NULL),
                     MESH_INVALID_ARGUMENT);
    mesh_sagas_destroy(sagas);
}

static void a_parked_saga_goes_on_when_it_is_retried(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 5, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_history(db, "1"),
                        "begun:lock done:lock failed:pay failed:pay parked:pay retried:pay"
                        " failed:pay failed:pay done:pay done:ship completed:ship");
    assert_string_equal(show(sagas, "1").history[5].cause, "ada");
    mesh_sagas_destroy(sagas);
}

static void a_step_can_be_done_by_hand(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(resolve(sagas, MESH_SAGA_STEP_DONE, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock ship");
    assert_string_equal(show(sagas, "1").history[5].what, "resolved");
    assert_string_equal(show(sagas, "1").history[5].cause, "ada: by hand");
    mesh_sagas_destroy(sagas);
}

static void a_compensation_can_be_done_by_hand(void **state)
{
    (void)state;
    plan plan = {.ship = {.failures = 1, .code = MESH_NOT_FOUND},
                 .refund = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(resolve_compensation(sagas, MESH_SAGA_TURN_BACK, "pay"),
                     MESH_FAILED_PRECONDITION);
    assert_int_equal(resolve_compensation(sagas, MESH_SAGA_STEP_DONE, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -lock");
    mesh_sagas_destroy(sagas);
}

static void a_saga_can_be_turned_back(void **state)
{
    (void)state;
    plan plan = {.pay = {.wait = true}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "waiting");
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_FAILED_PRECONDITION);
    assert_int_equal(resolve(sagas, MESH_SAGA_TURN_BACK, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock pay -pay -lock");
    assert_string_equal(postgres_value(db, "SELECT code || ' ' || cause FROM mesh_saga"),
                        "CANCELLED ada: by hand");
    mesh_sagas_destroy(sagas);
}

static void a_saga_can_be_undone_by_hand(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(resolve(sagas, MESH_SAGA_ALL_UNDONE, "pay"), MESH_OK);
    assert_string_equal(orders_status(db, "1"), "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock");
    assert_int_equal(resolve(sagas, MESH_SAGA_ALL_UNDONE, "pay"), MESH_FAILED_PRECONDITION);
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_FAILED_PRECONDITION);
    mesh_sagas_destroy(sagas);
}

static void assert_refused(mesh_sagas *sagas, mesh_saga_resolution resolution, const char *step,
                           const char *message)
{
    mesh_error err = {.code = MESH_OK};
    assert_int_equal(
        mesh_saga_resolve(sagas,
                          MESH_OPTIONS(mesh_saga_decision, .definition = "order", .id = "1",
                                       .step = step, .resolution = resolution, .by = "bob"),
                          &err),
        MESH_FAILED_PRECONDITION);
    assert_string_equal(err.message, message);
}

/* S2.14: who decides about what another one has moved on meanwhile, or does it twice. */
static void a_decision_is_about_the_step_that_it_names(void **state)
{
    (void)state;
    static const char message[] = "the step at hand is ship, not pay";
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL},
                 .ship = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(resolve(sagas, MESH_SAGA_STEP_DONE, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "parked");
    assert_refused(sagas, MESH_SAGA_STEP_DONE, "pay", message);
    assert_refused(sagas, MESH_SAGA_TURN_BACK, "pay", message);
    assert_refused(sagas, MESH_SAGA_ALL_UNDONE, "pay", message);
    assert_string_equal(orders_status(db, "1"), "parked");
    assert_string_equal(show(sagas, "1").step, "ship");
    assert_int_equal(resolve(sagas, MESH_SAGA_STEP_DONE, "ship"), MESH_OK);
    assert_refused(sagas, MESH_SAGA_STEP_DONE, "ship", "the saga is over: it is completed");
    mesh_sagas_destroy(sagas);
}

/* S2.14: who has paid by hand has not paid back. */
static void a_step_done_by_hand_is_not_undone_by_that(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 1000, .code = MESH_INTERNAL},
                 .refund = {.failures = 1000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(resolve_compensation(sagas, MESH_SAGA_STEP_DONE, "pay"),
                     MESH_FAILED_PRECONDITION);
    assert_int_equal(resolve(sagas, MESH_SAGA_TURN_BACK, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "parked");
    assert_refused(sagas, MESH_SAGA_STEP_DONE, "pay",
                   "the step at hand is the compensation of pay, not pay");
    assert_int_equal(resolve_compensation(sagas, MESH_SAGA_STEP_DONE, "pay"), MESH_OK);
    ORDERS_WAIT(db, "1", "compensated");
    assert_string_equal(orders_trail(db, "1"), "lock -lock");
    mesh_sagas_destroy(sagas);
}

static void *resolve_lock(void *context)
{
    return (void *)(intptr_t)resolve(context, MESH_SAGA_STEP_DONE, "lock");
}

/* S2.14 */
static void of_two_who_decide_at_once_one_does(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    pthread_t threads[2];
    void *ends[2];
    mesh_tx *tx = NULL;
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    assert_int_equal(
        mesh_tx_query(tx, "SELECT FROM mesh_saga FOR UPDATE", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
        MESH_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resolve_lock, sagas), 0);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity WHERE"
                                       " datname = current_database() AND wait_event_type ="
                                       " 'Lock'"),
                    "2") == 0);
    mesh_tx_rollback(tx);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], &ends[i]);
    assert_int_equal((intptr_t)ends[0] + (intptr_t)ends[1], MESH_OK + MESH_FAILED_PRECONDITION);
    assert_string_equal(orders_history(db, "1"), "begun:lock resolved:lock");
    assert_string_equal(show(sagas, "1").step, "pay");
    mesh_sagas_destroy(sagas);
}

/* S2.14: so it needs no step. */
static void a_retry_that_is_repeated_leaves_no_step_out(void **state)
{
    (void)state;
    plan plan = {.pay = {.failures = 2, .code = MESH_INTERNAL},
                 .ship = {.failures = 2, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan, .attempts = 2});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "ada", NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "parked");
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "bob", NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_trail(db, "1"), "lock pay ship");
    mesh_sagas_destroy(sagas);
}

static void who_decides_says_so(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "1");
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", "", NULL), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_saga_retry(sagas, "order", "1", NULL, NULL), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_saga_retry(sagas, "order", "2", "ada", NULL), MESH_NOT_FOUND);
    assert_int_equal(resolve(sagas, (mesh_saga_resolution)9, "lock"), MESH_INVALID_ARGUMENT);
    assert_int_equal(resolve(sagas, (mesh_saga_resolution)0, "lock"), MESH_INVALID_ARGUMENT);
    assert_int_equal(resolve(sagas, MESH_SAGA_STEP_DONE, NULL), MESH_INVALID_ARGUMENT);
    assert_int_equal(resolve(sagas, MESH_SAGA_STEP_DONE, ""), MESH_INVALID_ARGUMENT);
    assert_int_equal(mesh_saga_resolve(sagas, NULL, NULL), MESH_INVALID_ARGUMENT);
    assert_string_equal(orders_history(db, "1"), "begun:lock");
    mesh_sagas_destroy(sagas);
}

static void a_history_has_an_end(void **state)
{
    (void)state;
    plan plan = {.lock = {.failures = 1000000, .code = MESH_INTERNAL}};
    mesh_sagas *sagas = orders_start(&(orders_options){.db = db, .plan = &plan, .attempts = 220});
    orders_begin(sagas, db, "1");
    ORDERS_WAIT(db, "1", "parked");
    mesh_saga_info info = show(sagas, "1");
    assert_int_equal(info.history_count, MESH_SAGA_HISTORY_MAX);
    assert_string_equal(info.history[MESH_SAGA_HISTORY_MAX - 1].what, "parked");
    mesh_sagas_destroy(sagas);
}

static void figures_are_those_of_the_database(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas_stats stats;
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    postgres_value(db, "INSERT INTO mesh_saga (definition, id, status, step, attempts_max, context,"
                       " traceparent) SELECT 'order', n, CASE WHEN n < 4 THEN 'running'"
                       " WHEN n < 6 THEN 'waiting' WHEN n < 7 THEN 'parked' ELSE 'completed' END,"
                       " 'lock', 3, '', '' FROM generate_series(1, 10) n");
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    WAIT_FOR((mesh_sagas_get_stats(sagas, &stats), stats.running == 3));
    assert_int_equal(stats.waiting, 2);
    assert_int_equal(stats.parked, 1);
    mesh_sagas_destroy(sagas);
}

static void what_is_over_is_forgotten_some_day(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    postgres_value(db, "INSERT INTO mesh_saga (definition, id, status, step, attempts_max, context,"
                       " traceparent, changed_at) SELECT 'order', n, (ARRAY['completed',"
                       " 'compensated', 'parked'])[1 + n % 3], 'lock', 3, '', '',"
                       " now() - interval '2 hours' FROM generate_series(1, 3000) n");
    postgres_value(db, "INSERT INTO mesh_saga (definition, id, status, step, attempts_max, context,"
                       " traceparent) VALUES ('order', 'young', 'completed', 'lock', 3, '', '')");
    mesh_sagas *sagas = orders_start(
        &(orders_options){.db = db, .plan = &plan, .retention_ms = 3600 * 1000});
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM mesh_saga"), "1001") == 0);
    assert_string_equal(orders_status(db, "young"), "completed");
    mesh_sagas_destroy(sagas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_known_of_a_saga_is_shown, empty_tables),
        cmocka_unit_test_setup(sagas_are_listed_page_by_page, empty_tables),
        cmocka_unit_test_setup(a_parked_saga_goes_on_when_it_is_retried, empty_tables),
        cmocka_unit_test_setup(a_step_can_be_done_by_hand, empty_tables),
        cmocka_unit_test_setup(a_compensation_can_be_done_by_hand, empty_tables),
        cmocka_unit_test_setup(a_saga_can_be_turned_back, empty_tables),
        cmocka_unit_test_setup(a_saga_can_be_undone_by_hand, empty_tables),
        cmocka_unit_test_setup(a_decision_is_about_the_step_that_it_names, empty_tables),
        cmocka_unit_test_setup(a_step_done_by_hand_is_not_undone_by_that, empty_tables),
        cmocka_unit_test_setup(of_two_who_decide_at_once_one_does, empty_tables),
        cmocka_unit_test_setup(a_retry_that_is_repeated_leaves_no_step_out, empty_tables),
        cmocka_unit_test_setup(who_decides_says_so, empty_tables),
        cmocka_unit_test_setup(a_history_has_an_end, empty_tables),
        cmocka_unit_test_setup(figures_are_those_of_the_database, empty_tables),
        cmocka_unit_test_setup(what_is_over_is_forgotten_some_day, empty_tables),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
