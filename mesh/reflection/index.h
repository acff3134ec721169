/*
 * What a server offers, sorted for look-ups: its services, their files and others with all imports,
 * and the symbols and extensions of those. Built once, then immutable, so any thread reads it.
 * Internal.
 *
 * Answers are kept as the messages of grpc.reflection.v1 that carry them, ready to send.
 */
#ifndef MESH_REFLECTION_INDEX_H
#define MESH_REFLECTION_INDEX_H

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "mesh/base/arena.h"
#include "mesh/rpc/method.h"

/* A file. */
typedef struct mesh_index_file {
    const mesh_file *file;
    Grpc__Reflection__V1__FileDescriptorResponse answer; /* itself, then what it imports */
} mesh_index_file;

/* A name that a file defines. */
typedef struct mesh_index_symbol {
    const char *name; /* full, "order.v1.Order.id" */
    size_t file;      /* in `files` */
    bool message;     /* it is a message, so it may be extended */
} mesh_index_symbol;

/* A field that extends a message. */
typedef struct mesh_index_extension {
    const char *type; /* full name of the extended message */
    int32_t number;
    size_t file; /* in `files` */
} mesh_index_extension;

typedef struct mesh_index {
    mesh_arena *arena; /* names and answers */
    mesh_index_file *files;
    size_t file_count; /* in order of discovery */
    mesh_index_symbol *symbols;
    size_t symbol_count; /* by name */
    mesh_index_extension *extensions;
    size_t extension_count; /* by type, then by number */
    int32_t *numbers;       /* of the extensions, in their order */
    Grpc__Reflection__V1__ListServiceResponse services;
} mesh_index;

/*
 * RESOURCE_EXHAUSTED: out of memory; INTERNAL: a descriptor is malformed. `others` (ended by NULL)
 * are files that no service needs. The arrays are borrowed for the call, the constant tables that
 * they name for good.
 */
mesh_code mesh_index_create(const mesh_api *apis, size_t count, const mesh_file *const *others,
                            mesh_index **index, mesh_error *err);
void mesh_index_destroy(mesh_index *index);

/* NULL: not found. */
const mesh_index_file *mesh_index_by_name(const mesh_index *index, const char *name);
const mesh_index_file *mesh_index_by_symbol(const mesh_index *index, const char *name);
const mesh_index_file *mesh_index_by_extension(const mesh_index *index, const char *type,
                                               int32_t number);

/* The numbers that extend a message; false when there is no such message. */
bool mesh_index_extensions(const mesh_index *index, const char *type, const int32_t **numbers,
                           size_t *count);

#endif
