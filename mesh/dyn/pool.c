#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/wire.h"
#include "mesh/dyn/abi_check.h"
#include "mesh/dyn/internal.h"

struct dyn_pending {
    dyn_pending *next;
    upb_Arena *arena;
    const upb_Message *file; /* FileDescriptorProto in the arena */
    upb_StringView name;
};

static bool same(upb_StringView a, upb_StringView b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static void pending_destroy(dyn_pending *pending)
{
    if (pending == NULL)
        return;
    if (pending->arena != NULL)
        upb_Arena_Free(pending->arena);
    mesh_free(pending);
}

mesh_code mesh_dyn_pool_create(mesh_dyn_pool **pool, mesh_error *err)
{
    mesh_code code = mesh_dyn_abi_check(err);
    if (code != MESH_OK)
        return code;
    mesh_dyn_pool *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->defs = upb_DefPool_New();
    if (made->defs == NULL ||
        !_upb_DefPool_LoadDefInitEx(made->defs, &google_protobuf_descriptor_proto_upbdefinit,
                                    false)) {
        mesh_dyn_pool_destroy(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    made->file_type = upb_DefPool_FindMessageByName(made->defs,
                                                    "google.protobuf.FileDescriptorProto");
    made->file_name = upb_MessageDef_FindFieldByNameWithSize(made->file_type, "name", 4);
    made->file_imports = upb_MessageDef_FindFieldByNameWithSize(made->file_type, "dependency", 10);
    *pool = made;
    return MESH_OK;
}

void mesh_dyn_pool_destroy(mesh_dyn_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->pending != NULL) {
        dyn_pending *next = pool->pending->next;
        pending_destroy(pool->pending);
        pool->pending = next;
    }
    if (pool->defs != NULL)
        upb_DefPool_Free(pool->defs);
    mesh_free(pool->files);
    mesh_free(pool->missing);
    mesh_free(pool);
}

static bool is_added(const mesh_dyn_pool *pool, upb_StringView name)
{
    return upb_DefPool_FindFileByNameWithSize(pool->defs, name.data, name.size) != NULL;
}

static bool is_pending(const mesh_dyn_pool *pool, upb_StringView name)
{
    for (const dyn_pending *at = pool->pending; at != NULL; at = at->next)
        if (same(at->name, name))
            return true;
    return false;
}

/* The imports of a file; index counts from 0, false after the last. */
static bool import_at(const mesh_dyn_pool *pool, const upb_Message *file, size_t index,
                      upb_StringView *name)
{
    const upb_Array *imports = upb_Message_Get(file, pool->file_imports).array_val;
    if (imports == NULL || index >= upb_Array_Size(imports))
        return false;
    *name = upb_Array_Get(imports, index).str_val;
    return true;
}

static bool is_ready(const mesh_dyn_pool *pool, const upb_Message *file)
{
    upb_StringView name;
    for (size_t i = 0; import_at(pool, file, i, &name); i++)
        if (!is_added(pool, name))
            return false;
    return true;
}

static mesh_code out_of_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

/* Defines what a file declares. Its imports are there. */
static mesh_code define(mesh_dyn_pool *pool, const dyn_pending *pending, mesh_error *err)
{
    if (pool->file_count == pool->file_capacity) {
        size_t capacity = pool->file_capacity == 0 ? 16 : pool->file_capacity * 2;
        const upb_FileDef **files = mesh_realloc(pool->files, capacity * sizeof *files);
        if (files == NULL)
            return out_of_memory(err);
        pool->files = files;
        pool->file_capacity = capacity;
    }
    upb_Status status;
    upb_Status_Clear(&status);
    const upb_FileDef *file = upb_DefPool_AddFile(pool->defs, pending->file, &status);
    if (file == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%.*s: %s", (int)pending->name.size,
                              pending->name.data, status.msg);
    pool->files[pool->file_count++] = file;
    return MESH_OK;
}

/* Defines every pending file whose imports are there, until there is none. */
static mesh_code settle(mesh_dyn_pool *pool, mesh_error *err)
{
    bool changed = true;
    while (changed) {
        changed = false;
        for (dyn_pending **link = &pool->pending; *link != NULL;) {
            dyn_pending *at = *link;
            if (!is_ready(pool, at->file)) {
                link = &at->next;
                continue;
            }
            *link = at->next;
            mesh_code code = define(pool, at, err);
            pending_destroy(at);
            if (code != MESH_OK)
                return code;
            changed = true;
        }
    }
    return MESH_OK;
}

/* Finds a file that a pending one imports and nobody gave. */
static bool find_missing(const mesh_dyn_pool *pool, const dyn_pending **importer,
                         upb_StringView *name)
{
    for (const dyn_pending *at = pool->pending; at != NULL; at = at->next)
        for (size_t i = 0; import_at(pool, at->file, i, name); i++)
            if (!is_added(pool, *name) && !is_pending(pool, *name)) {
                *importer = at;
                return true;
            }
    return false;
}

static mesh_code remember_missing(mesh_dyn_pool *pool, mesh_error *err)
{
    mesh_free(pool->missing);
    pool->missing = NULL;
    const dyn_pending *importer;
    upb_StringView name;
    if (!find_missing(pool, &importer, &name))
        return MESH_OK;
    pool->missing = mesh_malloc(name.size + 1);
    if (pool->missing == NULL)
        return out_of_memory(err);
    memcpy(pool->missing, name.data, name.size);
    pool->missing[name.size] = '\0';
    return MESH_OK;
}

static mesh_code add_file(mesh_dyn_pool *pool, const void *data, size_t size, mesh_error *err)
{
    mesh_code code;
    dyn_pending *pending = mesh_calloc(1, sizeof *pending);
    if (pending == NULL)
        return out_of_memory(err);
    pending->arena = upb_Arena_Init(NULL, 0, &upb_alloc_global);
    upb_Message *file = pending->arena == NULL ? NULL
                                               : upb_Message_New(pool->file_type, pending->arena);
    if (file == NULL) {
        code = out_of_memory(err);
        goto drop;
    }
    int status = upb_Decode(data, size, file, upb_MessageDef_MiniTable(pool->file_type), NULL,
                            MESH_DYN_UPB_DEPTH(MESH_DYN_MAX_WIRE_DEPTH), pending->arena);
    pending->file = file;
    pending->name = upb_Message_Get(file, pool->file_name).str_val;
    if (status == kUpb_DecodeStatus_OutOfMemory) {
        code = out_of_memory(err);
        goto drop;
    }
    if (status != kUpb_DecodeStatus_Ok || pending->name.size == 0) {
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "not an encoded google.protobuf.FileDescriptorProto");
        goto drop;
    }
    code = MESH_OK;
    if (is_added(pool, pending->name) || is_pending(pool, pending->name))
        goto drop;
    dyn_pending **link = &pool->pending;
    while (*link != NULL)
        link = &(*link)->next;
    *link = pending;
    return MESH_OK;

drop:
    pending_destroy(pending);
    return code;
}

mesh_code mesh_dyn_pool_add(mesh_dyn_pool *pool, const void *data, size_t size, mesh_error *err)
{
    mesh_code code = add_file(pool, data, size, err);
    if (code == MESH_OK)
        code = settle(pool, err);
    if (code == MESH_OK)
        code = remember_missing(pool, err);
    return code;
}

mesh_code mesh_dyn_pool_add_set(mesh_dyn_pool *pool, const void *data, size_t size, mesh_error *err)
{
    mesh_wire_reader reader = {data, (const uint8_t *)data + size};
    mesh_wire_field field;
    mesh_code code = MESH_OK;
    while (code == MESH_OK && mesh_wire_next(&reader, &field))
        if (field.number == 1 && field.type == MESH_WIRE_BYTES) /* FileDescriptorSet.file */
            code = add_file(pool, field.data, field.size, err);
    if (code == MESH_OK && reader.at != reader.end)
        code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "not an encoded google.protobuf.FileDescriptorSet");
    if (code == MESH_OK)
        code = settle(pool, err);
    if (code == MESH_OK)
        code = remember_missing(pool, err);
    if (code == MESH_OK)
        code = mesh_dyn_pool_complete(pool, err);
    return code;
}

