#include "mesh/db/sqlstate.h"

#include <stddef.h>
#include <string.h>

/* Longer prefixes stand before the classes they belong to. */
static const struct {
    const char *prefix;
    mesh_code code;
} meanings[] = {
    {"08", MESH_UNAVAILABLE},            /* connection exceptions */
    {"22", MESH_INVALID_ARGUMENT},       /* data exceptions */
    {"23505", MESH_ALREADY_EXISTS},      /* unique_violation */
    {"23", MESH_FAILED_PRECONDITION},    /* the other constraints */
    {"40003", MESH_UNAVAILABLE},         /* statement_completion_unknown */
    {"40002", MESH_FAILED_PRECONDITION}, /* a constraint that is checked at the commit */
    {"40", MESH_ABORTED},                /* serialization failure, deadlock */
    {"53300", MESH_UNAVAILABLE},         /* too_many_connections */
    {"53", MESH_RESOURCE_EXHAUSTED},     /* disk, memory */
    {"55P03", MESH_ABORTED},             /* lock_not_available */
    {"57014", MESH_DEADLINE_EXCEEDED},   /* query_canceled: statement_timeout, or we cancelled */
    {"57", MESH_UNAVAILABLE},            /* shutdown, crash, starting up */
    {"58", MESH_UNAVAILABLE},            /* system errors outside PostgreSQL */
};

mesh_code mesh_db_sqlstate_code(const char *sqlstate)
{
    if (sqlstate == NULL)
        return MESH_INTERNAL;
    for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
        if (strncmp(sqlstate, meanings[i].prefix, strlen(meanings[i].prefix)) == 0)
            return meanings[i].code;
    }
    return MESH_INTERNAL;
}

const char *mesh_db_sqlstate_text(mesh_code code)
{
    switch (code) {
    case MESH_ALREADY_EXISTS:
        return "it exists already";
    case MESH_FAILED_PRECONDITION:
        return "it contradicts other data";
    case MESH_INVALID_ARGUMENT:
        return "a value cannot be stored";
    case MESH_ABORTED:
        return "a conflict with another change, try again";
    case MESH_DEADLINE_EXCEEDED:
        return "the database did not answer in time";
    case MESH_UNAVAILABLE:
        return "the database cannot be reached";
    case MESH_RESOURCE_EXHAUSTED:
        return "the database is out of resources";
    default:
        return "the database refused a statement";
    }
}
