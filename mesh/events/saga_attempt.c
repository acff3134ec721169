#include "mesh/events/saga_attempt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/log.h"
#include "mesh/base/trace.h"
#include "mesh/events/saga_hold.h"

enum {
    SILENCE_GRACE_MS = 1000 /* beyond the time of an attempt */
};

int64_t mesh_saga_pause_ms(const mesh_sagas *sagas, int number)
{
    int64_t pause_ms = sagas->options.retry_first_ms;
    for (int i = 1; i < number && pause_ms < sagas->options.retry_last_ms; i++)
        pause_ms *= 2;
    return pause_ms < sagas->options.retry_last_ms ? pause_ms : sagas->options.retry_last_ms;
}

/* Codes that say no, whenever it is asked. */
static bool is_refusal(mesh_code code)
{
    return code == MESH_INVALID_ARGUMENT || code == MESH_NOT_FOUND || code == MESH_ALREADY_EXISTS ||
           code == MESH_PERMISSION_DENIED || code == MESH_FAILED_PRECONDITION ||
           code == MESH_OUT_OF_RANGE;
}

/* Locks the saga; `ours` is false when it has moved on meanwhile. */
static mesh_code take(mesh_sagas *sagas, mesh_tx *tx, const mesh_saga_attempt *attempt,
                      mesh_saga_hold *hold, bool *ours, mesh_error *err)
{
    mesh_code code = mesh_saga_hold_take(sagas, tx, attempt->definition, attempt->id, hold, err);
    if (code == MESH_NOT_FOUND) {
        *ours = false;
        return MESH_OK;
    }
    if (code == MESH_OK)
        *ours = (hold->status == MESH_SAGA_RUNNING || hold->status == MESH_SAGA_WAITING) &&
                hold->attempts == attempt->number && hold->compensating == attempt->compensating &&
                strcmp(hold->step, attempt->step) == 0;
    return code;
}

/* Calls the action (which may be NULL), in a child of the trace in which the saga began. */
static mesh_code call(mesh_sagas *sagas, mesh_saga_hold *hold, mesh_saga_action *action,
                      mesh_saga_run *run, mesh_error *err)
{
    if (action == NULL)
        return MESH_OK;
    mesh_trace parent = {.flags = 0}, trace;
    (void)mesh_trace_parse(&parent, hold->traceparent, strlen(hold->traceparent));
    mesh_trace_child(&trace, &parent);
    const mesh_trace *before = mesh_trace_set_current(&trace);
    mesh_code code = action(sagas->options.self, hold->tx, run, err);
    mesh_trace_set_current(before);
    if (code == MESH_OK && run->wait && hold->compensating)
        return mesh_error_set(err, MESH_INTERNAL, "a compensation cannot wait");
    if (code == MESH_OK && run->context_size > MESH_SAGA_CONTEXT_BYTES)
        return mesh_error_set(err, MESH_INTERNAL, "a context of %zu bytes is too long",
                              run->context_size);
    return code;
}

/* The action and where the saga goes from there. */
static mesh_code act(mesh_sagas *sagas, mesh_saga_hold *hold, const mesh_saga_attempt *attempt,
                     int64_t deadline_ns, mesh_error *err)
{
    const mesh_saga_step *step = mesh_saga_find_step(hold->definition, hold->step);
    if (step == NULL)
        return mesh_error_set(err, MESH_UNIMPLEMENTED, "this program has no %s %s",
                              hold->definition == NULL ? "saga" : "step",
                              hold->definition == NULL ? attempt->definition : hold->step);
    char key[MESH_SAGA_KEY_BYTES];
    snprintf(key, sizeof key, "%s/%s/%s/%s", attempt->definition, attempt->id, step->name,
             hold->compensating ? "undo" : "do");
    mesh_saga_run run = {.definition = attempt->definition,
                         .id = attempt->id,
                         .step = step->name,
                         .key = key,
                         .attempt = attempt->number,
                         .deadline_ns = deadline_ns,
                         .context = hold->context,
                         .context_size = hold->context_size};
    mesh_code code = call(sagas, hold, hold->compensating ? step->compensation : step->action, &run,
                          err);
    if (code == MESH_OK && (run.context != hold->context || run.context_size != hold->context_size))
        code = mesh_saga_hold_set_context(hold, run.context, run.context_size, err);
    if (code != MESH_OK)
        return code;
    return run.wait ? mesh_saga_hold_wait(hold, err) : mesh_saga_hold_done(hold, "done", "", err);
}

