/* (mesh.v1.event) of messages and (mesh.v1.error_reasons) of enums. */
#include <ctype.h>
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/options.h"
#include "mesh/v1/options.pb-c.h"

enum {
    OPTION_EVENT = 50101,
    OPTION_REASONS = 50102,
    MESSAGE_OPTIONS = 7, /* DescriptorProto.options */
    ENUM_OPTIONS = 3,    /* EnumDescriptorProto.options */
    ENUM_VALUE = 2,
    MAX_REASON = MESH_ERROR_REASON_BYTES - 1,
    MAX_DOMAIN = MESH_ERROR_DOMAIN_BYTES - 1
};

/* Tokens of letters, digits, "_" and "-" with dots between: no wildcards, nothing empty. */
static bool is_subject(const char *subject)
{
    bool token = false;
    for (; *subject != '\0'; subject++) {
        if (*subject == '.') {
            if (!token)
                return false;
            token = false;
        } else if (isalnum((unsigned char)*subject) || *subject == '_' || *subject == '-') {
            token = true;
        } else {
            return false;
        }
    }
    return token;
}

static const char *find_member(const options_place *where, const schema_type *type,
                               const char *role, const char *name, int wanted,
                               const char *wanted_name)
{
    const message_proto *message = type->message;
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        if (strcmp(field->name, name) != 0)
            continue;
        if ((int)field->type != wanted || field->has_oneof_index ||
            field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
            options_mistake(where, "`%s` names the field \"%s\", which is not a plain %s", role,
                            name, wanted_name);
        return names_member(where->all->arena, name);
    }
    options_mistake(where, "`%s` names the field \"%s\", which does not exist", role, name);
    return NULL;
}

static void read_event(const options_place *where, schema_type *type,
                       const Mesh__V1__EventOptions *options)
{
    type->event = true;
    type->subject = options->subject;
    if (!is_subject(options->subject))
        options_mistake(where,
                        "`subject` is \"%s\"; it has to be words of letters, digits, \"_\" and "
                        "\"-\" with dots between",
                        options->subject);
    if (options->aggregate[0] == '\0')
        options_mistake(where, "`aggregate` is missing");
    else
        type->aggregate = find_member(where, type, "aggregate", options->aggregate,
                                      GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING,
                                      "string");
    if (options->version[0] != '\0')
        type->version = find_member(where, type, "version", options->version,
                                    GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64,
                                    "int64");
    type->aggregate_type = options->aggregate_type;
    if (type->aggregate_type[0] == '\0') {
        const char *package = where->file->package != NULL ? where->file->package : "";
        type->aggregate_type = mesh_arena_strndup(where->all->arena, package,
                                                  strcspn(package, "."));
    }
    if (type->aggregate_type[0] == '\0')
        options_mistake(where,
                        "`aggregate_type` is missing, and there is no package to take it from");
}

void options_message(schema *all, schema_type *type, report *problems)
{
    const ProtobufCMessage *base = (const ProtobufCMessage *)type->message->options;
    const options_place where = {
        .all = all,
        .file = type->file->proto,
        .owner = type->full_name,
        .path = schema_path_field(
            all->arena, schema_path_field(all->arena, type->path, MESSAGE_OPTIONS), OPTION_EVENT),
        .problems = problems};
    const ProtobufCMessage *message = options_read(&where, base, OPTION_EVENT, "mesh.v1.event",
                                                   &mesh__v1__event_options__descriptor);
    if (message == NULL)
        return;
    if (message->n_unknown_fields > 0)
        options_mistake(&where, "(mesh.v1.event) has a field %u that this plugin does not know",
                        message->unknown_fields[0].tag);
    read_event(&where, type, (const Mesh__V1__EventOptions *)message);
}

/* AIP-193: [A-Z][A-Z0-9_]*[A-Z0-9], at most 63 characters. */
static bool is_reason(const char *name)
{
    size_t size = strlen(name);
    if (size < 2 || size > MAX_REASON || !isupper((unsigned char)name[0]) || name[size - 1] == '_')
        return false;
    for (; *name != '\0'; name++)
        if (!isupper((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

void options_enum(schema *all, schema_type *type, report *problems)
{
    const ProtobufCMessage *base = (const ProtobufCMessage *)type->enumeration->options;
    size_t size = 0;
    const uint8_t *data = options_find(all->arena, base, OPTION_REASONS, &size);
    mesh_wire_reader reader = {.at = data, .end = size > 0 ? data + size : data};
    for (uint64_t value; mesh_wire_varint(&reader, &value);)
        type->reasons = value != 0;
    if (!type->reasons)
        return;
    const file_proto *file = type->file->proto;
    schema_path path = schema_path_field(all->arena, type->path, ENUM_OPTIONS);
    path = schema_path_field(all->arena, path, OPTION_REASONS);
    if (file->package == NULL || file->package[0] == '\0')
        report_add(problems, file, path,
                   "%s: reasons need a package: it is the domain of the error", type->full_name);
    else if (strlen(file->package) > MAX_DOMAIN)
        report_add(problems, file, path,
                   "%s: the package is the domain of the error and has at most %d characters",
                   type->full_name, (int)MAX_DOMAIN);
    for (size_t i = 0; i < type->enumeration->n_value; i++) {
        const char *name = type->enumeration->value[i]->name;
        if (!is_reason(name))
            report_add(problems, file,
                       schema_path_add(all->arena, type->path, ENUM_VALUE, (int32_t)i),
                       "%s: the reason \"%s\" is not UPPER_SNAKE_CASE of at most %d characters",
                       type->full_name, name, (int)MAX_REASON);
    }
}
