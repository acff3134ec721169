#include "mesh/db/conn.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/base/hash.h"
#include "mesh/base/log.h"
#include "mesh/db/param.h"
#include "mesh/db/sqlstate.h"

enum {
    ARENA_FIRST_BYTES = 4096,
    ARENA_LIMIT_BYTES = 256 * 1024 * 1024, /* of one transaction; rows are kept beside it */
    CANCEL_GRACE_MS = 250,                 /* for the server's word after a cancel */
    POLL_MAX_MS = 60 * 1000                /* of one poll; it is repeated */
};

typedef struct prepared {
    uint64_t hash; /* of the text */
    char *sql;
    unsigned id;
    uint64_t used; /* when, in statements of this connection */
} prepared;

struct mesh_db_conn {
    PGconn *pg;
    mesh_db_canceller *canceller; /* borrowed */
    mesh_arena *arena;
    int64_t opened_ns;
    int64_t used_ns;
    bool broken; /* the protocol's state is unknown */
    bool stale;  /* its prepared statements no longer fit the tables */
    bool binary; /* the form of values in answers */
    prepared statements[MESH_DB_PREPARED_MAX];
    size_t statement_count;
    unsigned next_id;
    uint64_t clock;
};

static void log_notice(void *context, const char *message)
{
    (void)context;
    mesh_log(MESH_LOG_DEBUG, "postgresql notice", MESH_LOG_S("notice", message));
}

/* Waits for the socket. OK, DEADLINE_EXCEEDED, or UNAVAILABLE when it cannot be polled. */
static mesh_code wait_socket(PGconn *pg, short events, int64_t deadline_ns)
{
    struct pollfd fd = {.fd = PQsocket(pg), .events = events};
    if (fd.fd < 0)
        return MESH_UNAVAILABLE;
    for (;;) {
        int64_t left_ms = mesh_clock_left_ms(deadline_ns);
        if (left_ms == 0)
            return MESH_DEADLINE_EXCEEDED;
        int ready = poll(&fd, 1, left_ms < POLL_MAX_MS ? (int)left_ms : POLL_MAX_MS);
        if (ready > 0)
            return MESH_OK;
        if (ready < 0 && errno != EINTR)
            return MESH_UNAVAILABLE;
    }
}

/* Until everything is sent and a result, or the end of them, can be read without waiting. */
static mesh_code wait_result(PGconn *pg, int64_t deadline_ns)
{
    for (;;) {
        int unsent = PQflush(pg);
        if (unsent < 0)
            return MESH_UNAVAILABLE;
        if (unsent == 0 && !PQisBusy(pg))
            return MESH_OK;
        mesh_code code = wait_socket(pg, (short)(POLLIN | (unsent ? POLLOUT : 0)), deadline_ns);
        if (code != MESH_OK)
            return code;
        if (!PQconsumeInput(pg))
            return MESH_UNAVAILABLE;
    }
}

/* What is to come on the connection is unknown from now on. */
static mesh_code give_up(mesh_db_conn *conn, mesh_code code, PGresult **last)
{
    conn->broken = true;
    PQclear(*last);
    *last = NULL;
    return code;
}

/*
 * Takes all results of what was sent and keeps the last one, which is the one that failed if any
 * did. At the deadline the server is asked to end the statement; its answer to that comes on the
 * connection itself, and is waited for for a moment. OK: `*last` is what the server said (perhaps
 * an error); else the connection is broken and `*last` is NULL.
 */
static mesh_code collect(mesh_db_conn *conn, int64_t deadline_ns, PGresult **last,
                         size_t *completed)
{
    uint64_t cancel = 0; /* the number of the request */
    *last = NULL;
    for (;;) {
        mesh_code code = wait_result(conn->pg, deadline_ns);
        if (code == MESH_DEADLINE_EXCEEDED && cancel == 0) {
            cancel = mesh_db_canceller_ask(conn->canceller, conn->pg);
            deadline_ns = mesh_clock_deadline_ns(CANCEL_GRACE_MS);
            if (cancel != 0)
                continue;
        }
        if (code != MESH_OK)
            return give_up(conn, code, last);
        PGresult *next = PQgetResult(conn->pg);
        if (next == NULL)
            break;
        PQclear(*last);
        *last = next;
        ExecStatusType status = PQresultStatus(next);
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
            /* It has no place here, and libpq would offer the same result again and again. */
            mesh_log(MESH_LOG_ERROR, "COPY is not for this function");
            return give_up(conn, MESH_INTERNAL, last);
        }
        if (completed != NULL && (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK))
            ++*completed;
    }
    /* A request that is still on its way could hit the next statement. */
    if (cancel != 0 && !mesh_db_canceller_wait(conn->canceller, cancel, deadline_ns))
        return give_up(conn, MESH_DEADLINE_EXCEEDED, last);
    if (PQstatus(conn->pg) != CONNECTION_OK)
        conn->broken = true;
    return *last == NULL ? MESH_INTERNAL : MESH_OK;
}

