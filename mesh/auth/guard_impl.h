/* What the files of the guard share. Internal. */
#ifndef MESH_AUTH_GUARD_IMPL_H
#define MESH_AUTH_GUARD_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "mesh/auth/guard.h"
#include "mesh/auth/user_streams.h"

struct mesh_guard {
    mesh_guard_options options; /* immutable */
    atomic_bool open;           /* to users */
    mesh_user_streams *streams; /* immutable */
    pthread_mutex_t mu;
    pthread_cond_t answered; /* nothing is asked any more */
    size_t asking;           /* guarded by mu: permissions that open streams need still */
};

/* Why a call is refused, or MESH_OK. Lists end with NULL. */
mesh_code mesh_guard_refuse_user(mesh_error *err);
mesh_code mesh_guard_check_roles(const char *const *roles, const char *const *names,
                                 mesh_error *err);
mesh_code mesh_guard_judge(const mesh_permission_query *query, bool allowed, mesh_error *err);

#endif
