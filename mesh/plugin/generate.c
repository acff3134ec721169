#include "mesh/plugin/generate.h"

#include <string.h>

#include "mesh/plugin/check.h"
#include "mesh/plugin/delegate.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/parts.h"
#include "mesh/plugin/report.h"
#include "mesh/plugin/request.h"

typedef Google__Protobuf__Compiler__CodeGeneratorResponse__File response_file;

typedef struct parameters {
    const char *protoc_gen_c;
} parameters;

/* "NAME=VALUE,NAME=VALUE", as protoc joins --mesh_out's and --mesh_opt's. */
static void read_parameters(mesh_arena *arena, const char *given, parameters *out, report *problems)
{
    static const char gen_c[] = "protoc_gen_c=";
    *out = (parameters){.protoc_gen_c = "protoc-gen-c"};
    while (given != NULL && *given != '\0') {
        size_t size = strcspn(given, ",");
        const char *one = mesh_arena_strndup(arena, given, size);
        if (strncmp(one, gen_c, sizeof gen_c - 1) == 0 && one[sizeof gen_c - 1] != '\0')
            out->protoc_gen_c = one + sizeof gen_c - 1;
        else if (size > 0)
            report_add(problems, NULL, (schema_path){0},
                       "unknown parameter \"%s\"; known is protoc_gen_c=PATH", one);
        given += size + (given[size] == ',');
    }
}

static void add_file(mesh_arena *arena, code_response *response, const char *name, text *content)
{
    response_file *file = memory_take(arena, 1, sizeof *file);
    google__protobuf__compiler__code_generator_response__file__init(file);
    file->name = (char *)name;
    file->content = mesh_arena_strdup(arena, content->data != NULL ? content->data : "");
    response->file[response->n_file++] = file;
    text_free(content);
}

static void add_messages(schema *all, const code_response *messages, code_response *response)
{
    for (size_t i = 0; i < messages->n_file; i++) {
        const response_file *from = messages->file[i];
        if (from->name == NULL || from->name[0] == '\0' || from->content == NULL)
            continue;
        text content = {0};
        for (size_t k = 0; k < all->file_count; k++) {
            const schema_file *file = &all->files[k];
            size_t stem = strlen(file->stem);
            if (strncmp(from->name, file->stem, stem) == 0 &&
                strncmp(from->name + stem, ".pb-c.", 6) == 0)
                delegate_mend(&content, all, file, from->name, from->content);
        }
        add_file(all->arena, response, from->name, &content);
    }
}

static void add_stubs(schema *all, code_response *response)
{
    for (size_t i = 0; i < all->file_count; i++) {
        const schema_file *file = &all->files[i];
        if (!file->generate)
            continue;
        text content = {0};
        parts_header(&content, all, file);
        add_file(all->arena, response, mesh_arena_printf(all->arena, "%s.mesh.h", file->stem),
                 &content);
        parts_source(&content, all, file);
        add_file(all->arena, response, mesh_arena_printf(all->arena, "%s.mesh.c", file->stem),
                 &content);
    }
}

static bool fill(mesh_arena *arena, const uint8_t *data, size_t size, code_response *response,
                 report *problems, text *why)
{
    code_request *request = request_read(arena, data, size, why);
    if (request == NULL)
        return false;
    parameters parameters;
    schema all;
    read_parameters(arena, request->parameter, &parameters, problems);
    schema_build(&all, arena, request);
    check_links(&all, problems);
    if (problems->count == 0) {
        schema_read_options(&all, problems);
        check_features(&all, problems);
        check_symbols(&all, problems);
    }
    if (problems->count > 0)
        return true;
    code_response *messages = delegate_run(arena, parameters.protoc_gen_c, data, size, why);
    if (messages == NULL)
        return false;
    response->file = memory_take(arena, messages->n_file + 2 * all.file_count, sizeof(void *));
    add_messages(&all, messages, response);
    add_stubs(&all, response);
    return true;
}

bool generate(const uint8_t *data, size_t size, text *output, text *why)
{
    mesh_arena *arena = mesh_arena_create(1 << 20, 0);
    report problems = {0};
    code_response response = GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__INIT;
    bool answered = false;
    if (arena == NULL) {
        text_add(why, "out of memory");
        goto done;
    }
    if (!fill(arena, data, size, &response, &problems, why))
        goto done;
    if (problems.count > 0)
        response.error = problems.lines.data;
    response.has_supported_features = true;
    response.supported_features =
        GOOGLE__PROTOBUF__COMPILER__CODE_GENERATOR_RESPONSE__FEATURE__FEATURE_PROTO3_OPTIONAL;
    size_t packed = protobuf_c_message_get_packed_size(&response.base);
    uint8_t *bytes = memory_take(arena, packed + 1, 1);
    protobuf_c_message_pack(&response.base, bytes);
    text_add_bytes(output, (const char *)bytes, packed);
    answered = !mesh_arena_overflowed(arena);
    if (!answered)
        text_add(why, "out of memory");
done:
    report_free(&problems);
    mesh_arena_destroy(arena);
    return answered;
}
