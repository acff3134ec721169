#include "mesh/events/saga_hold.h"

#include <string.h>

#include "mesh/base/log.h"
#include "mesh/base/trace.h"
#include "mesh/db/array.h"
#include "mesh/events/saga_workers.h"

/* What a transaction did to a saga. */
struct mesh_saga_news {
    mesh_sagas *sagas;
    mesh_sagas_stats counts; /* as mesh_saga_workers_count takes them */
    const char *definition, *id, *step;
    bool compensating;
    const char *event; /* for the log; NULL: nothing to say */
    mesh_log_level level;
    int attempt;
    mesh_error why;
};

/* --- after the commit ------------------------------------------------------------------------- */

static void tell(void *context)
{
    const struct mesh_saga_news *news = context;
    mesh_saga_workers_count(news->sagas->workers, &news->counts);
    mesh_saga_workers_wake(news->sagas->workers);
    if (news->event != NULL)
        mesh_log(news->level, news->event, MESH_LOG_S("saga", news->definition),
                 MESH_LOG_S("saga_id", news->id), MESH_LOG_S("step", news->step),
                 MESH_LOG_B("compensating", news->compensating),
                 MESH_LOG_I("attempt", news->attempt),
                 MESH_LOG_S("code", mesh_code_name(news->why.code)),
                 MESH_LOG_S("error", news->why.message));
}

/* To be asked for before anything is written, since an autocommit transaction refuses it. */
static mesh_code promise_news(mesh_sagas *sagas, mesh_tx *tx, struct mesh_saga_news **out,
                              mesh_error *err)
{
    struct mesh_saga_news *news = mesh_arena_calloc(mesh_tx_arena(tx), 1, sizeof *news);
    if (news == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    news->sagas = sagas;
    *out = news;
    return mesh_tx_after_commit(tx, tell, news, err);
}

static void say(mesh_saga_hold *hold, mesh_log_level level, const char *event,
                const mesh_error *why)
{
    struct mesh_saga_news *news = hold->news;
    news->event = event;
    news->level = level;
    news->step = hold->step;
    news->compensating = hold->compensating;
    news->attempt = hold->attempts;
    news->why = *why;
}

/* --- the row ---------------------------------------------------------------------------------- */

mesh_code mesh_saga_hold_take(mesh_sagas *sagas, mesh_tx *tx, const char *definition,
                              const char *id, mesh_saga_hold *hold, mesh_error *err)
{
    static const char sql[] =
        "SELECT number, status, compensating, step, undo[cardinality(undo)], attempts,"
        " attempts_max, coalesce(deadline <= clock_timestamp(), false), traceparent, context"
        " FROM mesh_saga WHERE definition = $1 AND id = $2 FOR UPDATE";
    mesh_rows *rows = NULL;
    *hold = (mesh_saga_hold){.tx = tx, .definition = mesh_saga_find_definition(sagas, definition)};
    mesh_code code = promise_news(sagas, tx, &hold->news, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, sql, MESH_SQL_PARAMS(MESH_SQL_TEXT(definition), MESH_SQL_TEXT(id)),
                             &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0)
        return mesh_error_set(err, MESH_NOT_FOUND, "there is no saga %s of %s", id, definition);
    hold->number = mesh_rows_int(rows, 0, 0);
    hold->status = mesh_saga_status_parse(mesh_rows_text(rows, 0, 1));
    hold->compensating = mesh_rows_bool(rows, 0, 2);
    hold->step = mesh_rows_text(rows, 0, 3);
    hold->undo = mesh_rows_text(rows, 0, 4);
    hold->attempts = (int)mesh_rows_int(rows, 0, 5);
    hold->attempts_max = (int)mesh_rows_int(rows, 0, 6);
    hold->late = mesh_rows_bool(rows, 0, 7);
    hold->traceparent = mesh_rows_text(rows, 0, 8);
    hold->context = mesh_rows_bytes(rows, 0, 9, &hold->context_size);
    hold->news->definition = mesh_arena_strdup(mesh_tx_arena(tx), definition);
    hold->news->id = mesh_arena_strdup(mesh_tx_arena(tx), id);
    return MESH_OK;
}

/* An entry of the history. */
static mesh_code note(mesh_saga_hold *hold, const char *what, mesh_code failure, const char *cause,
                      mesh_error *err)
{
    return mesh_tx_query(
        hold->tx,
        "INSERT INTO mesh_saga_history (saga, step, compensating, attempt, what, code, cause)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        MESH_SQL_PARAMS(
            MESH_SQL_INT(hold->number), MESH_SQL_TEXT(hold->step),
            MESH_SQL_BOOL(hold->compensating), MESH_SQL_INT(hold->attempts), MESH_SQL_TEXT(what),
            MESH_SQL_TEXT(failure != MESH_OK ? mesh_code_name(failure) : ""), MESH_SQL_TEXT(cause)),
        NULL, NULL, err);
}

