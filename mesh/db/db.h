/*
 * PostgreSQL for services: a pool of connections with a limit, transactions, prepared statements.
 * SQL is always parameterised; a statement's text is a constant of the program.
 *
 * A mesh_db is shared by all threads; a mesh_tx is used by one thread at a time.
 */
#ifndef MESH_DB_DB_H
#define MESH_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

typedef struct mesh_db mesh_db;
typedef struct mesh_tx mesh_tx;

typedef struct mesh_db_options {
    size_t size;
    const char *url;  /* postgresql://USER:PASSWORD@HOST:PORT/NAME, copied; never logged */
    const char *name; /* application_name at the server, default "mesh" */
    size_t pool_max;  /* connections at most, default 8 */
    int64_t acquire_timeout_ms;   /* wait for a free connection, default 2,000 */
    int64_t connect_timeout_ms;   /* default 5,000 */
    int64_t statement_timeout_ms; /* default 5,000, at most INT32_MAX as PostgreSQL's own; the
                                     server ends the statement */
    int64_t idle_timeout_ms;      /* a connection unused for longer is closed, default 5 minutes */
    int64_t max_age_ms;           /* one older than this is closed after use, default 30 minutes */
} mesh_db_options;

/*
 * Does not connect yet, so that a service can start before its database. INVALID_ARGUMENT: the url
 * is malformed, or a limit is negative or too large; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_db_create(const mesh_db_options *options, mesh_db **db, mesh_error *err);

/* Closes it; no transaction may be open. NULL is accepted. */
MESH_API void mesh_db_destroy(mesh_db *db);

/* One round trip, at most acquire_timeout_ms + connect_timeout_ms + statement_timeout_ms.
 * UNAVAILABLE: cannot connect, or the server went away; RESOURCE_EXHAUSTED: the pool is busy. */
MESH_API mesh_code mesh_db_ping(mesh_db *db, mesh_error *err);

/* Figures for metrics; the counts grow from the creation of the pool on. */
typedef struct mesh_db_stats {
    size_t pool_max;
    size_t open;             /* connections, those being made included */
    size_t idle;             /* of them not in use */
    size_t waiting;          /* threads that wait for one now */
    uint64_t connects;       /* connections made */
    uint64_t connect_errors; /* attempts that failed */
    uint64_t acquired;       /* connections handed out */
    uint64_t acquire_errors; /* waits that ended without one */
    int64_t wait_ns;         /* time spent in those waits, in all */
    uint64_t queries;        /* statements run, BEGIN, COMMIT and ROLLBACK not counted */
    uint64_t query_errors;   /* of them failed */
    int64_t query_ns;        /* time spent in statements, in all */
    uint64_t reserved[8];    /* for figures to come */
} mesh_db_stats;

/* A snapshot of one moment. */
MESH_API void mesh_db_get_stats(mesh_db *db, mesh_db_stats *stats);

typedef struct mesh_tx_options {
    size_t size;
    bool read_only;
    /*
     * For a single statement: no BEGIN and no COMMIT are sent, so it costs one round trip instead
     * of three. Each statement is then a transaction of its own: nothing can be rolled back, and
     * `read_only` is not enforced.
     */
    bool autocommit;
    /*
     * CLOCK_MONOTONIC, e.g. mesh_call_deadline_ns; 0 or MESH_NO_DEADLINE: none. Bounds the wait for
     * a connection and every statement.
     */
    int64_t deadline_ns;
    /*
     * How long the server waits for the next statement: then it ends the transaction, whose locks
     * are free, and closes the connection. For who may be frozen with a lock that others wait for.
     * 0: without end. Not with `autocommit`.
     */
    int64_t silence_timeout_ms;
} mesh_tx_options;

/*
 * Takes a connection from the pool and begins a transaction (READ COMMITTED). `options` may be
 * NULL. RESOURCE_EXHAUSTED: no connection became free in time, or out of memory; UNAVAILABLE: the
 * database cannot be reached; DEADLINE_EXCEEDED. A connection that turns out to be dead is replaced
 * without the caller's notice, since nothing has been executed yet.
 */
MESH_API mesh_code mesh_tx_begin(mesh_db *db, const mesh_tx_options *options, mesh_tx **tx,
                                 mesh_error *err);

