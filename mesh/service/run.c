#include "mesh/service/run.h"

#include <string.h>

static const struct {
    const char *name;
    mesh_run part;
} known[] = {
    {"server", MESH_RUN_SERVER},
    {"consumers", MESH_RUN_CONSUMERS},
    {"workers", MESH_RUN_WORKERS},
};

/* 0: there is no such part. */
static unsigned find(const char *name, size_t size)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == size && memcmp(known[i].name, name, size) == 0)
            return known[i].part;
    return 0;
}

mesh_code mesh_run_parse(const char *list, unsigned *parts, mesh_error *err)
{
    unsigned found = 0;
    for (const char *at = list;; at++) {
        size_t size = strcspn(at, ",");
        unsigned part = find(at, size);
        if (part == 0)
            return mesh_error_set(
                err, MESH_INVALID_ARGUMENT,
                "MESH_RUN or --run: \"%.*s\" is no part of a service; it is a list of "
                "server, consumers and workers with commas between",
                (int)(size < 64 ? size : 64), at);
        found |= part;
        at += size;
        if (*at == '\0')
            break;
    }
    *parts = found;
    return MESH_OK;
}
