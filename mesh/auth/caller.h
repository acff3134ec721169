/*
 * Who makes a call: for handlers of methods that are not public. The guard (mesh/auth/guard.h),
 * which mesh_service_main makes, has verified all of it before the handler runs.
 */
#ifndef MESH_AUTH_CALLER_H
#define MESH_AUTH_CALLER_H

#include "mesh/rpc/call.h"

MESH_BEGIN_DECLS

typedef struct mesh_caller {
    const char *user;    /* the id; "": no user */
    const char *session; /* of the user's sign-in; "": none */
    const char *const
        *roles;          /* what the user is now, which the token may not say yet; up to NULL */
    const char *service; /* the service of the mesh; "": none, or nobody asked */
    const mesh_metadata *authorization; /* the user's token, for calls made for the user; NULL: none
                                         */
    const void *reserved[2];
} mesh_caller;

/*
 * Lives as long as the call; any thread. Never NULL: in a call that no guard looked at, such as one
 * of a public method, it is nobody.
 */
MESH_API const mesh_caller *mesh_call_caller(const mesh_call *call);

MESH_END_DECLS

#endif
