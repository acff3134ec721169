#include "tests/services/shop/pair.h"

#include <string.h>

instance here, there;
mesh_db *db;
mesh_arena *arena;
mesh_error err;

void pair_start(const char *service, const char *products, const char *const *settings)
{
    instance_start(&here, service, products, settings);
    instance_start(&there, service, products, settings);
    db = shop_open(service);
}

void pair_stop(void)
{
    mesh_db_destroy(db);
    instance_stop(&here);
    instance_stop(&there);
}

int pair_begin(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    shop_call_as(NULL);
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

int pair_end(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

const mesh_call_options *in_arena(void)
{
    static mesh_call_options options;
    options = (mesh_call_options){.arena = arena};
    mesh_error_clear(&err);
    return &options;
}

bool is_refused(mesh_code code, const char *reason)
{
    return code != MESH_OK && strcmp(err.domain, "mesh.v1") == 0 && strcmp(err.reason, reason) == 0;
}
