#include "mesh/resource/timestamp.h"

Google__Protobuf__Timestamp *mesh_timestamp(mesh_arena *arena, int64_t wall_ns)
{
    const int64_t second_ns = 1000000000;
    Google__Protobuf__Timestamp *timestamp = mesh_arena_alloc(arena, sizeof *timestamp);
    if (timestamp == NULL)
        return NULL;
    google__protobuf__timestamp__init(timestamp);
    timestamp->seconds = wall_ns / second_ns;
    timestamp->nanos = (int32_t)(wall_ns % second_ns);
    if (timestamp->nanos < 0) { /* nanos count forward also before 1970 */
        timestamp->seconds--;
        timestamp->nanos += (int32_t)second_ns;
    }
    return timestamp;
}
