#include "mesh/db/migrate.h"

#include <stdlib.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/db/pool.h"
#include "mesh/db/sql_line.h"

/* Any constant will do, as long as it is always the same: "meshmigr" in ASCII. */
#define LOCK_KEY "7881689914055845746"

static const char create_table[] = "CREATE TABLE IF NOT EXISTS mesh_migration ("
                                   " component text NOT NULL,"
                                   " number int NOT NULL,"
                                   " name text NOT NULL,"
                                   " checksum bytea NOT NULL," /* SHA-256 of the text */
                                   " applied_at timestamptz NOT NULL DEFAULT now(),"
                                   " PRIMARY KEY (component, number))";

typedef struct migrator {
    mesh_db_conn *conn; /* its own, without a statement_timeout: a migration takes as long as it
                           takes */
    const char *component;
    mesh_error *err;
} migrator;

static mesh_code run(migrator *self, const char *sql)
{
    return mesh_db_conn_script(self->conn, sql, MESH_NO_DEADLINE, NULL, NULL, self->err);
}

static mesh_code query(migrator *self, const char *sql, mesh_params params, PGresult **result)
{
    char constraint[MESH_DB_CONSTRAINT_BYTES];
    return mesh_db_conn_query(self->conn, sql, params, MESH_NO_DEADLINE, result, constraint,
                              self->err);
}

/* The lock belongs to the connection, so it is free again when this process dies. */
static mesh_code lock(migrator *self)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(MESH_MIGRATE_LOCK_TIMEOUT_MS);
    mesh_code code = mesh_db_conn_script(self->conn, "SELECT pg_advisory_lock(" LOCK_KEY ")",
                                         deadline_ns, NULL, NULL, self->err);
    if (code == MESH_DEADLINE_EXCEEDED)
        mesh_error_set(self->err, code, "another instance is still migrating the database");
    return code;
}

static mesh_code last_applied(migrator *self, int *number)
{
    PGresult *result = NULL;
    mesh_code code = query(
        self, "SELECT coalesce(max(number), 0) FROM mesh_migration WHERE component = $1",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(self->component)), &result);
    if (code == MESH_OK)
        *number = atoi(PQgetvalue(result, 0, 0));
    PQclear(result);
    return code;
}

/* That what was applied is what the program holds. */
static mesh_code check_applied(migrator *self, const mesh_migration *migration)
{
    PGresult *result = NULL;
    mesh_code code = query(
        self,
        "SELECT name = $3 AND checksum = sha256(convert_to($4, 'UTF8')), name"
        " FROM mesh_migration WHERE component = $1 AND number = $2",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(self->component), MESH_SQL_INT(migration->number),
                        MESH_SQL_TEXT(migration->name), MESH_SQL_TEXT(migration->sql)),
        &result);
    if (code != MESH_OK)
        return code;
    if (PQntuples(result) == 0)
        code = mesh_error_set(self->err, MESH_FAILED_PRECONDITION,
                              "%s: the database has later migrations, but not this one",
                              migration->name);
    else if (PQgetvalue(result, 0, 0)[0] != 't')
        code = mesh_error_set(self->err, MESH_FAILED_PRECONDITION,
                              "%s: it was changed after it had been applied (as %s); write a new "
                              "migration instead",
                              migration->name, PQgetvalue(result, 0, 1));
    PQclear(result);
    return code;
}

/* "0002_add_stock.sql:7: column "x" does not exist", from what the server said. */
static mesh_code describe(migrator *self, const mesh_migration *migration, mesh_code code,
                          const PGresult *result, size_t completed)
{
    if (result == NULL || mesh_db_conn_broken(self->conn))
        return code;
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    size_t line = position != NULL
                      ? mesh_db_line_of_position(migration->sql, strtoul(position, NULL, 10))
                      : mesh_db_line_of_statement(migration->sql, completed);
    return mesh_error_set(self->err, MESH_INTERNAL, "%s:%zu: %s", migration->name, line,
                          words != NULL ? words : "failed");
}

