/*
 * Parameters in the form that libpq sends: text for all but bytes, whose type the server infers.
 */
#ifndef MESH_DB_PARAM_H
#define MESH_DB_PARAM_H

#include "mesh/base/clock.h"
#include "mesh/db/db.h"

typedef struct mesh_db_params {
    int count;
    const char *values[MESH_SQL_MAX_PARAMS];
    int lengths[MESH_SQL_MAX_PARAMS];
    int formats[MESH_SQL_MAX_PARAMS];
    char numbers[MESH_SQL_MAX_PARAMS][MESH_TIME_TEXT_BYTES];
} mesh_db_params;

/* `out` borrows from `params` and points into itself. INVALID_ARGUMENT: bytes of more than 1 GiB,
 * PostgreSQL's own limit. */
mesh_code mesh_db_params_encode(mesh_params params, mesh_db_params *out, mesh_error *err);

#endif
