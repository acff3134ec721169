/*
 * The calls that depend on something else: those made for a server call, those that run on a
 * channel, those that share a mesh_cancel. They are cancelled together and waited for. Internal,
 * thread-safe.
 */
#ifndef MESH_RPC_LINKS_H
#define MESH_RPC_LINKS_H

#include <pthread.h>

#include "mesh/rpc/transport.h"

typedef struct mesh_link {
    struct mesh_link *next;
    struct mesh_link *previous;
    mesh_tcall *call;
} mesh_link;

typedef struct mesh_links {
    pthread_mutex_t mu;
    pthread_cond_t emptied;
    mesh_link *first; /* guarded by mu */
    bool cancelled;   /* guarded by mu: what joins now is cancelled at once */
} mesh_links;

void mesh_links_init(mesh_links *links);
void mesh_links_destroy(mesh_links *links); /* empty */

/*
 * A call is added before it starts, detached before it is released (it cannot be cancelled from
 * here any more), and removed at last: whoever waits goes on then.
 */
void mesh_links_add(mesh_links *links, mesh_link *link, mesh_tcall *call);
void mesh_links_detach(mesh_links *links, mesh_link *link);
void mesh_links_remove(mesh_links *links, mesh_link *link);

/* Cancels all that are linked and all that come later. */
void mesh_links_cancel(mesh_links *links);

/* Returns when none is linked. */
void mesh_links_wait(mesh_links *links);

#endif
