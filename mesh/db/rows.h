/*
 * The rows of an answer: libpq's result, linked into its transaction.
 */
#ifndef MESH_DB_ROWS_H
#define MESH_DB_ROWS_H

#include <libpq-fe.h>

#include "mesh/db/db.h"

struct mesh_rows {
    PGresult *result;      /* owned */
    const uint8_t **bytes; /* row by row, what bytea columns decode to; NULL without such columns */
    mesh_rows *next;       /* of the same transaction */
    mesh_tx *own;          /* the transaction, when they are all that it was for; else NULL */
};

/* Takes the result and puts it in front of `list`; all but the result is in the arena. False, and
 * the result freed, when that is full. */
bool mesh_db_rows_add(mesh_rows **list, PGresult *result, mesh_arena *arena);

/* Frees the results of the list; the structs are in the arena. */
void mesh_db_rows_clear(mesh_rows *list);

#endif
