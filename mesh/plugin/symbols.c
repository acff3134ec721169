/* check_symbols: every name that generated code declares, and who needs it. */
#include <stdlib.h>
#include <string.h>

#include "mesh/plugin/check.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/names.h"

enum {
    MESSAGE_FIELD = 2,
    MESSAGE_ONEOF = 8
};

typedef struct symbol {
    const char *name;
    const char *kind;  /* "method" */
    const char *owner; /* full name of what needs it */
    const schema_file *file;
    schema_path path;
    size_t order; /* of declaration, so that the later one is blamed */
} symbol;

typedef struct symbols {
    mesh_arena *arena;
    symbol *list;
    size_t count, capacity;
    symbol origin; /* what the next ones belong to */
} symbols;

static void add(symbols *all, const char *prefix, const char *suffix)
{
    if (all->count == all->capacity) {
        all->capacity = 2 * all->capacity + 256;
        symbol *list = memory_take(all->arena, all->capacity, sizeof *list);
        if (all->count > 0)
            memcpy(list, all->list, all->count * sizeof *list);
        all->list = list;
    }
    symbol *one = &all->list[all->count];
    *one = all->origin;
    one->name = mesh_arena_printf(all->arena, "%s%s", prefix, suffix);
    one->order = all->count++;
}

static void add_each(symbols *all, const char *prefix, const char *const *suffixes)
{
    for (; *suffixes != NULL; suffixes++)
        add(all, prefix, *suffixes);
}

static void begin_field(symbols *all, const schema_type *type, size_t index)
{
    const char *name = type->message->field[index]->name;
    all->origin.kind = "field";
    all->origin.owner = mesh_arena_printf(all->arena, "%s.%s", type->full_name, name);
    all->origin.path = schema_path_add(all->arena, type->path, MESSAGE_FIELD, (int32_t)index);
}

static void begin_oneof(symbols *all, const schema_type *type, size_t index)
{
    const char *name = type->message->oneof_decl[index]->name;
    all->origin.kind = "oneof";
    all->origin.owner = mesh_arena_printf(all->arena, "%s.%s", type->full_name, name);
    all->origin.path = schema_path_add(all->arena, type->path, MESSAGE_ONEOF, (int32_t)index);
}

/* A oneof, or the field with its has, set and clear whose presence it is. */
static void add_oneof(symbols *all, const schema *schema, const schema_type *type, size_t index)
{
    const char *name = type->message->oneof_decl[index]->name;
    const char *constant = schema_oneof_constant(schema, type, index);
    begin_oneof(all, type, index);
    for (size_t i = 0; i < type->message->n_field; i++) {
        const field_proto *field = type->message->field[i];
        if (!field->has_oneof_index || (size_t)field->oneof_index != index)
            continue;
        if (schema_is_optional(field)) {
            const char *member = names_to_lower(all->arena, field->name);
            begin_field(all, type, i);
            add(all, type->lower, mesh_arena_printf(all->arena, "__has_%s", member));
            add(all, type->lower, mesh_arena_printf(all->arena, "__set_%s", member));
            add(all, type->lower, mesh_arena_printf(all->arena, "__clear_%s", member));
        }
        add(all, constant,
            mesh_arena_printf(all->arena, "_%s", names_upper(all->arena, field->name)));
    }
    add(all, type->type, mesh_arena_printf(all->arena, "__%sCase", names_camel(all->arena, name)));
    add(all, constant, "__NOT_SET");
}

static void add_message(symbols *all, const schema *schema, const schema_type *type)
{
    static const char *const functions[] = {
        "__init",   "__get_packed_size", "__pack", "__pack_to_buffer",
        "__unpack", "__free_unpacked",   NULL,
    };
    static const char *const events[] = {
        "__event",          "__add",
        "__handler",        "__consume",
        "__consumer",       "__received",
        "__batch_handler",  "__consume_batch",
        "__batch_consumer", "__aggregate_id",
        "__version",        "__upcast",
        "__upcast_from",    NULL,
    };
    add(all, type->type, "");
    add(all, type->type, "_Closure");
    add(all, type->upper, "__INIT");
    add(all, type->lower, "__descriptor");
    if (type->parent == NULL)
        add_each(all, type->lower, functions);
    else
        add(all, type->lower, "__init");
    if (type->event)
        add_each(all, type->lower, events);
    for (size_t i = 0; i < type->message->n_oneof_decl; i++)
        add_oneof(all, schema, type, i);
}

