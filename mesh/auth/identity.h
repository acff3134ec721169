/*
 * mesh_identity: what a service says of itself, and of the user for whom it calls, when it calls
 * another service of the mesh. An interceptor of channels adds to each call of a method that is not
 * public
 *
 *   mesh-service-token   a token that the service signed for the one that it calls, and that nobody
 *                        else takes; of MESH_IDENTITY_LIFE_S, renewed in time
 *   authorization        as it came with the call that this one is made for (its parent), unless
 *                        that was let in without looking at it
 *
 * so that the other side's guard (mesh/auth/guard.h) knows both. Only for channels to services of
 * the mesh: whoever gets the calls could use the user's token while it lives.
 */
#ifndef MESH_AUTH_IDENTITY_H
#define MESH_AUTH_IDENTITY_H

#include "mesh/auth/key.h"
#include "mesh/rpc/channel.h"

enum {
    MESH_IDENTITY_LIFE_S = 300,
    MESH_IDENTITY_NAME_BYTES = MESH_KEY_ID_BYTES /* of a service's name, with its NUL */
};

typedef struct mesh_identity mesh_identity;

/*
 * `key` is the service's own, borrowed, and its id is the service's name; NULL: no token is added,
 * since the connection says who it is (mTLS). `audience` is the name of the service that is called,
 * copied. INVALID_ARGUMENT: one of the names is empty or too long, or has characters that claims
 * may not have. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code mesh_identity_create(const mesh_key *key, const char *audience, mesh_identity **identity,
                               mesh_error *err);

/* After the channels that have its interceptor. NULL is accepted. */
void mesh_identity_destroy(mesh_identity *identity);

/* For any number of channels. A call that there is no memory for fails with RESOURCE_EXHAUSTED. */
mesh_client_interceptor mesh_identity_interceptor(mesh_identity *identity);

#endif
