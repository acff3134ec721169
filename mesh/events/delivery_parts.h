/* For delivery.c, place.c (versions) and fail.c, which share what is handled at once. */
#ifndef MESH_EVENTS_DELIVERY_PARTS_H
#define MESH_EVENTS_DELIVERY_PARTS_H

#include "mesh/events/delivery.h"

/* Deliveries that are handled in one transaction. */
typedef struct mesh_work {
    const mesh_delivery_settings *settings;
    mesh_delivery **deliveries;
    size_t count;
    mesh_arena *arena; /* of the events */
    mesh_tx *tx;
    mesh_aggregate *aggregates;
    size_t aggregate_count;
    bool away; /* no transaction was to be had */
    mesh_delivery *ready[MESH_DELIVERY_BATCH];
} mesh_work;

/* ---- place.c: what the versions of their aggregates say of events ---- */

typedef mesh_code mesh_versions_fn(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                                   size_t count, mesh_error *err);

/* Reads the versions and gives every delivery its result, in their order. */
mesh_code mesh_place_all(mesh_work *work, mesh_versions_fn *read_versions, mesh_error *err);

/* Whether it has waited for long enough; from the aggregate's last progress on. */
bool mesh_place_waits_in_vain(const mesh_work *work, const mesh_delivery *delivery);

/* Whether first events of its aggregate may be missing for good. */
bool mesh_place_is_cut(const mesh_work *work, const mesh_delivery *delivery);

/* Until what comes too early comes again. */
int64_t mesh_place_pause_ms(const mesh_work *work, const mesh_delivery *delivery);

/* ---- fail.c: what does not end well ---- */

mesh_attempt_key mesh_fail_key(const mesh_work *work, const mesh_delivery *delivery);

/* It comes again after a while, or is a dead letter after its last attempt. */
void mesh_fail(const mesh_work *work, mesh_delivery *delivery, const mesh_error *cause);

/* The one place where an event is given up: only once its letter is stored. */
void mesh_fail_for_good(const mesh_work *work, mesh_delivery *delivery, const mesh_error *cause);

/* What comes too early and is not to be held comes again; what has waited in vain is given up. */
void mesh_fail_gap(const mesh_work *work, mesh_delivery *delivery);
void mesh_fail_gaps(const mesh_work *work);

/* What came after its aggregate had begun behind it, and was never applied, is given up: it would
 * be out of its order now. */
void mesh_fail_left_out(const mesh_work *work);

/* Sets the error that says which version is missing. */
void mesh_fail_explain_gap(const mesh_delivery *delivery, mesh_error *err);

/* All of them come again: there is no database. */
void mesh_fail_away(const mesh_work *work);

#endif
