#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/log.h"
#include "mesh/base/options.h"
#include "mesh/db/binary.h"
#include "mesh/db/pool.h"
#include "mesh/db/publisher.h"
#include "mesh/db/rows.h"
#include "mesh/db/sqlstate.h"

enum {
    /* The server ends a statement by itself; we wait a little longer to hear it from there. */
    SERVER_GRACE_MS = 500,
    ROLLBACK_TIMEOUT_MS = 1000
};

typedef struct before_commit {
    mesh_before_commit_fn *fn;
    void *context;
    struct before_commit *next;
} before_commit;

typedef struct after_commit {
    void (*fn)(void *context);
    void *context;
    struct after_commit *next;
} after_commit;

struct mesh_tx {
    mesh_db *db;        /* borrowed */
    mesh_db_conn *conn; /* from the pool */
    int64_t deadline_ns;
    bool autocommit;
    bool read_only;
    mesh_code failed; /* code of the statement that failed, else OK */
    char constraint[MESH_DB_CONSTRAINT_BYTES];
    mesh_rows *rows;
    before_commit *first_before;
    before_commit **last_before;
    after_commit *first_after;
    after_commit **last_after;
};

/* By when the server has ended a statement by itself. */
static int64_t statement_limit(const mesh_tx *tx)
{
    int64_t ended_ns = mesh_clock_deadline_ns(mesh_db_pool_settings(tx->db)->statement_timeout_ms);
    return mesh_clock_add_ms(ended_ns, SERVER_GRACE_MS);
}

static int64_t statement_deadline(const mesh_tx *tx)
{
    int64_t limit_ns = statement_limit(tx);
    return tx->deadline_ns < limit_ns ? tx->deadline_ns : limit_ns;
}

static bool too_late(const mesh_tx *tx)
{
    return tx->deadline_ns != MESH_NO_DEADLINE && mesh_clock_monotonic_ns() >= tx->deadline_ns;
}

static mesh_code begin(mesh_tx *tx, int64_t silence_timeout_ms, bool fresh, mesh_error *err)
{
    char sql[160];
    int length = snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL READ COMMITTED READ %s",
                          tx->read_only ? "ONLY" : "WRITE");
    if (silence_timeout_ms > 0)
        snprintf(sql + length, sizeof sql - (size_t)length,
                 "; SET LOCAL idle_in_transaction_session_timeout TO %" PRId64,
                 silence_timeout_ms < INT32_MAX ? silence_timeout_ms : INT32_MAX);
    mesh_code code = mesh_db_conn_script(tx->conn, sql, statement_deadline(tx), NULL, NULL, err);
    if (code == MESH_OK || fresh || !mesh_db_conn_broken(tx->conn) ||
        code == MESH_DEADLINE_EXCEEDED)
        return code;
    /* It died since its last use. Nothing of this transaction was executed, so try a fresh one. */
    code = mesh_db_pool_replace(tx->db, tx->deadline_ns, &tx->conn, err);
    if (code != MESH_OK)
        return code;
    return mesh_db_conn_script(tx->conn, sql, statement_deadline(tx), NULL, NULL, err);
}

/* Frees what belongs to the transaction and gives the connection back. */
static void finish(mesh_tx *tx)
{
    mesh_db_rows_clear(tx->rows);
    if (tx->conn != NULL) {
        mesh_arena_reset(mesh_db_conn_arena(tx->conn));
        mesh_db_pool_release(tx->db, tx->conn);
    }
    mesh_free(tx);
}

