#include "mesh/plugin/request.h"

#include <string.h>

#include "mesh/plugin/names.h"
#include "mesh/plugin/schema.h"
#include "mesh/plugin/wire.h"

static bool wrong(text *why, const char *where, const char *what)
{
    text_addf(why, "the request is malformed: %s: %s", where, what);
    return false;
}

/* A path that can stand in an #include and in a message. */
static bool is_path(const char *name)
{
    if (name == NULL || name[0] == '\0')
        return false;
    for (; *name != '\0'; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7f || *name == '"' || *name == '\\')
            return false;
    return true;
}

static bool is_name(const char *name)
{
    return name != NULL && names_is_identifier(name);
}

static bool is_type_name(const char *name)
{
    return name != NULL && name[0] == '.' && names_is_full(name + 1);
}

static bool check_enum(const char *file, const enum_proto *proto, text *why)
{
    if (!is_name(proto->name) || proto->n_value == 0)
        return wrong(why, file, "an enum without a name or values");
    for (size_t i = 0; i < proto->n_value; i++)
        if (!is_name(proto->value[i]->name))
            return wrong(why, file, "an enum's value without a name");
    return true;
}

static bool check_field(const char *file, const message_proto *message, const field_proto *field,
                        text *why)
{
    if (!is_name(field->name) || !field->has_number)
        return wrong(why, file, "a field without a name or number");
    if (!field->has_type ||
        field->type < GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE ||
        field->type > GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64)
        return wrong(why, file, "a field without a type");
    bool named = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE ||
                 field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP ||
                 field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM;
    if (named && !is_type_name(field->type_name))
        return wrong(why, file, "a field of a message or enum type without the type's name");
    if (field->has_oneof_index && (message == NULL || field->oneof_index < 0 ||
                                   (size_t)field->oneof_index >= message->n_oneof_decl))
        return wrong(why, file, "a field of a oneof that does not exist");
    if (schema_is_optional(field) && !field->has_oneof_index)
        return wrong(why, file, "a proto3 optional field without its oneof");
    if (field->extendee != NULL && !is_type_name(field->extendee))
        return wrong(why, file, "an extension of something without a name");
    return true;
}

static bool check_message(const char *file, const message_proto *proto, text *why)
{
    if (!is_name(proto->name))
        return wrong(why, file, "a message without a name");
    for (size_t i = 0; i < proto->n_oneof_decl; i++)
        if (!is_name(proto->oneof_decl[i]->name))
            return wrong(why, file, "a oneof without a name");
    for (size_t i = 0; i < proto->n_field; i++)
        if (!check_field(file, proto, proto->field[i], why))
            return false;
    for (size_t i = 0; i < proto->n_extension; i++)
        if (!check_field(file, NULL, proto->extension[i], why))
            return false;
    for (size_t i = 0; i < proto->n_enum_type; i++)
        if (!check_enum(file, proto->enum_type[i], why))
            return false;
    for (size_t i = 0; i < proto->n_nested_type; i++)
        if (!check_message(file, proto->nested_type[i], why))
            return false;
    return true;
}

static bool check_service(const char *file, const service_proto *proto, text *why)
{
    if (!is_name(proto->name))
        return wrong(why, file, "a service without a name");
    for (size_t i = 0; i < proto->n_method; i++) {
        const method_proto *method = proto->method[i];
        if (!is_name(method->name) || !is_type_name(method->input_type) ||
            !is_type_name(method->output_type))
            return wrong(why, file, "a method without a name or message types");
    }
    return true;
}

static bool has_file(const code_request *request, const char *name, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (strcmp(request->proto_file[i]->name, name) == 0)
            return true;
    return false;
}

static bool check_file(const code_request *request, size_t index, text *why)
{
    const file_proto *file = request->proto_file[index];
    if (!is_path(file->name))
        return wrong(why, "proto_file", "a file without a name");
    if (has_file(request, file->name, index))
        return wrong(why, file->name, "the file is there twice");
    if (file->package != NULL && file->package[0] != '\0' && !names_is_full(file->package))
        return wrong(why, file->name, "the package is no name");
    for (size_t i = 0; i < file->n_dependency; i++)
        if (!has_file(request, file->dependency[i], index))
            return wrong(why, file->name, "an import is missing or comes after its user");
    for (size_t i = 0; i < file->n_extension; i++)
        if (!check_field(file->name, NULL, file->extension[i], why))
            return false;
    for (size_t i = 0; i < file->n_enum_type; i++)
        if (!check_enum(file->name, file->enum_type[i], why))
            return false;
    for (size_t i = 0; i < file->n_message_type; i++)
        if (!check_message(file->name, file->message_type[i], why))
            return false;
    for (size_t i = 0; i < file->n_service; i++)
        if (!check_service(file->name, file->service[i], why))
            return false;
    return true;
}

code_request *request_read(mesh_arena *arena, const uint8_t *data, size_t size, text *why)
{
    const ProtobufCMessageDescriptor *type =
        &google__protobuf__compiler__code_generator_request__descriptor;
    ProtobufCMessage *message = wire_unpack(arena, type, data, size);
    if (message == NULL) {
        text_add(why, "the input is no google.protobuf.compiler.CodeGeneratorRequest; protoc "
                      "runs this program with --mesh_out=DIR");
        return NULL;
    }
    code_request *request = (code_request *)message;
    for (size_t i = 0; i < request->n_proto_file; i++)
        if (!check_file(request, i, why))
            return NULL;
    for (size_t i = 0; i < request->n_file_to_generate; i++) {
        if (!has_file(request, request->file_to_generate[i], request->n_proto_file)) {
            wrong(why, "file_to_generate", "a file that the request does not bring");
            return NULL;
        }
    }
    return request;
}
