/*
 * Definitions that are wrong, that changed while sagas ran, and memory that runs out.
 */
#include <stdio.h>
#include <string.h>

#include "tests/fixtures/memory.h"
#include "tests/mesh/events/orders_frame.h"

static mesh_code nothing(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err)
{
    (void)self;
    (void)tx;
    (void)run;
    (void)err;
    return MESH_OK;
}

static mesh_code create(const mesh_saga_definition *definitions, mesh_error *err)
{
    mesh_sagas *sagas = NULL;
    const mesh_sagas_options options = {.db = db, .definitions = definitions};
    mesh_code code = mesh_sagas_create(&options, &sagas, err);
    mesh_sagas_destroy(sagas);
    return code;
}

static void a_wrong_definition_is_refused(void **state)
{
    (void)state;
    static const int reserved = 0;
    static mesh_saga_step many[MESH_SAGA_MAX_STEPS + 2];
    static char names[MESH_SAGA_MAX_STEPS + 1][8], long_name[MESH_SAGA_NAME_BYTES + 1];
    for (int i = 0; i <= MESH_SAGA_MAX_STEPS; i++) {
        snprintf(names[i], sizeof names[i], "s%d", i);
        many[i] = (mesh_saga_step){.name = names[i], .action = nothing};
    }
    memset(long_name, 'a', MESH_SAGA_NAME_BYTES);
    const struct {
        const char *name;
        const mesh_saga_step *steps;
    } cases[] = {
        {"", (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {0}}, {0}}},
        {"Order", (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {0}}, {0}}},
        {long_name, (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {0}}, {0}}},
        {"order", NULL},
        {"order", (mesh_saga_step[]){{0}}},
        {"order", many},
        {"order", (mesh_saga_step[]){{"a/b", nothing, NULL, 0, 0, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", NULL, nothing, 0, 0, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, -1, 0, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, INT64_MAX, 0, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, 0, -1, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, 0, 1000001, {0}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {&reserved}}, {0}}},
        {"order", (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {0}},
                                     {"one", nothing, NULL, 0, 0, {0}},
                                     {0}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const mesh_saga_definition definitions[] = {{cases[i].name, cases[i].steps, {0}}, {0}};
        mesh_error err = {0};
        if (create(definitions, &err) != MESH_INVALID_ARGUMENT || err.message[0] == '\0')
            fail_msg("case %zu: %s", i, err.message);
    }
    const mesh_saga_step *right = (mesh_saga_step[]){{"one", nothing, NULL, 0, 0, {0}}, {0}};
    const mesh_saga_definition twice[] = {{"a", right, {0}}, {"a", right, {0}}, {0}};
    assert_int_equal(create(twice, NULL), MESH_INVALID_ARGUMENT);
    const mesh_saga_definition fine[] = {{"a", right, {0}}, {"b", right, {0}}, {0}};
    assert_int_equal(create(fine, NULL), MESH_OK);
    assert_int_equal(create(NULL, NULL), MESH_OK);
}

static void a_wrong_limit_is_refused(void **state)
{
    (void)state;
    const mesh_sagas_options cases[] = {
        {.db = NULL},
        {.db = db, .concurrency = 65},
        {.db = db, .attempt_timeout_ms = -1},
        {.db = db, .attempt_timeout_ms = 3600001},
        {.db = db, .retry_first_ms = -1},
        {.db = db, .retry_last_ms = INT64_MAX},
        {.db = db, .takeover_ms = -1},
        {.db = db, .retention_ms = -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_sagas *sagas = NULL;
        assert_int_equal(mesh_sagas_create(&cases[i], &sagas, NULL), MESH_INVALID_ARGUMENT);
    }
}

static void a_wrong_beginning_is_refused(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    static char text[MESH_SAGA_CONTEXT_BYTES + 1], long_id[MESH_SAGA_ID_BYTES + 1];
    memset(long_id, 'a', MESH_SAGA_ID_BYTES);
    const mesh_saga_beginning cases[] = {
        {.definition = "order"},
        {.definition = "order", .id = ""},
        {.definition = "order", .id = long_id},
        {.definition = "none", .id = "1"},
        {.id = "1"},
        {.definition = "order", .id = "1", .context = text, .context_size = sizeof text},
    };
    mesh_tx *tx = NULL;
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, NULL), MESH_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mesh_saga_begin(sagas, tx, &cases[i], NULL, NULL), MESH_INVALID_ARGUMENT);
    long_id[MESH_SAGA_ID_BYTES - 1] = '\0';
    const mesh_saga_beginning longest = {.definition = "order",
                                         .id = long_id,
                                         .context = text,
                                         .context_size = MESH_SAGA_CONTEXT_BYTES};
    assert_int_equal(mesh_saga_begin(sagas, tx, &longest, NULL, NULL), MESH_OK);
    mesh_tx_rollback(tx);
    assert_int_equal(mesh_tx_begin(db, &(mesh_tx_options){.autocommit = true}, &tx, NULL), MESH_OK);
    assert_int_equal(mesh_saga_begin(sagas, tx, &longest, NULL, NULL), MESH_FAILED_PRECONDITION);
    mesh_tx_rollback(tx);
    mesh_sagas_destroy(sagas);
}

/* Another release may have the step: so it is tried again first. */
static void what_the_program_does_not_know_is_parked_in_the_end(void **state)
{
    (void)state;
    plan plan = {.context = NULL};
    mesh_sagas *sagas = orders_create(&(orders_options){.db = db, .plan = &plan});
    orders_begin(sagas, db, "step");
    orders_begin(sagas, db, "saga");
    orders_begin(sagas, db, "undo");
    postgres_value(db, "UPDATE mesh_saga SET step = 'gone' WHERE id = 'step'");
    postgres_value(db, "UPDATE mesh_saga SET definition = 'gone' WHERE id = 'saga'");
    postgres_value(db,
                   "UPDATE mesh_saga SET compensating = true, undo = '{gone}' WHERE id = 'undo'");
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "step", "parked");
    ORDERS_WAIT(db, "saga", "parked");
    assert_string_equal(orders_history(db, "step"),
                        "begun:lock failed:gone failed:gone parked:gone");
    assert_string_equal(postgres_value(db, "SELECT cause FROM mesh_saga WHERE id = 'step'"),
                        "this program has no step gone");
    assert_string_equal(postgres_value(db, "SELECT cause FROM mesh_saga WHERE id = 'saga'"),
                        "this program has no saga gone");
    mesh_error err = {0};
    const mesh_saga_decision done = {.definition = "order",
                                     .id = "step",
                                     .step = "gone",
                                     .resolution = MESH_SAGA_STEP_DONE,
                                     .by = "ada"};
    assert_int_equal(mesh_saga_resolve(sagas, &done, &err), MESH_FAILED_PRECONDITION);
    assert_string_equal(err.message, "this program has no step gone");
    const mesh_saga_decision undone = {.definition = "gone",
                                       .id = "saga",
                                       .step = "lock",
                                       .resolution = MESH_SAGA_ALL_UNDONE,
                                       .by = "ada"};
    assert_int_equal(mesh_saga_resolve(sagas, &undone, NULL), MESH_OK);
    WAIT_FOR(strstr(orders_history(db, "undo"), "done:-lock failed:-gone") != NULL);
    mesh_sagas_destroy(sagas);
}