static void add_enum(symbols *all, const schema_type *type)
{
    add(all, type->type, "");
    add(all, type->lower, "__descriptor");
    for (size_t i = 0; i < type->enumeration->n_value; i++)
        add(all, type->upper,
            mesh_arena_printf(all->arena, "__%s", type->enumeration->value[i]->name));
    if (type->values == SCHEMA_REASONS)
        add(all, type->lower, "__set");
    if (type->strings == NULL)
        return;
    add(all, type->lower, "__name");
    for (size_t i = 0; i < type->enumeration->n_value; i++)
        if (type->strings[i] != NULL)
            add(all, type->upper,
                mesh_arena_printf(all->arena, "__%s__NAME", type->enumeration->value[i]->name));
}

static void add_method(symbols *all, const schema_method *method)
{
    static const char *const every[] = {"", "__style", "__invoke", "__names", "__http", NULL};
    static const char *const streams[] = {"__events", "__adapter",     "__on_open",  "__on_message",
                                          "__on_end", "__on_writable", "__on_close", NULL};
    static const char *const unary[] = {"__done", "__async", "__answer", NULL};
    static const char *const server[] = {"__next", "__reply", "__try_reply", NULL};
    static const char *const client[] = {"__send", "__finish", "__receive", "__reply", NULL};
    static const char *const bidi[] = {"__send",  "__next",      "__receive",
                                       "__reply", "__try_reply", NULL};
    static const char *const *const suffixes[] = {
        [MESH_UNARY] = unary,
        [MESH_SERVER_STREAMING] = server,
        [MESH_CLIENT_STREAMING] = client,
        [MESH_BIDI_STREAMING] = bidi,
    };
    add(all, method->index, "");
    add_each(all, method->symbol, every);
    if (method->kind != MESH_UNARY)
        add_each(all, method->symbol, streams);
    add_each(all, method->symbol, suffixes[method->kind]);
}

