#include "tests/mesh/events/orders.h"

#include <stdio.h>
#include <string.h>

#include "mesh/events/events.h"

static const mesh_migration tables[] = {
    {.number = 1,
     .name = "0001_act.sql",
     .sql = "CREATE TABLE act (number serial, id text, step text, key text, attempt int,"
            " trace_id text, context text)"},
    {0},
};

void orders_database(const char *name, char *url)
{
    mesh_db *db = NULL;
    mesh_error err = {0};
    postgres_create_database(name, url);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &db, NULL), MESH_OK);
    mesh_code code = mesh_migrate(db, "mesh_events", mesh_events_migrations(), &err);
    if (code == MESH_OK)
        code = mesh_migrate(db, "orders", tables, &err);
    if (code != MESH_OK)
        fail_msg("%s", err.message);
    mesh_db_destroy(db);
}

void orders_empty(mesh_db *db)
{
    postgres_value(db, "TRUNCATE mesh_saga, mesh_saga_signal, mesh_saga_history, act");
}

static bool is_undo(const mesh_saga_run *run)
{
    return strcmp(run->key + strlen(run->key) - 5, "/undo") == 0;
}

static ending *ending_of(plan *plan, const mesh_saga_run *run)
{
    bool undo = is_undo(run);
    if (strcmp(run->step, "lock") == 0)
        return undo ? &plan->unlock : &plan->lock;
    if (strcmp(run->step, "pay") == 0)
        return undo ? &plan->refund : &plan->pay;
    return undo ? &plan->unship : &plan->ship;
}

static mesh_code act(void *self, mesh_tx *tx, mesh_saga_run *run, mesh_error *err)
{
    plan *plan = self;
    ending *ending = ending_of(plan, run);
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_trace_id_format(mesh_trace_current(), trace_id);
    const char *step = mesh_arena_printf(mesh_tx_arena(tx), "%s%s", is_undo(run) ? "-" : "",
                                         run->step);
    const char *context = mesh_arena_strndup(mesh_tx_arena(tx), (const char *)run->context,
                                             run->context_size);
    mesh_code code = mesh_tx_query(tx,
                                   "INSERT INTO act (id, step, key, attempt, trace_id, context)"
                                   " VALUES ($1, $2, $3, $4, $5, $6)",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(run->id), MESH_SQL_TEXT(step),
                                                   MESH_SQL_TEXT(run->key),
                                                   MESH_SQL_INT(run->attempt),
                                                   MESH_SQL_TEXT(trace_id), MESH_SQL_TEXT(context)),
                                   NULL, NULL, err);
    if (code != MESH_OK)
        return code;
    if (ending->meanwhile != NULL)
        ending->meanwhile(run);
    if (atomic_load(&ending->failures) > 0 && atomic_fetch_sub(&ending->failures, 1) > 0)
        return mesh_error_set(err, ending->code, "as planned");
    if (plan->context != NULL && strcmp(run->step, "lock") == 0) {
        run->context = (const uint8_t *)plan->context;
        run->context_size = strlen(plan->context);
    }
    run->wait = ending->wait;
    return MESH_OK;
}

mesh_sagas *orders_create(const orders_options *options)
{
    static mesh_saga_step steps[16][4];
    static mesh_saga_definition definitions[16][2];
    static int number;
    mesh_sagas *sagas = NULL;
    mesh_error err = {0};
    int attempts = options->attempts != 0 ? options->attempts : 3;
    number = (number + 1) % 16;
    mesh_saga_step *step = steps[number];
    step[0] = (mesh_saga_step){"lock", act, act, 0, attempts, {NULL, NULL}};
    step[1] = (mesh_saga_step){"pay", act, act, options->pay_timeout_ms, attempts, {NULL, NULL}};
    step[2] = (mesh_saga_step){"ship", act, act, 0, attempts, {NULL, NULL}};
    definitions[number][0] = (mesh_saga_definition){.name = "order", .steps = step};
    const int64_t retry_ms = options->retry_ms != 0 ? options->retry_ms : 1;
    const mesh_sagas_options made = {.db = options->db,
                                     .definitions = definitions[number],
                                     .self = options->plan,
                                     .retry_first_ms = retry_ms,
                                     .retry_last_ms = 5 * retry_ms,
                                     .attempt_timeout_ms = options->attempt_timeout_ms,
                                     .takeover_ms = options->takeover_ms,
                                     .retention_ms = options->retention_ms};
    if (mesh_sagas_create(&made, &sagas, &err) != MESH_OK)
        fail_msg("%s", err.message);
    return sagas;
}

mesh_sagas *orders_start(const orders_options *options)
{
    mesh_sagas *sagas = orders_create(options);
    assert_int_equal(mesh_sagas_start(sagas, NULL), MESH_OK);
    return sagas;
}

bool orders_begin(mesh_sagas *sagas, mesh_db *db, const char *id)
{
    mesh_tx *tx = NULL;
    mesh_error err = {0};
    bool begun = false;
    mesh_code code = mesh_tx_begin(db, NULL, &tx, &err);
    if (code == MESH_OK)
        code = mesh_saga_begin(sagas, tx, &(mesh_saga_beginning){.definition = "order", .id = id},
                               &begun, &err);
    if (code == MESH_OK)
        code = mesh_tx_commit(tx, &err);
    if (code != MESH_OK)
        fail_msg("%s", err.message);
    return begun;
}

bool orders_tell(mesh_sagas *sagas, mesh_db *db, const char *id, mesh_code code)
{
    const mesh_saga_word word = {
        .definition = "order", .id = id, .step = "pay", .code = code, .cause = "so they say"};
    mesh_tx *tx = NULL;
    mesh_error err = {0};
    bool taken = false;
    mesh_code done = mesh_tx_begin(db, NULL, &tx, &err);
    if (done == MESH_OK)
        done = mesh_saga_signal(sagas, tx, &word, &taken, &err);
    if (done == MESH_OK)
        done = mesh_tx_commit(tx, &err);
    if (done != MESH_OK)
        fail_msg("%s", err.message);
    return taken;
}

/* One text of a saga, in a buffer of its own kind. */
static const char *text_of(mesh_db *db, const char *format, const char *id)
{
    static char sql[512];
    snprintf(sql, sizeof sql, format, id);
    return postgres_value(db, sql);
}

const char *orders_trail(mesh_db *db, const char *id)
{
    return text_of(db, "SELECT string_agg(step, ' ' ORDER BY number) FROM act WHERE id = '%s'", id);
}

const char *orders_history(mesh_db *db, const char *id)
{
    return text_of(db,
                   "SELECT string_agg(what || ':' || CASE WHEN h.compensating THEN '-' ELSE '' END"
                   " || h.step, ' ' ORDER BY h.number) FROM mesh_saga_history h"
                   " JOIN mesh_saga s ON s.number = h.saga WHERE id = '%s'",
                   id);
}

const char *orders_status(mesh_db *db, const char *id)
{
    return text_of(db, "SELECT status FROM mesh_saga WHERE id = '%s'", id);
}
