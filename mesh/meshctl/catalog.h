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

/*
 * For types that the service which is asked need not know, such as those of others' events: from
 * --protoset; else from the descriptor set that scripts/up leaves in the data folder, and what that
 * lacks from the server's reflection. `services` stays empty.
 */
mesh_code ctl_catalog_open_mesh(ctl *run, ctl_connection *connection, ctl_catalog *catalog,
                                ctl_failure *failure);

/* A message by its full name; NULL when nobody knows it. */
const mesh_dyn_message *ctl_catalog_message(ctl_catalog *catalog, const char *name);

void ctl_catalog_close(ctl_catalog *catalog);

/* An encoded message as JSON; types of Any's that are missing are asked of the server. */
mesh_code ctl_catalog_json(ctl_catalog *catalog, const mesh_dyn_message *type, const void *data,
                           size_t size, const mesh_dyn_json_options *options, mesh_arena *arena,
                           const char **json, size_t *json_size, mesh_error *err);

#endif
