/* Which aggregate an event is of. Events of one aggregate keep their order, out and in. */
#ifndef MESH_EVENTS_AGGREGATE_H
#define MESH_EVENTS_AGGREGATE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct mesh_aggregate_name {
    const char *type; /* borrowed, as the id */
    const char *id;
    uint64_t hash; /* of the id, as mesh_aggregate_hash makes it */
} mesh_aggregate_name;

uint64_t mesh_aggregate_hash(const char *id);

/* Whether both name one aggregate. */
bool mesh_aggregate_same(const mesh_aggregate_name *a, const mesh_aggregate_name *b);

#endif
