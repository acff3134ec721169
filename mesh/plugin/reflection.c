#include "mesh/plugin/memory.h"
#include "mesh/plugin/parts.h"

void reflection_header(text *out, const schema_file *file)
{
    text_addf(out, "\n/* The descriptor of %s, for server reflection. */\n", file->proto->name);
    text_addf(out, "extern const mesh_file %s__file;\n", file->c_name);
}

/* The descriptor without comments and positions, 20 bytes a line. */
static void add_descriptor(text *out, const schema *all, const schema_file *file)
{
    file_proto plain = *file->proto;
    plain.source_code_info = NULL;
    size_t size = google__protobuf__file_descriptor_proto__get_packed_size(&plain);
    uint8_t *data = memory_take(all->arena, size + 1, 1);
    google__protobuf__file_descriptor_proto__pack(&plain, data);
    text_addf(out, "\nstatic const uint8_t file_bytes[%zu] = {", size);
    for (size_t i = 0; i < size; i++)
        text_addf(out, "%s%u,", i % 20 == 0 ? "\n    " : "", data[i]);
    text_add(out, "\n};\n");
}

static void add_dependencies(text *out, const schema *all, const schema_file *file)
{
    if (file->proto->n_dependency == 0)
        return;
    text_add(out, "\nstatic const mesh_file *const file_imports[] = {\n");
    for (size_t i = 0; i < file->proto->n_dependency; i++)
        text_addf(out, "    &%s__file,\n",
                  schema_file_find(all, file->proto->dependency[i])->c_name);
    text_add(out, "};\n");
}

void reflection_source(text *out, const schema *all, const schema_file *file)
{
    add_descriptor(out, all, file);
    add_dependencies(out, all, file);
    text_addf(out, "\nconst mesh_file %s__file = {\n    .name = ", file->c_name);
    text_add_literal(out, file->proto->name);
    text_add(out, ",\n    .descriptor = file_bytes,\n");
    text_add(out, "    .descriptor_size = sizeof file_bytes,\n");
    if (file->proto->n_dependency > 0)
        text_addf(out, "    .dependencies = file_imports,\n    .dependency_count = %zu,\n",
                  file->proto->n_dependency);
    text_add(out, "};\n");
}