/* The migration itself and its row, in the transaction that `apply` has begun. */
static mesh_code apply_in_transaction(migrator *self, const mesh_migration *migration)
{
    PGresult *result = NULL;
    size_t completed = 0;
    mesh_code code = mesh_db_conn_script(self->conn, migration->sql, MESH_NO_DEADLINE, &result,
                                         &completed, self->err);
    if (code != MESH_OK)
        code = describe(self, migration, code, result, completed);
    PQclear(result);
    if (code != MESH_OK)
        return code;
    if (!mesh_db_conn_in_transaction(self->conn))
        return mesh_error_set(self->err, MESH_INTERNAL,
                              "%s: it ended its transaction, which is not its own to end",
                              migration->name);
    result = NULL;
    code = query(self,
                 "INSERT INTO mesh_migration (component, number, name, checksum)"
                 " VALUES ($1, $2, $3, sha256(convert_to($4, 'UTF8')))",
                 MESH_SQL_PARAMS(MESH_SQL_TEXT(self->component), MESH_SQL_INT(migration->number),
                                 MESH_SQL_TEXT(migration->name), MESH_SQL_TEXT(migration->sql)),
                 &result);
    PQclear(result);
    return code;
}

static mesh_code apply(migrator *self, const mesh_migration *migration)
{
    int64_t start_ns = mesh_clock_monotonic_ns();
    mesh_code code = run(self, "BEGIN");
    if (code == MESH_OK)
        code = apply_in_transaction(self, migration);
    if (code != MESH_OK) {
        mesh_db_conn_script(self->conn, "ROLLBACK", MESH_NO_DEADLINE, NULL, NULL, NULL);
        return code;
    }
    PGresult *result = NULL;
    code = mesh_db_conn_script(self->conn, "COMMIT", MESH_NO_DEADLINE, &result, NULL, self->err);
    if (code != MESH_OK)
        code = describe(self, migration, code, result, 0); /* a deferred constraint */
    PQclear(result);
    if (code == MESH_OK)
        mesh_log(MESH_LOG_INFO, "migration applied", MESH_LOG_S("component", self->component),
                 MESH_LOG_S("migration", migration->name),
                 MESH_LOG_D("duration_ms", (double)(mesh_clock_monotonic_ns() - start_ns) / 1e6));
    return code;
}

static mesh_code migrate(migrator *self, const mesh_migration *migrations)
{
    int last = 0;
    mesh_code code = lock(self);
    if (code == MESH_OK)
        code = run(self, create_table);
    if (code == MESH_OK)
        code = last_applied(self, &last);
    const mesh_migration *migration = migrations;
    for (; code == MESH_OK && migration->number != 0; migration++)
        code = migration->number <= last ? check_applied(self, migration) : apply(self, migration);
    int known = (int)(migration - migrations);
    if (code == MESH_OK && known < last)
        code = mesh_error_set(self->err, MESH_FAILED_PRECONDITION,
                              "the database is newer than this program: migration %d of %s was "
                              "applied, and %d is the last one known here",
                              last, self->component, known);
    return code;
}

mesh_code mesh_migrate(mesh_db *db, const char *component, const mesh_migration *migrations,
                       mesh_error *err)
{
    for (int i = 0; migrations[i].number != 0; i++) {
        if (migrations[i].number != i + 1)
            return mesh_error_set(err, MESH_INTERNAL, "%s: migration %d of %s was expected",
                                  migrations[i].name, i + 1, component);
        mesh_code code = MESH_RESERVED_CHECK(&migrations[i], err, "%s", migrations[i].name);
        if (code != MESH_OK)
            return code;
    }
    const mesh_db_settings *settings = mesh_db_pool_settings(db);
    int64_t deadline_ns = mesh_clock_deadline_ns(settings->connect_timeout_ms);
    migrator self = {.component = component, .err = err};
    mesh_code code = mesh_db_conn_open(settings, 0, deadline_ns, MESH_LOG_WARN, &self.conn, err);
    if (code == MESH_DEADLINE_EXCEEDED)
        code = mesh_error_set(err, MESH_UNAVAILABLE, "the database cannot be reached");
    if (code == MESH_OK)
        code = migrate(&self, migrations);
    mesh_db_conn_close(self.conn);
    return code;
}
