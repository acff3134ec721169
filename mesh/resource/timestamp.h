/* google.protobuf.Timestamp and the nanoseconds since the Unix epoch that the runtime counts in. */
#ifndef MESH_RESOURCE_TIMESTAMP_H
#define MESH_RESOURCE_TIMESTAMP_H

#include "google/protobuf/timestamp.pb-c.h"
#include "mesh/base/arena.h"

#include <stdint.h>

MESH_BEGIN_DECLS

/* A new Timestamp from the arena; NULL (the field is not set) when it overflowed. */
MESH_API Google__Protobuf__Timestamp *mesh_timestamp(mesh_arena *arena, int64_t wall_ns);

MESH_END_DECLS

#endif
