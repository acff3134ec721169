/* Looking at the field violations of an error. */
#ifndef TESTS_SERVICES_VIOLATIONS_H
#define TESTS_SERVICES_VIOLATIONS_H

#include <stdio.h>
#include <string.h>

#include "mesh/base/error.h"

/* The fields of all violations in their order: "a, b.c"; in a static buffer. */
static inline const char *violated_fields(const mesh_error *err)
{
    static char fields[2048];
    mesh_error_violation one;
    size_t used = 0;
    fields[0] = '\0';
    for (size_t i = 0; mesh_error_violation_at(err, i, &one) && used < sizeof fields; i++)
        used += (size_t)snprintf(fields + used, sizeof fields - used, "%s%.*s", i == 0 ? "" : ", ",
                                 (int)one.field_size, one.field);
    return fields;
}

#endif
