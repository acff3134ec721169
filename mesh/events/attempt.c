#include "mesh/events/attempt.h"

mesh_code mesh_attempt_begin(mesh_db *db, const mesh_attempt_key *key, mesh_attempts *before,
                             mesh_error *err)
{
    static const char sql[] =
        "WITH noted AS (INSERT INTO mesh_inbox_attempt AS a"
        "  (consumer, event, delivery, outcome, code, cause) VALUES ($1, $2, $3, 'begun', '', '')"
        "  ON CONFLICT (consumer, event, delivery) DO UPDATE"
        "  SET outcome = 'begun', code = '', cause = '', noted_at = now())"
        " SELECT count(*) FILTER (WHERE outcome IN ('begun', 'failed')),"
        " coalesce(extract(epoch FROM now() - min(noted_at) FILTER (WHERE outcome = 'gap')) * 1000,"
        "  0)::bigint"
        " FROM mesh_inbox_attempt WHERE consumer = $1 AND event = $2"; /* as it was before */
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(key->consumer),
                                                   MESH_SQL_TEXT(key->event),
                                                   MESH_SQL_INT(key->delivery)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    before->failures = (int)mesh_rows_int(rows, 0, 0);
    before->gap_wait_ms = mesh_rows_int(rows, 0, 1);
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code mesh_attempt_end(mesh_db *db, mesh_tx *tx, const mesh_attempt_key *key,
                           mesh_attempt_outcome outcome, const mesh_error *cause, mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_attempt (consumer, event, delivery, outcome, code, cause)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (consumer, event, delivery) DO UPDATE"
        " SET outcome = excluded.outcome, code = excluded.code, cause = excluded.cause,"
        " noted_at = now()";
    static const char *const outcomes[] = {"failed", "passing", "gap"};
    const mesh_params params = MESH_SQL_PARAMS(
        MESH_SQL_TEXT(key->consumer), MESH_SQL_TEXT(key->event), MESH_SQL_INT(key->delivery),
        MESH_SQL_TEXT(outcomes[outcome]), MESH_SQL_TEXT(mesh_code_name(cause->code)),
        MESH_SQL_TEXT(cause->message));
    return tx != NULL ? mesh_tx_query(tx, sql, params, NULL, NULL, err)
                      : mesh_db_exec(db, 0, sql, params, NULL, err);
}

mesh_code mesh_attempt_forget(mesh_tx *tx, const mesh_attempt_key *key, mesh_error *err)
{
    return mesh_tx_query(tx, "DELETE FROM mesh_inbox_attempt WHERE consumer = $1 AND event = $2",
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(key->consumer), MESH_SQL_TEXT(key->event)),
                         NULL, NULL, err);
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
