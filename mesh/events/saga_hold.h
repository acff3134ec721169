/*
 * A saga whose row a transaction has locked, and the moves that it can make: the one place where
 * its state is written. Who comes second to the lock finds the state that the first one left.
 * Internal; used by the transaction's thread. Errors are those of mesh_tx_query where no others are
 * named. What happened is counted and logged, and workers are woken, after the commit.
 */
#ifndef MESH_EVENTS_SAGA_HOLD_H
#define MESH_EVENTS_SAGA_HOLD_H

#include "mesh/events/saga_parts.h"

typedef struct mesh_saga_hold {
    mesh_tx *tx;
    const mesh_saga_definition *definition; /* NULL: this program does not have it */
    int64_t number;
    mesh_saga_status status;
    bool compensating;
    const char *step; /* its name; texts and bytes live as long as the transaction */
    const char *undo; /* the step to compensate next, "": none */
    int attempts;
    int attempts_max;
    bool late; /* the step's deadline has passed */
    const char *traceparent;
    const uint8_t *context;
    size_t context_size;
    struct mesh_saga_news *news; /* for after the commit */
} mesh_saga_hold;

/* Locks it, and waits for who has it. NOT_FOUND; FAILED_PRECONDITION: an autocommit transaction. */
mesh_code mesh_saga_hold_take(mesh_sagas *sagas, mesh_tx *tx, const char *definition,
                              const char *id, mesh_saga_hold *hold, mesh_error *err);

/* Makes the row at its first step; `begun` is false when there is one. */
mesh_code mesh_saga_hold_begin(mesh_sagas *sagas, mesh_tx *tx, const mesh_saga_beginning *beginning,
                               bool *begun, mesh_error *err);

/* The step at hand, or its compensation, is done: the next one, or the end. `what` is for the
 * history, and `cause`, too. FAILED_PRECONDITION: this program does not have the step. */
mesh_code mesh_saga_hold_done(mesh_saga_hold *hold, const char *what, const char *cause,
                              mesh_error *err);

/* The step at hand waits for a word, until its deadline; one that is kept ends it at once. */
mesh_code mesh_saga_hold_wait(mesh_saga_hold *hold, mesh_error *err);

/* The step at hand, which waits, was told how it ended. */
mesh_code mesh_saga_hold_told(mesh_saga_hold *hold, mesh_code code, const char *cause,
                              mesh_error *err);

/* Keeps a word for a step; `taken` is false when there is one. */
mesh_code mesh_saga_hold_keep(mesh_saga_hold *hold, const mesh_saga_word *word, bool *taken,
                              mesh_error *err);

/* Whether a word is kept for the step at hand. */
mesh_code mesh_saga_hold_is_told(mesh_saga_hold *hold, bool *told, mesh_error *err);

/* Compensation begins, with the step at hand if `with_step`, else with the one done before it. Also
 * undone are steps that were told that they are done, and never came to wait for it. */
mesh_code mesh_saga_hold_turn_back(mesh_saga_hold *hold, bool with_step, const char *what,
                                   const mesh_error *why, mesh_error *err);

/* The same for a step whose time is up. (A compensation's never is.) */
mesh_code mesh_saga_hold_time_out(mesh_saga_hold *hold, mesh_error *err);

/* An attempt failed: another one after `pause_ms`, or none when it was the last. */
mesh_code mesh_saga_hold_fail(mesh_saga_hold *hold, int64_t pause_ms, const mesh_error *why,
                              mesh_error *err);

/* Tries the step at hand again now, with attempts as at its beginning. */
mesh_code mesh_saga_hold_retry(mesh_saga_hold *hold, const char *by, mesh_error *err);

/* Everything was undone by hand. */
mesh_code mesh_saga_hold_end(mesh_saga_hold *hold, const char *by, mesh_error *err);

/* What the actions to come are given. */
mesh_code mesh_saga_hold_set_context(mesh_saga_hold *hold, const void *context, size_t size,
                                     mesh_error *err);

#endif
