/*
 * A service that applies what the producer did to accounts of its own, until it is told to end. Its
 * tables are what was applied. They have no constraint that would hide an event applied twice, and
 * each row says which version was the last one before it.
 */
#include "ledger/v1/ledger.mesh.h"
#include "tests/chaos/settings.h"

/* `version` is what the account has from now on. */
static mesh_code apply(mesh_tx *tx, const mesh_event *meta, const char *kind,
                       const char *account_id, int64_t version, int64_t amount, mesh_error *err)
{
    return mesh_tx_query(
        tx,
        "WITH account AS (INSERT INTO balance (kind, account_id, version, total)"
        " VALUES ($1, $2, $3, $4) ON CONFLICT (kind, account_id) DO UPDATE"
        " SET previous = balance.version, version = $3, total = balance.total + $4"
        " RETURNING previous)"
        " INSERT INTO applied (kind, account_id, version, amount, event_id, previous)"
        " SELECT $1, $2, $3, $4, $5::uuid, previous FROM account",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(kind), MESH_SQL_TEXT(account_id), MESH_SQL_INT(version),
                        MESH_SQL_INT(amount), MESH_SQL_TEXT(meta->id)),
        NULL, NULL, err);
}

static mesh_code on_posted(void *self, mesh_tx *tx, const mesh_event *meta,
                           const Ledger__V1__EntryPosted *event, mesh_error *err)
{
    (void)self;
    return apply(tx, meta, "posted", event->account_id, event->version, event->amount, err);
}

static mesh_code on_sent(void *self, mesh_tx *tx, const mesh_event *meta,
                         const Ledger__V1__StatementSent *event, mesh_error *err)
{
    (void)self;
    return apply(tx, meta, "sent", event->statement_id + 2, event->number, 0, err);
}

int main(void)
{
    mesh_error err = {0};
    mesh_events *events = NULL;
    block_end();
    mesh_db *db = open_database();
    const mesh_consumer consumers[] = {
        ledger__v1__entry_posted__consumer(on_posted, NULL),
        ledger__v1__statement_sent__consumer(on_sent, NULL),
        {.event = NULL},
    };
    /* Processes are killed more often than an event should have to bear. */
    const mesh_events_options options = {
        .size = sizeof options,
        .url = setting_text("CHAOS_NATS"),
        .service = "books",
        .db = db,
        .consumers = consumers,
        .ack_wait_ms = setting_number("CHAOS_ACK_WAIT_MS", 2000),
        .max_deliver = (int)setting_number("CHAOS_MAX_DELIVER", 10000),
        .handler_timeout_ms = setting_number("CHAOS_HANDLER_TIMEOUT_MS", 5000),
    };
    expect_ok("events", mesh_events_create(&options, &events, &err), &err);
    expect_ok("events", mesh_events_start(events, &err), &err);
    wait_for_end();
    close_events(events, db);
    return 0;
}