const char *mesh_dyn_pool_missing(const mesh_dyn_pool *pool)
{
    return pool->missing;
}

mesh_code mesh_dyn_pool_complete(const mesh_dyn_pool *pool, mesh_error *err)
{
    if (pool->pending == NULL)
        return MESH_OK;
    const dyn_pending *importer;
    upb_StringView name;
    if (!find_missing(pool, &importer, &name))
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "%.*s and others import each other in a circle",
                              (int)pool->pending->name.size, pool->pending->name.data);

    /* All of them in one line, as far as it holds them. */
    char names[MESH_ERROR_MESSAGE_BYTES / 2] = "";
    size_t used = 0;
    size_t left_out = 0;
    for (const dyn_pending *at = pool->pending; at != NULL; at = at->next) {
        for (size_t i = 0; import_at(pool, at->file, i, &name); i++) {
            if (is_added(pool, name) || is_pending(pool, name) ||
                memmem(names, used, name.data, name.size) != NULL)
                continue;
            if (used + name.size + 3 > sizeof names) {
                left_out++;
                continue;
            }
            if (used > 0) {
                memcpy(names + used, ", ", 2);
                used += 2;
            }
            memcpy(names + used, name.data, name.size);
            used += name.size;
            names[used] = '\0';
        }
    }
    return mesh_error_set(err, MESH_FAILED_PRECONDITION, "%.*s imports what was not given: %s%s",
                          (int)importer->name.size, importer->name.data, names,
                          left_out > 0 ? ", ..." : "");
}
