/* A service of each policy, without a database: its answers say who called. */
#include "guarded/v1/guarded.mesh.h"
#include "mesh/auth/caller.h"
#include "mesh/service.h"

static mesh_code see(void *self, mesh_call *call, const Google__Protobuf__Empty *request,
                     Guarded__V1__Seen *seen, mesh_error *err)
{
    const mesh_caller *caller = mesh_call_caller(call);
    mesh_arena *arena = mesh_call_arena(call);
    (void)self;
    (void)request;
    (void)err;
    seen->user = mesh_arena_strdup(arena, caller->user);
    seen->session = mesh_arena_strdup(arena, caller->session);
    seen->service = mesh_arena_strdup(arena, caller->service);
    seen->roles = (char **)caller->roles;
    while (caller->roles[seen->n_roles] != NULL)
        seen->n_roles++;
    return MESH_OK;
}

static const guarded__v1__guarded__handlers handlers = {
    .anybody__inline = see,
    .authenticated__inline = see,
    .staff__inline = see,
    .write__inline = see,
    .manage__inline = see,
    .internal__inline = see,
};

int main(int argc, char **argv)
{
    return mesh_service_main(argc, argv,
                             MESH_OPTIONS(mesh_service, .name = "guarded",
                                          .apis = {guarded__v1__guarded__api(&handlers, NULL)}));
}
