#include "mesh/events/queue.h"

#include <stdlib.h>

#include "mesh/base/clock.h"
#include "mesh/db/array.h"

enum {
    MEASURE_TIMEOUT_MS = 2000,
    PRUNED_NOTES = 16, /* in one statement, of MESH_QUEUE_BATCH events at most */
    RECALLED_NOTES = 16
};

/*
 * One row is the lock. What the relay commits may be forgotten when the server breaks down: it is
 * published again then, and the broker or the inbox knows it. The tables are empty or full within a
 * minute, so that the planner's figures are no help: indexes only, and no compiling (jit) of
 * statements that look expensive because there is no index to use.
 */
mesh_code mesh_queue_begin(mesh_db *db, mesh_tx **out, mesh_queue_state *state, mesh_error *err)
{
    static const char SET[] =
        "SELECT set_config('lock_timeout', '1s', true),"
        " set_config('synchronous_commit', 'off', true), set_config('jit', 'off', true),"
        " set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
        " set_config('enable_mergejoin', 'off', true),"
        " set_config('enable_bitmapscan', 'off', true)";
    static const char LOCK[] =
        "SELECT epoch, stream_created,"
        " pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
        " pg_snapshot_xmax(pg_current_snapshot())::text::bigint,"
        " EXISTS (SELECT FROM mesh_outbox_refused) FROM mesh_outbox_relay FOR UPDATE";
    mesh_rows *rows = NULL;
    mesh_tx *tx = NULL;
    const mesh_tx_options options = {.size = sizeof options,
                                     .silence_timeout_ms = MESH_QUEUE_IDLE_MS};
    mesh_code code = mesh_tx_begin(db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = mesh_tx_query(tx, SET, MESH_SQL_NO_PARAMS, NULL, NULL, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, LOCK, MESH_SQL_NO_PARAMS, &rows, NULL, err);
    if (code == MESH_OK && mesh_rows_count(rows) != 1)
        code = mesh_error_set(err, MESH_INTERNAL, "mesh_outbox_relay has lost its row");
    if (code != MESH_OK) {
        mesh_tx_rollback(tx);
        return code;
    }
    *state = (mesh_queue_state){
        .epoch = mesh_rows_int(rows, 0, 0),
        .stream_created = mesh_rows_int(rows, 0, 1),
        .oldest_xid = mesh_rows_int(rows, 0, 2),
        .next_xid = mesh_rows_int(rows, 0, 3),
        .refused = mesh_rows_bool(rows, 0, 4),
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
        .aggregate_type = mesh_rows_text(rows, i, 4),
        .aggregate_id = mesh_rows_text(rows, i, 5),
        .version = mesh_rows_int(rows, i, 6),
        .time_ns = mesh_rows_time(rows, i, 7),
        .traceparent = mesh_rows_text(rows, i, 8),
    };
    e->payload = mesh_rows_bytes(rows, i, 9, &e->size);
    e->aggregate_hash = mesh_entry_hash(e->aggregate_id);
}

mesh_code mesh_queue_read(mesh_tx *tx, int64_t queue, int64_t from, mesh_queue_batch *batch,
                          mesh_error *err)
{
    static const char SQL[] =
        "SELECT position, event_id, subject, type, aggregate_type, aggregate_id, version, time,"
        " traceparent, payload, coalesce(r.queue, 0), found FROM"
        " (SELECT o.*, count(*) OVER () AS found,"
        "   sum(octet_length(payload)) OVER (ORDER BY position) - octet_length(payload) AS before"
        "  FROM (SELECT position FROM mesh_outbox_due WHERE queue = $1 AND position >= $2"
        "    ORDER BY position LIMIT $3) due JOIN mesh_outbox o USING (position)) head"
        " LEFT JOIN mesh_outbox_refused r USING (aggregate_type, aggregate_id)"
        " WHERE before < $4 ORDER BY position";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_INT(queue), MESH_SQL_INT(from),
                                                   MESH_SQL_INT(MESH_QUEUE_BATCH),
                                                   MESH_SQL_INT(MESH_QUEUE_BATCH_BYTES)),
                                   &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    size_t count = mesh_rows_count(rows);
    mesh_entry *entries = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *entries);
    int64_t *queues = mesh_arena_calloc(mesh_tx_arena(tx), count, sizeof *queues);
    if (entries == NULL || queues == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++) {
        read_entry(rows, i, &entries[i]);
        queues[i] = mesh_rows_int(rows, i, 10);
    }
    bool whole = count == 0 ||
                 (count < MESH_QUEUE_BATCH && (size_t)mesh_rows_int(rows, 0, 11) == count);
    *batch = (mesh_queue_batch){entries, queues, count, whole};
    return MESH_OK;
}

static int by_sequence(const void *a, const void *b)
{
    const mesh_queue_stored *one = a, *other = b;
    return (one->sequence > other->sequence) - (one->sequence < other->sequence);
}

