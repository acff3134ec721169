#include "mesh/meshctl/target.h"

#include <arpa/inet.h>
#include <string.h>

#include "mesh/dyn/text.h"
#include "mesh/meshctl/suggest.h"

bool ctl_target_is_address(const char *text)
{
    return strchr(text, ':') != NULL || strchr(text, '/') != NULL;
}

/* 127.0.0.1:4711: of those, gRPC takes several in one target. */
static bool is_ipv4(const char *address)
{
    char host[64];
    struct in_addr parsed;
    size_t size = strcspn(address, ":");
    if (size >= sizeof host || address[size] != ':')
        return false;
    memcpy(host, address, size);
    host[size] = '\0';
    return inet_pton(AF_INET, host, &parsed) == 1;
}

/* "ipv4:A,B" when the instances allow it, else the first one's address. */
static const char *join_addresses(const ctl_services *services, const char *name, mesh_arena *arena)
{
    const char *first = NULL;
    size_t count = 0;
    bool numeric = true;
    mesh_text all = MESH_TEXT_INIT(arena, 0);
    for (size_t i = 0; i < services->count; i++) {
        const ctl_instance *at = &services->instances[i];
        if (strcmp(at->name, name) != 0)
            continue;
        if (first == NULL)
            first = at->address;
        numeric = numeric && is_ipv4(at->address);
        mesh_text_printf(&all, "%s%s", count++ == 0 ? "ipv4:" : ",", at->address);
    }
    return count > 1 && numeric && !all.failed ? all.data : first;
}

mesh_code ctl_target_find(const ctl_services *services, const char *text, mesh_arena *arena,
                          ctl_target *target, ctl_failure *failure)
{
    const char *address = join_addresses(services, text, arena);
    if (address != NULL) {
        *target = (ctl_target){.given = text, .address = address, .named = true};
        return MESH_OK;
    }
    ctl_suggestions near = ctl_suggest_begin(text);
    for (size_t i = 0; i < services->count; i++)
        if (i == 0 || strcmp(services->instances[i].name, services->instances[i - 1].name) != 0)
            ctl_suggest_offer(&near, services->instances[i].name);
    char names[256];
    ctl_suggest_end(&near, names, sizeof names);
    return ctl_fail(failure, MESH_NOT_FOUND,
                    "meshctl list shows the services of the mesh; or give HOST:PORT",
                    "no service %s in the running mesh%s", text, names);
}

mesh_code ctl_target_resolve(ctl *run, const char *text, ctl_target *target, ctl_failure *failure)
{
    if (ctl_target_is_address(text)) {
        *target = (ctl_target){.given = text, .address = text};
        return MESH_OK;
    }
    ctl_services services;
    mesh_code code = ctl_services_read(run, &services, failure);
    if (code != MESH_OK) {
        mesh_error_prefix(&failure->err,
                          "%s is not HOST:PORT, and where to look its name up is "
                          "not known",
                          text);
        return code;
    }
    return ctl_target_find(&services, text, run->arena, target, failure);
}
