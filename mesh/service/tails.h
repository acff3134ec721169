/*
 * Streams of events for operators (EventsService.TailEvents): one thread reads the stream of the
 * broker for all of them, each from its own place (mesh/events/tail.h). A client that does not read
 * keeps nobody waiting. Internal.
 */
#ifndef MESH_SERVICE_TAILS_H
#define MESH_SERVICE_TAILS_H

#include "mesh/events/tail.h"
#include "mesh/rpc/stream.h"

enum {
    MESH_TAILS_MAX = 8 /* at once */
};

typedef struct mesh_tails mesh_tails;

/* `events` is borrowed for its life. RESOURCE_EXHAUSTED. */
mesh_code mesh_tails_create(mesh_events *events, mesh_tails **tails, mesh_error *err);

/*
 * Takes a stream, to whose client the events go from now on, as mesh_watchers_add does
 * (mesh/rpc/watchers.h), also for the other callbacks; the subject of `start` is copied, and valid.
 */
mesh_code mesh_tails_add(mesh_tails *tails, mesh_stream *stream, const mesh_tail_start *start,
                         mesh_error *err);

/* Ends all streams, and takes no more: the service drains. NULL is accepted. */
void mesh_tails_end(mesh_tails *tails);

/* After the server. NULL is accepted. */
void mesh_tails_destroy(mesh_tails *tails);

#endif
