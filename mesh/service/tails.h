/*
 * Streams of events for operators (EventsService.TailEvents): one thread reads the stream of the
 * broker for all of them, each from its own place (mesh/events/tail.h). A client that does not read
 * keeps nobody waiting. Internal.
 *
 * add, go_on, remove and end from any thread.
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
 * Takes a stream, to whose client the events go from now on until mesh_tails_remove; the subject of
 * `start` is copied, and valid. RESOURCE_EXHAUSTED: there are MESH_TAILS_MAX; UNAVAILABLE: the
 * service stops.
 */
mesh_code mesh_tails_add(mesh_tails *tails, mesh_stream *stream, const mesh_tail_start *start,
                         mesh_error *err);

/* The stream has room again; the stream is closed. One that was not taken is left alone. */
void mesh_tails_go_on(mesh_tails *tails, mesh_stream *stream);
void mesh_tails_remove(mesh_tails *tails, mesh_stream *stream);

/* Ends all streams, and takes no more: the service drains. NULL is accepted. */
void mesh_tails_end(mesh_tails *tails);

/* After the server. NULL is accepted. */
void mesh_tails_destroy(mesh_tails *tails);

#endif