mesh_code mesh_queue_settle(mesh_tx *tx, int64_t queue, mesh_queue_stored *stored, size_t count,
                            mesh_error *err)
{
    static const char SQL[] =
        "WITH done AS (DELETE FROM mesh_outbox_due WHERE queue = $1 AND position = ANY ($2))"
        " INSERT INTO mesh_outbox_batch (last_sequence, positions, sequences)"
        " VALUES ($4, $2::bigint[], $3::bigint[])";
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
    return mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_INT(queue),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, positions, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, sequences, count)),
                        MESH_SQL_INT(sequences[count - 1])),
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
        MESH_SQL_PARAMS(MESH_SQL_INT(e->position), MESH_SQL_TEXT(e->aggregate_type),
                        MESH_SQL_TEXT(e->aggregate_id), MESH_SQL_TEXT(cause != NULL ? cause : ""),
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
        "UPDATE mesh_outbox_due SET queue = held.queue"
        " FROM unnest($1::bigint[], $2::bigint[]) AS held (position, queue)"
        " WHERE mesh_outbox_due.queue = 0 AND mesh_outbox_due.position = held.position";
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

mesh_code mesh_queue_recall(mesh_tx *tx, const mesh_queue_note *note, size_t first,
                            int64_t *recalled, mesh_error *err)
{
    static const char DUE[] =
        "INSERT INTO mesh_outbox_due (position) SELECT position FROM"
        " (SELECT unnest(positions[$2 + 1:]) AS position FROM mesh_outbox_batch WHERE id = $1) lost"
        " JOIN mesh_outbox USING (position) ON CONFLICT DO NOTHING";
    static const char FORGET[] = "DELETE FROM mesh_outbox_batch WHERE id = $1";
    static const char SHORTEN[] =
        "UPDATE mesh_outbox_batch SET positions = positions[:$2], sequences = sequences[:$2],"
        " last_sequence = sequences[$2] WHERE id = $1";
    const mesh_param params[] = {MESH_SQL_INT(note->id), MESH_SQL_INT((int64_t)first)};
    mesh_code code = mesh_tx_query(tx, DUE, (mesh_params){params, 2}, NULL, recalled, err);
    if (code != MESH_OK)
        return code;
    return first == 0 ? mesh_tx_query(tx, FORGET, (mesh_params){params, 1}, NULL, NULL, err)
                      : mesh_tx_query(tx, SHORTEN, (mesh_params){params, 2}, NULL, NULL, err);
}

mesh_code mesh_queue_recall_all(mesh_tx *tx, int64_t *recalled, bool *left, mesh_error *err)
{
    static const char SQL[] =
        "WITH last AS (DELETE FROM mesh_outbox_batch WHERE id IN"
        "  (SELECT id FROM mesh_outbox_batch ORDER BY last_sequence DESC, id DESC LIMIT $1)"
        "  RETURNING positions),"
        " due AS (INSERT INTO mesh_outbox_due (position) SELECT position FROM"
        "  (SELECT unnest(positions) AS position FROM last) lost JOIN mesh_outbox USING (position)"
        "  ON CONFLICT DO NOTHING RETURNING position)"
        " SELECT (SELECT count(*) FROM last), (SELECT count(*) FROM due)";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(RECALLED_NOTES)), &rows,
                                   NULL, err);
    if (code != MESH_OK)
        return code;
    *left = mesh_rows_int(rows, 0, 0) == RECALLED_NOTES;
    *recalled = mesh_rows_int(rows, 0, 1);
    return MESH_OK;
}

mesh_code mesh_queue_set_stream(mesh_tx *tx, int64_t created, bool recalled, mesh_error *err)
{
    static const char SQL[] =
        "UPDATE mesh_outbox_relay SET stream_created = $1, epoch = epoch + $2::int";
    return mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(created), MESH_SQL_INT(recalled)),
                         NULL, NULL, err);
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

mesh_code mesh_queue_measure(mesh_db *db, mesh_queue_figures *figures, mesh_error *err)
{
    static const char SQL[] =
        "SELECT (SELECT count(*) FROM mesh_outbox_due),"
        " (SELECT count(*) FROM mesh_outbox_refused),"
        " (SELECT greatest(0, extract(epoch FROM clock_timestamp() - time) * 1000)::bigint"
        "  FROM mesh_outbox WHERE position = (SELECT least("
        "    (SELECT min(position) FROM mesh_outbox_due WHERE queue = 0),"
        "    (SELECT min(queue) FROM mesh_outbox_refused))))";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, mesh_clock_deadline_ns(MEASURE_TIMEOUT_MS), SQL,
                                   MESH_SQL_NO_PARAMS, &rows, err);
    if (code != MESH_OK)
        return code;
    *figures = (mesh_queue_figures){
        .due = mesh_rows_int(rows, 0, 0),
        .refused = mesh_rows_int(rows, 0, 1),
        .oldest_ms = mesh_rows_int(rows, 0, 2),
    };
    mesh_rows_end(rows);
    return MESH_OK;
}
