#include "mesh/reflection/index.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "google/protobuf/descriptor.pb-c.h"
#include "mesh/base/alloc.h"
#include "mesh/rpc/unpack.h"

/* Builds an index; the first failure sticks in `code`, so that the walk need not look. */
struct builder {
    mesh_index *index;
    size_t file; /* being walked */
    size_t file_room, symbol_room, extension_room;
    mesh_code code;
    mesh_error *err;
};

MESH_PRINTF(3, 4)
static void fail(struct builder *b, mesh_code code, const char *format, ...)
{
    va_list args;

    if (b->code != MESH_OK)
        return;
    va_start(args, format);
    b->code = mesh_error_vset(b->err, code, format, args);
    va_end(args);
}

/* Room for one more element of an array that doubles; false when out of memory. */
static bool grow(struct builder *b, void **array, size_t count, size_t *room, size_t size)
{
    if (b->code != MESH_OK)
        return false;
    if (count < *room)
        return true;
    size_t wanted = *room == 0 ? 32 : *room * 2;
    void *larger = mesh_realloc(*array, wanted * size);
    if (larger == NULL) {
        fail(b, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return false;
    }
    *array = larger;
    *room = wanted;
    return true;
}

/* "scope.name" in the index's memory. */
static const char *join(struct builder *b, const char *scope, const char *name)
{
    return scope[0] == '\0' ? mesh_arena_strdup(b->index->arena, name)
                            : mesh_arena_printf(b->index->arena, "%s.%s", scope, name);
}

static const char *add_symbol(struct builder *b, const char *scope, const char *name, bool message)
{
    mesh_index *index = b->index;
    if (!grow(b, (void **)&index->symbols, index->symbol_count, &b->symbol_room,
              sizeof *index->symbols))
        return "";
    const char *full = join(b, scope, name);
    index->symbols[index->symbol_count++] = (mesh_index_symbol){
        .name = full, .file = b->file, .message = message};
    return full;
}

static void add_extension(struct builder *b, const char *scope,
                          const Google__Protobuf__FieldDescriptorProto *field)
{
    mesh_index *index = b->index;
    add_symbol(b, scope, field->name, false);
    if (field->extendee == NULL || !grow(b, (void **)&index->extensions, index->extension_count,
                                         &b->extension_room, sizeof *index->extensions))
        return;
    const char *type = field->extendee[0] == '.' ? field->extendee + 1 : field->extendee;
    index->extensions[index->extension_count++] = (mesh_index_extension){
        .type = mesh_arena_strdup(index->arena, type), .number = field->number, .file = b->file};
}

static void add_enum(struct builder *b, const char *scope,
                     const Google__Protobuf__EnumDescriptorProto *type)
{
    add_symbol(b, scope, type->name, false);
    for (size_t i = 0; i < type->n_value; i++) /* values are siblings of their enum, as in C++ */
        add_symbol(b, scope, type->value[i]->name, false);
}

/* As deep as the nesting of one of this program's own contracts, which protoc bounds. */
static void add_message(struct builder *b, const char *scope,
                        const Google__Protobuf__DescriptorProto *type)
{
    const char *full = add_symbol(b, scope, type->name, true);
    for (size_t i = 0; i < type->n_field; i++)
        add_symbol(b, full, type->field[i]->name, false);
    for (size_t i = 0; i < type->n_oneof_decl; i++)
        add_symbol(b, full, type->oneof_decl[i]->name, false);
    for (size_t i = 0; i < type->n_extension; i++)
        add_extension(b, full, type->extension[i]);
    for (size_t i = 0; i < type->n_enum_type; i++)
        add_enum(b, full, type->enum_type[i]);
    for (size_t i = 0; i < type->n_nested_type; i++)
        add_message(b, full, type->nested_type[i]);
}

static void add_definitions(struct builder *b, const Google__Protobuf__FileDescriptorProto *file)
{
    const char *package = file->package != NULL ? file->package : "";
    for (size_t i = 0; i < file->n_message_type; i++)
        add_message(b, package, file->message_type[i]);
    for (size_t i = 0; i < file->n_enum_type; i++)
        add_enum(b, package, file->enum_type[i]);
    for (size_t i = 0; i < file->n_extension; i++)
        add_extension(b, package, file->extension[i]);
    for (size_t i = 0; i < file->n_service; i++) {
        const Google__Protobuf__ServiceDescriptorProto *service = file->service[i];
        const char *full = add_symbol(b, package, service->name, false);
        for (size_t j = 0; j < service->n_method; j++)
            add_symbol(b, full, service->method[j]->name, false);
    }
}

/* Takes in a file and what it imports, each once. */
static void add_file(struct builder *b, const mesh_file *file)
{
    mesh_index *index = b->index;
    if (mesh_index_by_name(index, file->name) != NULL ||
        !grow(b, (void **)&index->files, index->file_count, &b->file_room, sizeof *index->files))
        return;
    b->file = index->file_count++;
    index->files[b->file].file = file;

    mesh_arena *arena = mesh_arena_create(4 * file->descriptor_size, 0);
    if (arena == NULL) {
        fail(b, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    ProtobufCMessage *decoded = NULL;
    mesh_code code = mesh_unpack(&google__protobuf__file_descriptor_proto__descriptor,
                                 file->descriptor, file->descriptor_size, arena, &decoded, NULL);
    if (code == MESH_OK)
        add_definitions(b, (const Google__Protobuf__FileDescriptorProto *)decoded);
    else if (code == MESH_INVALID_ARGUMENT)
        fail(b, MESH_INTERNAL, "the descriptor of %s cannot be read", file->name);
    else
        fail(b, code, "out of memory for the descriptor of %s", file->name);
    mesh_arena_destroy(arena);

    for (size_t i = 0; i < file->dependency_count; i++)
        add_file(b, file->dependencies[i]);
}

/* Makes the answer of a file: breadth first from the file itself, which clients expect first. */
static void make_answer(struct builder *b, mesh_index_file *file)
{
    mesh_index *index = b->index;
    const mesh_file **found = mesh_arena_calloc(index->arena, index->file_count, sizeof *found);
    ProtobufCBinaryData *bytes = mesh_arena_calloc(index->arena, index->file_count, sizeof *bytes);
    if (found == NULL || bytes == NULL) {
        fail(b, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }

    size_t count = 1;
    found[0] = file->file;
    for (size_t at = 0; at < count; at++) {
        bytes[at].data = (uint8_t *)found[at]->descriptor;
        bytes[at].len = found[at]->descriptor_size;
        for (size_t i = 0; i < found[at]->dependency_count; i++) {
            const char *name = found[at]->dependencies[i]->name;
            size_t known = 0;
            while (known < count && strcmp(found[known]->name, name) != 0)
                known++;
            if (known == count)
                found[count++] = mesh_index_by_name(index, name)->file;
        }
    }
    grpc__reflection__v1__file_descriptor_response__init(&file->answer);
    file->answer.file_descriptor_proto = bytes;
    file->answer.n_file_descriptor_proto = count;
}

static int compare_symbols(const void *left, const void *right)
{
    return strcmp(((const mesh_index_symbol *)left)->name,
                  ((const mesh_index_symbol *)right)->name);
}

static int compare_types(const void *left, const void *right)
{
    return strcmp(((const mesh_index_extension *)left)->type,
                  ((const mesh_index_extension *)right)->type);
}

static int compare_extensions(const void *left, const void *right)
{
    int types = compare_types(left, right);
    int32_t a = ((const mesh_index_extension *)left)->number;
    int32_t b = ((const mesh_index_extension *)right)->number;
    return types != 0 ? types : (a > b) - (a < b);
}

static int compare_services(const void *left, const void *right)
{
    return strcmp((*(Grpc__Reflection__V1__ServiceResponse *const *)left)->name,
                  (*(Grpc__Reflection__V1__ServiceResponse *const *)right)->name);
}

static void make_services(struct builder *b, const mesh_api *apis, size_t count)
{
    mesh_index *index = b->index;
    Grpc__Reflection__V1__ServiceResponse **list = mesh_arena_calloc(index->arena, count,
                                                                     sizeof *list);
    Grpc__Reflection__V1__ServiceResponse *service = mesh_arena_calloc(index->arena, count,
                                                                       sizeof *service);
    if (list == NULL || service == NULL) {
        fail(b, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        grpc__reflection__v1__service_response__init(&service[i]);
        service[i].name = (char *)apis[i].descriptor->name;
        list[i] = &service[i];
    }
    qsort(list, count, sizeof *list, compare_services);
    grpc__reflection__v1__list_service_response__init(&index->services);
    index->services.service = list;
    index->services.n_service = count;
}

static void make_numbers(struct builder *b)
{
    mesh_index *index = b->index;
    qsort(index->extensions, index->extension_count, sizeof *index->extensions, compare_extensions);
    index->numbers = mesh_arena_calloc(index->arena, index->extension_count,
                                       sizeof *index->numbers);
    if (index->numbers == NULL) {
        fail(b, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    for (size_t i = 0; i < index->extension_count; i++)
        index->numbers[i] = index->extensions[i].number;
}

mesh_code mesh_index_create(const mesh_api *apis, size_t count, const mesh_file *const *others,
                            mesh_index **index, mesh_error *err)
{
    mesh_index *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    made->arena = mesh_arena_create(4096, 0);
    if (made->arena == NULL) {
        mesh_free(made);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }

    struct builder b = {.index = made, .err = err};
    for (size_t i = 0; i < count && b.code == MESH_OK; i++)
        add_file(&b, apis[i].descriptor->file);
    for (; *others != NULL && b.code == MESH_OK; others++)
        add_file(&b, *others);
    for (size_t i = 0; i < made->file_count && b.code == MESH_OK; i++)
        make_answer(&b, &made->files[i]);
    if (b.code == MESH_OK)
        make_services(&b, apis, count);
    if (b.code == MESH_OK && made->extension_count > 0)
        make_numbers(&b);
    if (b.code == MESH_OK && made->symbol_count > 0)
        qsort(made->symbols, made->symbol_count, sizeof *made->symbols, compare_symbols);
    if (mesh_arena_overflowed(made->arena))
        fail(&b, MESH_RESOURCE_EXHAUSTED, "out of memory");

    if (b.code != MESH_OK) {
        mesh_index_destroy(made);
        return b.code;
    }
    *index = made;
    return MESH_OK;
}

void mesh_index_destroy(mesh_index *index)
{
    if (index == NULL)
        return;
    mesh_free(index->files);
    mesh_free(index->symbols);
    mesh_free(index->extensions);
    mesh_arena_destroy(index->arena);
    mesh_free(index);
}

/* One after the other: a server has some dozen files. */
const mesh_index_file *mesh_index_by_name(const mesh_index *index, const char *name)
{
    for (size_t i = 0; i < index->file_count; i++)
        if (strcmp(index->files[i].file->name, name) == 0)
            return &index->files[i];
    return NULL;
}

static const mesh_index_symbol *find_symbol(const mesh_index *index, const char *name)
{
    if (index->symbol_count == 0)
        return NULL;
    const mesh_index_symbol key = {.name = name};
    return bsearch(&key, index->symbols, index->symbol_count, sizeof key, compare_symbols);
}

const mesh_index_file *mesh_index_by_symbol(const mesh_index *index, const char *name)
{
    const mesh_index_symbol *symbol = find_symbol(index, name);
    return symbol != NULL ? &index->files[symbol->file] : NULL;
}

const mesh_index_file *mesh_index_by_extension(const mesh_index *index, const char *type,
                                               int32_t number)
{
    if (index->extension_count == 0)
        return NULL;
    const mesh_index_extension key = {.type = type, .number = number};
    const mesh_index_extension *extension = bsearch(&key, index->extensions, index->extension_count,
                                                    sizeof key, compare_extensions);
    return extension != NULL ? &index->files[extension->file] : NULL;
}

bool mesh_index_extensions(const mesh_index *index, const char *type, const int32_t **numbers,
                           size_t *count)
{
    const mesh_index_symbol *symbol = find_symbol(index, type);
    if (symbol == NULL || !symbol->message)
        return false;

    const mesh_index_extension key = {.type = type};
    const mesh_index_extension *any = index->extension_count == 0
                                          ? NULL
                                          : bsearch(&key, index->extensions, index->extension_count,
                                                    sizeof key, compare_types);
    size_t first = any != NULL ? (size_t)(any - index->extensions) : 0;
    size_t end = any != NULL ? first + 1 : 0;
    while (first > 0 && strcmp(index->extensions[first - 1].type, type) == 0)
        first--;
    while (any != NULL && end < index->extension_count &&
           strcmp(index->extensions[end].type, type) == 0)
        end++;
    *numbers = index->numbers + first;
    *count = end - first;
    return true;
}
