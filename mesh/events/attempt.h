/*
 * Attempts at an event that did not end well (the table mesh_inbox_attempt): what an event is given
 * up for, and the history that its dead letter tells.
 */
#ifndef MESH_EVENTS_ATTEMPT_H
#define MESH_EVENTS_ATTEMPT_H

#include "mesh/db/db.h"

/* Whose attempt it is: the event's id, or its place in the stream when it has none. */
typedef struct mesh_attempt_key {
    const char *consumer;
    const char *event;
    int delivery;
} mesh_attempt_key;

/* What was before. */
typedef struct mesh_attempts {
    int failures;        /* of the handler, those that never ended included */
    int64_t gap_wait_ms; /* since it was found to come too early; 0: it was not */
} mesh_attempts;

/* Notes that an attempt begins, before it does: what takes its process along is seen by the row
 * that stays. Errors of mesh_db_query. */
mesh_code mesh_attempt_begin(mesh_db *db, const mesh_attempt_key *key, mesh_attempts *before,
                             mesh_error *err);

/* How an attempt ended: MESH_ATTEMPT_FAILED counts against the event, the others do not. */
typedef enum mesh_attempt_outcome {
    MESH_ATTEMPT_FAILED,
    MESH_ATTEMPT_PASSING, /* trouble of the surroundings */
    MESH_ATTEMPT_GAP      /* a version before it is missing */
} mesh_attempt_outcome;

/* Notes it in the transaction, or (`tx` NULL) in one of its own. Errors of mesh_tx_query, or of
 * mesh_db_exec. */
mesh_code mesh_attempt_end(mesh_db *db, mesh_tx *tx, const mesh_attempt_key *key,
                           mesh_attempt_outcome outcome, const mesh_error *cause, mesh_error *err);

/* Forgets the event's attempts. Errors of mesh_tx_query. */
mesh_code mesh_attempt_forget(mesh_tx *tx, const mesh_attempt_key *key, mesh_error *err);

/* The last of them as one text in the arena, a line each: delivery, time, outcome, code, cause.
 * Errors of mesh_db_query. */
mesh_code mesh_attempt_history(mesh_db *db, const mesh_attempt_key *key, mesh_arena *arena,
                               const char **history, mesh_error *err);

#endif