static bool succeeded(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

static mesh_log_level failure_level(mesh_code code)
{
    switch (code) {
    case MESH_INTERNAL:
    case MESH_RESOURCE_EXHAUSTED:
        return MESH_LOG_ERROR;
    case MESH_UNAVAILABLE:
    case MESH_DEADLINE_EXCEEDED:
        return MESH_LOG_WARN;
    default:
        return MESH_LOG_DEBUG; /* the business of callers, who are told */
    }
}

/* A table changed under the prepared statement so that its rows look different, or the statement is
 * gone. (0A000 alone can also mean what it says.) */
static bool is_stale(const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *function = PQresultErrorField(result, PG_DIAG_SOURCE_FUNCTION);
    if (sqlstate == NULL)
        return false;
    return strcmp(sqlstate, "26000") == 0 || (strcmp(sqlstate, "0A000") == 0 && function != NULL &&
                                              strcmp(function, "RevalidateCachedQuery") == 0);
}

/* The server says about a data exception which value it met: 'invalid input syntax for type uuid:
 * "..."'. Values are not for the log. */
static bool repeats_value(const char *sqlstate)
{
    return sqlstate != NULL && strncmp(sqlstate, "22", 2) == 0;
}

/* The one place that turns a failed statement into a code, an error and a line of the log. */
static mesh_code fail(mesh_db_conn *conn, mesh_code code, const PGresult *result, const char *sql,
                      char *constraint, mesh_error *err)
{
    const char *sqlstate = NULL;
    const char *words = NULL;
    const char *violated = NULL;
    if (result != NULL) {
        sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        words = repeats_value(sqlstate) ? "a value of the statement does not fit"
                                        : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        violated = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
        code = sqlstate == NULL && conn->broken ? MESH_UNAVAILABLE
                                                : mesh_db_sqlstate_code(sqlstate);
        if (is_stale(result)) {
            conn->stale = true; /* what else is prepared may be, too */
            code = MESH_ABORTED;
        }
    }
    if (words == NULL)
        words = PQerrorMessage(conn->pg);
    if (constraint != NULL)
        snprintf(constraint, MESH_DB_CONSTRAINT_BYTES, "%s", violated != NULL ? violated : "");
    mesh_log(failure_level(code), "statement failed", MESH_LOG_S("code", mesh_code_name(code)),
             MESH_LOG_S("sqlstate", sqlstate), MESH_LOG_S("cause", words),
             MESH_LOG_S("constraint", violated), MESH_LOG_S("statement", sql));
    return mesh_error_set(err, code, "%s", mesh_db_sqlstate_text(code));
}

static mesh_code connect_server(const mesh_db_settings *settings, int64_t deadline_ns,
                                mesh_log_level level, PGconn **out, mesh_error *err)
{
    /* What stands before dbname is a default that the url may change; what follows is fixed. */
    const char *keywords[] = {"gssencmode", "tcp_user_timeout", "application_name",
                              "dbname",     "client_encoding",  NULL};
    const char *values[] = {"disable", "10000", settings->name, settings->url, "UTF8", NULL};
    PGconn *pg = PQconnectStartParams(keywords, values, 1);
    if (pg == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    PQsetNoticeProcessor(pg, log_notice, NULL);
    mesh_code code = MESH_OK;
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    if (PQstatus(pg) == CONNECTION_BAD)
        step = PGRES_POLLING_FAILED;
    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        code = wait_socket(pg, step == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ns);
        if (code != MESH_OK)
            break;
        step = PQconnectPoll(pg);
    }
    if (code == MESH_OK && step == PGRES_POLLING_OK && PQsetnonblocking(pg, 1) == 0) {
        *out = pg;
        return MESH_OK;
    }
    if (code == MESH_OK)
        code = MESH_UNAVAILABLE;
    mesh_log(level, "cannot connect to the database",
             MESH_LOG_S("cause",
                        code == MESH_DEADLINE_EXCEEDED ? "it took too long" : PQerrorMessage(pg)));
    PQfinish(pg);
    return mesh_error_set(err, code, "%s", mesh_db_sqlstate_text(code));
}

mesh_code mesh_db_conn_open(const mesh_db_settings *settings, int64_t statement_timeout_ms,
                            int64_t deadline_ns, mesh_log_level level, mesh_db_conn **out,
                            mesh_error *err)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "SET TimeZone TO 'UTC'; SET DateStyle TO 'ISO'; SET bytea_output TO 'hex';"
             "SET extra_float_digits TO 1; SET statement_timeout TO %lld",
             (long long)statement_timeout_ms);
    mesh_db_conn *conn = mesh_calloc(1, sizeof *conn);
    if (conn == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    conn->canceller = settings->canceller;
    mesh_code code = MESH_OK;
    conn->arena = mesh_arena_create(ARENA_FIRST_BYTES, ARENA_LIMIT_BYTES);
    if (conn->arena == NULL)
        code = mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (code == MESH_OK)
        code = connect_server(settings, deadline_ns, level, &conn->pg, err);
    if (code == MESH_OK)
        code = mesh_db_conn_script(conn, sql, deadline_ns, NULL, NULL, err);
    if (code != MESH_OK) {
        mesh_db_conn_close(conn);
        return code;
    }
    conn->opened_ns = mesh_clock_monotonic_ns();
    conn->used_ns = conn->opened_ns;
    *out = conn;
    return MESH_OK;
}

