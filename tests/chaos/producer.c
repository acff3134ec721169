/*
 * A service that changes accounts, several at a time, each change with its event in one
 * transaction, until it is told to end. Its tables are what was sent. CHAOS_THREADS of them do that
 * (0: it only publishes what others left), each at most CHAOS_RATE transactions a second; with
 * CHAOS_RELAY=0 it leaves publishing to others.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ledger/v1/ledger.mesh.h"
#include "mesh/base/clock.h"
#include "mesh/base/random.h"
#include "tests/chaos/settings.h"

enum {
    THREADS_MAX = 32,
    HOT_ACCOUNTS = 4,     /* half of all changes are of these: many at the same moment */
    VOID_EVERY = 8,       /* changes: one is of a kind that nobody handles */
    STATEMENT_EVERY = 4,  /* changes: one has an event of another aggregate, too */
    ROLL_BACK_EVERY = 16, /* transactions: one does not happen */
    CHANGES_MAX = 3,      /* in a transaction */
    ID_BYTES = 24,
    PAUSE_MS = 20 /* after a failure */
};

typedef struct work {
    mesh_db *db;
    long accounts;
    int64_t pause_ns; /* between transactions */
} work;

static atomic_bool stopping;

static uint32_t below(uint32_t limit)
{
    uint32_t number = 0;
    mesh_random_id(&number, sizeof number);
    return number % limit;
}

static void pause_until(int64_t until_ns)
{
    const struct timespec until = {.tv_sec = until_ns / 1000000000,
                                   .tv_nsec = until_ns % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* The account's next version, and the row that says what the event will. */
static mesh_code make_entry(mesh_tx *tx, const char *kind, const char *account_id, int64_t amount,
                            int64_t *version, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(
        tx,
        "WITH next AS (UPDATE account SET version = version + 1, total = total + $3"
        " WHERE id = $2 RETURNING version)"
        " INSERT INTO entry (kind, account_id, version, amount)"
        " SELECT $1, $2, version, $3 FROM next RETURNING version",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(kind), MESH_SQL_TEXT(account_id), MESH_SQL_INT(amount)),
        &rows, NULL, err);
    if (code == MESH_OK)
        *version = mesh_rows_int(rows, 0, 0);
    return code;
}

static mesh_code post(mesh_tx *tx, char *account_id, mesh_error *err)
{
    Ledger__V1__EntryPosted event = LEDGER__V1__ENTRY_POSTED__INIT;
    event.account_id = account_id;
    event.amount = 1 + below(1000);
    mesh_code code = make_entry(tx, "posted", account_id, event.amount, &event.version, err);
    return code == MESH_OK ? ledger__v1__entry_posted__add(tx, &event, err) : code;
}

static mesh_code void_entry(mesh_tx *tx, char *account_id, mesh_error *err)
{
    Ledger__V1__EntryVoided event = LEDGER__V1__ENTRY_VOIDED__INIT;
    event.account_id = account_id;
    mesh_code code = make_entry(tx, "voided", account_id, 0, &event.version, err);
    return code == MESH_OK ? ledger__v1__entry_voided__add(tx, &event, err) : code;
}

static mesh_code send_statement(mesh_tx *tx, const char *account_id, mesh_error *err)
{
    Ledger__V1__StatementSent event = LEDGER__V1__STATEMENT_SENT__INIT;
    mesh_rows *rows = NULL;
    char statement_id[ID_BYTES + 2];
    mesh_code code = mesh_tx_query(
        tx,
        "INSERT INTO entry (kind, account_id, version, amount)"
        " VALUES ('sent', $1, nextval('statement'), 0) RETURNING version",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(account_id)), &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    snprintf(statement_id, sizeof statement_id, "s-%s", account_id);
    event.statement_id = statement_id;
    event.number = mesh_rows_int(rows, 0, 0);
    return ledger__v1__statement_sent__add(tx, &event, err);
}

/* Different accounts, locked in the order of their numbers, so that nobody waits in a circle. */
static mesh_code change_accounts(mesh_tx *tx, const work *work, mesh_error *err)
{
    uint32_t number = below(2) == 0 ? below(HOT_ACCOUNTS) : below((uint32_t)work->accounts);
    uint32_t changes = 1 + below(CHANGES_MAX);
    mesh_code code = MESH_OK;
    for (uint32_t i = 0; code == MESH_OK && i < changes && number < work->accounts; i++) {
        char account_id[ID_BYTES];
        snprintf(account_id, sizeof account_id, "a%" PRIu32, number);
        code = below(VOID_EVERY) == 0 ? void_entry(tx, account_id, err) : post(tx, account_id, err);
        if (code == MESH_OK && below(STATEMENT_EVERY) == 0)
            code = send_statement(tx, account_id, err);
        number += 1 + below(8);
    }
    return code;
}

static mesh_code run_transaction(const work *work, mesh_error *err)
{
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(work->db, NULL, &tx, err);
    if (code != MESH_OK)
        return code;
    code = change_accounts(tx, work, err);
    if (code == MESH_OK && below(ROLL_BACK_EVERY) != 0)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static void *produce(void *context)
{
    const work *work = context;
    int64_t next_ns = mesh_clock_monotonic_ns();
    while (!atomic_load(&stopping)) {
        mesh_error err = {0};
        next_ns += work->pause_ns;
        /* What failed is made up for by nobody: only what was committed counts. */
        if (run_transaction(work, &err) != MESH_OK)
            next_ns = mesh_clock_deadline_ns(PAUSE_MS);
        pause_until(next_ns);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS_MAX];
    long count = setting_number("CHAOS_THREADS", 4);
    mesh_error err = {0};
    mesh_events *events = NULL;
    block_end();
    work work = {.db = open_database(),
                 .accounts = setting_number("CHAOS_ACCOUNTS", 200),
                 .pause_ns = 1000000000 / setting_number("CHAOS_RATE", 100)};
    const mesh_events_options options = {
        .url = setting_text("CHAOS_NATS"),
        .service = "ledger",
        .db = work.db,
        .no_relay = setting_number("CHAOS_RELAY", 1) == 0,
    };
    expect_ok("events", mesh_events_create(&options, &events, &err), &err);
    expect_ok("events", mesh_events_start(events, &err), &err);
    if (count > THREADS_MAX)
        count = THREADS_MAX;
    for (long i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, produce, &work) != 0)
            abort();
    }
    wait_for_end();
    atomic_store(&stopping, true);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    close_events(events, work.db);
    return 0;
}
