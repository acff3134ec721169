#include "mesh/plugin/check.h"

#include <string.h>

#include "mesh/plugin/names.h"

enum {
    FILE_EXTENSION = 7,
    FILE_SYNTAX = 12,
    MESSAGE_FIELD = 2,
    MESSAGE_EXTENSION = 6,
    MESSAGE_OPTIONS = 7
};

static bool needs_type(const field_proto *field)
{
    return field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE ||
           field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM;
}

static void check_syntax(const schema_file *file, mesh_arena *arena, report *problems)
{
    const char *syntax = file->proto->syntax;
    if (syntax == NULL || syntax[0] == '\0' || strcmp(syntax, "proto2") == 0 ||
        strcmp(syntax, "proto3") == 0)
        return;
    report_add(problems, file->proto, schema_path_field(arena, (schema_path){0}, FILE_SYNTAX),
               "syntax \"%s\" is not supported: write proto3", syntax);
}

static void check_type(const schema *all, const schema_type *type, report *problems)
{
    for (size_t i = 0; i < type->message->n_field; i++) {
        const field_proto *field = type->message->field[i];
        if (!needs_type(field))
            continue;
        const schema_type *target = schema_find(all, field->type_name);
        bool wants_message = field->type ==
                             GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE;
        if (target == NULL || (target->message != NULL) != wants_message)
            report_add(problems, type->file->proto,
                       schema_path_add(all->arena, type->path, MESSAGE_FIELD, (int32_t)i),
                       "%s.%s has a type \"%s\" that is not there", type->full_name, field->name,
                       field->type_name);
    }
}

void check_links(const schema *all, report *problems)
{
    for (size_t i = 0; i < all->file_count; i++)
        check_syntax(&all->files[i], all->arena, problems);
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].message != NULL)
            check_type(all, &all->types[i], problems);
    for (size_t i = 0; i < all->service_count; i++) {
        const schema_service *service = &all->services[i];
        for (size_t m = 0; m < service->method_count; m++) {
            const schema_method *method = &service->methods[m];
            if (method->request == NULL || method->request->message == NULL ||
                method->response == NULL || method->response->message == NULL)
                report_add(problems, service->file->proto, method->path,
                           "%s has a request or response that is not there", method->full_name);
        }
    }
}

/*
 * Extensions of descriptor.proto's messages are options: they concern the contract, not its data.
 */
static bool is_option(const field_proto *extension)
{
    static const char scope[] = ".google.protobuf.";
    const char *name = extension->extendee != NULL ? extension->extendee : "";
    size_t size = strlen(name);
    return strncmp(name, scope, sizeof scope - 1) == 0 && size > 7 &&
           strcmp(name + size - 7, "Options") == 0;
}

static void check_extensions(const schema *all, const file_proto *file, schema_path path,
                             int32_t step, field_proto *const *extensions, size_t count,
                             report *problems)
{
    for (size_t i = 0; i < count; i++)
        if (!is_option(extensions[i]))
            report_add(problems, file, schema_path_add(all->arena, path, step, (int32_t)i),
                       "the extension \"%s\" is not supported: protobuf-c has no extensions of "
                       "messages",
                       extensions[i]->name);
}

/* Its field has the name in lower case only. */
static const char *group_name(const field_proto *field)
{
    const char *dot = strrchr(field->type_name, '.');
    return dot == NULL ? field->name : dot + 1;
}

static void check_message(const schema *all, const schema_type *type, report *problems)
{
    const message_proto *message = type->message;
    const file_proto *file = type->file->proto;
    for (size_t i = 0; i < message->n_field; i++)
        if (message->field[i]->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP)
            report_add(
                problems, file, schema_path_add(all->arena, type->path, MESSAGE_FIELD, (int32_t)i),
                "the group \"%s\" is not supported: use a message", group_name(message->field[i]));
    if (message->options != NULL && message->options->message_set_wire_format)
        report_add(problems, file, schema_path_field(all->arena, type->path, MESSAGE_OPTIONS),
                   "%s: message_set_wire_format is not supported", type->full_name);
    check_extensions(all, file, type->path, MESSAGE_EXTENSION, message->extension,
                     message->n_extension, problems);
}

void check_features(const schema *all, report *problems)
{
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].file->generate && all->types[i].message != NULL)
            check_message(all, &all->types[i], problems);
    for (size_t i = 0; i < all->file_count; i++)
        if (all->files[i].generate)
            check_extensions(all, all->files[i].proto, (schema_path){0}, FILE_EXTENSION,
                             all->files[i].proto->extension, all->files[i].proto->n_extension,
                             problems);
}
