/*
 * The inbox: what was handled here. Event ids (the table mesh_inbox) keep one event from being
 * handled twice, versions (mesh_inbox_version) keep those of an aggregate in order.
 *
 * A transaction locks versions first, then sets them, then notes ids, each in one order: so
 * instances that handle the same events wait for each other and never in a circle.
 */
#ifndef MESH_EVENTS_INBOX_H
#define MESH_EVENTS_INBOX_H

#include "mesh/db/db.h"

/* An aggregate as one consumer knows it. */
typedef struct mesh_aggregate {
    const char *type;
    const char *id;
    int64_t before;   /* -1, or what its row shall say so that mesh_inbox_lock sets it ... */
    int64_t last;     /* ... to this one */
    int64_t version;  /* what its row says: the last one applied or skipped */
    int64_t reached;  /* the last one before mesh_inbox_lock, and what `version` shall be */
    int64_t dead;     /* the first version among the dead letters; 0: none */
    int64_t begun;    /* what its row says: the version that it begins with; 0: 1, or not known */
    int64_t begins;   /* what `begun` shall be */
    int64_t begun_ns; /* when the event was stored with which it begins now; 0: it does not */
} mesh_aggregate;

/* Notes in the transaction that these events are handled; first[i] is false when ids[i] was before,
 * or stands in the list before. Waits for other transactions that handle the same events just now;
 * ABORTED: one of them committed. Errors of mesh_tx_query. */
mesh_code mesh_inbox_note(mesh_tx *tx, const char *consumer, const char *const *ids, bool *first,
                          size_t count, mesh_error *err);

/* Whether an event was noted. Errors of mesh_db_query. */
mesh_code mesh_inbox_knows(mesh_db *db, const char *consumer, const char *id, bool *knows,
                           mesh_error *err);

/* Reads and locks the versions of aggregates, which are in the order of type and id, and sets at
 * once those that are `before` to `last` (one without a row is 0): most events come in turn, so
 * that no other statement is needed. A new row says `last` in any case: mesh_inbox_advance has to
 * follow in the same transaction, for those where `reached` is to be another. mesh_inbox_peek reads
 * without a lock what `reached`, `dead` and `begins` are; who has no row keeps zeros. Errors of
 * mesh_tx_query. */
mesh_code mesh_inbox_lock(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err);
mesh_code mesh_inbox_peek(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err);

/* Sets what is to be another, of rows that are locked. Errors of mesh_tx_query. */
mesh_code mesh_inbox_advance(mesh_tx *tx, const char *consumer, const mesh_aggregate *aggregates,
                             size_t count, mesh_error *err);

/* Notes of one that is locked that it begins in the middle: its `begun_ns`. Errors of
 * mesh_tx_query. */
mesh_code mesh_inbox_begin(mesh_tx *tx, const char *consumer, const mesh_aggregate *aggregate,
                           mesh_error *err);

/* What is asked of an event whose version is below the one with which its aggregate began. */
typedef struct mesh_inbox_earlier {
    const char *aggregate_type;
    const char *aggregate_id;
    const char *event_id;
    int64_t stored_ns; /* in the stream */
} mesh_inbox_earlier;

/* Whether it was there when its aggregate began behind it, and was never applied. Errors of
 * mesh_db_query. */
mesh_code mesh_inbox_left_out(mesh_db *db, const char *consumer, const mesh_inbox_earlier *event,
                              bool *left_out, mesh_error *err);

typedef struct mesh_inbox_seen {
    const char *aggregate_type;
    const char *aggregate_id;
    int64_t version;
} mesh_inbox_seen;

/* Notes that a version of an aggregate was seen that may be the one that it begins with. Errors of
 * mesh_db_exec. */
mesh_code mesh_inbox_see(mesh_db *db, int64_t deadline_ns, const char *consumer,
                         const mesh_inbox_seen *seen, mesh_error *err);

/* Notes that a version of an aggregate is among the dead letters, unless it is past. Only the first
 * one is kept: when that is replayed, it is not known that later ones are there, too, and what
 * follows them waits for as long as for any version. Errors of mesh_tx_query. */
mesh_code mesh_inbox_bury(mesh_tx *tx, const char *consumer, const char *type, const char *id,
                          int64_t version, mesh_error *err);

/* Notes that the consumer keeps the versions of such aggregates from now on, and whether it is
 * `late`: it passed over events of them. `late` then says so of the time when it began with them.
 * Errors of mesh_db_query. */
mesh_code mesh_inbox_join(mesh_db *db, const char *consumer, const char *aggregate_type, bool *late,
                          mesh_error *err);

/* Whether operators paused the consumer, and since when (`since_ns` may be NULL). Errors of
 * mesh_db_query. */
mesh_code mesh_inbox_read_control(mesh_db *db, const char *consumer, bool *paused,
                                  int64_t *since_ns, mesh_error *err);

/* Removes some ids that the stream can no longer deliver, and attempts of events that it has not
 * any more, older than `max_age_days`; `left` says whether there are more. Errors of
 * mesh_db_exec. */
mesh_code mesh_inbox_prune(mesh_db *db, int max_age_days, bool *left, mesh_error *err);

#endif
