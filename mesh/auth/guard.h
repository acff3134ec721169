/*
 * The guard: who may call what. One interceptor of a server, which finds out who calls and decides
 * by the policy that the contract declares of the method:
 *
 *   public         everybody, and nobody is asked who that is
 *   authenticated  users: the metadata `authorization` is "Bearer" and a token (RFC 6750, section
 *                  2.1) that the verifier takes, of a user who is not refused now
 *   roles          of these, who has one of the roles now
 *   permission     of these, whom the permission cache, or who is asked for it, says to have it
 *   services       these services of the mesh, by the name in the certificate of their connection,
 *                  or by the metadata `mesh-service-token`, which they signed for this service
 *                  alone; the user for whom they call is looked at, too, where there is one
 *
 * A stream of a user lives no longer than what let it in: it ends with UNAUTHENTICATED and
 * TOKEN_EXPIRED when its token expires, and otherwise when the user changes
 * (mesh_guard_user_changed). Calls that are not streams go on to their ends, however long they
 * take, and so do streams that services make for themselves.
 *
 * What a user is now comes from mesh_users, and only where that knows nothing from the token. A
 * call whose permission has to be asked for is suspended meanwhile. Without an answer it is
 * refused.
 *
 * Handlers learn who it is by mesh_call_caller (mesh/auth/caller.h).
 *
 *   mesh_guard_create(&(mesh_guard_options){...}, &guard, &err);
 *   mesh_interceptor interceptors[] = {..., mesh_guard_interceptor(guard)};
 */
#ifndef MESH_AUTH_GUARD_H
#define MESH_AUTH_GUARD_H

#include "mesh/auth/caller.h"
#include "mesh/auth/permissions.h"
#include "mesh/auth/users.h"
#include "mesh/auth/verifier.h"
#include "mesh/rpc/server.h"

typedef struct mesh_guard mesh_guard;

/* All is borrowed for the guard's life. */
typedef struct mesh_guard_options {
    size_t size;
    mesh_verifier *verifier;         /* of users' tokens, required */
    mesh_users *users;               /* required */
    mesh_permissions *permissions;   /* required */
    mesh_verifier *service_verifier; /* of services' tokens (mesh/auth/identity.h), self_issued;
                                        NULL: none has a token */
} mesh_guard_options;

/*
 * Takes one of the slots for data of calls (mesh_call_slot_create), once a process.
 * INVALID_ARGUMENT: something required is missing. RESOURCE_EXHAUSTED: out of memory, or all slots
 * are taken.
 */
mesh_code mesh_guard_create(const mesh_guard_options *options, mesh_guard **guard, mesh_error *err);

/*
 * From now on users are let in: mesh_users knows who is banned. A guard is created closed, since a
 * service that starts learns that before it serves; until then users' calls are refused, also those
 * that a service makes for a user, while calls of services for themselves and public ones are
 * served. Any thread.
 */
void mesh_guard_open(mesh_guard *guard);

/*
 * What a user is has changed: looks again at what lets the streams in that the user has open. For
 * who feeds mesh_users: after mesh_users_put and mesh_permissions_drop_user. Those that may not be
 * open any more end (mesh_call_abort) with USER_REFUSED or ROLE_MISSING before this returns.
 * Permissions are asked for again, once for all streams that need the same, and these go on
 * meanwhile: denied, they end with PERMISSION_MISSING, and where there is no answer with that of
 * mesh_permissions_check, UNAVAILABLE for one. Any thread, with no lock that the load of
 * permissions takes.
 */
void mesh_guard_user_changed(mesh_guard *guard, const char *user);

/*
 * After the servers that have its interceptor, before what it borrows. Waits for permissions that
 * are asked for again. NULL is accepted.
 */
void mesh_guard_destroy(mesh_guard *guard);

/*
 * For any number of servers. It refuses calls with reasons of mesh.v1.AuthErrorReason:
 * UNAUTHENTICATED and UNAVAILABLE as mesh_verifier_check of the user's token, or of the service's
 * where that is what has to be known, TOKEN_INVALID also for more than one token or another scheme;
 * PERMISSION_DENIED with USER_REFUSED, ROLE_MISSING, PERMISSION_MISSING or SERVICE_REQUIRED;
 * UNAVAILABLE with USER_UNKNOWN and a delay before mesh_guard_open; UNAVAILABLE and others as
 * mesh_permissions_check.
 */
mesh_interceptor mesh_guard_interceptor(mesh_guard *guard);

#endif
