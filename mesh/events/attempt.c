#include "mesh/events/attempt.h"

#include "mesh/db/array.h"

mesh_code mesh_attempts_begin(mesh_db *db, mesh_arena *arena, const mesh_attempts_begun *begun,
                              mesh_attempts *before, mesh_error *err)
{
    /* The counts are those from before the statement. */
    static const char sql[] =
        "WITH given AS (SELECT event, delivery, n FROM unnest($2::text[], $3::integer[])"
        "  WITH ORDINALITY AS g (event, delivery, n)),"
        " noted AS (INSERT INTO mesh_inbox_attempt"
        "  (consumer, event, delivery, outcome, code, cause)"
        "  SELECT DISTINCT $1, event, delivery, 'begun', '', '' FROM given ORDER BY event"
        "  ON CONFLICT (consumer, event, delivery) DO UPDATE"
        "  SET outcome = 'begun', code = '', cause = '', noted_at = now())"
        " SELECT g.n, count(*) FILTER (WHERE a.outcome IN ('begun', 'failed')),"
        "  count(*) FILTER (WHERE a.outcome = 'passing')"
        " FROM given AS g, LATERAL (SELECT outcome FROM mesh_inbox_attempt WHERE consumer = $1"
        "  AND event = g.event AND delivery <> g.delivery) AS a GROUP BY g.n";
    const char *events = mesh_array_of_texts(arena, begun->events, begun->count);
    const char *deliveries = mesh_array_of_integers(arena, begun->deliveries, begun->count);
    mesh_rows *rows = NULL;
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    mesh_code code = mesh_db_query(db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(begun->consumer),
                                                   MESH_SQL_TEXT(events),
                                                   MESH_SQL_TEXT(deliveries)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < begun->count; i++)
        before[i] = (mesh_attempts){.failures = 0};
    for (size_t i = 0; i < mesh_rows_count(rows); i++)
        before[mesh_rows_int(rows, i, 0) - 1] = (mesh_attempts){
            .failures = mesh_rows_int(rows, i, 1), .passing = mesh_rows_int(rows, i, 2)};
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code mesh_attempts_withdraw(mesh_db *db, mesh_arena *arena, const mesh_attempts_begun *begun,
                                 mesh_error *err)
{
    static const char sql[] =
        "DELETE FROM mesh_inbox_attempt AS a USING unnest($2::text[], $3::integer[])"
        " AS g (event, delivery) WHERE a.consumer = $1 AND a.event = g.event"
        " AND a.delivery = g.delivery AND a.outcome = 'begun'";
    const char *events = mesh_array_of_texts(arena, begun->events, begun->count);
    const char *deliveries = mesh_array_of_integers(arena, begun->deliveries, begun->count);
    if (mesh_arena_overflowed(arena))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return mesh_db_exec(db, 0, sql,
                        MESH_SQL_PARAMS(MESH_SQL_TEXT(begun->consumer), MESH_SQL_TEXT(events),
                                        MESH_SQL_TEXT(deliveries)),
                        NULL, err);
}

mesh_code mesh_attempt_end(mesh_db *db, const mesh_attempt_key *key, mesh_attempt_outcome outcome,
                           const mesh_error *cause, mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_attempt (consumer, event, delivery, outcome, code, cause,"
        "  aggregate_type, aggregate_id, version)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (consumer, event, delivery) DO UPDATE"
        " SET outcome = excluded.outcome, code = excluded.code, cause = excluded.cause,"
        " aggregate_type = excluded.aggregate_type, aggregate_id = excluded.aggregate_id,"
        " version = excluded.version, noted_at = now()";
    static const char *const outcomes[] = {"failed", "passing"};
    bool known = key->version > 0;
    return mesh_db_exec(
        db, 0, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(key->consumer), MESH_SQL_TEXT(key->event),
                        MESH_SQL_INT(key->delivery), MESH_SQL_TEXT(outcomes[outcome]),
                        MESH_SQL_TEXT(mesh_code_name(cause->code)), MESH_SQL_TEXT(cause->message),
                        MESH_SQL_TEXT(known ? key->aggregate_type : ""),
                        MESH_SQL_TEXT(known ? key->aggregate_id : ""), MESH_SQL_INT(key->version)),
        NULL, err);
}

mesh_code mesh_attempt_comes_again(mesh_db *db, const mesh_attempt_key *key, int64_t within_ms,
                                   bool *comes, mesh_error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM mesh_inbox_attempt WHERE consumer = $1 AND aggregate_type = $2"
        " AND aggregate_id = $3 AND version = $4 AND version > 0"
        " AND noted_at > now() - $5 * interval '1 millisecond')";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(
        db, 0, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(key->consumer), MESH_SQL_TEXT(key->aggregate_type),
                        MESH_SQL_TEXT(key->aggregate_id), MESH_SQL_INT(key->version),
                        MESH_SQL_INT(within_ms)),
        &rows, err);
    if (code != MESH_OK)
        return code;
    *comes = mesh_rows_bool(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code mesh_attempts_forget(mesh_tx *tx, const char *consumer, const char *const *events,
                               size_t count, mesh_error *err)
{
    const char *list = mesh_array_of_texts(mesh_tx_arena(tx), events, count);
    if (mesh_arena_overflowed(mesh_tx_arena(tx)))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return mesh_tx_query(
        tx, "DELETE FROM mesh_inbox_attempt WHERE consumer = $1 AND event = ANY ($2::text[])",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(list)), NULL, NULL, err);
}

mesh_code mesh_attempt_history(mesh_db *db, const mesh_attempt_key *key, mesh_arena *arena,
                               const char **history, mesh_error *err)
{
    /* At most 20 lines of 300 characters, so that a header has room for them. */
    static const char sql[] =
        "SELECT string_agg(line, E'\\n' ORDER BY noted_at, delivery) FROM (SELECT noted_at, "
        "delivery,"
        " left(concat_ws(' ', delivery, to_char(noted_at AT TIME ZONE 'UTC',"
        " 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'), outcome, nullif(code, ''), nullif(cause, '')), 300)"
        " AS line FROM mesh_inbox_attempt WHERE consumer = $1 AND event = $2"
        " ORDER BY noted_at DESC, delivery DESC LIMIT 20) AS last";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(
        db, 0, sql, MESH_SQL_PARAMS(MESH_SQL_TEXT(key->consumer), MESH_SQL_TEXT(key->event)), &rows,
        err);
    if (code != MESH_OK)
        return code;
    *history = mesh_arena_strdup(arena, mesh_rows_text(rows, 0, 0));
    mesh_rows_end(rows);
    return MESH_OK;
}
