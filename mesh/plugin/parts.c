#include "mesh/plugin/parts.h"

#include "mesh/plugin/names.h"

static bool has_events(const schema *all, const schema_file *file)
{
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].file == file && all->types[i].event)
            return true;
    return false;
}

static bool has_reasons(const schema *all, const schema_file *file)
{
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].file == file && all->types[i].values == SCHEMA_REASONS)
            return true;
    return false;
}

static bool has_methods(const schema_file *file)
{
    for (size_t i = 0; i < file->proto->n_service; i++)
        if (file->proto->service[i]->n_method > 0)
            return true;
    return false;
}

static void add_includes(text *out, const schema *all, const schema_file *file)
{
    text_addf(out, "#include \"%s.pb-c.h\"\n\n", file->stem);
    for (size_t i = 0; i < file->proto->n_dependency; i++)
        text_addf(out, "#include \"%s.mesh.h\"\n",
                  schema_file_find(all, file->proto->dependency[i])->stem);
    if (has_events(all, file))
        text_add(out, "#include \"mesh/events/events.h\"\n");
    if (file->proto->n_service > 0)
        text_add(out, "#include \"mesh/rpc/channel.h\"\n");
    text_add(out, "#include \"mesh/rpc/method.h\"\n");
}

static void add_version_check(text *out)
{
    text_addf(out,
              "\n#if MESH_VERSION_NUMBER < %d\n"
              "#error \"written by protoc-gen-mesh " MESH_VERSION ", which needs a runtime of at "
              "least that version\"\n"
              "#endif\n",
              MESH_VERSION_NUMBER);
}

void parts_header(text *out, const schema *all, const schema_file *file)
{
    text_addf(out, "/* Written by protoc-gen-mesh " MESH_VERSION " from %s: do not edit. */\n",
              file->proto->name);
    text_addf(out, "#ifndef MESH_GEN_%s_H\n#define MESH_GEN_%s_H\n\n", file->c_name, file->c_name);
    add_includes(out, all, file);
    add_version_check(out);
    text_add(out, "\nMESH_BEGIN_DECLS\n");
    reflection_header(out, file);
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        if (type->file != file)
            continue;
        if (type->message != NULL)
            presence_header(out, all, type);
        if (type->values == SCHEMA_REASONS)
            reason_header(out, type);
        if (type->strings != NULL)
            access_header(out, all, type);
        if (type->event)
            event_header(out, type);
    }
    for (size_t i = 0; i < all->service_count; i++) {
        if (all->services[i].file != file)
            continue;
        service_header(out, &all->services[i]);
        client_header(out, &all->services[i]);
    }
    text_add(out, "\nMESH_END_DECLS\n\n#endif\n");
}

void parts_source(text *out, const schema *all, const schema_file *file)
{
    text_addf(out, "/* Written by protoc-gen-mesh " MESH_VERSION " from %s: do not edit. */\n",
              file->proto->name);
    text_add(out, "#ifndef PROTOBUF_C__NO_DEPRECATED\n"
                  "#define PROTOBUF_C__NO_DEPRECATED\n"
                  "#endif\n\n");
    text_addf(out, "#include \"%s.mesh.h\"\n", file->stem);
    if (has_reasons(all, file))
        text_add(out, "\n#include <stdarg.h>\n#include <stdio.h>\n");
    reflection_source(out, all, file);
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        if (type->file != file)
            continue;
        if (type->values == SCHEMA_REASONS)
            reason_source(out, type);
        if (type->strings != NULL)
            access_source(out, type);
        if (type->event)
            event_source(out, type);
    }
    if (has_methods(file))
        text_add(out, "\n/* How a method is handled, by which of its slots are filled. */\n"
                      "static inline mesh_handler_style\n"
                      "mesh_style(bool worker, bool other, mesh_handler_style style)\n"
                      "{\n"
                      "    if (worker)\n"
                      "        return other ? MESH_HANDLER_CONFLICT : MESH_HANDLER_WORKER;\n"
                      "    return other ? style : MESH_HANDLER_NONE;\n"
                      "}\n");
    for (size_t i = 0; i < all->service_count; i++) {
        if (all->services[i].file != file)
            continue;
        service_source(out, &all->services[i]);
        client_source(out, &all->services[i]);
    }
}