/* Only attempts and operators can add entries without end. */
static mesh_code trim_history(mesh_saga_hold *hold, mesh_error *err)
{
    static const char sql[] =
        "DELETE FROM mesh_saga_history WHERE saga = $1 AND number <= (SELECT number"
        " FROM mesh_saga_history WHERE saga = $1 ORDER BY number DESC OFFSET $2 LIMIT 1)";
    return mesh_tx_query(
        hold->tx, sql,
        MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_INT(MESH_SAGA_HISTORY_MAX)), NULL,
        NULL, err);
}

mesh_code mesh_saga_hold_begin(mesh_sagas *sagas, mesh_tx *tx, const mesh_saga_beginning *beginning,
                               bool *begun, mesh_error *err)
{
    static const char sql[] =
        "WITH saga AS (INSERT INTO mesh_saga (definition, id, status, step, attempts_max, due,"
        " deadline, context, traceparent) VALUES ($1, $2, 'running', $3, $4, clock_timestamp(),"
        " clock_timestamp() + $5 * interval '1 millisecond', $6, $7)"
        " ON CONFLICT (definition, id) DO NOTHING RETURNING number, step)"
        " INSERT INTO mesh_saga_history (saga, step, compensating, attempt, what, code, cause)"
        " SELECT number, step, false, 0, 'begun', '', '' FROM saga";
    const mesh_saga_step *step = mesh_saga_find_definition(sagas, beginning->definition)->steps;
    const mesh_trace *trace = mesh_trace_current();
    char traceparent[MESH_TRACEPARENT_BYTES] = "";
    if (trace != NULL && mesh_trace_valid(trace))
        mesh_trace_format(trace, traceparent);
    struct mesh_saga_news *news = NULL;
    int64_t affected = 0;
    mesh_code code = promise_news(sagas, tx, &news, err);
    if (code == MESH_OK)
        code = mesh_tx_query(
            tx, sql,
            MESH_SQL_PARAMS(MESH_SQL_TEXT(beginning->definition), MESH_SQL_TEXT(beginning->id),
                            MESH_SQL_TEXT(step->name), MESH_SQL_INT(mesh_saga_step_attempts(step)),
                            step->timeout_ms > 0 ? MESH_SQL_INT(step->timeout_ms) : MESH_SQL_NULL,
                            MESH_SQL_BYTES(beginning->context_size > 0 ? beginning->context : "",
                                           beginning->context_size),
                            MESH_SQL_TEXT(traceparent)),
            NULL, &affected, err);
    if (code == MESH_OK)
        *begun = affected == 1;
    return code;
}

mesh_code mesh_saga_hold_set_context(mesh_saga_hold *hold, const void *context, size_t size,
                                     mesh_error *err)
{
    return mesh_tx_query(
        hold->tx, "UPDATE mesh_saga SET context = $2 WHERE number = $1",
        MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_BYTES(size > 0 ? context : "", size)),
        NULL, NULL, err);
}

/* Where a saga goes. */
typedef struct place {
    mesh_saga_status status;
    bool compensating;
    const char *step;
    const char *push; /* a step that is to be undone some day; NULL: none */
    bool pop;         /* the last one of them is taken */
    int64_t timeout_ms;
} place;

static mesh_code enter(mesh_saga_hold *hold, const place *to, mesh_error *err)
{
    static const char sql[] =
        "UPDATE mesh_saga SET status = $2, compensating = $3, step = $4,"
        " undo = CASE WHEN $5 THEN trim_array(undo, 1) ELSE undo || $6::text[] END,"
        " attempts = 0, attempts_max = $7,"
        " due = CASE WHEN $2 = 'running' THEN clock_timestamp() END,"
        " deadline = clock_timestamp() + $8 * interval '1 millisecond',"
        " code = CASE WHEN $3 THEN code ELSE '' END, cause = CASE WHEN $3 THEN cause ELSE '' END,"
        " changed_at = clock_timestamp() WHERE number = $1";
    const mesh_saga_step *step = mesh_saga_find_step(hold->definition, to->step);
    const char *push = to->push != NULL ? mesh_array_of_texts(mesh_tx_arena(hold->tx), &to->push, 1)
                                        : "{}";
    return mesh_tx_query(
        hold->tx, sql,
        MESH_SQL_PARAMS(
            MESH_SQL_INT(hold->number), MESH_SQL_TEXT(mesh_saga_status_name(to->status)),
            MESH_SQL_BOOL(to->compensating), MESH_SQL_TEXT(to->step), MESH_SQL_BOOL(to->pop),
            MESH_SQL_TEXT(push), MESH_SQL_INT(mesh_saga_step_attempts(step)),
            to->timeout_ms > 0 ? MESH_SQL_INT(to->timeout_ms) : MESH_SQL_NULL),
        NULL, NULL, err);
}