static void collect(symbols *found, const schema *all)
{
    static const char *const service_suffixes[] = {
        "__descriptor", "__methods", "__handlers", "__api", NULL,
    };
    for (size_t i = 0; i < all->file_count; i++) {
        found->origin = (symbol){
            .kind = "file", .owner = all->files[i].proto->name, .file = &all->files[i]};
        add(found, all->files[i].c_name, "__file");
    }
    for (size_t i = 0; i < all->type_count; i++) {
        const schema_type *type = &all->types[i];
        found->origin = (symbol){.kind = type->message != NULL ? "message" : "enum",
                                 .owner = type->full_name,
                                 .file = type->file,
                                 .path = type->path};
        if (type->message != NULL)
            add_message(found, all, type);
        else
            add_enum(found, type);
    }
    for (size_t i = 0; i < all->service_count; i++) {
        const schema_service *service = &all->services[i];
        found->origin = (symbol){.kind = "service",
                                 .owner = service->full_name,
                                 .file = service->file,
                                 .path = service->path};
        add_each(found, service->lower, service_suffixes);
        for (size_t m = 0; m < service->method_count; m++) {
            found->origin.kind = "method";
            found->origin.owner = service->methods[m].full_name;
            found->origin.path = service->methods[m].path;
            add_method(found, &service->methods[m]);
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const symbol *left = a, *right = b;
    int order = strcmp(left->name, right->name);
    if (order != 0)
        return order;
    return left->order < right->order ? -1 : left->order > right->order;
}

static int by_order(const void *a, const void *b)
{
    const symbol *left = *(const symbol *const *)a, *right = *(const symbol *const *)b;
    return left->order < right->order ? -1 : left->order > right->order;
}

static bool is_proto2(const schema_file *file)
{
    return file->proto->syntax == NULL || strcmp(file->proto->syntax, "proto3") != 0;
}

/* Members of a message's struct, which protoc-gen-c makes of its fields and oneofs. */
static void check_members(const schema *all, const schema_type *type, report *problems)
{
    const message_proto *message = type->message;
    symbols members = {.arena = all->arena};
    members.origin = (symbol){.kind = "the struct's own member", .owner = "base"};
    add(&members, "base", "");
    for (size_t i = 0; i < message->n_oneof_decl; i++) {
        members.origin = (symbol){
            .kind = "oneof",
            .owner = message->oneof_decl[i]->name,
            .path = schema_path_add(all->arena, type->path, MESSAGE_ONEOF, (int32_t)i)};
        add(&members, names_lower(all->arena, message->oneof_decl[i]->name), "_case");
    }
    for (size_t i = 0; i < message->n_field; i++) {
        const field_proto *field = message->field[i];
        const char *name = names_member(all->arena, field->name);
        members.origin = (symbol){
            .kind = "field",
            .owner = field->name,
            .path = schema_path_add(all->arena, type->path, MESSAGE_FIELD, (int32_t)i)};
        add(&members, name, "");
        if (field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED)
            add(&members, "n_", name);
        if (field->label == GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_OPTIONAL &&
            is_proto2(type->file) && !field->has_oneof_index)
            add(&members, "has_", name);
    }
    qsort(members.list, members.count, sizeof *members.list, by_name);
    for (size_t i = 1; i < members.count; i++) {
        const symbol *first = &members.list[i - 1], *second = &members.list[i];
        if (strcmp(first->name, second->name) == 0)
            report_add(problems, type->file->proto, second->path,
                       "%s: %s \"%s\" and %s \"%s\" both become the member `%s` in C",
                       type->full_name, first->kind, first->owner, second->kind, second->owner,
                       second->name);
    }
}

static bool is_reported(const symbol *const *blamed, size_t count, const symbol *one)
{
    for (size_t i = 0; i < count; i++)
        if (blamed[i]->owner == one->owner && blamed[i][-1].owner == one[-1].owner)
            return true;
    return false;
}

/* Reports each pair once, in the order of the files; only where a generated file takes part. */
static void report_pairs(symbols *found, report *problems)
{
    const symbol **blamed = memory_take(found->arena, found->count, sizeof *blamed);
    size_t count = 0;
    for (size_t i = 1; i < found->count; i++) {
        const symbol *first = &found->list[i - 1], *second = &found->list[i];
        if (strcmp(first->name, second->name) == 0 &&
            (first->file->generate || second->file->generate) &&
            !is_reported(blamed, count, second))
            blamed[count++] = second;
    }
    if (count > 0)
        qsort(blamed, count, sizeof *blamed, by_order);
    for (size_t i = 0; i < count; i++) {
        const symbol *one = blamed[i], *other = one - 1;
        report_add(problems, one->file->proto, one->path,
                   "%s \"%s\" and %s \"%s\" both need the name `%s` in C", other->kind,
                   other->owner, one->kind, one->owner, one->name);
    }
}

/* Members of a handler table: two methods whose slots are called alike. */
static void check_slots(const schema *all, const schema_service *service, report *problems)
{
    symbols slots = {.arena = all->arena};
    for (size_t m = 0; m < service->method_count; m++) {
        const schema_method *method = &service->methods[m];
        slots.origin = (symbol){
            .kind = "method", .owner = method->proto->name, .path = method->path};
        add(&slots, method->slot, "");
        add(&slots, method->stem, method->kind == MESH_UNARY ? "__inline" : "__events");
    }
    if (slots.count > 0)
        qsort(slots.list, slots.count, sizeof *slots.list, by_name);
    for (size_t i = 1; i < slots.count; i++) {
        const symbol *first = &slots.list[i - 1], *second = &slots.list[i];
        bool alike = strcmp(first->name, second->name) == 0;
        /* Methods with one symbol are reported as such. */
        if (alike && strcmp(names_lower(all->arena, first->owner),
                            names_lower(all->arena, second->owner)) != 0)
            report_add(problems, service->file->proto, second->path,
                       "%s: methods \"%s\" and \"%s\" both need the slot `%s` in C",
                       service->full_name, first->owner, second->owner, second->name);
    }
}

void check_symbols(const schema *all, report *problems)
{
    symbols found = {.arena = all->arena};
    collect(&found, all);
    if (found.count > 0)
        qsort(found.list, found.count, sizeof *found.list, by_name);
    report_pairs(&found, problems);
    for (size_t i = 0; i < all->type_count; i++)
        if (all->types[i].file->generate && all->types[i].message != NULL)
            check_members(all, &all->types[i], problems);
    for (size_t i = 0; i < all->service_count; i++)
        if (all->services[i].file->generate)
            check_slots(all, &all->services[i], problems);
}
