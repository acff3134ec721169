/* (mesh.v1.error_reasons), (mesh.v1.permissions) and (mesh.v1.roles): what an enum's values are. */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"
#include "mesh/plugin/options.h"

enum {
    ENUM_OPTIONS = 3, /* EnumDescriptorProto.options */
    ENUM_VALUE = 2,
    MAX_NAME = MESH_ERROR_REASON_BYTES - 1,
    MAX_DOMAIN = MESH_ERROR_DOMAIN_BYTES - 1
};

static const struct {
    uint32_t number;
    const char *option;
    const char *one;
} known[] = {
    [SCHEMA_REASONS] = {50102, "error_reasons", "reason"},
    [SCHEMA_PERMISSIONS] = {50103, "permissions", "permission"},
    [SCHEMA_ROLES] = {50104, "roles", "role"},
};

static bool is_on(const schema *all, const schema_type *type, schema_values values)
{
    size_t size = 0;
    const uint8_t *data = options_find(all->arena,
                                       (const ProtobufCMessage *)type->enumeration->options,
                                       known[values].number, &size);
    mesh_wire_reader reader = {.at = data, .end = size > 0 ? data + size : data};
    bool on = false;
    for (uint64_t value; mesh_wire_varint(&reader, &value);)
        on = value != 0;
    return on;
}

/* "product.write" of PRODUCT_WRITE, "level2" of LEVEL2; NULL of the value 0. */
static const char *string_of(const schema *all, const schema_type *type, size_t index)
{
    if (type->enumeration->value[index]->number == 0)
        return NULL;
    char *string = mesh_arena_strdup(
        all->arena, names_to_lower(all->arena, type->enumeration->value[index]->name));
    char *area_end = strchr(string, '_');
    if (type->values == SCHEMA_PERMISSIONS && area_end != NULL)
        *area_end = '.';
    return string;
}

void options_enum(schema *all, schema_type *type)
{
    for (schema_values i = SCHEMA_REASONS; i <= SCHEMA_ROLES; i++)
        if (type->values == SCHEMA_VALUES && is_on(all, type, i))
            type->values = i;
    if (type->values != SCHEMA_PERMISSIONS && type->values != SCHEMA_ROLES)
        return;
    type->strings = memory_take(all->arena, type->enumeration->n_value, sizeof *type->strings);
    for (size_t i = 0; i < type->enumeration->n_value; i++)
        type->strings[i] = string_of(all, type, i);
}

/* Letters to add, drop or change until `a` is `b`. What is beyond MAX_NAME does not count. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1], size = strnlen(b, MAX_NAME);
    for (size_t k = 0; k <= size; k++)
        row[k] = k;
    for (size_t i = 0; i < MAX_NAME && a[i] != '\0'; i++) {
        size_t before = row[0]++;
        for (size_t k = 1; k <= size; k++) {
            size_t changed = before + (a[i] != b[k - 1]);
            size_t moved = (row[k] < row[k - 1] ? row[k] : row[k - 1]) + 1;
            before = row[k];
            row[k] = changed < moved ? changed : moved;
        }
    }
    return row[size];
}

/* A value that is a permission or a role. */
typedef struct named_value {
    const schema_type *type; /* NULL: none was found */
    size_t index;
    size_t distance; /* 0: its string is the wanted one, else how far it is from that */
} named_value;

static void look_into(const schema_type *type, const char *string, bool nearest, named_value *best)
{
    for (size_t i = 0; i < type->enumeration->n_value; i++) {
        const char *here = type->strings[i];
        if (here == NULL || best->distance == 0)
            continue;
        bool same = strcmp(here, string) == 0;
        size_t far = same ? 0 : nearest ? 1 + distance(here, string) : SIZE_MAX;
        if (far < best->distance)
            *best = (named_value){.type = type, .index = i, .distance = far};
    }
}

/*
 * The first value with the string, or else, if wanted, the nearest: among those that the file sees,
 * or, with NULL, among all.
 */
static named_value find(const schema *all, const schema_file *file, schema_values values,
                        const char *string, bool nearest)
{
    named_value best = {.distance = SIZE_MAX};
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        if (type->values == values && (file == NULL || file->sees[type->file - all->files]))
            look_into(type, string, nearest, &best);
    }
    return best;
}

