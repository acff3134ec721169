#include "mesh/plugin/schema.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/options.h"

/* Field numbers of descriptor.proto, for paths. */
enum {
    FILE_MESSAGE = 4,
    FILE_ENUM = 5,
    FILE_SERVICE = 6,
    MESSAGE_NESTED = 3,
    MESSAGE_ENUM = 4,
    SERVICE_METHOD = 2
};

schema_path schema_path_field(mesh_arena *arena, schema_path path, int32_t field)
{
    int32_t *steps = memory_take(arena, path.count + 1, sizeof *steps);
    if (path.count > 0)
        memcpy(steps, path.steps, path.count * sizeof *steps);
    steps[path.count] = field;
    return (schema_path){.steps = steps, .count = path.count + 1};
}

schema_path schema_path_add(mesh_arena *arena, schema_path path, int32_t field, int32_t index)
{
    return schema_path_field(arena, schema_path_field(arena, path, field), index);
}

const char *schema_comment(const file_proto *file, schema_path path)
{
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    for (size_t i = 0; info != NULL && i < info->n_location; i++) {
        const Google__Protobuf__SourceCodeInfo__Location *here = info->location[i];
        if (here->n_path == path.count &&
            (path.count == 0 ||
             memcmp(here->path, path.steps, path.count * sizeof *path.steps) == 0))
            return here->leading_comments;
    }
    return NULL;
}

bool schema_is_optional(const field_proto *field)
{
    return field->has_proto3_optional && field->proto3_optional;
}

const field_proto *schema_oneof_first(const message_proto *message, size_t oneof)
{
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        if (field->has_oneof_index && (size_t)field->oneof_index == oneof)
            return field;
    }
    return NULL;
}

const char *schema_oneof_constant(const schema *all, const schema_type *type, size_t oneof)
{
    return names_upper(all->arena, mesh_arena_printf(all->arena, "%s.%s", type->full_name,
                                                     type->message->oneof_decl[oneof]->name));
}

static const char *join(mesh_arena *arena, const char *scope, const char *name)
{
    return scope[0] == '\0' ? name : mesh_arena_printf(arena, "%s.%s", scope, name);
}

static size_t count_types(message_proto *const *messages, size_t count)
{
    size_t sum = count;
    for (size_t i = 0; i < count; i++)
        sum += messages[i]->n_enum_type +
               count_types(messages[i]->nested_type, messages[i]->n_nested_type);
    return sum;
}

static schema_type *add_type(schema *out, const schema_file *file, const schema_type *parent,
                             schema_path path, const char *name)
{
    const char *package = file->proto->package != NULL ? file->proto->package : "";
    schema_type *type = &out->types[out->type_count++];
    type->file = file;
    type->parent = parent;
    type->path = path;
    type->full_name = join(out->arena, parent != NULL ? parent->full_name : package, name);
    type->type = names_type(out->arena, type->full_name);
    type->lower = names_lower(out->arena, type->full_name);
    type->upper = names_upper(out->arena, type->full_name);
    return type;
}

static void add_enum(schema *out, const schema_file *file, const schema_type *parent,
                     schema_path path, const enum_proto *proto)
{
    add_type(out, file, parent, path, proto->name)->enumeration = proto;
}

static void add_message(schema *out, const schema_file *file, const schema_type *parent,
                        schema_path path, const message_proto *proto)
{
    mesh_arena *arena = out->arena;
    schema_type *type = add_type(out, file, parent, path, proto->name);
    type->message = proto;
    type->map_entry = proto->options != NULL && proto->options->map_entry;
    for (size_t i = 0; i < proto->n_nested_type; i++)
        add_message(out, file, type, schema_path_add(arena, path, MESSAGE_NESTED, (int32_t)i),
                    proto->nested_type[i]);
    for (size_t i = 0; i < proto->n_enum_type; i++)
        add_enum(out, file, type, schema_path_add(arena, path, MESSAGE_ENUM, (int32_t)i),
                 proto->enum_type[i]);
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(schema_type *const *)a)->full_name, (*(schema_type *const *)b)->full_name);
}

static void add_types(schema *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->file_count; i++)
        count += out->files[i].proto->n_enum_type +
                 count_types(out->files[i].proto->message_type,
                             out->files[i].proto->n_message_type);
    out->types = memory_take(out->arena, count, sizeof *out->types);
    for (size_t i = 0; i < out->file_count; i++) {
        const schema_file *file = &out->files[i];
        const schema_path top = {0};
        for (size_t k = 0; k < file->proto->n_message_type; k++)
            add_message(out, file, NULL, schema_path_add(out->arena, top, FILE_MESSAGE, (int32_t)k),
                        file->proto->message_type[k]);
        for (size_t k = 0; k < file->proto->n_enum_type; k++)
            add_enum(out, file, NULL, schema_path_add(out->arena, top, FILE_ENUM, (int32_t)k),
                     file->proto->enum_type[k]);
    }
    out->by_name = memory_take(out->arena, out->type_count, sizeof *out->by_name);
    for (size_t i = 0; i < out->type_count; i++)
        out->by_name[i] = &out->types[i];
    qsort(out->by_name, out->type_count, sizeof *out->by_name, by_name);
}

static mesh_method_kind kind_of(const method_proto *proto)
{
    if (proto->client_streaming)
        return proto->server_streaming ? MESH_BIDI_STREAMING : MESH_CLIENT_STREAMING;
    return proto->server_streaming ? MESH_SERVER_STREAMING : MESH_UNARY;
}