void mesh_db_conn_close(mesh_db_conn *conn)
{
    if (conn == NULL)
        return;
    for (size_t i = 0; i < conn->statement_count; i++)
        mesh_free(conn->statements[i].sql);
    PQfinish(conn->pg);
    mesh_arena_destroy(conn->arena);
    mesh_free(conn);
}

bool mesh_db_conn_alive(mesh_db_conn *conn)
{
    /* The server has nothing to say on an idle connection, except that it goes away. */
    struct pollfd fd = {.fd = PQsocket(conn->pg), .events = POLLIN};
    if (fd.fd < 0 || conn->broken)
        return false;
    return poll(&fd, 1, 0) == 0 && PQstatus(conn->pg) == CONNECTION_OK;
}

bool mesh_db_conn_reusable(const mesh_db_conn *conn)
{
    return !conn->broken && !conn->stale && PQstatus(conn->pg) == CONNECTION_OK &&
           PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
}

bool mesh_db_conn_broken(const mesh_db_conn *conn)
{
    return conn->broken;
}

bool mesh_db_conn_in_transaction(const mesh_db_conn *conn)
{
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);
    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

int64_t mesh_db_conn_opened_ns(const mesh_db_conn *conn)
{
    return conn->opened_ns;
}

int64_t *mesh_db_conn_used_ns(mesh_db_conn *conn)
{
    return &conn->used_ns;
}

mesh_arena *mesh_db_conn_arena(mesh_db_conn *conn)
{
    return conn->arena;
}

/* The answer to what was just sent (`sent` false: it could not be). */
static mesh_code answer(mesh_db_conn *conn, int sent, const char *sql, int64_t deadline_ns,
                        PGresult **result, size_t *completed, char *constraint, mesh_error *err)
{
    PGresult *last = NULL;
    mesh_code code = MESH_UNAVAILABLE;
    if (sent)
        code = collect(conn, deadline_ns, &last, completed);
    else
        conn->broken = true;
    if (code != MESH_OK || !succeeded(last))
        code = fail(conn, code, last, sql, constraint, err);
    if (result != NULL)
        *result = last;
    else
        PQclear(last);
    return code;
}

mesh_code mesh_db_conn_script(mesh_db_conn *conn, const char *sql, int64_t deadline_ns,
                              PGresult **result, size_t *completed, mesh_error *err)
{
    if (completed != NULL)
        *completed = 0;
    return answer(conn, PQsendQuery(conn->pg, sql), sql, deadline_ns, result, completed, NULL, err);
}

static prepared *find_prepared(mesh_db_conn *conn, const char *sql, uint64_t hash)
{
    for (size_t i = 0; i < conn->statement_count; i++) {
        if (conn->statements[i].hash == hash && strcmp(conn->statements[i].sql, sql) == 0)
            return &conn->statements[i];
    }
    return NULL;
}

static void forget(mesh_db_conn *conn, prepared *statement)
{
    mesh_free(statement->sql);
    *statement = conn->statements[--conn->statement_count];
}

/* A free place among the prepared statements; the least used one has to go when there is none. */
static mesh_code make_room(mesh_db_conn *conn, int64_t deadline_ns, prepared **place,
                           mesh_error *err)
{
    if (conn->statement_count < MESH_DB_PREPARED_MAX) {
        *place = &conn->statements[conn->statement_count];
        return MESH_OK;
    }
    prepared *oldest = &conn->statements[0];
    for (size_t i = 1; i < conn->statement_count; i++) {
        if (conn->statements[i].used < oldest->used)
            oldest = &conn->statements[i];
    }
    char sql[32];
    snprintf(sql, sizeof sql, "DEALLOCATE m%u", oldest->id);
    mesh_code code = mesh_db_conn_script(conn, sql, deadline_ns, NULL, NULL, err);
    if (code != MESH_OK)
        return code;
    forget(conn, oldest);
    *place = &conn->statements[conn->statement_count];
    return MESH_OK;
}

