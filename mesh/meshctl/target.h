/* TARGET of the command line: an address, or the name of a service of the running mesh. */
#ifndef MESH_MESHCTL_TARGET_H
#define MESH_MESHCTL_TARGET_H

#include "mesh/meshctl/services.h"

typedef struct ctl_target {
    const char *given;   /* as on the command line */
    const char *address; /* for mesh_channel_create */
    bool named;          /* a name of the mesh */
} ctl_target;

/* True for what can only be an address: HOST:PORT, [V6]:PORT, unix:PATH, dns:///..., xds:///... */
bool ctl_target_is_address(const char *text);

/* NOT_FOUND: no such service, or no mesh; the message names near ones. */
mesh_code ctl_target_resolve(ctl *run, const char *text, ctl_target *target, ctl_failure *failure);

/* The same with the services given. Several instances of a service are tried in their order. */
mesh_code ctl_target_find(const ctl_services *services, const char *text, mesh_arena *arena,
                          ctl_target *target, ctl_failure *failure);

#endif
