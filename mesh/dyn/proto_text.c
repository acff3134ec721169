/* mesh_dyn_describe: definitions as .proto text. */
#include <inttypes.h>
#include <string.h>

#include "mesh/dyn/internal.h"

enum {
    OPTION_BYTES = 64 * 1024,     /* of one option's value */
    TEXT_BYTES = 4 * 1024 * 1024, /* of one description */
    TYPE_GROUP = 10,              /* FieldDescriptorProto.Type */
    TYPE_MESSAGE = 11,
    TYPE_ENUM = 14
};

typedef struct printer {
    const mesh_dyn_pool *pool;
    mesh_text *out;
    upb_Arena *scratch; /* of the options being printed */
} printer;

static const char *scalar_name(int type)
{
    static const char *const names[] = {"",         "double",   "float",   "int64",  "uint64",
                                        "int32",    "fixed64",  "fixed32", "bool",   "string",
                                        "group",    "",         "bytes",   "uint32", "",
                                        "sfixed32", "sfixed64", "sint32",  "sint64"};
    return type > 0 && type < (int)(sizeof names / sizeof names[0]) ? names[type] : "";
}

static const char *type_name(const upb_FieldDef *field)
{
    int type = upb_FieldDef_Type(field);
    if (type == TYPE_MESSAGE || type == TYPE_GROUP)
        return upb_MessageDef_FullName(upb_FieldDef_MessageSubDef(field));
    if (type == TYPE_ENUM)
        return upb_EnumDef_FullName(upb_FieldDef_EnumSubDef(field));
    return scalar_name(type);
}

static void indent(printer *p, unsigned level)
{
    mesh_text_fill(p->out, ' ', level * 2);
}

static void quoted(mesh_text *out, upb_StringView value)
{
    mesh_text_puts(out, "\"");
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c == '"' || c == '\\')
            mesh_text_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            mesh_text_printf(out, "\\%03o", c);
        else
            mesh_text_add(out, &value.data[i], 1);
    }
    mesh_text_puts(out, "\"");
}

static void enum_value(mesh_text *out, const upb_EnumDef *type, int32_t number)
{
    const upb_EnumValueDef *value = upb_EnumDef_FindValueByNumber(type, number);
    if (value != NULL)
        mesh_text_puts(out, upb_EnumValueDef_Name(value));
    else
        mesh_text_printf(out, "%" PRId32, number);
}

/* A message as one line of text format in braces. */
static void message_value(printer *p, const upb_MessageDef *type, const upb_Message *message)
{
    size_t size = upb_TextEncode(message, type, p->pool->defs,
                                 kUpb_TextEncode_SingleLine | kUpb_TextEncode_SkipUnknown, NULL, 0);
    char *text = size < OPTION_BYTES ? mesh_arena_alloc(p->out->arena, size + 1) : NULL;
    if (text == NULL) {
        mesh_text_puts(p->out, "{ ... }");
        return;
    }
    upb_TextEncode(message, type, p->pool->defs,
                   kUpb_TextEncode_SingleLine | kUpb_TextEncode_SkipUnknown, text, size + 1);
    mesh_text_printf(p->out, "{ %s}", text); /* each value in it ends in a blank */
}

static void option_value(printer *p, const upb_FieldDef *field, upb_MessageValue value)
{
    mesh_text *out = p->out;
    switch (upb_FieldDef_CType(field)) {
    case kUpb_CType_Bool:
        mesh_text_puts(out, value.bool_val ? "true" : "false");
        break;
    case kUpb_CType_Float:
        mesh_text_printf(out, "%.9g", (double)value.float_val);
        break;
    case kUpb_CType_Double:
        mesh_text_printf(out, "%.17g", value.double_val);
        break;
    case kUpb_CType_Int32:
        mesh_text_printf(out, "%" PRId32, value.int32_val);
        break;
    case kUpb_CType_UInt32:
        mesh_text_printf(out, "%" PRIu32, value.uint32_val);
        break;
    case kUpb_CType_Int64:
        mesh_text_printf(out, "%" PRId64, value.int64_val);
        break;
    case kUpb_CType_UInt64:
        mesh_text_printf(out, "%" PRIu64, value.uint64_val);
        break;
    case kUpb_CType_String:
    case kUpb_CType_Bytes:
        quoted(out, value.str_val);
        break;
    case kUpb_CType_Enum:
        enum_value(out, upb_FieldDef_EnumSubDef(field), value.int32_val);
        break;
    case kUpb_CType_Message:
        message_value(p, upb_FieldDef_MessageSubDef(field), value.msg_val);
        break;
    }
}

