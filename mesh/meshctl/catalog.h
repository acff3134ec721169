/* The types that a command works with, from --protoset or from the server's reflection. */
#ifndef MESH_MESHCTL_CATALOG_H
#define MESH_MESHCTL_CATALOG_H

#include "mesh/meshctl/reflection.h"

typedef struct ctl_catalog {
    mesh_dyn_pool *pool;
    ctl_reflection *reflection; /* NULL with --protoset */
    const char **services;      /* full names, sorted; those whose types are known */
    size_t service_count;
} ctl_catalog;

/* `connection` may be NULL with --protoset, and is borrowed. */
mesh_code ctl_catalog_open(ctl *run, ctl_connection *connection, ctl_catalog *catalog,
                           ctl_failure *failure);
void ctl_catalog_close(ctl_catalog *catalog);

/* An encoded message as JSON; types of Any's that are missing are asked of the server. */
mesh_code ctl_catalog_json(ctl_catalog *catalog, const mesh_dyn_message *type, const void *data,
                           size_t size, const mesh_dyn_json_options *options, mesh_arena *arena,
                           const char **json, size_t *json_size, mesh_error *err);

#endif
