#include "mesh/events/queue.h"

#include <stdlib.h>

#include "mesh/db/array.h"
#include "mesh/db/binary.h"

enum {
    PRUNED_NOTES = 16, /* in one statement, of MESH_QUEUE_BATCH events at most */
    RECALLED_NOTES = 16
};

/*
 * One row is the lock. What the relay commits may be forgotten when the server breaks down: it is
 * published again then, and the broker or the inbox knows it. The tables are empty or full within a
 * minute, so that the planner's figures are no help: indexes only, and no compiling (jit) of
 * statements that look expensive because there is no index to use.
 *
 * The oldest transaction is the one of before the lock was to be had. What was drawn is read before
 * this transaction gets its number, which the lock gives it.
 */
mesh_code mesh_queue_begin(mesh_db *db, mesh_tx **out, mesh_queue_state *state, mesh_error *err)
{
    static const char SET[] =
        "SELECT set_config('lock_timeout', '1s', true),"
        " set_config('synchronous_commit', 'off', true), set_config('jit', 'off', true),"
        " set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
        " set_config('enable_mergejoin', 'off', true), set_config('enable_memoize', 'off', true),"
        " set_config('enable_bitmapscan', 'off', true),"
        " (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM mesh_outbox_position_seq)";
    static const char LOCK[] =
        "SELECT stream_created, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
        " EXISTS (SELECT FROM mesh_outbox_refused), mark, mark_xid,"
        " done <> int8multirange(int8range(NULL, upper(done)))"
        " FROM mesh_outbox_relay WHERE one FOR UPDATE";
    mesh_rows *drawn = NULL, *rows = NULL;
    mesh_tx *tx = NULL;
    const mesh_tx_options options = {.size = sizeof options,
                                     .silence_timeout_ms = MESH_QUEUE_IDLE_MS};
    mesh_code code = mesh_tx_begin(db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_query(tx, SET, MESH_SQL_NO_PARAMS, &drawn, NULL, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, LOCK, MESH_SQL_NO_PARAMS, &rows, NULL, err);
    if (code == MESH_OK && mesh_rows_count(rows) != 1)
        code = mesh_error_set(err, MESH_INTERNAL, "mesh_outbox_relay has lost its row");
    if (code != MESH_OK) {
        mesh_tx_rollback(tx);
        return code;
    }
    *state = (mesh_queue_state){
        .stream_created = mesh_rows_int(rows, 0, 0),
        .oldest_xid = mesh_rows_int(rows, 0, 1),
        .refused = mesh_rows_bool(rows, 0, 2),
        .mark = mesh_rows_int(rows, 0, 3),
        .mark_xid = mesh_rows_int(rows, 0, 4),
        .gaps = mesh_rows_bool(rows, 0, 5),
        .drawn = mesh_rows_int(drawn, 0, 8),
    };
    *out = tx;
    return MESH_OK;
}

static void read_entry(const mesh_rows *rows, size_t i, mesh_entry *e)
{
    *e = (mesh_entry){
        .position = mesh_rows_int(rows, i, 0),
        .id = mesh_rows_text(rows, i, 1),
        .subject = mesh_rows_text(rows, i, 2),
        .type = mesh_rows_text(rows, i, 3),
        .aggregate = {.type = mesh_rows_text(rows, i, 4), .id = mesh_rows_text(rows, i, 5)},
        .version = mesh_rows_int(rows, i, 6),
        .time_ns = mesh_rows_time(rows, i, 7),
        .traceparent = mesh_rows_text(rows, i, 8),
    };
    e->payload = mesh_rows_bytes(rows, i, 9, &e->size);
    e->aggregate.hash = mesh_aggregate_hash(e->aggregate.id);
}

/* $1 events of a source at most, and $2 bytes of payload but for the first one. */
#define HEAD_OF(source)                                                                      \
    "SELECT *, sum(octet_length(payload)) OVER (ORDER BY position ROWS UNBOUNDED PRECEDING)" \
    "  - octet_length(payload) AS before"                                                    \
    " FROM (" source " ORDER BY position LIMIT $1) head"
#define READ(sources)                                                                        \
    "SELECT position, event_id::text, subject, type, aggregate_type, aggregate_id, version," \
    " time, traceparent, payload, EXISTS (SELECT FROM mesh_outbox_refused)"                  \
    " FROM (" sources ") heads WHERE before < $2 ORDER BY position"

/*
 * What is due stands between the positions that are done, where it was committed late, and behind
 * them. One statement reads both, since an event may be late whose successor is not. (Joined
 * without LATERAL, the planner may walk over all events.)
 */
static const char READ_DUE[] = READ(HEAD_OF(
    "SELECT late.* FROM mesh_outbox_relay,"
    " unnest(int8multirange(int8range(NULL, upper(done))) - done) AS gap,"
    " LATERAL (SELECT * FROM mesh_outbox WHERE position >= lower(gap) AND position < upper(gap)"
    "  ORDER BY position LIMIT $1) late") " UNION ALL " HEAD_OF("SELECT * FROM mesh_outbox WHERE"
                                                                " position >= (SELECT upper(done) "
                                                                "FROM mesh_outbox_relay)"));

static const char READ_HELD[] = READ(
    HEAD_OF("SELECT mesh_outbox.* FROM mesh_outbox_held JOIN mesh_outbox USING (position)"
            " WHERE queue = $3"));

static mesh_code read_entries(mesh_tx *tx, const mesh_rows *rows, mesh_queue_batch *batch,
                              mesh_error *err)
{
    size_t count = mesh_rows_count(rows), bytes = 0;
    mesh_entry *entries = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *entries);
    int64_t *queues = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *queues);
    if (entries == NULL || queues == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        read_entry(rows, i, &entries[i]);
        bytes += entries[i].size;
    }
    bool whole = count < MESH_QUEUE_BATCH && bytes < MESH_QUEUE_BATCH_BYTES;
    *batch = (mesh_queue_batch){entries, queues, count, whole};
    return MESH_OK;
}