/* Where options stand: each on a line of its own, or in brackets behind a field or value. */
typedef struct option_place {
    bool brackets;
    unsigned level;
    size_t count; /* printed so far */
} option_place;

static void one_option(printer *p, option_place *place, const upb_FieldDef *field,
                       upb_MessageValue value)
{
    if (place->brackets) {
        mesh_text_puts(p->out, place->count == 0 ? " [" : ", ");
    } else {
        indent(p, place->level);
        mesh_text_puts(p->out, "option ");
    }
    mesh_text_printf(p->out, upb_FieldDef_IsExtension(field) ? "(%s) = " : "%s = ",
                     upb_FieldDef_IsExtension(field) ? upb_FieldDef_FullName(field)
                                                     : upb_FieldDef_Name(field));
    option_value(p, field, value);
    if (!place->brackets)
        mesh_text_puts(p->out, ";\n");
    place->count++;
}

/*
 * Prints options of the type google.protobuf.<kind>. The pool holds them as it decoded them when it
 * knew no extensions yet, so they are encoded and decoded once more with all that it knows now.
 */
static void options(printer *p, const char *kind, const upb_Message *held, option_place *place)
{
    const upb_MessageDef *type = upb_DefPool_FindMessageByName(p->pool->defs, kind);
    const upb_MiniTable *layout = upb_MessageDef_MiniTable(type);
    char *data = NULL;
    size_t size = 0;
    upb_Message *message = NULL;
    if (upb_Encode(held, layout, 0, p->scratch, &data, &size) != kUpb_EncodeStatus_Ok ||
        dyn_decode(type, data, size, upb_DefPool_ExtensionRegistry(p->pool->defs),
                   MESH_DYN_MAX_WIRE_DEPTH, p->scratch, p->out->arena,
                   &message) != kUpb_DecodeStatus_Ok)
        return;
    const upb_FieldDef *field;
    upb_MessageValue value;
    size_t position = MESH_DYN_UPB_BEGIN;
    while (upb_Message_Next(message, type, p->pool->defs, &field, &value, &position)) {
        if (!upb_FieldDef_IsRepeated(field)) {
            one_option(p, place, field, value);
            continue;
        }
        for (size_t i = 0; i < upb_Array_Size(value.array_val); i++)
            one_option(p, place, field, upb_Array_Get(value.array_val, i));
    }
}

/* True when the JSON name is not the one that protoc derives (lowerCamelCase). */
static bool has_own_json_name(const upb_FieldDef *field)
{
    const char *json = upb_FieldDef_JsonName(field);
    bool upper = false;
    for (const char *name = upb_FieldDef_Name(field); *name != '\0'; name++) {
        if (*name == '_') {
            upper = true;
            continue;
        }
        char want = upper && *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name;
        upper = false;
        if (*json++ != want)
            return true;
    }
    return *json != '\0';
}