static mesh_code decide(mesh_sagas *sagas, mesh_saga_hold *hold, const mesh_saga_attempt *attempt,
                        int64_t deadline_ns, mesh_error *err)
{
    /* A step that waits is due when its time is up. One that was told before it came to wait is in
     * time, whenever it does. */
    bool told = false;
    mesh_code code = MESH_OK;
    if (hold->status != MESH_SAGA_WAITING && hold->late)
        code = mesh_saga_hold_is_told(hold, &told, err);
    if (code != MESH_OK)
        return code;
    if (hold->status == MESH_SAGA_WAITING || (hold->late && !told))
        return mesh_saga_hold_time_out(hold, err);
    if (hold->attempts > hold->attempts_max) {
        mesh_error why = {.code = MESH_OK};
        mesh_error_set(&why, MESH_INTERNAL, "the last attempt came to no end: its process died");
        return mesh_saga_hold_fail(hold, 0, &why, err);
    }
    return act(sagas, hold, attempt, deadline_ns, err);
}

/* False: no transaction was to be had, or somebody else has moved the saga. */
static bool try_step(mesh_sagas *sagas, const mesh_saga_attempt *attempt, mesh_error *err)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(sagas->options.attempt_timeout_ms);
    /* So that a process that hangs or is frozen in the middle loses the saga's lock some day. */
    const mesh_tx_options options = {
        .size = sizeof options,
        .deadline_ns = deadline_ns,
        .silence_timeout_ms = sagas->options.attempt_timeout_ms + SILENCE_GRACE_MS,
    };
    mesh_tx *tx = NULL;
    mesh_saga_hold hold;
    bool ours = false;
    err->code = mesh_tx_begin(sagas->options.db, &options, &tx, err);
    if (err->code != MESH_OK)
        return false;
    err->code = take(sagas, tx, attempt, &hold, &ours, err);
    if (err->code == MESH_OK && ours)
        err->code = decide(sagas, &hold, attempt, deadline_ns, err);
    if (err->code == MESH_OK && ours)
        err->code = mesh_tx_commit(tx, err);
    else
        mesh_tx_rollback(tx);
    return ours;
}

/* In a transaction of its own, since that of the attempt was rolled back. */
static mesh_code fail(mesh_sagas *sagas, const mesh_saga_attempt *attempt, const mesh_error *why,
                      mesh_error *err)
{
    mesh_tx *tx = NULL;
    mesh_saga_hold hold;
    bool ours = false;
    mesh_code code = mesh_tx_begin(sagas->options.db, NULL, &tx, err);
    if (code == MESH_OK)
        code = take(sagas, tx, attempt, &hold, &ours, err);
    if (code == MESH_OK && ours && is_refusal(why->code) && !hold.compensating)
        code = mesh_saga_hold_turn_back(&hold, hold.attempts > 1, "refused", why, err);
    else if (code == MESH_OK && ours)
        code = mesh_saga_hold_fail(&hold, mesh_saga_pause_ms(sagas, attempt->number), why, err);
    if (code == MESH_OK && ours)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

/* The saga is taken again when the pause is over that was noted with the attempt. */
static void log_trouble(const mesh_saga_attempt *attempt, const mesh_error *err)
{
    mesh_log(MESH_LOG_WARN, "a saga cannot move on for now",
             MESH_LOG_S("saga", attempt->definition), MESH_LOG_S("saga_id", attempt->id),
             MESH_LOG_S("step", attempt->step), MESH_LOG_S("code", mesh_code_name(err->code)),
             MESH_LOG_S("error", err->message));
}

void mesh_saga_attempt_make(mesh_sagas *sagas, const mesh_saga_attempt *attempt)
{
    mesh_error why = {.code = MESH_OK}, err = {.code = MESH_OK};
    bool ours = try_step(sagas, attempt, &why);
    if (why.code == MESH_OK)
        return;
    if (!ours)
        log_trouble(attempt, &why);
    else if (fail(sagas, attempt, &why, &err) != MESH_OK)
        log_trouble(attempt, &err);
}