/* --- moves ------------------------------------------------------------------------------------ */

/* It is over, one way or the other. */
static mesh_code end(mesh_saga_hold *hold, bool compensated, mesh_error *err)
{
    const place over = {.status = compensated ? MESH_SAGA_COMPENSATED : MESH_SAGA_COMPLETED,
                        .compensating = compensated,
                        .step = hold->step};
    hold->news->counts.completed += !compensated;
    hold->news->counts.compensated += compensated;
    mesh_code code = enter(hold, &over, err);
    if (code == MESH_OK)
        code = note(hold, mesh_saga_status_name(over.status), MESH_OK, "", err);
    return code;
}

/* Undoes the step done last of those that are left. */
static mesh_code undo_next(mesh_saga_hold *hold, mesh_error *err)
{
    const place last = {
        .status = MESH_SAGA_RUNNING, .compensating = true, .step = hold->undo, .pop = true};
    if (hold->undo[0] == '\0')
        return end(hold, true, err);
    return enter(hold, &last, err);
}

static mesh_code do_next(mesh_saga_hold *hold, mesh_error *err)
{
    const mesh_saga_step *step = mesh_saga_find_step(hold->definition, hold->step);
    if (step == NULL)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "this program has no step %s",
                              hold->step);
    const mesh_saga_step *next = step + 1;
    const place to = {.status = MESH_SAGA_RUNNING,
                      .step = next->name,
                      .push = step->compensation != NULL ? step->name : NULL,
                      .timeout_ms = next->timeout_ms};
    if (next->name == NULL)
        return end(hold, false, err);
    return enter(hold, &to, err);
}

mesh_code mesh_saga_hold_done(mesh_saga_hold *hold, const char *what, const char *cause,
                              mesh_error *err)
{
    mesh_code code = note(hold, what, MESH_OK, cause, err);
    if (code != MESH_OK)
        return code;
    return hold->compensating ? undo_next(hold, err) : do_next(hold, err);
}

/* Notes why, and which steps are to be undone though they did not end: those that were told that
 * they are done. What is undone next may be another one then. */
static mesh_code note_return(mesh_saga_hold *hold, bool with_step, const mesh_error *why,
                             mesh_error *err)
{
    static const char sql[] =
        "UPDATE mesh_saga s SET code = $2, cause = $3, undo = undo || ARRAY(SELECT w.step"
        " FROM mesh_saga_signal w WHERE w.saga = s.number AND w.code = 'OK'"
        " AND w.step <> ALL (s.undo) AND NOT ($4 AND w.step = s.step) ORDER BY w.step)"
        " WHERE number = $1 RETURNING undo[cardinality(undo)]";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(
        hold->tx, sql,
        MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_TEXT(mesh_code_name(why->code)),
                        MESH_SQL_TEXT(why->message), MESH_SQL_BOOL(with_step)),
        &rows, NULL, err);
    if (code == MESH_OK)
        hold->undo = mesh_rows_text(rows, 0, 0);
    return code;
}

mesh_code mesh_saga_hold_turn_back(mesh_saga_hold *hold, bool with_step, const char *what,
                                   const mesh_error *why, mesh_error *err)
{
    mesh_code code = note(hold, what, why->code, why->message, err);
    if (code == MESH_OK)
        code = note_return(hold, with_step, why, err);
    if (code != MESH_OK)
        return code;
    say(hold, MESH_LOG_INFO, "a saga turns back", why);
    if (!with_step)
        return undo_next(hold, err);
    const place here = {.status = MESH_SAGA_RUNNING, .compensating = true, .step = hold->step};
    return enter(hold, &here, err);
}

mesh_code mesh_saga_hold_time_out(mesh_saga_hold *hold, mesh_error *err)
{
    mesh_error why = {.code = MESH_OK};
    mesh_error_set(&why, MESH_DEADLINE_EXCEEDED, "the step's time is up");
    hold->news->counts.timed_out++;
    /* The attempt at hand was noted, but not begun. */
    bool begun = hold->status == MESH_SAGA_WAITING || hold->attempts > 1;
    return mesh_saga_hold_turn_back(hold, begun, "timed out", &why, err);
}

mesh_code mesh_saga_hold_told(mesh_saga_hold *hold, mesh_code told, const char *cause,
                              mesh_error *err)
{
    mesh_error why = {.code = MESH_OK};
    mesh_error_set(&why, told, "%s", cause);
    if (told != MESH_OK)
        return mesh_saga_hold_turn_back(hold, true, "told", &why, err);
    return mesh_saga_hold_done(hold, "told", why.message, err);
}

