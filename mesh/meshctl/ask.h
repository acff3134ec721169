/* Questions to the EventsService of one service of the mesh, or of all. */
#ifndef MESH_MESHCTL_ASK_H
#define MESH_MESHCTL_ASK_H

#include "mesh/events/v1/events.mesh.h"
#include "mesh/meshctl/connection.h"

/* A method of mesh.events.v1.EventsService: CTL_EVENTS_METHOD(GET_OUTBOX). */
#define CTL_EVENTS_METHOD(NAME) \
    (&mesh__events__v1__events_service__methods[MESH__EVENTS__V1__EVENTS_SERVICE__##NAME])

/* Connects to a target, with the session's token for who is one of the mesh. */
mesh_code ctl_ask_open(ctl *run, const char *target, ctl_connection **connection,
                       ctl_failure *failure);

/* Calls it; once more when the session's token was refused for its key. The answer, of the method's
 * type, is in the run's arena. */
mesh_code ctl_ask(ctl *run, ctl_connection *connection, const mesh_method *method,
                  const void *request, void *answer, ctl_failure *failure);

/* The same, with a connection of its own. */
mesh_code ctl_ask_once(ctl *run, const char *target, const mesh_method *method, const void *request,
                       void *answer, ctl_failure *failure);

/* Says who refused, and what to do about it. For calls that ctl_ask does not make. */
void ctl_ask_explain(ctl *run, const ctl_connection *connection, mesh_code code,
                     ctl_failure *failure);

/*
 * Calls `fn` with each service of the mesh, or with `target` alone (NULL: all), then ends with the
 * exit code. What fails with one is reported, and the others are asked nevertheless, unless it is
 * the session that is refused. When all are asked, those are left out that lack what is asked for:
 * UNIMPLEMENTED and FAILED_PRECONDITION.
 */
typedef mesh_code ctl_ask_fn(void *context, ctl_connection *connection, const char *service,
                             ctl_failure *failure);
int ctl_ask_each(ctl *run, const char *target, ctl_ask_fn *fn, void *context);

#endif