/*
 * Commits and frees the transaction, whatever it returns. After a failed statement it rolls back
 * and returns that statement's code; the same for what was to be done before the commit. ABORTED: a
 * conflict with another transaction, try the whole
 * again; DEADLINE_EXCEEDED: the deadline passed before, it was rolled back; UNAVAILABLE: the
 * connection broke, and the commit may or may not have happened; also the codes of constraints that
 * are checked at the commit. A COMMIT once sent is waited for beyond the deadline, for at most
 * statement_timeout_ms.
 */
MESH_API mesh_code mesh_tx_commit(mesh_tx *tx, mesh_error *err);

/* Rolls back and frees it. NULL is accepted, so that it can stand at a `done:` label. */
MESH_API void mesh_tx_rollback(mesh_tx *tx);

/*
 * Runs `fn` when mesh_tx_commit is called, just before the COMMIT, in order of registration: it may
 * run statements, and sees all that was done. What it returns other than MESH_OK rolls back, and is
 * what mesh_tx_commit returns. Never run when a statement has failed, or for mesh_tx_rollback.
 * FAILED_PRECONDITION: an autocommit or a read-only transaction; RESOURCE_EXHAUSTED: out of memory.
 */
typedef mesh_code mesh_before_commit_fn(mesh_tx *tx, void *context, mesh_error *err);
MESH_API mesh_code mesh_tx_before_commit(mesh_tx *tx, mesh_before_commit_fn *fn, void *context,
                                         mesh_error *err);

/*
 * Runs `fn` after the transaction committed, in order of registration, on the committing thread,
 * while the transaction's arena still lives; never when it rolled back. FAILED_PRECONDITION: an
 * autocommit transaction; RESOURCE_EXHAUSTED: out of memory.
 */
MESH_API mesh_code mesh_tx_after_commit(mesh_tx *tx, void (*fn)(void *context), void *context,
                                        mesh_error *err);

/* Memory that lives as long as the transaction. */
MESH_API mesh_arena *mesh_tx_arena(mesh_tx *tx);

/* The pool that the transaction's connection came from. */
MESH_API mesh_db *mesh_tx_db(mesh_tx *tx);

/*
 * The constraint that the failed statement of this transaction violated ("product_pkey"), "" when
 * there was none; for a store that turns it into a reason of its contract. It stays inside: it is
 * no part of the mesh_error, which may travel to a caller. Valid until the transaction ends.
 */
MESH_API const char *mesh_tx_constraint(const mesh_tx *tx);

/* A parameter ($1, $2, ...) of a statement; made with the macros below. Pointers are borrowed for
 * the call. */
typedef struct mesh_param {
    enum {
        MESH_PARAM_NULL,
        MESH_PARAM_TEXT,
        MESH_PARAM_INT,
        MESH_PARAM_DOUBLE,
        MESH_PARAM_BOOL,
        MESH_PARAM_BYTES,
        MESH_PARAM_TIME
    } type;
    const void *data; /* TEXT (NUL-terminated) and BYTES */
    size_t size;
    int64_t integer; /* INT, BOOL, and TIME: nanoseconds since the Unix epoch, kept to the
                        microsecond */
    double number;
} mesh_param;

/* TEXT and BYTES: a NULL pointer is the SQL null. */
#define MESH_SQL_NULL ((mesh_param){.type = MESH_PARAM_NULL})
#define MESH_SQL_TEXT(text) ((mesh_param){.type = MESH_PARAM_TEXT, .data = (text)})
#define MESH_SQL_INT(n) ((mesh_param){.type = MESH_PARAM_INT, .integer = (n)})
#define MESH_SQL_DOUBLE(n) ((mesh_param){.type = MESH_PARAM_DOUBLE, .number = (n)})
#define MESH_SQL_BOOL(b) ((mesh_param){.type = MESH_PARAM_BOOL, .integer = (b)})
#define MESH_SQL_BYTES(bytes, n) \
    ((mesh_param){.type = MESH_PARAM_BYTES, .data = (bytes), .size = (n)})
#define MESH_SQL_TIME(ns) ((mesh_param){.type = MESH_PARAM_TIME, .integer = (ns)})

