#include "mesh/plugin/parts.h"

void reason_header(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower}, {"type", type->type}, {NULL, NULL}};
    text_fill(out, vars,
              "\n/* mesh_error_reason with a reason of $type$. */\n"
              "MESH_API mesh_code $lower$__set(mesh_error *err, mesh_code code,\n"
              "    $type$ reason, const char *format, ...) MESH_PRINTF(4, 5);\n");
}

void reason_source(text *out, const schema_type *type)
{
    const text_var vars[] = {{"lower", type->lower},
                             {"type", type->type},
                             {"domain", type->file->proto->package},
                             {NULL, NULL}};
    text_fill(
        out, vars,
        "\nmesh_code $lower$__set(mesh_error *err, mesh_code code,\n"
        "    $type$ reason, const char *format, ...)\n"
        "{\n"
        "    /* Room for one character more, so that mesh_error_reason is the one to cut. */\n"
        "    char message[MESH_ERROR_MESSAGE_BYTES + 4];\n"
        "    va_list args;\n"
        "    va_start(args, format);\n"
        "    vsnprintf(message, sizeof message, format, args);\n"
        "    va_end(args);\n"
        "    const ProtobufCEnumValue *value =\n"
        "        protobuf_c_enum_descriptor_get_value(&$lower$__descriptor, (int)reason);\n"
        "    return mesh_error_reason(err, code, \"$domain$\",\n"
        "        value != NULL ? value->name : \"\", \"%s\", message);\n"
        "}\n");
}
