#include "mesh/meshctl/method_name.h"

#include <string.h>

#include "mesh/dyn/text.h"
#include "mesh/meshctl/suggest.h"

bool ctl_is_standard_service(const char *service)
{
    return strncmp(service, "grpc.reflection.", 16) == 0 ||
           strcmp(service, "grpc.health.v1.Health") == 0;
}

/* "a.b/C", "/a.b/C" and "a.b.C" are the same. */
static char *with_dots(mesh_arena *arena, const char *name)
{
    char *dotted = mesh_arena_strdup(arena, name[0] == '/' || name[0] == '.' ? name + 1 : name);
    for (char *c = dotted; *c != '\0'; c++)
        if (*c == '/')
            *c = '.';
    return dotted;
}

/* True when `part` is all of `whole` or follows a dot to its end. */
static bool is_end_of(const char *part, const char *whole)
{
    size_t part_size = strlen(part), size = strlen(whole);
    if (part_size > size || strcmp(whole + size - part_size, part) != 0)
        return false;
    return part_size == size || whole[size - part_size - 1] == '.';
}

static const char *short_name(const char *full)
{
    const char *dot = strrchr(full, '.');
    return dot == NULL ? full : dot + 1;
}

static mesh_code several(const char *kind, const char *name, const mesh_text *names,
                         ctl_failure *failure)
{
    return ctl_fail(failure, MESH_INVALID_ARGUMENT, "write one of them",
                    "%s is the name of several %s: %s", name, kind, mesh_text_string(names));
}

static mesh_code no_method(const ctl_catalog *catalog, const char *name, mesh_arena *arena,
                           ctl_failure *failure)
{
    bool dotted = strchr(name, '.') != NULL;
    ctl_suggestions near = ctl_suggest_begin(name);
    for (size_t s = 0; s < catalog->service_count; s++) {
        const char *full = catalog->services[s];
        const mesh_dyn_service *service = mesh_dyn_find_service(catalog->pool, full);
        for (size_t m = 0; m < mesh_dyn_method_count(service); m++) {
            const char *method = mesh_dyn_method_name(mesh_dyn_method_at(service, m));
            if (!dotted)
                ctl_suggest_offer(&near, method);
            else if (strchr(name, '.') == strrchr(name, '.'))
                ctl_suggest_offer(&near,
                                  mesh_arena_printf(arena, "%s.%s", short_name(full), method));
            else
                ctl_suggest_offer(&near, mesh_arena_printf(arena, "%s.%s", full, method));
        }
    }
    char names[400];
    ctl_suggest_end(&near, names, sizeof names);
    return ctl_fail(failure, MESH_NOT_FOUND, "meshctl list TARGET SERVICE shows the methods",
                    "no method %s%s", name, names);
}

mesh_code ctl_method_find(const ctl_catalog *catalog, const char *name, mesh_arena *arena,
                          const mesh_dyn_method **method, ctl_failure *failure)
{
    char *service_part = with_dots(arena, name);
    char *dot = strrchr(service_part, '.');
    const char *method_part = dot == NULL ? service_part : dot + 1;
    if (dot != NULL)
        *dot = '\0';
    const mesh_dyn_method *found = NULL;
    size_t count = 0;
    mesh_text names = MESH_TEXT_INIT(arena, 200);
    for (size_t s = 0; s < catalog->service_count; s++) {
        const char *full = catalog->services[s];
        const mesh_dyn_service *service = mesh_dyn_find_service(catalog->pool, full);
        if (dot == NULL ? ctl_is_standard_service(full) : !is_end_of(service_part, full))
            continue;
        const mesh_dyn_method *match = mesh_dyn_find_method(service, method_part);
        if (match == NULL)
            continue;
        mesh_text_printf(&names, "%s%s/%s", count == 0 ? "" : ", ", full, method_part);
        found = match;
        count++;
    }
    if (count > 1)
        return several("methods", name, &names, failure);
    if (count == 0)
        return no_method(catalog, with_dots(arena, name), arena, failure);
    *method = found;
    return MESH_OK;
}

typedef struct symbol_search {
    const char *wanted;
    mesh_arena *arena;
    const char *exact;
    const char *found;
    size_t count;
    mesh_text names;
    ctl_suggestions near;
} symbol_search;

static bool see_symbol(void *context, const char *name)
{
    symbol_search *search = context;
    if (strcmp(name, search->wanted) == 0) {
        search->exact = name;
        return false;
    }
    if (is_end_of(search->wanted, name)) {
        mesh_text_printf(&search->names, "%s%s", search->count == 0 ? "" : ", ", name);
        search->found = name;
        search->count++;
    }
    /* Compared in as many parts as were given. */
    const char *part = name + strlen(name);
    size_t dots = 0;
    for (const char *c = search->wanted; *c != '\0'; c++)
        dots += *c == '.';
    while (part > name && (part[-1] != '.' || dots-- > 0))
        part--;
    ctl_suggest_offer(&search->near, part);
    return true;
}

mesh_code ctl_symbol_find(const mesh_dyn_pool *pool, const char *name, mesh_arena *arena,
                          const char **full, ctl_failure *failure)
{
    symbol_search search = {.wanted = with_dots(arena, name), .arena = arena};
    search.names = MESH_TEXT_INIT(arena, 200);
    search.near = ctl_suggest_begin(search.wanted);
    mesh_dyn_each_symbol(pool, see_symbol, &search);
    if (search.exact == NULL && search.count > 1)
        return several("definitions", name, &search.names, failure);
    if (search.exact == NULL && search.count == 0) {
        char names[400];
        ctl_suggest_end(&search.near, names, sizeof names);
        return ctl_fail(failure, MESH_NOT_FOUND, "meshctl describe TARGET shows all services",
                        "no message, enum, service or method %s%s", name, names);
    }
    *full = search.exact != NULL ? search.exact : search.found;
    return MESH_OK;
}
