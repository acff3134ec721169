/*
 * Lets a program of scripts/chaos die, or stand still, at a boundary:
 *
 *   CHAOS_FAULT="kill POINT N" or "stop POINT N": SIGKILL or SIGSTOP to itself when it passes the
 *                              point for the N-th time
 *
 * The runtime knows nothing of this: the linker leads its calls through here (--wrap, BUILD). What
 * a transaction is for is known by its statements.
 */
#include <nats/nats.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/db/conn.h"

typedef enum work {
    WORK_OTHER,
    WORK_PRODUCE, /* a change with its event */
    WORK_RELAY,   /* what was published is noted */
    WORK_CONSUME  /* the inbox's row, and the handler's */
} work;

/* What is passed before and after the commit of each kind. */
static const char *const before_commit[] = {"", "produce_before_commit", "relay_before_commit",
                                            "consume_before_commit"};
static const char *const after_commit[] = {"", "produce_after_commit", "relay_after_commit",
                                           "consume_after_commit"};

static _Thread_local work current;

typedef struct fault {
    char signal[8];
    char point[32];
    int number;
} fault;

static fault chosen;
static atomic_int passed;

__attribute__((constructor)) static void read_fault(void)
{
    const char *text = getenv("CHAOS_FAULT");
    if (text == NULL || text[0] == '\0')
        return;
    if (sscanf(text, "%7s %31s %d", chosen.signal, chosen.point, &chosen.number) != 3) {
        fprintf(stderr, "CHAOS_FAULT: what is '%s'?\n", text);
        exit(2);
    }
}

static void pass(const char *point)
{
    if (strcmp(point, chosen.point) == 0 && atomic_fetch_add(&passed, 1) + 1 == chosen.number)
        kill(getpid(), strcmp(chosen.signal, "stop") == 0 ? SIGSTOP : SIGKILL);
}

/* Whether the statement has this clause, and not for a table whose name only begins so. */
static bool writes(const char *sql, const char *clause)
{
    const char *at = strstr(sql, clause);
    return at != NULL && strchr(" (", at[strlen(clause)]) != NULL;
}

mesh_code __real_mesh_db_conn_query(mesh_db_conn *conn, const char *sql, mesh_params params,
                                    int64_t deadline_ns, PGresult **result, char *constraint,
                                    mesh_error *err);
mesh_code __wrap_mesh_db_conn_query(mesh_db_conn *conn, const char *sql, mesh_params params,
                                    int64_t deadline_ns, PGresult **result, char *constraint,
                                    mesh_error *err);

mesh_code __wrap_mesh_db_conn_query(mesh_db_conn *conn, const char *sql, mesh_params params,
                                    int64_t deadline_ns, PGresult **result, char *constraint,
                                    mesh_error *err)
{
    bool note = writes(sql, "INSERT INTO mesh_outbox_batch");
    bool inbox = writes(sql, "INSERT INTO mesh_inbox");
    if (note) {
        current = WORK_RELAY;
        pass("relay_before_note");
    } else if (inbox) {
        current = WORK_CONSUME;
    } else if (writes(sql, "INSERT INTO entry")) {
        current = WORK_PRODUCE;
    }
    mesh_code code = __real_mesh_db_conn_query(conn, sql, params, deadline_ns, result, constraint,
                                               err);
    if (inbox)
        pass("consume_after_insert");
    return code;
}

mesh_code __real_mesh_db_conn_script(mesh_db_conn *conn, const char *sql, int64_t deadline_ns,
                                     PGresult **result, size_t *completed, mesh_error *err);
mesh_code __wrap_mesh_db_conn_script(mesh_db_conn *conn, const char *sql, int64_t deadline_ns,
                                     PGresult **result, size_t *completed, mesh_error *err);

mesh_code __wrap_mesh_db_conn_script(mesh_db_conn *conn, const char *sql, int64_t deadline_ns,
                                     PGresult **result, size_t *completed, mesh_error *err)
{
    bool commit = strcmp(sql, "COMMIT") == 0;
    if (commit)
        pass(before_commit[current]);
    mesh_code code = __real_mesh_db_conn_script(conn, sql, deadline_ns, result, completed, err);
    if (commit)
        pass(after_commit[current]);
    current = WORK_OTHER; /* also before a BEGIN */
    return code;
}

natsStatus __real_natsConnection_PublishMsg(natsConnection *connection, natsMsg *message);
natsStatus __wrap_natsConnection_PublishMsg(natsConnection *connection, natsMsg *message);

natsStatus __wrap_natsConnection_PublishMsg(natsConnection *connection, natsMsg *message)
{
    pass("relay_before_publish");
    natsStatus status = __real_natsConnection_PublishMsg(connection, message);
    pass("relay_after_publish");
    return status;
}

void __real_mesh_pull_ack(natsConnection *connection, const natsMsg *message);
void __wrap_mesh_pull_ack(natsConnection *connection, const natsMsg *message);

void __wrap_mesh_pull_ack(natsConnection *connection, const natsMsg *message)
{
    pass("consume_before_ack");
    __real_mesh_pull_ack(connection, message);
    pass("consume_after_ack");
}