void options_check_named(const options_place *where, const schema_file *file, schema_values values,
                         const char *string)
{
    const char *one = known[values].one;
    named_value seen = find(where->all, file, values, string, true);
    if (string[0] == '\0' || seen.distance == 0)
        return;
    named_value other = find(where->all, NULL, values, string, false);
    if (other.type != NULL)
        options_mistake(where, "the %s \"%s\" is of %s: import \"%s\"", one, string,
                        other.type->full_name, other.type->file->proto->name);
    else if (seen.type != NULL)
        options_mistake(where, "\"%s\" is no %s; the nearest one is \"%s\" of %s", string, one,
                        seen.type->strings[seen.index], seen.type->full_name);
    else
        options_mistake(where,
                        "\"%s\" is no %s: neither the file nor its imports have an enum with the "
                        "option (mesh.v1.%s); import the one that lists it",
                        string, one, known[values].option);
}

/* AIP-193: [A-Z][A-Z0-9_]*[A-Z0-9], at most 63 characters. */
static bool is_upper_snake(const char *name)
{
    size_t size = strlen(name);
    if (size < 2 || size > MAX_NAME || !isupper((unsigned char)name[0]) || name[size - 1] == '_')
        return false;
    for (; *name != '\0'; name++)
        if (!isupper((unsigned char)*name) && !isdigit((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), tail = strlen(end);
    return size >= tail && strcmp(name + size - tail, end) == 0;
}

/* A permission or role, whose name is UPPER_SNAKE_CASE. */
static void check_named(const options_place *where, const schema_type *type, size_t index)
{
    const char *one = known[type->values].one;
    const char *name = type->enumeration->value[index]->name, *string = type->strings[index];
    if (string == NULL) {
        if (!ends_with(name, "_UNSPECIFIED"))
            options_mistake(where, "\"%s\" is 0, which is no %s: call that ..._UNSPECIFIED", name,
                            one);
        return;
    }
    const char *area_end = strchr(string, '.');
    if (type->values == SCHEMA_PERMISSIONS && (area_end == NULL || area_end[1] == '_'))
        options_mistake(where, "the permission \"%s\" is not AREA_ACTION", name);
    for (size_t i = 0; i < index; i++)
        if (type->enumeration->value[i]->number == type->enumeration->value[index]->number)
            options_mistake(where, "\"%s\" and \"%s\" are the same number, but two %ss",
                            type->enumeration->value[i]->name, name, one);
    named_value first = find(where->all, type->file, type->values, string, false);
    if (first.type != type || first.index != index)
        options_mistake(where, "the %s \"%s\" of \"%s\" is there already, in %s", one, string, name,
                        first.type->full_name);
}

static void check_values(options_place *where, const schema_type *type)
{
    for (size_t i = 0; i < type->enumeration->n_value; i++) {
        const char *name = type->enumeration->value[i]->name;
        where->path = schema_path_add(where->all->arena, type->path, ENUM_VALUE, (int32_t)i);
        if (!is_upper_snake(name))
            options_mistake(where, "the %s \"%s\" is not UPPER_SNAKE_CASE of at most %d characters",
                            known[type->values].one, name, (int)MAX_NAME);
        else if (type->strings != NULL)
            check_named(where, type, i);
    }
}

static void check_domain(const options_place *where)
{
    const char *package = where->file->package != NULL ? where->file->package : "";
    if (package[0] == '\0')
        options_mistake(where, "reasons need a package: it is the domain of the error");
    else if (strlen(package) > MAX_DOMAIN)
        options_mistake(where,
                        "the package is the domain of the error and has at most %d characters",
                        (int)MAX_DOMAIN);
}

void options_enum_check(schema *all, const schema_type *type, report *problems)
{
    const schema_path options = schema_path_field(all->arena, type->path, ENUM_OPTIONS);
    options_place where = {
        .all = all, .file = type->file->proto, .owner = type->full_name, .problems = problems};
    if (type->values == SCHEMA_VALUES)
        return;
    for (schema_values i = type->values + 1; i <= SCHEMA_ROLES; i++) {
        where.path = schema_path_field(all->arena, options, (int32_t)known[i].number);
        if (is_on(all, type, i))
            options_mistake(&where, "`%s` and `%s` contradict each other: an enum has one of them",
                            known[type->values].option, known[i].option);
    }
    where.path = schema_path_field(all->arena, options, (int32_t)known[type->values].number);
    if (type->values == SCHEMA_REASONS)
        check_domain(&where);
    check_values(&where, type);
}
