/*
 * What the files of sagas share: the definitions, and what happened to a saga. Internal.
 */
#ifndef MESH_EVENTS_SAGA_PARTS_H
#define MESH_EVENTS_SAGA_PARTS_H

#include "mesh/events/saga.h"

enum {
    MESH_SAGA_DEFAULT_ATTEMPTS = 20
};

typedef struct mesh_saga_workers mesh_saga_workers;

struct mesh_sagas {
    mesh_sagas_options options; /* immutable, with all defaults */
    mesh_saga_workers *workers;
};

/* NULL when this program has none of the name. */
const mesh_saga_definition *mesh_saga_find_definition(const mesh_sagas *sagas, const char *name);

/* NULL when the definition (which may be NULL) has none of the name. */
const mesh_saga_step *mesh_saga_find_step(const mesh_saga_definition *definition, const char *name);

/* The status of a name as mesh_saga_status_name gives it, else MESH_SAGA_ANY. */
mesh_saga_status mesh_saga_status_parse(const char *name);

/* Attempts before the step is parked; `step` may be NULL. */
int mesh_saga_step_attempts(const mesh_saga_step *step);

#endif