static void print_field(printer *p, const upb_FieldDef *field, unsigned level)
{
    indent(p, level);
    if (upb_FieldDef_IsMap(field)) {
        const upb_MessageDef *entry = upb_FieldDef_MessageSubDef(field);
        mesh_text_printf(p->out, "map<%s, ", type_name(upb_MessageDef_FindFieldByNumber(entry, 1)));
        mesh_text_printf(p->out, "%s>", type_name(upb_MessageDef_FindFieldByNumber(entry, 2)));
    } else {
        bool proto2 = upb_FileDef_Syntax(upb_FieldDef_File(field)) == kUpb_Syntax_Proto2;
        if (upb_FieldDef_IsRepeated(field))
            mesh_text_puts(p->out, "repeated ");
        else if (upb_FieldDef_IsRequired(field))
            mesh_text_puts(p->out, "required ");
        else if (_upb_FieldDef_IsProto3Optional(field) ||
                 (proto2 && upb_FieldDef_RealContainingOneof(field) == NULL))
            mesh_text_puts(p->out, "optional ");
        mesh_text_puts(p->out, type_name(field));
    }
    mesh_text_printf(p->out, " %s = %" PRIu32, upb_FieldDef_Name(field),
                     upb_FieldDef_Number(field));
    option_place place = {.brackets = true};
    if (has_own_json_name(field)) {
        mesh_text_printf(p->out, " [json_name = \"%s\"", upb_FieldDef_JsonName(field));
        place.count = 1;
    }
    options(p, "google.protobuf.FieldOptions", upb_FieldDef_Options(field), &place);
    mesh_text_puts(p->out, place.count > 0 ? "];\n" : ";\n");
}

static void print_enum(printer *p, const upb_EnumDef *type, unsigned level)
{
    indent(p, level);
    mesh_text_printf(p->out, "enum %s {\n", upb_EnumDef_Name(type));
    options(p, "google.protobuf.EnumOptions", upb_EnumDef_Options(type),
            &(option_place){.level = level + 1});
    for (int i = 0; i < upb_EnumDef_ValueCount(type); i++) {
        const upb_EnumValueDef *value = upb_EnumDef_Value(type, i);
        indent(p, level + 1);
        mesh_text_printf(p->out, "%s = %" PRId32, upb_EnumValueDef_Name(value),
                         upb_EnumValueDef_Number(value));
        option_place place = {.brackets = true};
        options(p, "google.protobuf.EnumValueOptions", upb_EnumValueDef_Options(value), &place);
        mesh_text_puts(p->out, place.count > 0 ? "];\n" : ";\n");
    }
    indent(p, level);
    mesh_text_puts(p->out, "}\n");
}

static void print_fields(printer *p, const upb_MessageDef *type, unsigned level)
{
    const upb_OneofDef *open = NULL;
    for (int i = 0; i < upb_MessageDef_FieldCount(type); i++) {
        const upb_FieldDef *field = upb_MessageDef_Field(type, i);
        const upb_OneofDef *oneof = upb_FieldDef_RealContainingOneof(field);
        if (open != NULL && oneof != open) {
            indent(p, level);
            mesh_text_puts(p->out, "}\n");
        }
        if (oneof != NULL && oneof != open) {
            indent(p, level);
            mesh_text_printf(p->out, "oneof %s {\n", upb_OneofDef_Name(oneof));
        }
        open = oneof;
        print_field(p, field, oneof == NULL ? level : level + 1);
    }
    if (open != NULL) {
        indent(p, level);
        mesh_text_puts(p->out, "}\n");
    }
}

static void print_message(printer *p, const upb_MessageDef *type, unsigned level)
{
    indent(p, level);
    mesh_text_printf(p->out, "message %s {\n", upb_MessageDef_Name(type));
    options(p, "google.protobuf.MessageOptions", upb_MessageDef_Options(type),
            &(option_place){.level = level + 1});
    for (int i = 0; i < upb_MessageDef_NestedEnumCount(type); i++)
        print_enum(p, upb_MessageDef_NestedEnum(type, i), level + 1);
    for (int i = 0; i < upb_MessageDef_NestedMessageCount(type); i++) {
        const upb_MessageDef *nested = upb_MessageDef_NestedMessage(type, i);
        if (!dyn_is_map_entry(type, nested))
            print_message(p, nested, level + 1);
    }
    print_fields(p, type, level + 1);
    indent(p, level);
    mesh_text_puts(p->out, "}\n");
}

