#include "mesh/events/aggregate.h"

#include <string.h>

#include "mesh/base/hash.h"

uint64_t mesh_aggregate_hash(const char *id)
{
    return mesh_hash_text(MESH_HASH_EMPTY, id);
}

bool mesh_aggregate_same(const mesh_aggregate_name *a, const mesh_aggregate_name *b)
{
    return a->hash == b->hash && strcmp(a->id, b->id) == 0 && strcmp(a->type, b->type) == 0;
}
