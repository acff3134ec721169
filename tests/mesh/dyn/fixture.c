#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "fixture: %s: %s\n", what, why);
    abort();
}

uint8_t *fixture_read(const char *name, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, "tests/mesh/dyn/%s", name);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        stop(path, "cannot be opened");
    enum {
        MOST = 1 << 20
    };
    uint8_t *data = malloc(MOST);
    if (data == NULL)
        stop(path, "out of memory");
    *size = fread(data, 1, MOST, file);
    fclose(file);
    return data;
}

mesh_dyn_pool *fixture_pool(void)
{
    mesh_dyn_pool *pool;
    mesh_error err;
    size_t size;
    uint8_t *set = fixture_read("types.binpb", &size);
    if (mesh_dyn_pool_create(&pool, &err) != MESH_OK ||
        mesh_dyn_pool_add_set(pool, set, size, &err) != MESH_OK)
        stop("types.binpb", err.message);
    free(set);
    return pool;
}
