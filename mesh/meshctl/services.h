/*
 * The services of the running mesh, as its start script writes them: a file `services` in the data
 * folder, one line for each instance: NAME ADDRESS METRICS_ADDRESS.
 */
#ifndef MESH_MESHCTL_SERVICES_H
#define MESH_MESHCTL_SERVICES_H

#include <stddef.h>

#include "mesh/meshctl/ctl.h"

enum {
    CTL_MAX_INSTANCES = 1024
};

typedef struct ctl_instance {
    const char *name;
    const char *address;
    const char *metrics; /* "" when it has none */
} ctl_instance;

typedef struct ctl_services {
    const char *path; /* of the file */
    ctl_instance *instances;
    size_t count;
} ctl_services;

/*
 * Reads the file: in $MESH_DATA, else in `.mesh` of the current folder or one above it. NOT_FOUND:
 * there is none; FAILED_PRECONDITION: a line is malformed or the file cannot be read.
 */
mesh_code ctl_services_read(ctl *run, ctl_services *services, ctl_failure *failure);

/* The file `descriptors.protoset` beside it, with the types of the mesh; NULL: there is none. */
const char *ctl_services_types(ctl *run);

/* Reads the text of such a file, for which `path` is named in errors. */
mesh_code ctl_services_parse(const char *text, const char *path, mesh_arena *arena,
                             ctl_services *services, ctl_failure *failure);

#endif