static mesh_idempotency idempotency_of(const Google__Protobuf__MethodOptions *options)
{
    if (options == NULL)
        return MESH_IDEMPOTENCY_UNKNOWN;
    switch (options->idempotency_level) {
    case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS:
        return MESH_NO_SIDE_EFFECTS;
    case GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__IDEMPOTENT:
        return MESH_IDEMPOTENT;
    default:
        return MESH_IDEMPOTENCY_UNKNOWN;
    }
}

static void add_method(schema *out, const schema_service *service, schema_method *method,
                       const method_proto *proto, size_t index)
{
    mesh_arena *arena = out->arena;
    method->service = service;
    method->proto = proto;
    method->path = schema_path_add(arena, service->path, SERVICE_METHOD, (int32_t)index);
    method->full_name = join(arena, service->full_name, proto->name);
    method->symbol = names_lower(arena, method->full_name);
    method->index = names_upper(arena, method->full_name);
    method->stem = names_lower(arena, proto->name);
    method->slot = names_slot(arena, proto->name);
    method->kind = kind_of(proto);
    method->request = schema_find(out, proto->input_type);
    method->response = schema_find(out, proto->output_type);
    method->idempotency = idempotency_of(proto->options);
    method->deprecated = proto->options != NULL && proto->options->deprecated;
}

static void add_services(schema *out)
{
    size_t count = 0;
    for (size_t i = 0; i < out->file_count; i++)
        count += out->files[i].proto->n_service;
    out->services = memory_take(out->arena, count, sizeof *out->services);
    for (size_t i = 0; i < out->file_count; i++) {
        const schema_file *file = &out->files[i];
        for (size_t k = 0; k < file->proto->n_service; k++) {
            schema_service *service = &out->services[out->service_count++];
            const char *package = file->proto->package != NULL ? file->proto->package : "";
            service->file = file;
            service->proto = file->proto->service[k];
            service->path = schema_path_add(out->arena, (schema_path){0}, FILE_SERVICE, (int32_t)k);
            service->full_name = join(out->arena, package, service->proto->name);
            service->lower = names_lower(out->arena, service->full_name);
            service->upper = names_upper(out->arena, service->full_name);
            service->method_count = service->proto->n_method;
            service->methods = memory_take(out->arena, service->method_count,
                                           sizeof *service->methods);
            for (size_t m = 0; m < service->method_count; m++)
                add_method(out, service, &service->methods[m], service->proto->method[m], m);
        }
    }
}

void schema_read_options(schema *out, report *problems)
{
    options_refuse_protobuf_c(out, problems);
    for (size_t i = 0; i < out->type_count; i++)
        if (out->types[i].enumeration != NULL)
            options_enum(out, &out->types[i]);
    for (size_t i = 0; i < out->type_count; i++) {
        schema_type *type = &out->types[i];
        if (type->file->generate && type->message != NULL)
            options_message(out, type, problems);
        else if (type->file->generate)
            options_enum_check(out, type, problems);
    }
    for (size_t i = 0; i < out->service_count; i++) {
        schema_service *service = &out->services[i];
        if (!service->file->generate)
            continue;
        for (size_t m = 0; m < service->method_count; m++) {
            options_method(out, &service->methods[m], problems);
            options_http(out, &service->methods[m], problems);
        }
    }
}

static bool is_to_generate(const Google__Protobuf__Compiler__CodeGeneratorRequest *request,
                           const char *name)
{
    for (size_t i = 0; i < request->n_file_to_generate; i++)
        if (strcmp(request->file_to_generate[i], name) == 0)
            return true;
    return false;
}

/* In a request each file comes after its imports. */
static const bool *find_visible(const schema *all, size_t index)
{
    bool *sees = memory_take(all->arena, all->file_count, sizeof *sees);
    sees[index] = true;
    for (size_t i = index + 1; i-- > 0;)
        for (size_t k = 0; sees[i] && k < all->files[i].proto->n_dependency; k++)
            sees[schema_file_find(all, all->files[i].proto->dependency[k]) - all->files] = true;
    return sees;
}

void schema_build(schema *out, mesh_arena *arena,
                  const Google__Protobuf__Compiler__CodeGeneratorRequest *request)
{
    *out = (schema){.arena = arena, .file_count = request->n_proto_file};
    out->files = memory_take(arena, out->file_count, sizeof *out->files);
    for (size_t i = 0; i < out->file_count; i++) {
        schema_file *file = &out->files[i];
        file->proto = request->proto_file[i];
        file->generate = is_to_generate(request, file->proto->name);
        file->stem = names_stem(arena, file->proto->name);
        file->c_name = names_file(arena, file->proto->name);
        file->sees = file->generate ? find_visible(out, i) : NULL;
    }
    add_types(out);
    add_services(out);
}

const schema_type *schema_find(const schema *all, const char *type_name)
{
    size_t low = 0, high = all->type_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(type_name + 1, all->by_name[middle]->full_name);
        if (order == 0)
            return all->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const schema_file *schema_file_find(const schema *all, const char *name)
{
    for (size_t i = 0; i < all->file_count; i++)
        if (strcmp(all->files[i].proto->name, name) == 0)
            return &all->files[i];
    return NULL;
}
