/*
 * Migrations: numbered SQL files compiled into the service, applied forward in order, each in a
 * transaction of its own. What was applied is kept in the table mesh_migration (component, number,
 * name, checksum, time). One instance at a time (an advisory lock); the others wait and find
 * nothing left to do.
 */
#ifndef MESH_DB_MIGRATE_H
#define MESH_DB_MIGRATE_H

#include "mesh/db/db.h"

MESH_BEGIN_DECLS

/* The Bazel macro mesh_migrations(name, srcs) writes the table `name` from
 * migrations/NNNN_what.sql, declared in the header NAME.h that it writes, too. */
typedef struct mesh_migration {
    int number;       /* 1, 2, ... without a gap; 0 ends the table */
    const char *name; /* "0001_create_product.sql" */
    const char *sql;
    const void *reserved[2];
} mesh_migration;

/*
 * Applies what is missing of `component`: a service's name for its own tables, "mesh_events" for
 * those of mesh/events (mesh_events_migrations). Components are numbered independently in one
 * database.
 *
 * FAILED_PRECONDITION: an applied migration's text or name has changed, or the database is newer
 * than the program; the message names the migration. INTERNAL: a migration failed (it was rolled
 * back; the message has its file, line and the server's words). UNAVAILABLE: no database, or it
 * went away. DEADLINE_EXCEEDED: another instance held the lock for longer than
 * MESH_MIGRATE_LOCK_TIMEOUT_MS.
 */
enum {
    MESH_MIGRATE_LOCK_TIMEOUT_MS = 600000
};
MESH_API mesh_code mesh_migrate(mesh_db *db, const char *component,
                                const mesh_migration *migrations, mesh_error *err);

MESH_END_DECLS

#endif
