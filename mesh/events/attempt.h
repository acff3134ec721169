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
    const char *aggregate_type; /* with the version, of what has one; else not read */
    const char *aggregate_id;
    int64_t version; /* 0: none, or not known */
} mesh_attempt_key;

/* How many there were in earlier deliveries. */
typedef struct mesh_attempts {
    int64_t failures; /* of the handler, those that never ended included */
    int64_t passing;  /* that failed for trouble of the surroundings */
} mesh_attempts;

/* Attempts of one consumer that begin together. */
typedef struct mesh_attempts_begun {
    const char *consumer;
    const char **events;
    int64_t *deliveries;
    size_t count;
} mesh_attempts_begun;

/* Notes that attempts begin, before they do: what takes its process along is seen by the rows that
 * stay. Fills before[i] for each; the texts of the statement are allocated from the arena. Errors
 * of mesh_db_query. */
mesh_code mesh_attempts_begin(mesh_db *db, mesh_arena *arena, const mesh_attempts_begun *begun,
                              mesh_attempts *before, mesh_error *err);

/* They did not begin after all: nothing was tried. Errors of mesh_db_exec. */
mesh_code mesh_attempts_withdraw(mesh_db *db, mesh_arena *arena, const mesh_attempts_begun *begun,
                                 mesh_error *err);

/* How an attempt ended: MESH_ATTEMPT_FAILED counts against the event, the other does not. */
typedef enum mesh_attempt_outcome {
    MESH_ATTEMPT_FAILED,
    MESH_ATTEMPT_PASSING /* trouble of the surroundings */
} mesh_attempt_outcome;

/* Notes it. Errors of mesh_db_exec. */
mesh_code mesh_attempt_end(mesh_db *db, const mesh_attempt_key *key, mesh_attempt_outcome outcome,
                           const mesh_error *cause, mesh_error *err);

/* Whether an attempt at the version failed within the last `within_ms`, so that it comes again.
 * Errors of mesh_db_query. */
mesh_code mesh_attempt_comes_again(mesh_db *db, const mesh_attempt_key *key, int64_t within_ms,
                                   bool *comes, mesh_error *err);

/* Forgets the attempts of events. Errors of mesh_tx_query. */
mesh_code mesh_attempts_forget(mesh_tx *tx, const char *consumer, const char *const *events,
                               size_t count, mesh_error *err);

/* The last of them as one text in the arena, a line each: delivery, time, outcome, code, cause.
 * Errors of mesh_db_query. */
mesh_code mesh_attempt_history(mesh_db *db, const mesh_attempt_key *key, mesh_arena *arena,
                               const char **history, mesh_error *err);

#endif
