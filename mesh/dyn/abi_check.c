#include "mesh/dyn/abi_check.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>
#include <string.h>

#include "mesh/dyn/upb_abi.h"

/* DT_SONAME of a loaded object, "" when it has none. glibc has turned DT_STRTAB into an address by
 * now, but not in the kernel's vDSO, which cannot be written. */
static const char *soname(const struct link_map *map)
{
    const char *strings = NULL;
    const ElfW(Dyn) *name = NULL;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == DT_STRTAB)
            strings = (const char *)entry->d_un.d_ptr;
        else if (entry->d_tag == DT_SONAME)
            name = entry;
    }
    if (strings == NULL || name == NULL)
        return "";
    if ((uintptr_t)strings < map->l_addr)
        strings += map->l_addr;
    return strings + name->d_un.d_val;
}

mesh_code mesh_dyn_abi_check_soname(const char *prefix, const char *wanted, mesh_error *err)
{
    void *self = dlopen(NULL, RTLD_NOW);
    struct link_map *map = NULL;
    if (self == NULL || dlinfo(self, RTLD_DI_LINKMAP, &map) != 0)
        map = NULL;
    mesh_code code = MESH_OK;
    bool found = false;
    for (; map != NULL; map = map->l_next) {
        const char *name = soname(map);
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        if (strcmp(name, wanted) == 0) {
            found = true;
            continue;
        }
        code = mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "this program was made for %s, but %s is loaded from %s: install the "
                              "libgrpc29 package of Debian 12",
                              wanted, name, map->l_name);
        break;
    }
    if (code == MESH_OK && !found)
        code = mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "this program was made for %s, which is not loaded", wanted);
    if (self != NULL)
        dlclose(self);
    return code;
}

mesh_code mesh_dyn_abi_check(mesh_error *err)
{
    return mesh_dyn_abi_check_soname("libupb.so.", MESH_DYN_UPB_SONAME, err);
}