static void print_method(printer *p, const upb_MethodDef *method, unsigned level)
{
    indent(p, level);
    mesh_text_printf(p->out, "rpc %s(%s%s) returns (%s%s)", upb_MethodDef_Name(method),
                     upb_MethodDef_ClientStreaming(method) ? "stream " : "",
                     upb_MessageDef_FullName(upb_MethodDef_InputType(method)),
                     upb_MethodDef_ServerStreaming(method) ? "stream " : "",
                     upb_MessageDef_FullName(upb_MethodDef_OutputType(method)));
    mesh_text body = MESH_TEXT_INIT(p->out->arena, OPTION_BYTES);
    option_place place = {.level = level + 1};
    printer inner = {.pool = p->pool, .out = &body, .scratch = p->scratch};
    options(&inner, "google.protobuf.MethodOptions", upb_MethodDef_Options(method), &place);
    if (place.count == 0) {
        mesh_text_puts(p->out, ";\n");
        return;
    }
    mesh_text_printf(p->out, " {\n%s", mesh_text_string(&body));
    indent(p, level);
    mesh_text_puts(p->out, "}\n");
}

static void print_service(printer *p, const upb_ServiceDef *service)
{
    mesh_text_printf(p->out, "service %s {\n", upb_ServiceDef_Name(service));
    options(p, "google.protobuf.ServiceOptions", upb_ServiceDef_Options(service),
            &(option_place){.level = 1});
    for (int i = 0; i < upb_ServiceDef_MethodCount(service); i++)
        print_method(p, upb_ServiceDef_Method(service, i), 1);
    mesh_text_puts(p->out, "}\n");
}

/* A method or a field: the part behind the last dot of its name. */
static bool print_member(printer *p, const char *symbol)
{
    const char *dot = strrchr(symbol, '.');
    if (dot == NULL)
        return false;
    size_t size = (size_t)(dot - symbol);
    const upb_ServiceDef *service = upb_DefPool_FindServiceByNameWithSize(p->pool->defs, symbol,
                                                                          size);
    const upb_MethodDef *method = service == NULL
                                      ? NULL
                                      : upb_ServiceDef_FindMethodByName(service, dot + 1);
    if (method != NULL) {
        print_method(p, method, 0);
        return true;
    }
    const upb_MessageDef *message = upb_DefPool_FindMessageByNameWithSize(p->pool->defs, symbol,
                                                                          size);
    const upb_FieldDef *field = message == NULL ? NULL
                                                : upb_MessageDef_FindFieldByNameWithSize(
                                                      message, dot + 1, strlen(dot + 1));
    if (field == NULL)
        return false;
    print_field(p, field, 0);
    return true;
}

static bool print_symbol(printer *p, const char *symbol)
{
    const upb_DefPool *defs = p->pool->defs;
    const upb_ServiceDef *service = upb_DefPool_FindServiceByNameWithSize(defs, symbol,
                                                                          strlen(symbol));
    const upb_MessageDef *message = upb_DefPool_FindMessageByName(defs, symbol);
    const upb_EnumDef *type = upb_DefPool_FindEnumByName(defs, symbol);
    const upb_FieldDef *extension = upb_DefPool_FindExtensionByName(defs, symbol);
    if (service != NULL)
        print_service(p, service);
    else if (message != NULL)
        print_message(p, message, 0);
    else if (type != NULL)
        print_enum(p, type, 0);
    else if (extension != NULL) {
        mesh_text_printf(p->out, "extend %s {\n",
                         upb_MessageDef_FullName(upb_FieldDef_ContainingType(extension)));
        print_field(p, extension, 1);
        mesh_text_puts(p->out, "}\n");
    } else {
        return print_member(p, symbol);
    }
    return true;
}

mesh_code mesh_dyn_describe(const mesh_dyn_pool *pool, const char *symbol, mesh_arena *arena,
                            const char **text, mesh_error *err)
{
    mesh_text out = MESH_TEXT_INIT(arena, TEXT_BYTES);
    printer p = {.pool = pool, .out = &out, .scratch = upb_Arena_Init(NULL, 0, &upb_alloc_global)};
    if (p.scratch == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    bool found = print_symbol(&p, symbol);
    upb_Arena_Free(p.scratch);
    if (!found)
        return mesh_error_set(err, MESH_NOT_FOUND, "no message, enum, service or method %s",
                              symbol);
    if (out.failed || mesh_arena_overflowed(arena)) /* options may be missing */
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the description of %s is too large",
                              symbol);
    *text = out.data;
    return MESH_OK;
}
