#include "mesh/meshctl/catalog.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/meshctl/file.h"

enum {
    MAX_ANY_TYPES = 32 /* asked of the server for one message */
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static mesh_code read_protoset(ctl *run, const char *path, ctl_catalog *catalog,
                               ctl_failure *failure)
{
    const char *data;
    size_t size;
    int problem = ctl_file_read(path, run->arena, &data, &size);
    if (problem != 0)
        return ctl_fail(failure, MESH_NOT_FOUND, NULL, "%s: %s", path, strerror(problem));
    mesh_code code = mesh_dyn_pool_add_set(catalog->pool, data, size, &failure->err);
    if (code != MESH_OK) {
        mesh_error_prefix(&failure->err, "%s", path);
        failure->remote = false;
        failure->hint = "make it with protoc --include_imports --descriptor_set_out=FILE";
        return code;
    }
    return MESH_OK;
}

static mesh_code list_services(ctl *run, ctl_catalog *catalog, ctl_failure *failure)
{
    size_t count = mesh_dyn_service_count(catalog->pool);
    catalog->services = mesh_arena_calloc(run->arena, count, sizeof *catalog->services);
    if (catalog->services == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    for (size_t i = 0; i < count; i++)
        catalog->services[i] = mesh_dyn_service_name(mesh_dyn_service_at(catalog->pool, i));
    catalog->service_count = count;
    return MESH_OK;
}

static mesh_code reflect(ctl *run, ctl_connection *connection, ctl_catalog *catalog,
                         ctl_failure *failure)
{
    mesh_code code = ctl_reflection_open(run, connection, &catalog->reflection, failure);
    if (code == MESH_OK)
        code = ctl_reflection_services(catalog->reflection, &catalog->services,
                                       &catalog->service_count, failure);
    for (size_t i = 0; code == MESH_OK && i < catalog->service_count; i++) {
        const char *name = catalog->services[i];
        if (mesh_dyn_find_service(catalog->pool, name) == NULL)
            code = ctl_reflection_load(catalog->reflection, name, catalog->pool, failure);
    }
    if (code == MESH_OK)
        ctl_reflection_rest(catalog->reflection); /* a call may take for ever */
    return code;
}

static mesh_code open_pool(ctl_catalog *catalog, ctl_failure *failure)
{
    *catalog = (ctl_catalog){.pool = NULL};
    mesh_code code = mesh_dyn_pool_create(&catalog->pool, &failure->err);
    failure->remote = false;
    failure->hint = NULL;
    return code;
}

mesh_code ctl_catalog_open(ctl *run, ctl_connection *connection, ctl_catalog *catalog,
                           ctl_failure *failure)
{
    mesh_code code = open_pool(catalog, failure);
    if (code == MESH_OK && run->args.protoset != NULL) {
        code = read_protoset(run, run->args.protoset, catalog, failure);
        if (code == MESH_OK)
            code = list_services(run, catalog, failure);
    } else if (code == MESH_OK) {
        code = reflect(run, connection, catalog, failure);
    }
    if (code != MESH_OK) {
        ctl_catalog_close(catalog);
        return code;
    }
    qsort(catalog->services, catalog->service_count, sizeof *catalog->services, by_name);
    return MESH_OK;
}

mesh_code ctl_catalog_open_mesh(ctl *run, ctl_connection *connection, ctl_catalog *catalog,
                                ctl_failure *failure)
{
    const char *path = run->args.protoset != NULL ? run->args.protoset : ctl_services_types(run);
    mesh_code code = open_pool(catalog, failure);
    if (code == MESH_OK && path != NULL)
        code = read_protoset(run, path, catalog, failure);
    if (code == MESH_OK && run->args.protoset == NULL)
        code = ctl_reflection_open(run, connection, &catalog->reflection, failure);
    if (code != MESH_OK)
        ctl_catalog_close(catalog);
    return code;
}

const mesh_dyn_message *ctl_catalog_message(ctl_catalog *catalog, const char *name)
{
    ctl_failure failure;
    const mesh_dyn_message *found = mesh_dyn_find_message(catalog->pool, name);
    if (found != NULL || catalog->reflection == NULL || name[0] == '\0')
        return found;
    if (ctl_reflection_load(catalog->reflection, name, catalog->pool, &failure) == MESH_OK)
        found = mesh_dyn_find_message(catalog->pool, name);
    ctl_reflection_rest(catalog->reflection);
    return found;
}

void ctl_catalog_close(ctl_catalog *catalog)
{
    ctl_reflection_close(catalog->reflection);
    mesh_dyn_pool_destroy(catalog->pool);
    *catalog = (ctl_catalog){.pool = NULL};
}

mesh_code ctl_catalog_json(ctl_catalog *catalog, const mesh_dyn_message *type, const void *data,
                           size_t size, const mesh_dyn_json_options *options, mesh_arena *arena,
                           const char **json, size_t *json_size, mesh_error *err)
{
    mesh_code code = mesh_dyn_wire_to_json(catalog->pool, type, data, size, options, arena, json,
                                           json_size, err);
    for (unsigned i = 0; code != MESH_OK && catalog->reflection != NULL && i < MAX_ANY_TYPES; i++) {
        ctl_failure failure;
        const char *missing = mesh_dyn_missing_type(catalog->pool, type, data, size, arena);
        if (missing == NULL ||
            ctl_reflection_load(catalog->reflection, missing, catalog->pool, &failure) != MESH_OK ||
            mesh_dyn_find_message(catalog->pool, missing) == NULL)
            break;
        code = mesh_dyn_wire_to_json(catalog->pool, type, data, size, options, arena, json,
                                     json_size, err);
    }
    return code;
}
