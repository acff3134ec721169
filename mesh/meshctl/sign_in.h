/*
 * The session of whoever signed in to the running mesh, kept from one run to the next: a file of
 * mode 0600 for each mesh in $XDG_STATE_HOME/meshctl (else ~/.local/state/meshctl), named after the
 * mesh's data folder. So a person has one session in each mesh, whatever else works in its folder,
 * and what keeps two apart is XDG_STATE_HOME. It holds the session's tokens (user.v1.Tokens).
 *
 * A refresh token is taken once: the file is locked from before it is sent until the new one is
 * kept, so that two runs at a time do not end the session.
 */
#ifndef MESH_MESHCTL_SIGN_IN_H
#define MESH_MESHCTL_SIGN_IN_H

#include "mesh/meshctl/connection.h"
#include "user/v1/user.mesh.h"

typedef struct ctl_sign_in {
    ctl_services services; /* of the mesh */
    const char *path;      /* of the file */
} ctl_sign_in;

/* Where the session is kept, if there is one. NOT_FOUND: no mesh; FAILED_PRECONDITION: no place. */
mesh_code ctl_sign_in_find(ctl *run, ctl_sign_in *in, ctl_failure *failure);

/* The tokens that are kept; NULL: no session. FAILED_PRECONDITION: the file cannot be read. */
mesh_code ctl_sign_in_read(ctl *run, const ctl_sign_in *in, User__V1__Tokens **tokens,
                           ctl_failure *failure);

/* Keeps tokens in place of what was kept. FAILED_PRECONDITION: they cannot be written. */
mesh_code ctl_sign_in_keep(ctl *run, const ctl_sign_in *in, const User__V1__Tokens *tokens,
                           ctl_failure *failure);

/* Forgets what is kept. FAILED_PRECONDITION: it cannot be. */
mesh_code ctl_sign_in_forget(ctl *run, const ctl_sign_in *in, ctl_failure *failure);

/* A connection to the mesh's user service. NOT_FOUND: the mesh has none. */
mesh_code ctl_sign_in_connect(ctl *run, const ctl_sign_in *in, ctl_connection **users,
                              ctl_failure *failure);

/*
 * Lets the calls of this run carry the session's access token, renewed if it has expired or is
 * about to. Only for targets of the mesh, by name or by the address of an instance: others could
 * use the token there. Without a token the calls go without, since the method may be public;
 * run->sign_in_hint then says why, for when it is not. An `authorization` of the command line is
 * left alone. RESOURCE_EXHAUSTED: out of memory.
 */
mesh_code ctl_sign_in_use(ctl *run, const char *target, ctl_failure *failure);

/*
 * True when a call that failed is worth making once more: its token was refused for its key
 * (TOKEN_KEY_UNKNOWN), which is so after a change of keys, and the session has another token now.
 * The first time at once, the second time after a pause: who learns a new key needs a moment.
 */
bool ctl_sign_in_again(ctl *run, const ctl_failure *failure);

/* Whom the token that calls carry speaks of, as it says itself; NULL: there is none, or nobody. */
const char *ctl_sign_in_user(const ctl *run);

/* The entry `authorization` of the run's headers; NULL without. */
const mesh_metadata *ctl_sign_in_header(const ctl *run);

#endif