/* Finds those whose aggregates have a queue of their own. */
static mesh_code find_queues(mesh_tx *tx, mesh_queue_batch *batch, mesh_error *err)
{
    static const char SQL[] =
        "SELECT place - 1, queue"
        " FROM unnest($1::bigint[]) WITH ORDINALITY AS event (position, place)"
        " JOIN mesh_outbox USING (position)"
        " JOIN mesh_outbox_refused USING (aggregate_type, aggregate_id)";
    mesh_arena *arena = mesh_tx_arena(tx);
    mesh_rows *rows = NULL;
    int64_t *positions = mesh_arena_calloc(arena, batch->count, sizeof *positions);
    if (positions == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < batch->count; i++)
        positions[i] = batch->entries[i].position;
    const char *array = mesh_array_of_integers(arena, positions, batch->count);
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(array)), &rows, NULL,
                                   err);
    for (size_t i = 0; code == MESH_OK && i < mesh_rows_count(rows); i++)
        batch->queues[mesh_rows_int(rows, i, 0)] = mesh_rows_int(rows, i, 1);
    return code;
}

mesh_code mesh_queue_read(mesh_tx *tx, int64_t queue, mesh_queue_batch *batch, mesh_error *err)
{
    const mesh_param params[] = {MESH_SQL_INT(MESH_QUEUE_BATCH),
                                 MESH_SQL_INT(MESH_QUEUE_BATCH_BYTES), MESH_SQL_INT(queue)};
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query_binary(tx, queue == 0 ? READ_DUE : READ_HELD,
                                          (mesh_params){params, queue == 0 ? 2 : 3}, &rows, err);
    if (code == MESH_OK)
        code = read_entries(tx, rows, batch, err);
    if (code != MESH_OK || batch->count == 0 || !mesh_rows_bool(rows, 0, 10))
        return code;
    return find_queues(tx, batch, err);
}

