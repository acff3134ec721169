#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/parts.h"

/* The C type of a singular field as protoc-gen-c declares it. */
static const char *c_type(const schema *all, const field_proto *field)
{
    switch (field->type) {
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_DOUBLE:
        return "double ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FLOAT:
        return "float ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT64:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT64:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED64:
        return "int64_t ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT64:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED64:
        return "uint64_t ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_INT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SINT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_SFIXED32:
        return "int32_t ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_UINT32:
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_FIXED32:
        return "uint32_t ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL:
        return "protobuf_c_boolean ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING:
        return "const char *";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES:
        return "ProtobufCBinaryData ";
    case GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM:
        return mesh_arena_printf(all->arena, "%s ", schema_find(all, field->type_name)->type);
    default:
        return mesh_arena_printf(all->arena, "%s *", schema_find(all, field->type_name)->type);
    }
}

static void field_header(text *out, const schema *all, const schema_type *type,
                         const field_proto *field)
{
    mesh_arena *arena = all->arena;
    const char *oneof = type->message->oneof_decl[field->oneof_index]->name;
    const char *constant = names_upper(arena,
                                       mesh_arena_printf(arena, "%s.%s", type->full_name, oneof));
    bool deprecated = field->options != NULL && field->options->deprecated;
    bool is_string = field->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_STRING;
    const text_var vars[] = {
        {"lower", type->lower},
        {"type", type->type},
        {"name", names_to_lower(arena, field->name)},
        {"member", names_member(arena, field->name)},
        {"case", mesh_arena_printf(arena, "%s_case", names_lower(arena, oneof))},
        {"set", mesh_arena_printf(arena, "%s_%s", constant, names_upper(arena, field->name))},
        {"not_set", mesh_arena_printf(arena, "%s__NOT_SET", constant)},
        {"value", c_type(all, field)},
        {"cast", is_string ? "(char *)" : ""},
        {"mark", deprecated ? "__attribute__((deprecated)) " : ""},
        {NULL, NULL}};
    if (deprecated)
        text_add(out, "\n#pragma GCC diagnostic push\n"
                      "#pragma GCC diagnostic ignored \"-Wdeprecated-declarations\"");
    text_fill(out, vars,
              "\n/* Presence of `$name$`; set keeps the pointer it is given. */\n"
              "$mark$static inline bool $lower$__has_$name$(\n    const $type$ *message)\n"
              "{\n"
              "    return message->$case$ == $set$;\n"
              "}\n"
              "$mark$static inline void $lower$__set_$name$(\n    $type$ *message, $value$value)\n"
              "{\n"
              "    message->$case$ = $set$;\n"
              "    message->$member$ = $cast$value;\n"
              "}\n"
              "$mark$static inline void $lower$__clear_$name$(\n    $type$ *message)\n"
              "{\n"
              "    message->$case$ = $not_set$;\n"
              "}\n");
    if (deprecated)
        text_add(out, "#pragma GCC diagnostic pop\n");
}

void presence_header(text *out, const schema *all, const schema_type *type)
{
    for (size_t i = 0; i < type->message->n_field; i++)
        if (schema_is_optional(type->message->field[i]))
            field_header(out, all, type, type->message->field[i]);
}
