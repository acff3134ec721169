/* A target opened with its types: what list, describe and call begin with. */
#ifndef MESH_MESHCTL_SESSION_H
#define MESH_MESHCTL_SESSION_H

#include "mesh/meshctl/catalog.h"

typedef struct ctl_session {
    ctl_connection *connection; /* NULL without a target */
    ctl_catalog catalog;
} ctl_session;

/* `target` may be NULL with --protoset. */
mesh_code ctl_session_open(ctl *run, const char *target, ctl_session *session,
                           ctl_failure *failure);

/* Also what an open that failed left behind. */
void ctl_session_close(ctl_session *session);

#endif
