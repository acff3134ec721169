/*
 * What was published, beside what the stream has. A broker may have lost what it had said to be
 * stored: the end of the stream (a power cut before its next flush), or all of it (a disk that is
 * gone, a stream that was made anew). What it lost is made due again.
 */
#ifndef MESH_EVENTS_RECOVER_H
#define MESH_EVENTS_RECOVER_H

#include "mesh/events/queue.h"

/* *recalled: how many events are due again. The errors of mesh_queue_begin and of statements;
 * UNAVAILABLE: the broker does not say. To be called before something is published on a new
 * connection. */
mesh_code mesh_recover(mesh_db *db, jsCtx *js, uint64_t *recalled, mesh_error *err);

#endif
