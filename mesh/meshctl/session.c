#include "mesh/meshctl/session.h"

mesh_code ctl_session_open(ctl *run, const char *target, ctl_session *session, ctl_failure *failure)
{
    *session = (ctl_session){.connection = NULL};
    if (target != NULL) {
        ctl_target resolved;
        mesh_code code = ctl_target_resolve(run, target, &resolved, failure);
        if (code == MESH_OK)
            code = ctl_connection_open(run, &resolved, &session->connection, failure);
        if (code != MESH_OK)
            return code;
    }
    return ctl_catalog_open(run, session->connection, &session->catalog, failure);
}

void ctl_session_close(ctl_session *session)
{
    ctl_catalog_close(&session->catalog);
    ctl_connection_close(session->connection);
    *session = (ctl_session){.connection = NULL};
}
