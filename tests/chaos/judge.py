"""What was sent, applied, lost, doubled: questions in SQL to the databases of both services."""

import collections

# Of the service `ledger`: what it sent, its outbox. Of the service `books`: what it applied, its
# inbox. To compare them, `sent` and `outbox` are copied into the database of books.
LEDGER_TABLES = """
CREATE TABLE account (id text PRIMARY KEY, version bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL DEFAULT 0);
CREATE TABLE entry (kind text, account_id text, version bigint, amount bigint,
    PRIMARY KEY (account_id, version, kind));
CREATE SEQUENCE statement;
INSERT INTO account (id) SELECT 'a' || n FROM generate_series(0, {accounts} - 1) n;
"""

BOOKS_TABLES = """
CREATE TABLE balance (kind text, account_id text, version bigint, previous bigint DEFAULT 0,
    total bigint, PRIMARY KEY (kind, account_id));
CREATE TABLE applied (number bigserial PRIMARY KEY, kind text, account_id text, version bigint,
    amount bigint, event_id uuid, previous bigint);
CREATE TABLE sent (kind text, account_id text, version bigint, amount bigint);
CREATE TABLE outbox (event_id uuid, type text, aggregate_id text, version bigint);
"""

ENTRIES = "SELECT kind, account_id, version, amount FROM entry"
OUTBOX = "SELECT event_id, type, aggregate_id, version FROM mesh_outbox"

Question = collections.namedtuple("Question", "name database sql demanded")

# What the last word of each is to be, None: only to be known. `voided` has no handler.
QUESTIONS = [
    Question("sent", "books", "SELECT count(*) FROM sent WHERE kind <> 'voided'", None),
    Question("applied", "books",
             "SELECT count(DISTINCT (kind, account_id, version)) FROM applied", None),
    Question("lost", "books",
             "SELECT count(*) FROM sent LEFT JOIN applied USING (kind, account_id, version)"
             " WHERE kind <> 'voided' AND applied.number IS NULL", 0),
    Question("doubled", "books",
             "SELECT count(*) - count(DISTINCT (kind, account_id, version)) FROM applied", 0),
    Question("disordered", "books",
             "SELECT count(*) FROM applied WHERE kind = 'posted' AND version <= previous", 0),
    Question("invented", "books",
             "SELECT count(*) FROM applied LEFT JOIN sent USING (kind, account_id, version)"
             " WHERE sent.kind IS NULL OR sent.amount <> applied.amount", 0),
    Question("no event", "books",
             "SELECT abs((SELECT count(*) FROM sent) - (SELECT count(*) FROM outbox))", 0),
    Question("out of turn", "ledger",
             "SELECT count(*) FROM (SELECT version, lag(version, 1, 0::bigint) OVER (PARTITION BY"
             " aggregate_id ORDER BY position) AS before FROM mesh_outbox WHERE version > 0) turn"
             " WHERE version <> before + 1", 0),
    Question("unpublished", "ledger", "SELECT count(*) FROM mesh_outbox_due", 0),
    Question("not in inbox", "books",
             "SELECT count(*) FROM applied LEFT JOIN mesh_inbox USING (event_id)"
             " WHERE mesh_inbox.event_id IS NULL", 0),
]

# What the wait for the end asks.
APPLIED = "SELECT count(DISTINCT (kind, account_id, version)) FROM applied"
SENT = "SELECT count(*) FROM entry WHERE kind <> 'voided'"


def show_questions():
    print("The questions, in SQL; `sent` is copied from ledger's business rows\n"
          f"  ({ENTRIES}),\n`outbox` from its outbox\n  ({OUTBOX}).\n")
    for one in QUESTIONS:
        demanded = "" if one.demanded is None else f", {one.demanded} is demanded"
        print(f"  {one.name} (in {one.database}{demanded}):\n    {one.sql};")
    print()


def judge(postgres):
    """The answers, by name."""
    postgres.copy("ledger", ENTRIES, "books", "sent")
    postgres.copy("ledger", OUTBOX, "books", "outbox")
    postgres.run("books", "ANALYZE;")
    return {one.name: int(postgres.run(one.database, one.sql + ";")) for one in QUESTIONS}
