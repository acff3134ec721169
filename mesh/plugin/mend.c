/* What protoc-gen-c 1.4 writes, made fit for -Wall -Wextra -Werror, C11 and C++17. */
#include <ctype.h>
#include <string.h>

#include "mesh/plugin/delegate.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* A oneof of the file, by its constant for "not set". */
typedef struct oneof {
    const char *constant;
    const field_proto *first;
} oneof;

typedef struct oneofs {
    oneof *list;
    size_t count;
} oneofs;

static oneofs collect_oneofs(const schema *all, const schema_file *file)
{
    oneofs found = {0};
    size_t capacity = 0;
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].file == file && all->types[i].message != NULL)
            capacity += all->types[i].message->n_oneof_decl;
    found.list = memory_take(all->arena, capacity, sizeof *found.list);
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        if (type->file != file || type->message == NULL)
            continue;
        for (size_t k = 0; k < type->message->n_oneof_decl; k++)
            found.list[found.count++] = (oneof){
                .constant = mesh_arena_printf(all->arena, "%s__NOT_SET",
                                              schema_oneof_constant(all, type, k)),
                .first = schema_oneof_first(type->message, k),
            };
    }
    return found;
}

/* The first member of the oneof whose constant is the `size` bytes at `name`. */
static const field_proto *find_first(const oneofs *all, const char *name, size_t size)
{
    for (size_t i = 0; i < all->count; i++)
        if (strncmp(all->list[i].constant, name, size) == 0 && all->list[i].constant[size] == '\0')
            return all->list[i].first;
    return NULL;
}

/* The initialiser of a union with this first member; protoc-gen-c always writes {0}. */
static void add_union(text *out, const schema *all, const field_proto *first)
{
    if (first != NULL && first->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BYTES)
        text_add(out, "{{0,NULL}}"); /* -Wmissing-braces */
    else if (first != NULL &&
             first->type == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_ENUM)
        text_addf(out, "{(%s)0}", schema_find(all, first->type_name)->type); /* C++ */
    else
        text_add(out, "{0}");
}

static void mend_initialiser(text *out, const schema *all, const oneofs *oneofs, const char *line,
                             size_t size)
{
    static const char mark[] = "__NOT_SET, {0}";
    const char *end = line + size;
    for (;;) {
        const char *found = memmem(line, (size_t)(end - line), mark, sizeof mark - 1);
        if (found == NULL)
            break;
        const char *name = found, *name_end = found + strlen("__NOT_SET");
        while (name > line && is_word(name[-1]))
            name--;
        text_add_bytes(out, line, (size_t)(name_end - line));
        text_add(out, ", ");
        add_union(out, all, find_first(oneofs, name, (size_t)(name_end - name)));
        line = found + sizeof mark - 1;
    }
    text_add_bytes(out, line, (size_t)(end - line));
}

/* Adds the line with "_" behind the word that ends at `word_end` when it is a keyword. */
static void add_unkeyworded(text *out, const schema *all, const char *line, size_t size,
                            const char *word_end)
{
    const char *word = word_end;
    while (word > line && is_word(word[-1]))
        word--;
    const char *name = mesh_arena_strndup(all->arena, word, (size_t)(word_end - word));
    text_add_bytes(out, line, (size_t)(word_end - line));
    if (names_is_overlooked_keyword(name))
        text_add(out, "_");
    text_add_bytes(out, word_end, (size_t)(line + size - word_end));
}

/* Members of structs: "  char *restrict;" or "  char *restrict PROTOBUF_C__DEPRECATED;". */
static const char *find_member(const char *line, size_t size)
{
    static const char deprecated[] = " PROTOBUF_C__DEPRECATED";
    const size_t tail = sizeof deprecated - 1;
    if (size < 4 || memcmp(line, "  ", 2) != 0 || line[size - 1] != ';')
        return NULL;
    const char *end = line + size - 1;
    if ((size_t)(end - line) > tail && memcmp(end - tail, deprecated, tail) == 0)
        end -= tail;
    return is_word(end[-1]) ? end : NULL;
}

/* Their offsets: "    offsetof(Foo__V1__Bar, restrict),". */
static const char *find_offset(const char *line, size_t size)
{
    static const char start[] = "    offsetof(";
    if (size < sizeof start || memcmp(line, start, sizeof start - 1) != 0)
        return NULL;
    return memchr(line, ')', size);
}

/* Strings of a .c: default values may hold trigraphs. */
static void mend_string(text *out, const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '?' && i > 0 && line[i - 1] == '?')
            text_add(out, "\\");
        text_add_bytes(out, line + i, 1);
    }
}

void delegate_mend(text *out, const schema *all, const schema_file *file, const char *name,
                   const char *content)
{
    bool header = name[strlen(name) - 1] == 'h';
    oneofs oneofs = collect_oneofs(all, file);
    while (*content != '\0') {
        size_t size = strcspn(content, "\n");
        const char *word_end = header ? find_member(content, size) : find_offset(content, size);
        if (word_end != NULL)
            add_unkeyworded(out, all, content, size, word_end);
        else if (header)
            mend_initialiser(out, all, &oneofs, content, size);
        else
            mend_string(out, content, size);
        content += size;
        if (*content == '\n') {
            text_add(out, "\n");
            content++;
        }
    }
}
