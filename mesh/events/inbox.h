/*
 * The inbox: which events were handled here (the table mesh_inbox).
 */
#ifndef MESH_EVENTS_INBOX_H
#define MESH_EVENTS_INBOX_H

#include "mesh/db/db.h"

/* Notes in the transaction that the event is handled; `first` is false when it was before. Waits
 * for another transaction that handles the same event just now. Errors of mesh_tx_query. */
mesh_code mesh_inbox_note(mesh_tx *tx, const char *event_id, const char *consumer, bool *first,
                          mesh_error *err);

/* Removes what the stream can no longer deliver, older than `max_age_days`, in steps of a bounded
 * size. Errors of mesh_tx_begin and mesh_tx_query. */
mesh_code mesh_inbox_prune(mesh_db *db, int max_age_days, mesh_error *err);

#endif
