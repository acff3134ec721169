/* Which parts of a service a process runs: the setting MESH_RUN, read. Internal. */
#ifndef MESH_SERVICE_RUN_H
#define MESH_SERVICE_RUN_H

#include "mesh/service.h"

/* The parts that a list ("server,workers") names, as an OR of mesh_run. INVALID_ARGUMENT: it names
 * none, or something else; the message says what. */
mesh_code mesh_run_parse(const char *list, unsigned *parts, mesh_error *err);

#endif
