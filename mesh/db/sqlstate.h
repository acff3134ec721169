/*
 * What a SQLSTATE (https://www.postgresql.org/docs/15/errcodes-appendix.html) means to a caller.
 */
#ifndef MESH_DB_SQLSTATE_H
#define MESH_DB_SQLSTATE_H

#include "mesh/base/code.h"

/* `sqlstate` has five characters; NULL gives INTERNAL. */
mesh_code mesh_db_sqlstate_code(const char *sqlstate);

/* A sentence for callers, without anything that the server said. Static. */
const char *mesh_db_sqlstate_text(mesh_code code);

#endif