static int by_sequence(const void *a, const void *b)
{
    const mesh_queue_stored *one = a, *other = b;
    return (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

/* Adds positions, an array, to those that are done. */
#define DONE(positions)                                                                 \
    "UPDATE mesh_outbox_relay SET done = done + (SELECT range_agg(int8range(p, p + 1))" \
    " FROM unnest(" positions "::bigint[]) AS p)"

mesh_code mesh_queue_settle(mesh_tx *tx, int64_t queue, mesh_queue_stored *stored, size_t count,
                            mesh_error *err)
{
#define NOTE                                                               \
    " INSERT INTO mesh_outbox_batch (last_sequence, positions, sequences)" \
    " VALUES ($3, $1::bigint[], $2::bigint[])"
    static const char SETTLE[] = "WITH done AS (" DONE("$1") ")" NOTE;
    static const char SETTLE_HELD[] = "WITH done AS (DELETE FROM mesh_outbox_held WHERE queue = $4"
                                      " AND position = ANY ($1))" NOTE;
    mesh_arena *arena = mesh_tx_arena(tx);
    int64_t *positions = mesh_arena_calloc(arena, count, sizeof *positions);
    int64_t *sequences = mesh_arena_calloc(arena, count, sizeof *sequences);
    if (positions == NULL || sequences == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    if (count == 0)
        return MESH_OK;
    qsort(stored, count, sizeof *stored, by_sequence);
    for (size_t i = 0; i < count; i++) {
        positions[i] = stored[i].position;
        sequences[i] = stored[i].sequence;
    }
    const mesh_param params[] = {MESH_SQL_TEXT(mesh_array_of_integers(arena, positions, count)),
                                 MESH_SQL_TEXT(mesh_array_of_integers(arena, sequences, count)),
                                 MESH_SQL_INT(sequences[count - 1]), MESH_SQL_INT(queue)};
    return mesh_tx_query(tx, queue == 0 ? SETTLE : SETTLE_HELD,
                         (mesh_params){params, queue == 0 ? 3 : 4}, NULL, NULL, err);
}

/*
 * A gap is closed when all transactions are over that can have drawn positions of it, and the table
 * was read after that. A transaction has its number before it draws (outbox.c): those with a higher
 * number than this one, `mark_xid`, have drawn nothing below `mark`, for that was drawn before this
 * one had its number. (A mark with a higher number than this one's may come from another server,
 * whose data was restored here.)
 */
mesh_code mesh_queue_advance(mesh_tx *tx, const mesh_queue_state *state, int64_t first,
                             mesh_error *err)
{
    static const char SQL[] =
        "UPDATE mesh_outbox_relay SET done = done + int8multirange(int8range(NULL, $1)),"
        " mark = $3 + 1, mark_xid = xid"
        " FROM (SELECT pg_current_xact_id()::text::bigint AS xid) this"
        " WHERE mark_xid <= $2 OR mark_xid > xid";
    if (!state->gaps)
        return MESH_OK;
    bool over = state->mark_xid <= state->oldest_xid;
    int64_t closed = first != 0 && first < state->mark ? first : state->mark;
    return mesh_tx_query(tx, SQL,
                         MESH_SQL_PARAMS(MESH_SQL_INT(over ? closed : 0),
                                         MESH_SQL_INT(state->oldest_xid),
                                         MESH_SQL_INT(state->drawn)),
                         NULL, NULL, err);
}

mesh_code mesh_queue_refuse(mesh_tx *tx, const mesh_entry *e, const char *cause, int jetstream_code,
                            mesh_error *err)
{
    static const char SQL[] =
        "INSERT INTO mesh_outbox_refused (queue, aggregate_type, aggregate_id, cause,"
        " jetstream_code) VALUES ($1, $2, $3, $4, $5)";
    return mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_INT(e->position), MESH_SQL_TEXT(e->aggregate.type),
                        MESH_SQL_TEXT(e->aggregate.id), MESH_SQL_TEXT(cause != NULL ? cause : ""),
                        MESH_SQL_INT(jetstream_code)),
        NULL, NULL, err);
}

mesh_code mesh_queue_refuse_again(mesh_tx *tx, int64_t queue, const char *cause, int jetstream_code,
                                  mesh_error *err)
{
    static const char SQL[] = "UPDATE mesh_outbox_refused SET attempts = attempts + 1, cause = $2,"
                              " jetstream_code = $3 WHERE queue = $1";
    return mesh_tx_query(tx, SQL,
                         MESH_SQL_PARAMS(MESH_SQL_INT(queue),
                                         MESH_SQL_TEXT(cause != NULL ? cause : ""),
                                         MESH_SQL_INT(jetstream_code)),
                         NULL, NULL, err);
}

mesh_code mesh_queue_hold(mesh_tx *tx, const mesh_queue_batch *batch, mesh_error *err)
{
    static const char SQL[] =
        "WITH done AS (" DONE("$1") ")"
                                    " INSERT INTO mesh_outbox_held (position, queue)"
                                    " SELECT * FROM unnest($1::bigint[], $2::bigint[])";
    mesh_arena *arena = mesh_tx_arena(tx);
    int64_t *positions = mesh_arena_calloc(arena, batch->count, sizeof *positions);
    int64_t *queues = mesh_arena_calloc(arena, batch->count, sizeof *queues);
    size_t count = 0;
    if (positions == NULL || queues == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->queues[i] == 0)
            continue;
        positions[count] = batch->entries[i].position;
        queues[count++] = batch->queues[i];
    }
    if (count == 0)
        return MESH_OK;
    return mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_integers(arena, positions, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, queues, count))),
        NULL, NULL, err);
}

