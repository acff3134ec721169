#include "mesh/plugin/options.h"

#include <stdarg.h>
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/wire.h"

enum {
    OPTION_PROTOBUF_C = 1019 /* of files, messages and fields, in protobuf-c.proto */
};

/* protobuf-c keeps unknown fields without their tag, those of bytes with their length in front. */
static bool contents(const ProtobufCMessageUnknownField *field, const uint8_t **data, size_t *size)
{
    *data = field->data;
    *size = field->len;
    if (field->wire_type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
        return field->wire_type == PROTOBUF_C_WIRE_TYPE_VARINT;
    mesh_wire_reader reader = {.at = field->data, .end = field->data + field->len};
    return mesh_wire_bytes(&reader, data, size);
}

const uint8_t *options_find(mesh_arena *arena, const ProtobufCMessage *options, uint32_t number,
                            size_t *size)
{
    const uint8_t *data;
    size_t more, total = 0;
    bool found = false;
    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag == number && contents(field, &data, &more)) {
            total += more;
            found = true;
        }
    }
    if (!found)
        return NULL;
    uint8_t *joined = memory_take(arena, total + 1, 1);
    *size = 0;
    for (unsigned i = 0; i < options->n_unknown_fields; i++) {
        const ProtobufCMessageUnknownField *field = &options->unknown_fields[i];
        if (field->tag == number && contents(field, &data, &more)) {
            memcpy(joined + *size, data, more);
            *size += more;
        }
    }
    return joined;
}

void options_mistake(const options_place *where, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *mistake = mesh_arena_vprintf(where->all->arena, format, args);
    va_end(args);
    report_add(where->problems, where->file, where->path, "%s: %s", where->owner, mistake);
}

const ProtobufCMessage *options_read(const options_place *where, const ProtobufCMessage *options,
                                     uint32_t number, const char *name,
                                     const ProtobufCMessageDescriptor *type)
{
    size_t size;
    const uint8_t *data = options_find(where->all->arena, options, number, &size);
    if (data == NULL)
        return NULL;
    const ProtobufCMessage *message = wire_unpack(where->all->arena, type, data, size);
    if (message == NULL)
        options_mistake(where, "the option (%s) is malformed", name);
    return message;
}

static void refuse(const ProtobufCMessage *options, const file_proto *file, schema_path path,
                   report *problems)
{
    for (unsigned i = 0; options != NULL && i < options->n_unknown_fields; i++) {
        if (options->unknown_fields[i].tag == OPTION_PROTOBUF_C) {
            report_add(problems, file, path,
                       "options of protobuf-c (pb_c_file, pb_c_msg, pb_c_field) are not supported: "
                       "they change names that generated code counts on");
            return;
        }
    }
}

void options_refuse_protobuf_c(const schema *all, report *problems)
{
    enum {
        FILE_OPTIONS = 8,
        MESSAGE_FIELD = 2
    };
    for (size_t i = 0; i < all->file_count; i++) {
        const file_proto *file = all->files[i].proto;
        refuse((const ProtobufCMessage *)file->options, file,
               schema_path_field(all->arena, (schema_path){0}, FILE_OPTIONS), problems);
    }
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        const file_proto *file = type->file->proto;
        if (type->message == NULL)
            continue;
        refuse((const ProtobufCMessage *)type->message->options, file, type->path, problems);
        for (size_t k = 0; k < type->message->n_field; k++)
            refuse((const ProtobufCMessage *)type->message->field[k]->options, file,
                   schema_path_add(all->arena, type->path, MESSAGE_FIELD, (int32_t)k), problems);
    }
}