mesh_code mesh_tx_begin(mesh_db *db, const mesh_tx_options *given, mesh_tx **out, mesh_error *err)
{
    mesh_tx_options options;
    mesh_code code = MESH_OPTIONS_READ(mesh_tx_options, deadline_ns, &options, given, err);
    if (code != MESH_OK)
        return code;
    mesh_tx *tx = mesh_calloc(1, sizeof *tx);
    if (tx == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    tx->db = db;
    tx->deadline_ns = MESH_OPTION_DEFAULT(options.deadline_ns, MESH_NO_DEADLINE);
    tx->autocommit = options.autocommit;
    tx->read_only = options.read_only;
    tx->last_before = &tx->first_before;
    tx->last_after = &tx->first_after;
    bool fresh = false;
    if (too_late(tx))
        code = mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline has passed");
    if (code == MESH_OK)
        code = mesh_db_pool_acquire(db, tx->deadline_ns, &tx->conn, &fresh, err);
    if (code == MESH_OK && !tx->autocommit)
        code = begin(tx, options.silence_timeout_ms, fresh, err);
    if (code != MESH_OK) {
        finish(tx);
        return code;
    }
    *out = tx;
    return MESH_OK;
}

mesh_code mesh_tx_query(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                        int64_t *affected, mesh_error *err)
{
    if (tx->failed != MESH_OK)
        return mesh_error_set(err, tx->failed, "%s", mesh_db_sqlstate_text(tx->failed));
    if (too_late(tx)) {
        tx->failed = MESH_DEADLINE_EXCEEDED;
        return mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline has passed");
    }
    PGresult *result = NULL;
    int64_t start_ns = mesh_clock_monotonic_ns();
    mesh_code code = mesh_db_conn_query(tx->conn, sql, params, statement_deadline(tx), &result,
                                        tx->constraint, err);
    int64_t duration_ns = mesh_clock_monotonic_ns() - start_ns;
    mesh_db_pool_count_query(tx->db, duration_ns, code != MESH_OK);
    mesh_log(MESH_LOG_DEBUG, "sql", MESH_LOG_S("statement", sql),
             MESH_LOG_D("duration_ms", (double)duration_ns / 1e6),
             MESH_LOG_S("code", mesh_code_name(code)),
             MESH_LOG_I("rows", result != NULL ? PQntuples(result) : 0));
    if (code != MESH_OK) {
        tx->failed = code;
        return code;
    }
    if (affected != NULL)
        *affected = strtoll(PQcmdTuples(result), NULL, 10);
    if (rows == NULL) {
        PQclear(result);
        return MESH_OK;
    }
    if (!mesh_db_rows_add(&tx->rows, result, mesh_db_conn_arena(tx->conn))) {
        tx->failed = MESH_RESOURCE_EXHAUSTED;
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED,
                              "the answer of the database is too large");
    }
    *rows = tx->rows;
    return MESH_OK;
}

mesh_code mesh_tx_query_binary(mesh_tx *tx, const char *sql, mesh_params params, mesh_rows **rows,
                               mesh_error *err)
{
    mesh_db_conn_set_binary(tx->conn, true);
    mesh_code code = mesh_tx_query(tx, sql, params, rows, NULL, err);
    mesh_db_conn_set_binary(tx->conn, false);
    return code;
}

/* Leaves the connection without a transaction, or broken. */
static void roll_back(mesh_tx *tx)
{
    if (tx->autocommit || mesh_db_conn_broken(tx->conn))
        return;
    int64_t deadline_ns = mesh_clock_deadline_ns(ROLLBACK_TIMEOUT_MS);
    mesh_db_conn_script(tx->conn, "ROLLBACK", deadline_ns, NULL, NULL, NULL);
}

void mesh_tx_rollback(mesh_tx *tx)
{
    if (tx == NULL)
        return;
    roll_back(tx);
    finish(tx);
}

static mesh_code commit(mesh_tx *tx, mesh_error *err)
{
    PGresult *result = NULL;
    mesh_code code = mesh_db_conn_script(tx->conn, "COMMIT", statement_limit(tx), &result, NULL,
                                         err);
    if (code == MESH_OK && strcmp(PQcmdStatus(result), "COMMIT") != 0)
        code = mesh_error_set(err, MESH_ABORTED, "the transaction was rolled back");
    else if (code != MESH_OK && mesh_db_conn_broken(tx->conn))
        code = mesh_error_set(err, MESH_UNAVAILABLE,
                              "the database went away during the commit, which may have happened");
    PQclear(result);
    return code;
}

/* What was to be done before the commit. */
static mesh_code prepare_commit(mesh_tx *tx, mesh_error *err)
{
    mesh_code code = tx->failed;
    if (code != MESH_OK)
        return mesh_error_set(err, code, "%s", mesh_db_sqlstate_text(code));
    for (before_commit *b = tx->first_before; code == MESH_OK && b != NULL; b = b->next)
        code = b->fn(tx, b->context, err);
    return code;
}

