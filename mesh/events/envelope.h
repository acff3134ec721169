/*
 * An event as it comes from the bus: the headers of a message, read into what a handler sees.
 */
#ifndef MESH_EVENTS_ENVELOPE_H
#define MESH_EVENTS_ENVELOPE_H

#include <nats/nats.h>

#include "mesh/events/events.h"

/*
 * Reads the headers of a message of the stream. Strings are borrowed from the message or live in
 * the arena. `trace` is the trace of who added the event, or none. INVALID_ARGUMENT: a header is
 * missing or malformed.
 */
mesh_code mesh_envelope_read(natsMsg *message, mesh_arena *arena, mesh_event *meta,
                             mesh_trace *trace, mesh_error *err);

/*
 * Unpacks the payload into the arena, after a check of its bytes. INVALID_ARGUMENT: they are not
 * this message, the header names another one, or it needs more memory than the arena has: that is
 * no trouble that passes, for which an event would come again without end.
 */
mesh_code mesh_envelope_unpack(natsMsg *message, const mesh_event_descriptor *event,
                               mesh_arena *arena, const ProtobufCMessage **unpacked,
                               mesh_error *err);

#endif