static void a_step_that_was_added_behind_is_done(void **state)
{
    (void)state;
    static const mesh_saga_step before[] = {{.name = "one", .action = nothing}, {.name = NULL}};
    static const mesh_saga_step after[] = {
        {.name = "one", .action = nothing}, {.name = "two", .action = nothing}, {.name = NULL}};
    const mesh_saga_definition old[] = {{.name = "order", .steps = before}, {.name = NULL}};
    const mesh_saga_definition new[] = {{.name = "order", .steps = after}, {.name = NULL}};
    mesh_sagas *sagas = NULL;
    const mesh_sagas_options first = {.db = db, .definitions = old};
    const mesh_sagas_options second = {.db = db, .definitions = new};
    assert_int_equal(mesh_sagas_create(&first, &sagas, NULL), MESH_OK);
    orders_begin(sagas, db, "1");
    mesh_sagas_destroy(sagas);
    assert_int_equal(mesh_sagas_create(&second, &sagas, NULL), MESH_OK);
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    ORDERS_WAIT(db, "1", "completed");
    assert_string_equal(orders_history(db, "1"), "begun:one done:one done:two completed:two");
    mesh_sagas_destroy(sagas);
}

static mesh_code use_all(void *context)
{
    static const mesh_saga_step steps[] = {{.name = "one", .action = nothing}, {.name = NULL}};
    static const mesh_saga_definition definitions[] = {{.name = "order", .steps = steps},
                                                       {.name = NULL}};
    (void)context;
    mesh_error err = {0};
    mesh_db *own = NULL;
    mesh_sagas *sagas = NULL;
    mesh_tx *tx = NULL;
    mesh_saga_info info;
    const mesh_saga_info *list = NULL;
    size_t count = 0;
    mesh_arena *arena = mesh_arena_create(16, 0);
    const mesh_saga_word word = {.definition = "order", .id = "1", .step = "one"};
    mesh_code code = arena != NULL ? mesh_db_create(&(mesh_db_options){.url = url}, &own, &err)
                                   : MESH_RESOURCE_EXHAUSTED;
    const mesh_sagas_options options = {.db = own, .definitions = definitions};
    if (code == MESH_OK)
        code = mesh_sagas_create(&options, &sagas, &err);
    if (code == MESH_OK)
        code = mesh_tx_begin(own, NULL, &tx, &err);
    if (code == MESH_OK)
        code = mesh_saga_begin(sagas, tx, &(mesh_saga_beginning){.definition = "order", .id = "1"},
                               NULL, &err);
    if (code == MESH_OK)
        code = mesh_saga_signal(sagas, tx, &word, NULL, &err);
    if (code == MESH_OK)
        code = mesh_tx_commit(tx, &err);
    else
        mesh_tx_rollback(tx);
    if (code == MESH_OK)
        code = mesh_saga_list(sagas, NULL, arena, &list, &count, &err);
    if (code == MESH_OK)
        code = mesh_saga_show(sagas, "order", "1", arena, &info, &err);
    if (code == MESH_OK)
        code = mesh_saga_retry(sagas, "order", "1", "ada", &err);
    mesh_sagas_destroy(sagas);
    mesh_db_destroy(own);
    mesh_arena_destroy(arena);
    return code;
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    size_t failures = memory_fail_in_turn(use_all, NULL);
    print_message("%zu allocations failed\n", failures);
    assert_true(failures >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_wrong_definition_is_refused, orders_frame_begin),
        cmocka_unit_test_setup(a_wrong_limit_is_refused, orders_frame_begin),
        cmocka_unit_test_setup(a_wrong_beginning_is_refused, orders_frame_begin),
        cmocka_unit_test_setup(what_the_program_does_not_know_is_parked_in_the_end,
                               orders_frame_begin),
        cmocka_unit_test_setup(a_step_that_was_added_behind_is_done, orders_frame_begin),
        cmocka_unit_test_setup(every_failed_allocation_is_reported, orders_frame_begin),
    };
    return cmocka_run_group_tests(tests, orders_frame_setup, orders_frame_teardown);
}
