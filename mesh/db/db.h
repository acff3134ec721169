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
    const char *url;              /* postgresql://...; holds a password perhaps, never logged */
    size_t pool_max;              /* connections at most, default 8 */
    int64_t acquire_timeout_ms;   /* wait for a free connection, default 2,000 */
    int64_t connect_timeout_ms;   /* default 5,000 */
    int64_t statement_timeout_ms; /* default 5,000; the server ends the statement */
} mesh_db_options;

/* Does not connect yet, so that a service can start before its database. INVALID_ARGUMENT: the url
 * is malformed. */
MESH_API mesh_code mesh_db_create(const mesh_db_options *options, mesh_db **db, mesh_error *err);

/* Closes it; no transaction may be open. NULL is accepted. */
MESH_API void mesh_db_destroy(mesh_db *db);

/* One round trip. UNAVAILABLE: cannot connect, or the server went away. */
MESH_API mesh_code mesh_db_ping(mesh_db *db, mesh_error *err);

typedef struct mesh_tx_options {
    size_t size;
    bool read_only;
    int64_t deadline_ns; /* CLOCK_MONOTONIC, e.g. mesh_call_deadline_ns; 0: none. Bounds waits and
                            statements */
} mesh_tx_options;

/*
 * Takes a connection from the pool and begins a transaction (READ COMMITTED). `options` may be
 * NULL. RESOURCE_EXHAUSTED: no connection became free in time; UNAVAILABLE: the database cannot be
 * reached; DEADLINE_EXCEEDED.
 */
MESH_API mesh_code mesh_tx_begin(mesh_db *db, const mesh_tx_options *options, mesh_tx **tx,
                                 mesh_error *err);

/*
 * Commits and frees the transaction, whatever it returns. ABORTED: a conflict with another
 * transaction, try the whole again; UNAVAILABLE: the connection broke, and the commit may or may
 * not have happened.
 */
MESH_API mesh_code mesh_tx_commit(mesh_tx *tx, mesh_error *err);

/* Rolls back and frees it. NULL is accepted, so that it can stand at a `done:` label. */
MESH_API void mesh_tx_rollback(mesh_tx *tx);

/* Runs `fn` after the transaction committed, in order of registration, on the committing thread. */
MESH_API mesh_code mesh_tx_after_commit(mesh_tx *tx, void (*fn)(void *context), void *context,
                                        mesh_error *err);

/* Memory that lives as long as the transaction. */
MESH_API mesh_arena *mesh_tx_arena(mesh_tx *tx);

/* The pool that the transaction's connection came from. */
MESH_API mesh_db *mesh_tx_db(mesh_tx *tx);

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
    int64_t
        integer; /* INT, BOOL, and TIME: nanoseconds since the Unix epoch, stored as timestamptz */
    double number;
} mesh_param;

#define MESH_SQL_NULL ((mesh_param){.type = MESH_PARAM_NULL})
#define MESH_SQL_TEXT(text) ((mesh_param){.type = MESH_PARAM_TEXT, .data = (text)})
#define MESH_SQL_INT(n) ((mesh_param){.type = MESH_PARAM_INT, .integer = (n)})
#define MESH_SQL_DOUBLE(n) ((mesh_param){.type = MESH_PARAM_DOUBLE, .number = (n)})
#define MESH_SQL_BOOL(b) ((mesh_param){.type = MESH_PARAM_BOOL, .integer = (b)})
#define MESH_SQL_BYTES(bytes, n) \
    ((mesh_param){.type = MESH_PARAM_BYTES, .data = (bytes), .size = (n)})
#define MESH_SQL_TIME(ns) ((mesh_param){.type = MESH_PARAM_TIME, .integer = (ns)})

/* An array of them for the functions below: MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(4)) */
#define MESH_SQL_PARAMS(...)             \
    ((const mesh_param[]){__VA_ARGS__}), \
        (sizeof((const mesh_param[]){__VA_ARGS__}) / sizeof(mesh_param))

/* The rows of an answer, owned by the transaction and valid until it ends. */
typedef struct mesh_rows mesh_rows;

/*
 * Runs a statement; it is prepared once a connection. `sql` must be a constant of the program (its
 * address may serve as the key of the prepared statement). `rows` and `affected` may be NULL.
 * ALREADY_EXISTS: a unique constraint; FAILED_PRECONDITION: another constraint (the error's
 * metadata "constraint" names it in both); ABORTED: serialization failure or deadlock;
 * DEADLINE_EXCEEDED: the time limit; UNAVAILABLE: the connection broke; INTERNAL: anything else,
 * with the server's own words in the log only. After an error the transaction can only be rolled
 * back.
 */
MESH_API mesh_code mesh_tx_query(mesh_tx *tx, const char *sql, const mesh_param *params,
                                 size_t param_count, mesh_rows **rows, int64_t *affected,
                                 mesh_error *err);

MESH_API size_t mesh_rows_count(const mesh_rows *rows);
MESH_API bool mesh_rows_is_null(const mesh_rows *rows, size_t row, size_t column);

/*
 * Values by position. A null gives "", 0, false, or no bytes. Text and bytes live as long as the
 * rows. The column's type must fit (int2/4/8 and numeric without fraction for int; float4/8 for
 * double; bool; timestamptz for time; bytea for bytes; anything for text): assert.
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