/* All parameters of a statement: MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(4)), which lives
 * until the end of the block that it stands in; MESH_SQL_NO_PARAMS for a statement without any. */
typedef struct mesh_params {
    const mesh_param *items;
    size_t count; /* at most MESH_SQL_MAX_PARAMS */
} mesh_params;

#define MESH_SQL_PARAMS(...)                          \
    ((mesh_params){(const mesh_param[]){__VA_ARGS__}, \
                   sizeof((const mesh_param[]){__VA_ARGS__}) / sizeof(mesh_param)})
#define MESH_SQL_NO_PARAMS ((mesh_params){NULL, 0})

enum {
    MESH_SQL_MAX_PARAMS = 64
};

/* The rows of an answer; what mesh_tx_query gives is valid until its transaction ends. */
typedef struct mesh_rows mesh_rows;

/*
 * Runs one statement; it is prepared once a connection, which knows it by its text. `sql` must be a
 * constant of the program: values travel in `params` alone. The server infers a parameter's type
 * from its place in the statement; where there is none to infer from, write a cast
 * ($1::timestamptz). `rows` and `affected` (rows inserted, updated, deleted or selected) may be
 * NULL.
 *
 * ALREADY_EXISTS: a unique constraint; FAILED_PRECONDITION: another constraint
 * (mesh_tx_constraint names it in both); INVALID_ARGUMENT: a value that its column's type does not
 * take (too long, out of range, not a UUID, not UTF-8); ABORTED: serialization failure, deadlock, a
 * lock that was not to be had, or a table that changed under the prepared statement;
 * DEADLINE_EXCEEDED: the time limit; UNAVAILABLE: the connection broke; RESOURCE_EXHAUSTED: out of
 * memory or disk, here or there; INTERNAL: anything else. The server's own words are in the log
 * only. After an error the transaction can only be rolled back: further statements return the same
 * code without being sent.
 */
MESH_API mesh_code mesh_tx_query(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                                 int64_t *affected, mesh_error *err);

/*
 * One statement that is a transaction of its own, with one round trip: mesh_tx_begin with
 * `autocommit` and `deadline_ns` (0: none), then mesh_tx_query; their errors. (Who has to ask for
 * mesh_tx_constraint calls those.) mesh_db_query gives rows, which have a connection of the pool
 * until mesh_rows_end; mesh_db_exec says how many were affected, which may be NULL.
 */
MESH_API mesh_code mesh_db_query(mesh_db *db, int64_t deadline_ns, const char *sql,
                                 mesh_params params, mesh_rows **rows, mesh_error *err);
MESH_API mesh_code mesh_db_exec(mesh_db *db, int64_t deadline_ns, const char *sql,
                                mesh_params params, int64_t *affected, mesh_error *err);

/* Frees rows of mesh_db_query, and only those. NULL is accepted. */
MESH_API void mesh_rows_end(mesh_rows *rows);

MESH_API size_t mesh_rows_count(const mesh_rows *rows);
MESH_API bool mesh_rows_is_null(const mesh_rows *rows, size_t row, size_t column);

/*
 * Values by position. A null gives "", 0, false, or no bytes. Text and bytes live as long as the
 * rows. The column's type must fit (int2/4/8 and numeric without fraction for int; float4/8 and
 * numeric for double; bool; timestamptz for time; bytea for bytes; anything for text), and row and
 * column must exist: assert. A time outside the range of int64 nanoseconds (years 1678 to 2261, and
 * the infinities) gives INT64_MIN or INT64_MAX.
 */
MESH_API const char *mesh_rows_text(const mesh_rows *rows, size_t row, size_t column);
MESH_API int64_t mesh_rows_int(const mesh_rows *rows, size_t row, size_t column);
MESH_API double mesh_rows_double(const mesh_rows *rows, size_t row, size_t column);
MESH_API bool mesh_rows_bool(const mesh_rows *rows, size_t row, size_t column);
MESH_API int64_t mesh_rows_time(const mesh_rows *rows, size_t row, size_t column);
MESH_API const uint8_t *mesh_rows_bytes(const mesh_rows *rows, size_t row, size_t column,
                                        size_t *size);

MESH_END_DECLS

#endif
