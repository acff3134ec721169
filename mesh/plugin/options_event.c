/* (mesh.v1.event) of messages. */
#include <ctype.h>
#include <string.h>

#include "mesh/plugin/names.h"
#include "mesh/plugin/options.h"
#include "mesh/v1/options.pb-c.h"

enum {
    OPTION_EVENT = 50101,
    MESSAGE_OPTIONS = 7 /* DescriptorProto.options */
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

/* As the option says, or the first part of the package. */
static const char *aggregate_type(mesh_arena *arena, const file_proto *file,
                                  const Mesh__V1__EventOptions *options)
{
    const char *package = file->package != NULL ? file->package : "";
    if (options->aggregate_type[0] != '\0')
        return options->aggregate_type;
    return mesh_arena_strndup(arena, package, strcspn(package, "."));
}

static const Mesh__V1__EventOptions *find_options(const options_place *where,
                                                  const message_proto *message)
{
    return (const Mesh__V1__EventOptions *)options_read(
        where, (const ProtobufCMessage *)message->options, OPTION_EVENT, "mesh.v1.event",
        &mesh__v1__event_options__descriptor);
}

/* The event whose place another takes: declared before that one, so there is no circle. */
static const schema_type *find_older(const options_place *where, const schema_type *type,
                                     const char *name)
{
    schema *all = where->all;
    const schema_type *older = schema_find(all, mesh_arena_printf(all->arena, ".%s", name));
    if (older == NULL || older->message == NULL || older >= type ||
        !type->file->sees[older->file - all->files]) {
        options_mistake(where,
                        "`upcasts` is \"%s\", which is no message of an import, nor one before "
                        "this one",
                        name);
        return NULL;
    }
    const Mesh__V1__EventOptions *options = find_options(where, older->message);
    if (options == NULL) {
        options_mistake(where, "`upcasts` is \"%s\", which is no event", name);
        return NULL;
    }
    const char *its_type = aggregate_type(all->arena, older->file->proto, options);
    if (strcmp(its_type, type->aggregate_type) != 0)
        options_mistake(where,
                        "`upcasts` is \"%s\", whose `aggregate_type` is \"%s\", and not \"%s\"",
                        name, its_type, type->aggregate_type);
    return older;
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
    type->aggregate_type = aggregate_type(where->all->arena, where->file, options);
    if (type->aggregate_type[0] == '\0')
        options_mistake(where,
                        "`aggregate_type` is missing, and there is no package to take it from");
    if (options->upcasts[0] != '\0')
        type->older = find_older(where, type, options->upcasts);
}

void options_message(schema *all, schema_type *type, report *problems)
{
    const options_place where = {
        .all = all,
        .file = type->file->proto,
        .owner = type->full_name,
        .path = schema_path_field(
            all->arena, schema_path_field(all->arena, type->path, MESSAGE_OPTIONS), OPTION_EVENT),
        .problems = problems};
    const Mesh__V1__EventOptions *options = find_options(&where, type->message);
    if (options == NULL)
        return;
    if (options->base.n_unknown_fields > 0)
        options_mistake(&where, "(mesh.v1.event) has a field %u that this plugin does not know",
                        options->base.unknown_fields[0].tag);
    read_event(&where, type, options);
}
