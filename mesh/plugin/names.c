#include "mesh/plugin/names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Those for which protoc-gen-c 1.4 itself puts "_" behind a field's name. Sorted. */
static const char *const known_keywords[] = {
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "const_cast",
    "continue",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "not",
    "not_eq",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
};

/*
 * The others that a member cannot be called in C11 or C++20: keywords, macros of gcc's and of the C
 * library, and types that other members have (C++ minds). Sorted.
 */
static const char *const overlooked_keywords[] = {
    "alignas",      "alignof",
    "char16_t",     "char32_t",
    "char8_t",      "co_await",
    "co_return",    "co_yield",
    "concept",      "consteval",
    "constexpr",    "constinit",
    "decltype",     "errno",
    "export",       "int32_t",
    "int64_t",      "linux",
    "noexcept",     "noreturn",
    "nullptr",      "protobuf_c_boolean",
    "requires",     "restrict",
    "size_t",       "static_assert",
    "thread_local", "typeof",
    "uint32_t",     "uint64_t",
    "unix",
};

static int compare(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

static bool contains(const char *const *table, size_t bytes, const char *name)
{
    return bsearch(name, table, bytes / sizeof *table, sizeof *table, compare) != NULL;
}

bool names_is_overlooked_keyword(const char *name)
{
    return contains(overlooked_keywords, sizeof overlooked_keywords, name);
}

bool names_is_keyword(const char *name)
{
    return contains(known_keywords, sizeof known_keywords, name) ||
           names_is_overlooked_keyword(name);
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

/* Room for the longest form: every letter may get "_" and every dot becomes "__". */
static char *room(mesh_arena *arena, const char *name)
{
    char *out = mesh_arena_alloc(arena, 2 * strlen(name) + 2);
    if (out == NULL)
        abort();
    return out;
}

static const char *humps(mesh_arena *arena, const char *full_name, char (*convert)(char))
{
    char *out = room(arena, full_name);
    size_t n = 0;
    bool was_upper = true;
    for (const char *c = full_name; *c != '\0'; c++) {
        if (*c == '.') {
            out[n++] = '_';
            out[n++] = '_';
            was_upper = true;
            continue;
        }
        if (is_upper(*c) && !was_upper)
            out[n++] = '_';
        was_upper = is_upper(*c);
        out[n++] = convert(*c);
    }
    out[n] = '\0';
    return out;
}

const char *names_lower(mesh_arena *arena, const char *full_name)
{
    return humps(arena, full_name, lower);
}

const char *names_upper(mesh_arena *arena, const char *full_name)
{
    return humps(arena, full_name, upper);
}

const char *names_type(mesh_arena *arena, const char *full_name)
{
    char *out = room(arena, full_name);
    size_t n = 0;
    bool next_upper = true;
    for (const char *c = full_name; *c != '\0'; c++) {
        if (*c == '.') {
            out[n++] = '_';
            out[n++] = '_';
            next_upper = true;
        } else if (*c == '_') {
            next_upper = true;
        } else {
            out[n++] = next_upper ? upper(*c) : *c;
            next_upper = false;
        }
    }
    out[n] = '\0';
    return out;
}

const char *names_camel(mesh_arena *arena, const char *part)
{
    return names_type(arena, part);
}

const char *names_to_lower(mesh_arena *arena, const char *name)
{
    char *out = room(arena, name);
    size_t n = 0;
    for (; name[n] != '\0'; n++)
        out[n] = lower(name[n]);
    out[n] = '\0';
    return out;
}

static const char *unkeyword(mesh_arena *arena, const char *name)
{
    return names_is_keyword(name) ? mesh_arena_printf(arena, "%s_", name) : name;
}

const char *names_member(mesh_arena *arena, const char *field)
{
    return unkeyword(arena, names_to_lower(arena, field));
}

const char *names_slot(mesh_arena *arena, const char *method)
{
    return unkeyword(arena, names_lower(arena, method));
}

const char *names_file(mesh_arena *arena, const char *path)
{
    char *out = room(arena, path);
    size_t n = 0;
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '/')
            out[n++] = '_';
        out[n++] = isalnum((unsigned char)*c) ? *c : '_';
    }
    out[n] = '\0';
    return isdigit((unsigned char)*out) ? mesh_arena_printf(arena, "_%s", out) : out;
}

const char *names_stem(mesh_arena *arena, const char *path)
{
    static const char *const suffixes[] = {".protodevel", ".proto"};
    size_t size = strlen(path);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        size_t tail = strlen(suffixes[i]);
        if (size > tail && strcmp(path + size - tail, suffixes[i]) == 0)
            return mesh_arena_strndup(arena, path, size - tail);
    }
    return path;
}

bool names_is_identifier(const char *name)
{
    if (isdigit((unsigned char)*name) || *name == '\0')
        return false;
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

bool names_is_full(const char *name)
{
    for (;;) {
        const char *dot = strchrnul(name, '.');
        if (dot == name || isdigit((unsigned char)*name))
            return false;
        for (; name < dot; name++)
            if (!isalnum((unsigned char)*name) && *name != '_')
                return false;
        if (*dot == '\0')
            return true;
        name = dot + 1;
    }
}
