#include "mesh/meshctl/services.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mesh/meshctl/file.h"

static const char not_up[] = "is the mesh up? scripts/up starts it; or give HOST:PORT";

/* Cuts the next word off a line; "" at its end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t\r");
    size_t size = strcspn(word, " \t\r");
    *line = word + size;
    if (**line != '\0')
        *(*line)++ = '\0';
    return word;
}

mesh_code ctl_services_parse(const char *text, const char *path, mesh_arena *arena,
                             ctl_services *services, ctl_failure *failure)
{
    char *lines = mesh_arena_strdup(arena, text);
    ctl_services found = {.path = path};
    found.instances = mesh_arena_calloc(arena, CTL_MAX_INSTANCES, sizeof *found.instances);
    if (mesh_arena_overflowed(arena))
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    unsigned number = 0;
    while (lines != NULL && *lines != '\0') {
        char *line = strsep(&lines, "\n");
        number++;
        ctl_instance at = {.name = next_word(&line)};
        at.address = next_word(&line);
        at.metrics = next_word(&line);
        if (at.name[0] == '\0' || at.name[0] == '#')
            continue;
        if (at.address[0] == '\0' || found.count == CTL_MAX_INSTANCES)
            return ctl_fail(failure, MESH_FAILED_PRECONDITION, "scripts/up writes it anew",
                            "%s:%u: %s", path, number,
                            at.address[0] == '\0' ? "expected NAME ADDRESS METRICS_ADDRESS"
                                                  : "too many instances");
        found.instances[found.count++] = at;
    }
    *services = found;
    return MESH_OK;
}

/* The file's path; NULL when there is none here or above. */
static const char *find_file(mesh_arena *arena)
{
    const char *data = getenv("MESH_DATA");
    if (data != NULL && data[0] != '\0')
        return mesh_arena_printf(arena, "%s/services", data);
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL)
        return NULL;
    for (;;) {
        const char *path = mesh_arena_printf(arena, "%s/.mesh/services", folder);
        if (access(path, F_OK) == 0)
            return path;
        char *slash = strrchr(folder, '/');
        if (slash == NULL)
            return NULL;
        *slash = '\0';
    }
}

const char *ctl_services_types(ctl *run)
{
    const char *services = find_file(run->arena);
    if (services == NULL)
        return NULL;
    const char *path = mesh_arena_printf(run->arena, "%.*s/descriptors.protoset",
                                         (int)(strrchr(services, '/') - services), services);
    return path != NULL && access(path, R_OK) == 0 ? path : NULL;
}

mesh_code ctl_services_read(ctl *run, ctl_services *services, ctl_failure *failure)
{
    const char *path = find_file(run->arena);
    if (path == NULL)
        return ctl_fail(failure, MESH_NOT_FOUND, not_up,
                        "no .mesh/services in this folder or one above it");
    const char *text;
    size_t size;
    int problem = ctl_file_read(path, run->arena, &text, &size);
    if (problem != 0)
        return ctl_fail(failure, problem == ENOENT ? MESH_NOT_FOUND : MESH_FAILED_PRECONDITION,
                        not_up, "%s: %s", path, strerror(problem));
    return ctl_services_parse(text, path, run->arena, services, failure);
}