mesh_code mesh_saga_hold_keep(mesh_saga_hold *hold, const mesh_saga_word *word, bool *taken,
                              mesh_error *err)
{
    mesh_error why = {.code = MESH_OK};
    mesh_error_set(&why, word->code, "%s", word->cause);
    int64_t affected = 0;
    mesh_code code = mesh_tx_query(
        hold->tx,
        "INSERT INTO mesh_saga_signal (saga, step, code, cause) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_TEXT(word->step),
                        MESH_SQL_TEXT(mesh_code_name(word->code)), MESH_SQL_TEXT(why.message)),
        NULL, &affected, err);
    if (code == MESH_OK)
        *taken = affected == 1;
    return code;
}

/* The word that is kept for the step at hand. A statement of its own, behind the lock: it sees what
 * the one who had the lock before wrote. */
static mesh_code find_word(mesh_saga_hold *hold, mesh_rows **rows, mesh_error *err)
{
    return mesh_tx_query(
        hold->tx, "SELECT code, cause FROM mesh_saga_signal WHERE saga = $1 AND step = $2",
        MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_TEXT(hold->step)), rows, NULL, err);
}

mesh_code mesh_saga_hold_is_told(mesh_saga_hold *hold, bool *told, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = find_word(hold, &rows, err);
    if (code == MESH_OK)
        *told = mesh_rows_count(rows) != 0;
    return code;
}

mesh_code mesh_saga_hold_wait(mesh_saga_hold *hold, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = find_word(hold, &rows, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) != 0) {
        mesh_code told = MESH_UNKNOWN;
        (void)mesh_code_parse(mesh_rows_text(rows, 0, 0), &told);
        return mesh_saga_hold_told(hold, told, mesh_rows_text(rows, 0, 1), err);
    }
    code = mesh_tx_query(hold->tx,
                         "UPDATE mesh_saga SET status = 'waiting', due = deadline,"
                         " changed_at = clock_timestamp() WHERE number = $1",
                         MESH_SQL_PARAMS(MESH_SQL_INT(hold->number)), NULL, NULL, err);
    if (code == MESH_OK)
        code = note(hold, "waiting", MESH_OK, "", err);
    return code;
}

mesh_code mesh_saga_hold_fail(mesh_saga_hold *hold, int64_t pause_ms, const mesh_error *why,
                              mesh_error *err)
{
    static const char sql[] =
        "UPDATE mesh_saga SET status = CASE WHEN $5 THEN 'parked' ELSE status END,"
        " due = CASE WHEN NOT $5 THEN clock_timestamp() + $2 * interval '1 millisecond' END,"
        " code = $3, cause = $4, changed_at = clock_timestamp() WHERE number = $1";
    bool last = hold->attempts >= hold->attempts_max;
    if (last)
        say(hold, MESH_LOG_ERROR, "a saga is parked until an operator decides", why);
    else
        say(hold, MESH_LOG_WARN, "a step of a saga failed and is tried again", why);
    hold->news->counts.failed++;
    hold->news->counts.parked_total += last;
    mesh_code code = note(hold, last ? "parked" : "failed", why->code, why->message, err);
    if (code == MESH_OK)
        code = trim_history(hold, err);
    if (code == MESH_OK)
        code = mesh_tx_query(hold->tx, sql,
                             MESH_SQL_PARAMS(MESH_SQL_INT(hold->number), MESH_SQL_INT(pause_ms),
                                             MESH_SQL_TEXT(mesh_code_name(why->code)),
                                             MESH_SQL_TEXT(why->message), MESH_SQL_BOOL(last)),
                             NULL, NULL, err);
    return code;
}

mesh_code mesh_saga_hold_retry(mesh_saga_hold *hold, const char *by, mesh_error *err)
{
    const mesh_saga_step *step = mesh_saga_find_step(hold->definition, hold->step);
    mesh_code code = note(hold, "retried", MESH_OK, by, err);
    if (code == MESH_OK)
        code = trim_history(hold, err);
    if (code == MESH_OK)
        code = mesh_tx_query(hold->tx,
                             "UPDATE mesh_saga SET status = 'running', due = clock_timestamp(),"
                             " attempts_max = attempts + $2, changed_at = clock_timestamp()"
                             " WHERE number = $1",
                             MESH_SQL_PARAMS(MESH_SQL_INT(hold->number),
                                             MESH_SQL_INT(mesh_saga_step_attempts(step))),
                             NULL, NULL, err);
    return code;
}

mesh_code mesh_saga_hold_end(mesh_saga_hold *hold, const char *by, mesh_error *err)
{
    mesh_code code = note(hold, "resolved", MESH_OK, by, err);
    if (code == MESH_OK)
        code = end(hold, true, err);
    return code;
}
