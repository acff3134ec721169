/* What the files of mesh/dyn share. Private. */
#ifndef MESH_DYN_INTERNAL_H
#define MESH_DYN_INTERNAL_H

#include "mesh/dyn/dyn.h"
#include "mesh/dyn/text.h"
#include "mesh/dyn/upb_abi.h"

/* A file that waits for its imports. */
typedef struct dyn_pending dyn_pending;

struct mesh_dyn_pool {
    upb_DefPool *defs;
    const upb_FileDef **files; /* those added, in order; descriptor.proto is not among them */
    size_t file_count;
    size_t file_capacity;
    dyn_pending *pending; /* list, oldest first */
    char *missing;        /* what mesh_dyn_pool_missing returns */

    /* descriptor.proto as data */
    const upb_MessageDef *file_type;
    const upb_FieldDef *file_name;
    const upb_FieldDef *file_imports;
};

/* The public types are upb's definitions under another name. */
static inline const upb_MessageDef *dyn_message(const mesh_dyn_message *type)
{
    return (const upb_MessageDef *)type;
}

static inline const upb_ServiceDef *dyn_service(const mesh_dyn_service *service)
{
    return (const upb_ServiceDef *)service;
}

static inline const upb_MethodDef *dyn_method(const mesh_dyn_method *method)
{
    return (const upb_MethodDef *)method;
}

/* True when `nested` is the entry type of one of the message's map fields. */
bool dyn_is_map_entry(const upb_MessageDef *type, const upb_MessageDef *nested);

/*
 * Decodes bytes from outside into a new message in `scratch`; returns a kUpb_DecodeStatus. What is
 * needed around the bytes is put into `arena`, which has to outlive the message. upb_Decode alone
 * is not safe: decode.c says why.
 */
int dyn_decode(const upb_MessageDef *type, const void *data, size_t size,
               const upb_ExtensionRegistry *extensions, int depth, upb_Arena *scratch,
               mesh_arena *arena, upb_Message **message);

/* Copies an encoded message in the form that upb may decode. False when out of memory. */
bool dyn_pad(const upb_MessageDef *type, const void *data, size_t size, mesh_arena *arena,
             upb_StringView *padded);

/*
 * Looks through a decoded message for what its JSON cannot express, before upb writes it: upb's
 * encoder stops in the middle then, without the field's name and without freeing its scratch
 * memory. INVALID_ARGUMENT names the field. What is packed in Any's is looked through as well and
 * put back in the form that upb may decode. `missing` (may be NULL) receives the type of an Any
 * that the pool lacks; it lives in `arena`.
 */
mesh_code dyn_make_expressible(const mesh_dyn_pool *pool, const upb_MessageDef *type,
                               upb_Message *message, upb_Arena *scratch, mesh_arena *arena,
                               const char **missing, mesh_error *err);

#endif
