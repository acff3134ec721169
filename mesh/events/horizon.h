/*
 * From which position on the outbox has to be read. What is published is deleted from the table of
 * what is due, and the index keeps dead entries for some time: whoever read from the beginning
 * would walk over all of them. But "the last one that was published" is no place to go on from: a
 * transaction may have drawn a lower position and commit later, and what follows in its aggregate
 * must not be published before.
 *
 * So a position is left behind only when all transactions are over that can have drawn lower ones,
 * and the table was read after that. A transaction has its number before it draws (outbox.c):
 * when `mark` was seen, those with a number of `mark_xid` or more had drawn nothing up to `mark`.
 */
#ifndef MESH_EVENTS_HORIZON_H
#define MESH_EVENTS_HORIZON_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mesh_horizon {
    int64_t from;     /* all below are done with */
    int64_t seen;     /* the highest position that was read */
    int64_t mark;     /* where `from` goes next, once those before mark_xid are over */
    int64_t mark_xid; /* 0: there is no mark */
    int64_t epoch;    /* of the table: when it grows, published events are due again */
    bool over;        /* they are */
} mesh_horizon;

/* Before each reading, with what its transaction found (mesh_queue_state). */
static inline void mesh_horizon_begin(mesh_horizon *h, int64_t epoch, int64_t oldest_xid,
                                      int64_t next_xid)
{
    if (h->epoch != epoch)
        *h = (mesh_horizon){.epoch = epoch};
    h->over = h->mark_xid != 0 && oldest_xid >= h->mark_xid;
    if (h->mark_xid == 0 && h->seen > 0 && h->seen >= h->from) {
        h->mark = h->seen + 1;
        h->mark_xid = next_xid;
    }
}

/* After it: the first and the last of the positions, from `from` on, that are due; 0: none is. */
static inline void mesh_horizon_end(mesh_horizon *h, int64_t first, int64_t last)
{
    if (h->over) {
        h->from = first != 0 && first < h->mark ? first : h->mark;
        h->mark_xid = 0;
    }
    if (last > h->seen)
        h->seen = last;
}

#endif
