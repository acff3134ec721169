/*
 * What a relay does with the outbox's tables, in transactions that no other relay's overlaps: all
 * of them begin with mesh_queue_begin, which locks the row that there is for that.
 *
 * Due is each event whose position is not among those that are done, which that row has as a few
 * ranges: queue 0. An aggregate whose event the broker refused has a queue of its own, named after
 * that event's position, until it is empty.
 *
 * Positions are drawn by transactions that commit in any order, or never. So between the ranges are
 * gaps, where events may still come; one is closed when nobody is left who could add to it.
 */
#ifndef MESH_EVENTS_QUEUE_H
#define MESH_EVENTS_QUEUE_H

#include "mesh/events/entry.h"

enum {
    /* Read at once at most, and twice as much where some were committed late. */
    MESH_QUEUE_BATCH = 1000,                  /* events ... */
    MESH_QUEUE_BATCH_BYTES = 8 * 1024 * 1024, /* ... and of payload, but for the first one */
    /* The server ends a relay's transaction that stands still for longer, and so its lock. */
    MESH_QUEUE_IDLE_MS = 10000
};

/* What the transaction finds. */
typedef struct mesh_queue_state {
    int64_t stream_created; /* of the stream that was published to; 0: none was */
    bool refused;           /* there are other queues than 0 */
    bool gaps;              /* between the positions that are done */
    int64_t mark;           /* below it, nothing is added any more when the transactions ... */
    int64_t mark_xid;       /* ... with lower numbers than this are over */
    int64_t oldest_xid;     /* of the transactions that were not over shortly before */
    int64_t drawn;          /* positions, before this transaction had its number */
} mesh_queue_state;

/* Begins a transaction and waits, for a second at most, until no other relay has one. The errors of
 * mesh_tx_begin and mesh_tx_query; ABORTED: another relay has one for longer. */
mesh_code mesh_queue_begin(mesh_db *db, mesh_tx **tx, mesh_queue_state *state, mesh_error *err);

typedef struct mesh_queue_batch {
    mesh_entry *entries; /* by position; they live as long as the transaction */
    int64_t *queues;     /* of each: the queue where it has to wait, or 0 */
    size_t count;
    bool whole; /* there are no more behind it */
} mesh_queue_batch;

/* Reads the head of a queue. */
mesh_code mesh_queue_read(mesh_tx *tx, int64_t queue, mesh_queue_batch *batch, mesh_error *err);

/* Events that the broker has stored, and where. */
typedef struct mesh_queue_stored {
    int64_t position;
    int64_t sequence;
} mesh_queue_stored;

/* Takes them out of the queue and notes where they are; sorts them by sequence. */
mesh_code mesh_queue_settle(mesh_tx *tx, int64_t queue, mesh_queue_stored *stored, size_t count,
                            mesh_error *err);

/* After that: closes the gaps of queue 0 to which nobody can add any more. `first` is the position
 * of the first event that was read; 0: there was none. */
mesh_code mesh_queue_advance(mesh_tx *tx, const mesh_queue_state *state, int64_t first,
                             mesh_error *err);

/* Notes that an event was refused, and why: it and what follows it in its aggregate has a queue of
 * its own from now on, which it is moved to when it is read next. */
mesh_code mesh_queue_refuse(mesh_tx *tx, const mesh_entry *entry, const char *cause,
                            int jetstream_code, mesh_error *err);

/* The same for the first of such a queue, when it was tried again. */
mesh_code mesh_queue_refuse_again(mesh_tx *tx, int64_t queue, const char *cause, int jetstream_code,
                                  mesh_error *err);

/* Moves what has to wait out of queue 0. */
mesh_code mesh_queue_hold(mesh_tx *tx, const mesh_queue_batch *batch, mesh_error *err);

/* The next queue after `after`, or the first one when that was the last; 0: there is none. */
mesh_code mesh_queue_next(mesh_tx *tx, int64_t after, int64_t *queue, mesh_error *err);

/* Ends a queue that is empty. */
mesh_code mesh_queue_end(mesh_tx *tx, int64_t queue, mesh_error *err);

/* What was published together and is furthest back in the stream; ordered by sequence. */
typedef struct mesh_queue_note {
    int64_t id;
    int64_t *sequences;
    const char **event_ids; /* "": the outbox has it no more */
    size_t count;           /* 0: nothing was published */
} mesh_queue_note;
mesh_code mesh_queue_last_note(mesh_tx *tx, mesh_queue_note *note, mesh_error *err);

/* Makes due again what the note says, from its `first` (0, ...) on; how many. */
mesh_code mesh_queue_recall(mesh_tx *tx, const mesh_queue_note *note, size_t first,
                            int64_t *recalled, mesh_error *err);

/* Makes due again all that was published, in steps; *left: call again. */
mesh_code mesh_queue_recall_all(mesh_tx *tx, int64_t *recalled, bool *left, mesh_error *err);

/* Notes which stream is published to. */
mesh_code mesh_queue_set_stream(mesh_tx *tx, int64_t created, mesh_error *err);

/* Removes some of what was published longer ago; *left: there may be more. */
mesh_code mesh_queue_prune(mesh_db *db, int64_t retention_ms, bool *left, mesh_error *err);

typedef struct mesh_queue_figures {
    int64_t due; /* events that are not published, about */
    int64_t
        oldest_ns;   /* when the oldest of them was added, since the Unix epoch; 0: there is none */
    int64_t kept;    /* all events, about */
    int64_t refused; /* queues */
} mesh_queue_figures;
mesh_code mesh_queue_measure(mesh_db *db, int64_t deadline_ns, mesh_queue_figures *figures,
                             mesh_error *err);

#endif
