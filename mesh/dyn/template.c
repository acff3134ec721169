/* mesh_dyn_template: an example of a message, to be edited. */
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/dyn/internal.h"
#include "mesh/dyn/json_text.h"

enum {
    MAX_DEPTH = 12, /* of types inside each other */
    TEMPLATE_BYTES = 1024 * 1024,
    /* google.protobuf.MessageOptions and mesh.v1.EventOptions */
    OPTION_EVENT = 50101,
    EVENT_VERSION = 3
};

typedef struct builder {
    mesh_text *out;
    bool proto_names;
    unsigned depth;
    const upb_MessageDef *open[MAX_DEPTH]; /* types being written, outermost first */
    const char *version;                   /* field of the outermost one; "": it has none */
} builder;

static bool is_open(const builder *b, const upb_MessageDef *type)
{
    for (unsigned i = 0; i < b->depth; i++)
        if (b->open[i] == type)
            return true;
    return b->depth == MAX_DEPTH;
}

static void write_message(builder *b, const upb_MessageDef *type);

static void write_enum(builder *b, const upb_EnumDef *type)
{
    if (strcmp(upb_EnumDef_FullName(type), "google.protobuf.NullValue") == 0) {
        mesh_text_puts(b->out, "null");
        return;
    }
    /* The zero value is "unspecified" by convention: show one that says something. */
    int index = upb_EnumDef_ValueCount(type) > 1 ? 1 : 0;
    mesh_text_printf(b->out, "\"%s\"", upb_EnumValueDef_Name(upb_EnumDef_Value(type, index)));
}

static void write_value(builder *b, const upb_FieldDef *field)
{
    switch (upb_FieldDef_CType(field)) {
    case kUpb_CType_Bool:
        mesh_text_puts(b->out, "false");
        break;
    case kUpb_CType_Int64:
    case kUpb_CType_UInt64:
        mesh_text_puts(b->out, "\"0\"");
        break;
    case kUpb_CType_String:
    case kUpb_CType_Bytes:
        mesh_text_puts(b->out, "\"\"");
        break;
    case kUpb_CType_Enum:
        write_enum(b, upb_FieldDef_EnumSubDef(field));
        break;
    case kUpb_CType_Message:
        write_message(b, upb_FieldDef_MessageSubDef(field));
        break;
    default:
        mesh_text_puts(b->out, "0");
        break;
    }
}

static void write_map(builder *b, const upb_FieldDef *field)
{
    const upb_MessageDef *entry = upb_FieldDef_MessageSubDef(field);
    const upb_FieldDef *value = upb_MessageDef_FindFieldByNumber(entry, 2);
    if (upb_FieldDef_CType(value) == kUpb_CType_Message &&
        is_open(b, upb_FieldDef_MessageSubDef(value))) {
        mesh_text_puts(b->out, "{}");
        return;
    }
    switch (upb_FieldDef_CType(upb_MessageDef_FindFieldByNumber(entry, 1))) {
    case kUpb_CType_String:
        mesh_text_puts(b->out, "{\"key\":");
        break;
    case kUpb_CType_Bool:
        mesh_text_puts(b->out, "{\"false\":");
        break;
    default:
        mesh_text_puts(b->out, "{\"0\":");
        break;
    }
    write_value(b, value);
    mesh_text_puts(b->out, "}");
}

static void write_field(builder *b, const upb_FieldDef *field)
{
    const char *name = b->proto_names ? upb_FieldDef_Name(field) : upb_FieldDef_JsonName(field);
    mesh_json_quote(name, strlen(name), b->out);
    mesh_text_puts(b->out, ":");
    if (upb_FieldDef_IsMap(field)) {
        write_map(b, field);
    } else if (upb_FieldDef_IsRepeated(field)) {
        mesh_text_puts(b->out, "[");
        if (upb_FieldDef_CType(field) != kUpb_CType_Message ||
            !is_open(b, upb_FieldDef_MessageSubDef(field)))
            write_value(b, field);
        mesh_text_puts(b->out, "]");
    } else if (b->depth == 1 && strcmp(upb_FieldDef_Name(field), b->version) == 0) {
        mesh_text_puts(b->out, "\"1\""); /* 0 is none */
    } else {
        write_value(b, field);
    }
}

