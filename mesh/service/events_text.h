/* What is known of events, letters and sagas as messages of mesh.events.v1. Internal. */
#ifndef MESH_SERVICE_EVENTS_TEXT_H
#define MESH_SERVICE_EVENTS_TEXT_H

#include "mesh/events/operate.h"
#include "mesh/events/tail.h"
#include "mesh/events/v1/events.mesh.h"

/* The message, which points to the event and lives in the arena as what it needs besides; NULL: the
 * arena has overflowed. */
Mesh__Events__V1__Event *mesh_events_text_stored(const mesh_stored_event *event, mesh_arena *arena);

/* The same of a letter. */
Mesh__Events__V1__DeadLetter *mesh_events_text_letter(const mesh_dead_letter *letter,
                                                      mesh_arena *arena);

/* Nanoseconds since the Unix epoch; NULL, which is not set, for 0. */
Google__Protobuf__Timestamp *mesh_events_text_time(mesh_arena *arena, int64_t wall_ns);

#endif