mesh_code mesh_queue_next(mesh_tx *tx, int64_t after, int64_t *queue, mesh_error *err)
{
    static const char SQL[] =
        "SELECT coalesce((SELECT min(queue) FROM mesh_outbox_refused WHERE queue > $1),"
        " (SELECT min(queue) FROM mesh_outbox_refused))";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(after)), &rows, NULL, err);
    if (code == MESH_OK)
        *queue = mesh_rows_int(rows, 0, 0);
    return code;
}

mesh_code mesh_queue_end(mesh_tx *tx, int64_t queue, mesh_error *err)
{
    return mesh_tx_query(tx, "DELETE FROM mesh_outbox_refused WHERE queue = $1",
                         MESH_SQL_PARAMS(MESH_SQL_INT(queue)), NULL, NULL, err);
}

mesh_code mesh_queue_last_note(mesh_tx *tx, mesh_queue_note *note, mesh_error *err)
{
    static const char SQL[] =
        "SELECT id, sequence, event_id FROM"
        " (SELECT * FROM mesh_outbox_batch ORDER BY last_sequence DESC, id DESC LIMIT 1) last,"
        " unnest(positions, sequences) WITH ORDINALITY AS event (position, sequence, place)"
        " LEFT JOIN mesh_outbox USING (position) ORDER BY place";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_NO_PARAMS, &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    size_t count = mesh_rows_count(rows);
    int64_t *sequences = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *sequences);
    const char **event_ids = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *event_ids);
    if (sequences == NULL || event_ids == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        sequences[i] = mesh_rows_int(rows, i, 1);
        event_ids[i] = mesh_rows_text(rows, i, 2);
    }
    *note = (mesh_queue_note){count > 0 ? mesh_rows_int(rows, 0, 0) : 0, sequences, event_ids,
                              count};
    return MESH_OK;
}

/* Makes due again what is `lost` and still there, and counts it. */
#define DUE_AGAIN                                                                     \
    " again AS (SELECT position FROM (SELECT DISTINCT position FROM lost) lost"       \
    "  JOIN mesh_outbox USING (position), mesh_outbox_relay WHERE done @> position)," \
    " due AS (UPDATE mesh_outbox_relay SET done = done - coalesce("                   \
    "  (SELECT range_agg(int8range(position, position + 1)) FROM again), '{}'))"      \
    " SELECT (SELECT count(*) FROM again)"