mesh_code mesh_tx_commit(mesh_tx *tx, mesh_error *err)
{
    mesh_code code = prepare_commit(tx, err);
    if (code != MESH_OK) {
        roll_back(tx);
    } else if (tx->autocommit) {
        code = MESH_OK;
    } else if (mesh_arena_overflowed(mesh_db_conn_arena(tx->conn))) {
        /* Strings made in it may have become empty on their way into a statement. */
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the transaction's memory is full");
        roll_back(tx);
    } else if (too_late(tx)) {
        code = mesh_error_set(err, MESH_DEADLINE_EXCEEDED, "the deadline passed before the commit");
        roll_back(tx);
    } else {
        code = commit(tx, err);
    }
    if (code == MESH_OK) {
        for (after_commit *after = tx->first_after; after != NULL; after = after->next)
            after->fn(after->context);
    }
    finish(tx);
    return code;
}

mesh_code mesh_tx_before_commit(mesh_tx *tx, mesh_before_commit_fn *fn, void *context,
                                mesh_error *err)
{
    if (tx->autocommit || tx->read_only)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "%s transaction has nothing to do before a commit",
                              tx->autocommit ? "an autocommit" : "a read-only");
    before_commit *before = mesh_arena_alloc(mesh_db_conn_arena(tx->conn), sizeof *before);
    if (before == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *before = (before_commit){.fn = fn, .context = context};
    *tx->last_before = before;
    tx->last_before = &before->next;
    return MESH_OK;
}

void *mesh_tx_before_commit_context(const mesh_tx *tx, mesh_before_commit_fn *fn)
{
    for (const before_commit *before = tx->first_before; before != NULL; before = before->next) {
        if (before->fn == fn)
            return before->context;
    }
    return NULL;
}

mesh_code mesh_tx_after_commit(mesh_tx *tx, void (*fn)(void *context), void *context,
                               mesh_error *err)
{
    if (tx->autocommit)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "an autocommit transaction has no commit to wait for");
    after_commit *after = mesh_arena_alloc(mesh_db_conn_arena(tx->conn), sizeof *after);
    if (after == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    *after = (after_commit){.fn = fn, .context = context};
    *tx->last_after = after;
    tx->last_after = &after->next;
    return MESH_OK;
}

mesh_arena *mesh_tx_arena(mesh_tx *tx)
{
    return mesh_db_conn_arena(tx->conn);
}

mesh_db *mesh_tx_db(mesh_tx *tx)
{
    return tx->db;
}

const char *mesh_tx_constraint(const mesh_tx *tx)
{
    return tx->constraint;
}

/* A transaction that is one statement; it ends here unless `rows` were asked for and came. */
static mesh_code run_single(mesh_db *db, int64_t deadline_ns, const char *sql, mesh_params params,
                            mesh_rows **rows, int64_t *affected, mesh_error *err)
{
    const mesh_tx_options options = {.autocommit = true, .deadline_ns = deadline_ns};
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(db, &options, &tx, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, sql, params, rows, affected, err);
    if (code == MESH_OK && rows != NULL)
        (*rows)->own = tx;
    else
        mesh_tx_rollback(tx);
    return code;
}

mesh_code mesh_db_query(mesh_db *db, int64_t deadline_ns, const char *sql, mesh_params params,
                        mesh_rows **rows, mesh_error *err)
{
    assert(rows != NULL);
    return run_single(db, deadline_ns, sql, params, rows, NULL, err);
}

mesh_code mesh_db_exec(mesh_db *db, int64_t deadline_ns, const char *sql, mesh_params params,
                       int64_t *affected, mesh_error *err)
{
    return run_single(db, deadline_ns, sql, params, NULL, affected, err);
}

void mesh_rows_end(mesh_rows *rows)
{
    if (rows == NULL)
        return;
    assert(rows->own != NULL);
    mesh_tx_rollback(rows->own);
}

mesh_code mesh_db_ping(mesh_db *db, mesh_error *err)
{
    return mesh_db_exec(db, 0, "SELECT 1", MESH_SQL_NO_PARAMS, NULL, err);
}
