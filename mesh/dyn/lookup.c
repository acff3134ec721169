/* Finding and listing what a pool defines. */
#include <stdio.h>
#include <string.h>

#include "mesh/dyn/internal.h"

const mesh_dyn_message *mesh_dyn_find_message(const mesh_dyn_pool *pool, const char *name)
{
    return (const mesh_dyn_message *)upb_DefPool_FindMessageByName(pool->defs, name);
}

const mesh_dyn_service *mesh_dyn_find_service(const mesh_dyn_pool *pool, const char *name)
{
    return (const mesh_dyn_service *)upb_DefPool_FindServiceByNameWithSize(pool->defs, name,
                                                                           strlen(name));
}

const mesh_dyn_method *mesh_dyn_find_method(const mesh_dyn_service *service, const char *name)
{
    return (const mesh_dyn_method *)upb_ServiceDef_FindMethodByName(dyn_service(service), name);
}

size_t mesh_dyn_service_count(const mesh_dyn_pool *pool)
{
    size_t count = 0;
    for (size_t i = 0; i < pool->file_count; i++)
        count += (size_t)upb_FileDef_ServiceCount(pool->files[i]);
    return count;
}

const mesh_dyn_service *mesh_dyn_service_at(const mesh_dyn_pool *pool, size_t index)
{
    for (size_t i = 0; i < pool->file_count; i++) {
        size_t count = (size_t)upb_FileDef_ServiceCount(pool->files[i]);
        if (index < count)
            return (const mesh_dyn_service *)upb_FileDef_Service(pool->files[i], (int)index);
        index -= count;
    }
    return NULL;
}

size_t mesh_dyn_method_count(const mesh_dyn_service *service)
{
    return (size_t)upb_ServiceDef_MethodCount(dyn_service(service));
}

const mesh_dyn_method *mesh_dyn_method_at(const mesh_dyn_service *service, size_t index)
{
    if (index >= mesh_dyn_method_count(service))
        return NULL;
    return (const mesh_dyn_method *)upb_ServiceDef_Method(dyn_service(service), (int)index);
}

const char *mesh_dyn_message_name(const mesh_dyn_message *message)
{
    return upb_MessageDef_FullName(dyn_message(message));
}

const char *mesh_dyn_service_name(const mesh_dyn_service *service)
{
    return upb_ServiceDef_FullName(dyn_service(service));
}

const char *mesh_dyn_method_name(const mesh_dyn_method *method)
{
    return upb_MethodDef_Name(dyn_method(method));
}

const mesh_dyn_service *mesh_dyn_method_service(const mesh_dyn_method *method)
{
    return (const mesh_dyn_service *)upb_MethodDef_Service(dyn_method(method));
}

const mesh_dyn_message *mesh_dyn_method_input(const mesh_dyn_method *method)
{
    return (const mesh_dyn_message *)upb_MethodDef_InputType(dyn_method(method));
}

const mesh_dyn_message *mesh_dyn_method_output(const mesh_dyn_method *method)
{
    return (const mesh_dyn_message *)upb_MethodDef_OutputType(dyn_method(method));
}

bool mesh_dyn_method_client_streaming(const mesh_dyn_method *method)
{
    return upb_MethodDef_ClientStreaming(dyn_method(method));
}

bool mesh_dyn_method_server_streaming(const mesh_dyn_method *method)
{
    return upb_MethodDef_ServerStreaming(dyn_method(method));
}

/* A message with the types inside it; nested map entries are no types of the user's. */
static bool each_in_message(const upb_MessageDef *type, mesh_dyn_symbol_fn *fn, void *context)
{
    if (!fn(context, upb_MessageDef_FullName(type)))
        return false;
    for (int i = 0; i < upb_MessageDef_NestedEnumCount(type); i++)
        if (!fn(context, upb_EnumDef_FullName(upb_MessageDef_NestedEnum(type, i))))
            return false;
    for (int i = 0; i < upb_MessageDef_NestedMessageCount(type); i++) {
        const upb_MessageDef *nested = upb_MessageDef_NestedMessage(type, i);
        if (!dyn_is_map_entry(type, nested) && !each_in_message(nested, fn, context))
            return false;
    }
    return true;
}

static bool each_in_service(const upb_ServiceDef *service, mesh_dyn_symbol_fn *fn, void *context)
{
    if (!fn(context, upb_ServiceDef_FullName(service)))
        return false;
    for (int i = 0; i < upb_ServiceDef_MethodCount(service); i++)
        if (!fn(context, upb_MethodDef_FullName(upb_ServiceDef_Method(service, i))))
            return false;
    return true;
}

void mesh_dyn_each_symbol(const mesh_dyn_pool *pool, mesh_dyn_symbol_fn *fn, void *context)
{
    for (size_t f = 0; f < pool->file_count; f++) {
        const upb_FileDef *file = pool->files[f];
        for (int i = 0; i < upb_FileDef_ServiceCount(file); i++)
            if (!each_in_service(upb_FileDef_Service(file, i), fn, context))
                return;
        for (int i = 0; i < upb_FileDef_TopLevelMessageCount(file); i++)
            if (!each_in_message(upb_FileDef_TopLevelMessage(file, i), fn, context))
                return;
        for (int i = 0; i < upb_FileDef_TopLevelEnumCount(file); i++)
            if (!fn(context, upb_EnumDef_FullName(upb_FileDef_TopLevelEnum(file, i))))
                return;
    }
}

bool dyn_is_map_entry(const upb_MessageDef *type, const upb_MessageDef *nested)
{
    for (int i = 0; i < upb_MessageDef_FieldCount(type); i++) {
        const upb_FieldDef *field = upb_MessageDef_Field(type, i);
        if (upb_FieldDef_IsMap(field) && upb_FieldDef_MessageSubDef(field) == nested)
            return true;
    }
    return false;
}