static void write_fields(builder *b, const upb_MessageDef *type)
{
    const upb_OneofDef *written = NULL;
    bool first = true;
    mesh_text_puts(b->out, "{");
    for (int i = 0; i < upb_MessageDef_FieldCount(type); i++) {
        const upb_FieldDef *field = upb_MessageDef_Field(type, i);
        const upb_OneofDef *oneof = upb_FieldDef_RealContainingOneof(field);
        if (oneof != NULL && oneof == written)
            continue;
        written = oneof;
        if (!first)
            mesh_text_puts(b->out, ",");
        first = false;
        write_field(b, field);
    }
    mesh_text_puts(b->out, "}");
}

static void write_message(builder *b, const upb_MessageDef *type)
{
    switch (upb_MessageDef_WellKnownType(type)) {
    case kUpb_WellKnown_Any:
        mesh_text_puts(b->out, "{\"@type\":\"type.googleapis.com/google.protobuf.Any\"}");
        return;
    case kUpb_WellKnown_FieldMask:
    case kUpb_WellKnown_StringValue:
    case kUpb_WellKnown_BytesValue:
        mesh_text_puts(b->out, "\"\"");
        return;
    case kUpb_WellKnown_Duration:
        mesh_text_puts(b->out, "\"1.500s\"");
        return;
    case kUpb_WellKnown_Timestamp:
        mesh_text_puts(b->out, "\"2026-01-31T12:00:00Z\"");
        return;
    case kUpb_WellKnown_Int64Value:
    case kUpb_WellKnown_UInt64Value:
        mesh_text_puts(b->out, "\"0\"");
        return;
    case kUpb_WellKnown_DoubleValue:
    case kUpb_WellKnown_FloatValue:
    case kUpb_WellKnown_Int32Value:
    case kUpb_WellKnown_UInt32Value:
        mesh_text_puts(b->out, "0");
        return;
    case kUpb_WellKnown_BoolValue:
        mesh_text_puts(b->out, "false");
        return;
    case kUpb_WellKnown_Value:
        mesh_text_puts(b->out, "null");
        return;
    case kUpb_WellKnown_ListValue:
        mesh_text_puts(b->out, "[]");
        return;
    case kUpb_WellKnown_Struct:
        mesh_text_puts(b->out, "{}");
        return;
    default:
        break;
    }
    if (is_open(b, type)) {
        mesh_text_puts(b->out, "{}");
        return;
    }
    b->open[b->depth++] = type;
    write_fields(b, type);
    b->depth--;
}

static const mesh_wire_field *find_bytes(mesh_wire_reader reader, uint32_t number,
                                         mesh_wire_field *field)
{
    while (mesh_wire_next(&reader, field))
        if (field->number == number && field->type == MESH_WIRE_BYTES)
            return field;
    return NULL;
}

/* The field that the type's option as an event names; NULL: out of memory. */
static const char *version_field(const mesh_dyn_pool *pool, const upb_MessageDef *type,
                                 mesh_arena *arena)
{
    const upb_MessageDef *options = upb_DefPool_FindMessageByName(pool->defs,
                                                                  "google.protobuf.MessageOptions");
    upb_Arena *scratch = upb_Arena_Init(NULL, 0, &upb_alloc_global);
    const char *found = NULL;
    char *data = NULL;
    size_t size = 0;
    mesh_wire_field event, name;
    if (scratch != NULL &&
        upb_Encode(upb_MessageDef_Options(type), upb_MessageDef_MiniTable(options), 0, scratch,
                   &data, &size) == kUpb_EncodeStatus_Ok) {
        const mesh_wire_reader all = {(const uint8_t *)data, (const uint8_t *)data + size};
        const bool named = find_bytes(all, OPTION_EVENT, &event) != NULL &&
                           find_bytes((mesh_wire_reader){event.data, event.data + event.size},
                                      EVENT_VERSION, &name) != NULL;
        found = named ? mesh_arena_strndup(arena, (const char *)name.data, name.size) : "";
    }
    if (scratch != NULL)
        upb_Arena_Free(scratch);
    return found;
}

mesh_code mesh_dyn_template(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                            bool proto_names, mesh_arena *arena, const char **json, mesh_error *err)
{
    mesh_text line = MESH_TEXT_INIT(arena, TEMPLATE_BYTES);
    mesh_text laid_out = MESH_TEXT_INIT(arena, TEMPLATE_BYTES);
    builder b = {.out = &line,
                 .proto_names = proto_names,
                 .version = version_field(pool, dyn_message(type), arena)};
    if (b.version == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    write_message(&b, dyn_message(type));
    if (!line.failed)
        mesh_json_indent(line.data, line.size, 2, &laid_out);
    if (line.failed || laid_out.failed)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the template of %s is too large",
                              upb_MessageDef_FullName(dyn_message(type)));
    *json = laid_out.data;
    return MESH_OK;
}
