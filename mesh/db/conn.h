/*
 * One connection to PostgreSQL. Used by one thread at a time. Every wait has a deadline on the
 * monotonic clock; for a statement that passes it the server is asked to end it, by another thread,
 * and a connection that does not come back from that in a moment is broken for good.
 */
#ifndef MESH_DB_CONN_H
#define MESH_DB_CONN_H

#include <libpq-fe.h>

#include "mesh/base/log.h"
#include "mesh/db/cancel.h"
#include "mesh/db/db.h"

/* Immutable after the creation of the pool. */
typedef struct mesh_db_settings {
    char *url;
    char *name;
    size_t pool_max;
    int64_t acquire_timeout_ms;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms;
    int64_t idle_timeout_ms;
    int64_t max_age_ms;
    mesh_db_canceller *canceller; /* owned by the pool */
} mesh_db_settings;

enum {
    MESH_DB_PREPARED_MAX = 128,   /* prepared statements a connection, the least used goes first */
    MESH_DB_CONSTRAINT_BYTES = 64 /* NAMEDATALEN: identifiers have at most 63 bytes */
};

typedef struct mesh_db_conn mesh_db_conn;

/* Connects and sets what the runtime relies on (UTF-8, UTC, ISO dates, statement_timeout; a
 * `statement_timeout_ms` of 0 means none). A failure is logged with its cause at `level`.
 * UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED. */
mesh_code mesh_db_conn_open(const mesh_db_settings *settings, int64_t statement_timeout_ms,
                            int64_t deadline_ns, mesh_log_level level, mesh_db_conn **conn,
                            mesh_error *err);

/* NULL is accepted. */
void mesh_db_conn_close(mesh_db_conn *conn);

/* False for one that the server closed while it was idle. Does not wait. */
bool mesh_db_conn_alive(mesh_db_conn *conn);

/* True when it may serve another transaction: connected, and none open. */
bool mesh_db_conn_reusable(const mesh_db_conn *conn);

/* True when the connection broke, so that what was sent may or may not have been executed. */
bool mesh_db_conn_broken(const mesh_db_conn *conn);

/* True inside a transaction, also a failed one. */
bool mesh_db_conn_in_transaction(const mesh_db_conn *conn);

/* When it was opened; when it was used last (set by the pool). */
int64_t mesh_db_conn_opened_ns(const mesh_db_conn *conn);
int64_t *mesh_db_conn_used_ns(mesh_db_conn *conn);

/* The arena of the transactions that run on it, one after the other. */
mesh_arena *mesh_db_conn_arena(mesh_db_conn *conn);

/*
 * Runs SQL without parameters by the simple protocol, several statements if need be. `result` (of
 * the last, or of the one that failed) may be NULL; `completed` (statements that succeeded), too.
 * On failure a `result` may be written: NULL, or what the server said.
 */
mesh_code mesh_db_conn_script(mesh_db_conn *conn, const char *sql, int64_t deadline_ns,
                              PGresult **result, size_t *completed, mesh_error *err);

/* Prepares the statement if need be and runs it. On success the caller owns `result`. On failure
 * `constraint` (MESH_DB_CONSTRAINT_BYTES) names the one that was violated, else it is "". */
mesh_code mesh_db_conn_query(mesh_db_conn *conn, const char *sql, mesh_params params,
                             int64_t deadline_ns, PGresult **result, char *constraint,
                             mesh_error *err);

/* Whether the answers to come have values in the binary form; at first they have not. */
void mesh_db_conn_set_binary(mesh_db_conn *conn, bool binary);

/* What ended a wait. */
typedef enum mesh_db_heard {
    MESH_DB_HEARD_NOTHING,      /* the time is over */
    MESH_DB_HEARD_NOTIFICATION, /* at least one; all that were there are taken */
    MESH_DB_HEARD_STOP,         /* `stop_fd` is readable */
    MESH_DB_HEARD_END           /* the connection is lost */
} mesh_db_heard;

/* Waits for notifications on an idle connection that listens. */
mesh_db_heard mesh_db_conn_hear(mesh_db_conn *conn, int stop_fd, int64_t timeout_ms);

#endif
