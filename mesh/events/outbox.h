/*
 * Adding to the outbox: the events of a transaction, written into its tables by the transaction
 * itself, just before it commits. So positions are drawn under all the row locks that it has, and
 * the order of an aggregate's positions is the order of its commits. Thread-safe.
 */
#ifndef MESH_EVENTS_OUTBOX_H
#define MESH_EVENTS_OUTBOX_H

#include "mesh/events/entry.h"

/* Who is told, on the committing thread, that something was committed. */
typedef struct mesh_outbox_wake {
    void (*fn)(void *context);
    void *context;
} mesh_outbox_wake;

/* Adds an event (in the transaction's arena); `wake` is copied, and called once a transaction.
 * Errors as mesh_tx_before_commit. What the insert says, the commit returns: the codes of
 * mesh_tx_query. */
mesh_code mesh_outbox_add(mesh_tx *tx, mesh_entry *entry, mesh_outbox_wake wake, mesh_error *err);

/* mesh_event_add, which says what it made of the event. In events.c. */
mesh_code mesh_event_add_entry(mesh_tx *tx, const mesh_event_descriptor *event,
                               const ProtobufCMessage *message, mesh_entry **entry,
                               mesh_error *err);

#endif
