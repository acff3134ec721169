#include <stdlib.h>
#include <string.h>

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

typedef struct names {
    mesh_arena *arena;
    const char **list; /* NULL while counting */
    size_t count;
} names;

static void add_name(names *all, const char *scope, const char *name)
{
    if (all->list != NULL)
        all->list[all->count] = scope[0] == '\0'
                                    ? name
                                    : mesh_arena_printf(all->arena, "%s.%s", scope, name);
    all->count++;
}

static void add_extensions(names *all, const char *scope, field_proto *const *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add_name(all, scope, fields[i]->name);
}

static void collect(names *found, const schema *all, const schema_file *file)
{
    found->count = 0;
    const char *package = file->proto->package != NULL ? file->proto->package : "";
    add_extensions(found, package, file->proto->extension, file->proto->n_extension);
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        if (type->file != file)
            continue;
        add_name(found, "", type->full_name);
        if (type->message != NULL)
            add_extensions(found, type->full_name, type->message->extension,
                           type->message->n_extension);
    }
    for (size_t i = 0; i < all->service_count; i++) {
        const schema_service *service = &all->services[i];
        if (service->file != file)
            continue;
        add_name(found, "", service->full_name);
        for (size_t m = 0; m < service->method_count; m++)
            add_name(found, "", service->methods[m].full_name);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t add_symbols(text *out, const schema *all, const schema_file *file)
{
    names found = {.arena = all->arena};
    collect(&found, all, file);
    if (found.count == 0)
        return 0;
    found.list = memory_take(all->arena, found.count, sizeof *found.list);
    collect(&found, all, file);
    qsort(found.list, found.count, sizeof *found.list, by_name);
    text_add(out, "\nstatic const char *const file_symbols[] = {\n");
    for (size_t i = 0; i < found.count; i++)
        text_addf(out, "    \"%s\",\n", found.list[i]);
    text_add(out, "};\n");
    return found.count;
}

void reflection_source(text *out, const schema *all, const schema_file *file)
{
    add_descriptor(out, all, file);
    add_dependencies(out, all, file);
    size_t symbols = add_symbols(out, all, file);
    text_addf(out, "\nconst mesh_file %s__file = {\n    .name = ", file->c_name);
    text_add_literal(out, file->proto->name);
    text_add(out, ",\n    .descriptor = file_bytes,\n");
    text_add(out, "    .descriptor_size = sizeof file_bytes,\n");
    if (file->proto->n_dependency > 0)
        text_addf(out, "    .dependencies = file_imports,\n    .dependency_count = %zu,\n",
                  file->proto->n_dependency);
    if (symbols > 0)
        text_addf(out, "    .symbols = file_symbols,\n    .symbol_count = %zu,\n", symbols);
    text_add(out, "};\n");
}