static mesh_code prepare(mesh_db_conn *conn, const char *sql, uint64_t hash, int64_t deadline_ns,
                         prepared **statement, char *constraint, mesh_error *err)
{
    prepared *place;
    mesh_code code = make_room(conn, deadline_ns, &place, err);
    if (code != MESH_OK)
        return code;
    char *copy = mesh_strdup(sql);
    if (copy == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    char name[16];
    snprintf(name, sizeof name, "m%u", conn->next_id);
    code = answer(conn, PQsendPrepare(conn->pg, name, sql, 0, NULL), sql, deadline_ns, NULL, NULL,
                  constraint, err);
    if (code != MESH_OK) {
        mesh_free(copy);
        return code;
    }
    *place = (prepared){.hash = hash, .sql = copy, .id = conn->next_id++};
    conn->statement_count++;
    *statement = place;
    return MESH_OK;
}

/* Prepares the statement if need be and runs it. `stale`: it failed, and must be prepared anew. */
static mesh_code run_prepared(mesh_db_conn *conn, const char *sql, const mesh_db_params *params,
                              int64_t deadline_ns, PGresult **result, char *constraint, bool *stale,
                              mesh_error *err)
{
    mesh_code code = MESH_OK;
    uint64_t hash = mesh_hash_text(MESH_HASH_EMPTY, sql);
    prepared *statement = find_prepared(conn, sql, hash);
    if (statement == NULL) {
        code = prepare(conn, sql, hash, deadline_ns, &statement, constraint, err);
        if (code != MESH_OK)
            return code;
    }
    statement->used = ++conn->clock;
    char name[16];
    snprintf(name, sizeof name, "m%u", statement->id);
    PGresult *answered = NULL;
    int sent = PQsendQueryPrepared(conn->pg, name, params->count, params->values, params->lengths,
                                   params->formats, conn->binary);
    code = answer(conn, sent, sql, deadline_ns, &answered, NULL, constraint, err);
    if (code == MESH_OK) {
        *result = answered;
        return MESH_OK;
    }
    *stale = is_stale(answered);
    if (*stale)
        forget(conn, statement);
    PQclear(answered);
    return code;
}

mesh_code mesh_db_conn_query(mesh_db_conn *conn, const char *sql, mesh_params params,
                             int64_t deadline_ns, PGresult **result, char *constraint,
                             mesh_error *err)
{
    mesh_db_params encoded;
    bool stale = false;
    constraint[0] = '\0';
    mesh_code code = mesh_db_params_encode(params, &encoded, err);
    if (code != MESH_OK)
        return code;
    code = run_prepared(conn, sql, &encoded, deadline_ns, result, constraint, &stale, err);
    if (!stale || conn->broken || mesh_db_conn_in_transaction(conn))
        return code;
    /* A statement that failed outside a transaction left nothing behind, so it can run again. */
    mesh_error_clear(err);
    return run_prepared(conn, sql, &encoded, deadline_ns, result, constraint, &stale, err);
}

void mesh_db_conn_set_binary(mesh_db_conn *conn, bool binary)
{
    conn->binary = binary;
}

static bool take_notifications(PGconn *pg)
{
    bool some = false;
    for (PGnotify *one; (one = PQnotifies(pg)) != NULL; PQfreemem(one))
        some = true;
    return some;
}

mesh_db_heard mesh_db_conn_hear(mesh_db_conn *conn, int stop_fd, int64_t timeout_ms)
{
    int64_t deadline_ns = mesh_clock_deadline_ns(timeout_ms);
    struct pollfd fds[] = {{.fd = PQsocket(conn->pg), .events = POLLIN},
                           {.fd = stop_fd, .events = POLLIN}};
    for (;;) {
        if (take_notifications(conn->pg))
            return MESH_DB_HEARD_NOTIFICATION;
        int64_t left_ms = mesh_clock_left_ms(deadline_ns);
        int ready = poll(fds, 2, left_ms < POLL_MAX_MS ? (int)left_ms : POLL_MAX_MS);
        if (ready < 0 && errno != EINTR)
            return MESH_DB_HEARD_END;
        if (ready > 0 && fds[1].revents != 0)
            return MESH_DB_HEARD_STOP;
        if (ready > 0 && !PQconsumeInput(conn->pg))
            return MESH_DB_HEARD_END;
        if (ready <= 0 && left_ms == 0)
            return MESH_DB_HEARD_NOTHING;
    }
}