mesh_code mesh_queue_recall(mesh_tx *tx, const mesh_queue_note *note, size_t first,
                            int64_t *recalled, mesh_error *err)
{
    static const char DUE[] =
        "WITH lost AS (SELECT unnest(positions[$2 + 1:]) AS position FROM mesh_outbox_batch"
        "  WHERE id = $1)," DUE_AGAIN;
    static const char FORGET[] = "DELETE FROM mesh_outbox_batch WHERE id = $1";
    static const char SHORTEN[] =
        "UPDATE mesh_outbox_batch SET positions = positions[:$2], sequences = sequences[:$2],"
        " last_sequence = sequences[$2] WHERE id = $1";
    const mesh_param params[] = {MESH_SQL_INT(note->id), MESH_SQL_INT((int64_t)first)};
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, DUE, (mesh_params){params, 2}, &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    *recalled = mesh_rows_int(rows, 0, 0);
    return first == 0 ? mesh_tx_query(tx, FORGET, (mesh_params){params, 1}, NULL, NULL, err)
                      : mesh_tx_query(tx, SHORTEN, (mesh_params){params, 2}, NULL, NULL, err);
}

mesh_code mesh_queue_recall_all(mesh_tx *tx, int64_t *recalled, bool *left, mesh_error *err)
{
    static const char SQL[] =
        "WITH last AS (DELETE FROM mesh_outbox_batch WHERE id IN"
        "  (SELECT id FROM mesh_outbox_batch ORDER BY last_sequence DESC, id DESC LIMIT $1)"
        "  RETURNING positions),"
        " lost AS (SELECT unnest(positions) AS position FROM last)," DUE_AGAIN
        ", (SELECT count(*) FROM last)";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(RECALLED_NOTES)), &rows,
                                   NULL, err);
    if (code != MESH_OK)
        return code;
    *recalled = mesh_rows_int(rows, 0, 0);
    *left = mesh_rows_int(rows, 0, 1) == RECALLED_NOTES;
    return MESH_OK;
}

mesh_code mesh_queue_set_stream(mesh_tx *tx, int64_t created, mesh_error *err)
{
    return mesh_tx_query(tx, "UPDATE mesh_outbox_relay SET stream_created = $1",
                         MESH_SQL_PARAMS(MESH_SQL_INT(created)), NULL, NULL, err);
}

mesh_code mesh_queue_prune(mesh_db *db, int64_t retention_ms, bool *left, mesh_error *err)
{
    static const char SQL[] =
        "WITH old AS (DELETE FROM mesh_outbox_batch WHERE id IN"
        "  (SELECT id FROM mesh_outbox_batch ORDER BY id LIMIT $1)"
        "  AND published_at < now() - $2 * interval '1 ms' RETURNING positions),"
        " gone AS (DELETE FROM mesh_outbox USING (SELECT unnest(positions) AS position FROM old) p"
        "  WHERE mesh_outbox.position = p.position)"
        " SELECT FROM old";
    mesh_queue_state state;
    int64_t notes = 0;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_queue_begin(db, &tx, &state, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_query(tx, SQL,
                         MESH_SQL_PARAMS(MESH_SQL_INT(PRUNED_NOTES), MESH_SQL_INT(retention_ms)),
                         NULL, &notes, err);
    if (code != MESH_OK) {
        mesh_tx_rollback(tx);
        return code;
    }
    *left = notes == PRUNED_NOTES;
    return mesh_tx_commit(tx, err);
}

/* Positions have few holes, and counting all rows would take seconds. */
mesh_code mesh_queue_measure(mesh_db *db, int64_t deadline_ns, mesh_queue_figures *figures,
                             mesh_error *err)
{
    static const char SQL[] =
        "SELECT events, time, (SELECT COALESCE(max(position) - min(position) + 1, 0)"
        "  FROM mesh_outbox), (SELECT count(*) FROM mesh_outbox_refused)"
        " FROM mesh_outbox_pending LEFT JOIN mesh_outbox ON position = oldest";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, deadline_ns, SQL, MESH_SQL_NO_PARAMS, &rows, err);
    if (code != MESH_OK)
        return code;
    *figures = (mesh_queue_figures){
        .due = mesh_rows_int(rows, 0, 0),
        .oldest_ns = mesh_rows_time(rows, 0, 1),
        .kept = mesh_rows_int(rows, 0, 2),
        .refused = mesh_rows_int(rows, 0, 3),
    };
    mesh_rows_end(rows);
    return MESH_OK;
}
