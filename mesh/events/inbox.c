#include "mesh/events/inbox.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "mesh/base/uuid.h"
#include "mesh/db/array.h"

enum {
    PRUNE_ROWS = 1000 /* in one statement, so that none holds locks for long */
};

static mesh_code check_memory(mesh_tx *tx, mesh_error *err)
{
    if (mesh_arena_overflowed(mesh_tx_arena(tx)))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    return MESH_OK;
}

/* ---- ids ---- */

/* The one that the table has now for the first time. */
static void mark_first(const char *id, const char *const *ids, bool *first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!first[i] && strcasecmp(ids[i], id) == 0) {
            first[i] = true;
            return;
        }
    }
}

mesh_code mesh_inbox_note(mesh_tx *tx, const char *consumer, const char *const *ids, bool *first,
                          size_t count, mesh_error *err)
{
    /* OFFSET 0: each is looked for by the key, however large the table was when this was planned.
     * An ON CONFLICT would cost half as much again. */
    static const char sql[] =
        "INSERT INTO mesh_inbox (event_id, consumer)"
        " SELECT DISTINCT id, $1 FROM unnest($2::uuid[]) AS given (id) WHERE NOT EXISTS"
        " (SELECT FROM mesh_inbox WHERE event_id = id AND consumer = $1 OFFSET 0)"
        " ORDER BY id RETURNING event_id";
    const char *list = mesh_array_of_texts(mesh_tx_arena(tx), ids, count);
    mesh_rows *rows = NULL;
    mesh_code code = check_memory(tx, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, sql, MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(list)),
                             &rows, NULL, err);
    if (code == MESH_ALREADY_EXISTS)
        return mesh_error_set(err, MESH_ABORTED, "another instance handled the same event");
    if (code != MESH_OK)
        return code;
    bool all = mesh_rows_count(rows) == count;
    for (size_t i = 0; i < count; i++)
        first[i] = all;
    for (size_t i = 0; !all && i < mesh_rows_count(rows); i++)
        mark_first(mesh_rows_text(rows, i, 0), ids, first, count);
    return MESH_OK;
}

mesh_code mesh_inbox_knows(mesh_db *db, const char *consumer, const char *id, bool *knows,
                           mesh_error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM mesh_inbox WHERE event_id = $1 AND consumer = $2)";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(
        db, 0, sql, MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_TEXT(consumer)), &rows, err);
    if (code != MESH_OK)
        return code;
    *knows = mesh_rows_bool(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

/* ---- versions ---- */

/* What a statement is given: of each aggregate type, id, and two numbers. */
typedef struct columns {
    const char **types;
    const char **ids;
    int64_t *numbers;
    int64_t *others;
    size_t count;
} columns;

static mesh_code make_columns(mesh_tx *tx, size_t count, columns *c, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(tx);
    *c = (columns){
        .types = mesh_arena_calloc(arena, count, sizeof *c->types),
        .ids = mesh_arena_calloc(arena, count, sizeof *c->ids),
        .numbers = mesh_arena_calloc(arena, count, sizeof *c->numbers),
        .others = mesh_arena_calloc(arena, count, sizeof *c->others),
    };
    return check_memory(tx, err);
}

static void add(columns *c, const mesh_aggregate *a, int64_t number, int64_t other)
{
    c->types[c->count] = a->type;
    c->ids[c->count] = a->id;
    c->numbers[c->count] = number;
    c->others[c->count++] = other;
}

static mesh_code run(mesh_tx *tx, const char *sql, const char *consumer, const columns *c,
                     mesh_rows **rows, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(tx);
    const char *types = mesh_array_of_texts(arena, c->types, c->count);
    const char *ids = mesh_array_of_texts(arena, c->ids, c->count);
    const char *numbers = mesh_array_of_integers(arena, c->numbers, c->count);
    const char *others = mesh_array_of_integers(arena, c->others, c->count);
    mesh_code code = check_memory(tx, err);
    if (code != MESH_OK)
        return code;
    return mesh_tx_query(tx, sql,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(types),
                                         MESH_SQL_TEXT(ids), MESH_SQL_TEXT(numbers),
                                         MESH_SQL_TEXT(others)),
                         rows, NULL, err);
}

mesh_code mesh_inbox_peek(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err)
{
    /* OFFSET 0: as in mesh_inbox_note. */
    static const char sql[] =
        "SELECT given.n, held.version, held.dead, held.begins"
        " FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])"
        "  WITH ORDINALITY AS given (type, id, number, other, n),"
        " LATERAL (SELECT version, dead, begins FROM mesh_inbox_version WHERE consumer = $1"
        "  AND aggregate_type = given.type AND aggregate_id = given.id OFFSET 0) AS held";
    columns c;
    mesh_rows *rows = NULL;
    mesh_code code = make_columns(tx, count, &c, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        add(&c, &aggregates[i], 0, 0);
    code = run(tx, sql, consumer, &c, &rows, err);
    for (size_t i = 0; code == MESH_OK && i < mesh_rows_count(rows); i++) {
        mesh_aggregate *a = &aggregates[mesh_rows_int(rows, i, 0) - 1];
        a->reached = mesh_rows_int(rows, i, 1);
        a->dead = mesh_rows_int(rows, i, 2);
        a->begins = mesh_rows_int(rows, i, 3);
    }
    return code;
}

/*
 * Rows are found by the key, however large the table was when this was planned. They come back in
 * the order in which they were given. What a row that is there shall follow is told by a number
 * below -1 in `previous`; in a row that is new that stays, and says that there was none.
 */
mesh_code mesh_inbox_lock(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_version AS v"
        " (consumer, aggregate_type, aggregate_id, version, begins, previous)"
        " SELECT $1, type, id, last, 0, -2 - before"
        " FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])"
        "  AS given (type, id, before, last)"
        " ON CONFLICT (consumer, aggregate_type, aggregate_id) DO UPDATE SET previous = v.version,"
        "  version = CASE WHEN v.version = -2 - excluded.previous THEN excluded.version"
        "   ELSE v.version END,"
        "  dead = CASE WHEN v.version = -2 - excluded.previous AND v.dead <= excluded.version"
        "   THEN 0 ELSE v.dead END"
        " RETURNING version, previous, dead, begins";
    columns c;
    mesh_rows *rows = NULL;
    mesh_code code = make_columns(tx, count, &c, err);
    for (size_t i = 0; i < count && code == MESH_OK; i++)
        add(&c, &aggregates[i], aggregates[i].before, aggregates[i].last);
    if (code == MESH_OK)
        code = run(tx, sql, consumer, &c, &rows, err);
    if (code == MESH_OK && mesh_rows_count(rows) != count)
        code = mesh_error_set(err, MESH_INTERNAL, "not all versions came back");
    for (size_t i = 0; i < count && code == MESH_OK; i++) {
        mesh_aggregate *a = &aggregates[i];
        int64_t previous = mesh_rows_int(rows, i, 1);
        a->version = mesh_rows_int(rows, i, 0);
        a->reached = previous >= 0 ? previous : 0;
        a->dead = mesh_rows_int(rows, i, 2);
        a->begun = a->begins = mesh_rows_int(rows, i, 3);
    }
    return code;
}

mesh_code mesh_inbox_advance(mesh_tx *tx, const char *consumer, const mesh_aggregate *aggregates,
                             size_t count, mesh_error *err)
{
    /* All of them are there. */
    static const char sql[] = "INSERT INTO mesh_inbox_version AS v"
                              " (consumer, aggregate_type, aggregate_id, version, begins)"
                              " SELECT $1, type, id, version, begins"
                              " FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])"
                              "  AS given (type, id, version, begins)"
                              " ON CONFLICT (consumer, aggregate_type, aggregate_id) DO UPDATE"
                              " SET version = excluded.version, begins = excluded.begins,"
                              " dead = CASE WHEN v.dead > excluded.version THEN v.dead ELSE 0 END";
    columns c;
    mesh_code code = make_columns(tx, count, &c, err);
    for (const mesh_aggregate *a = aggregates; a < aggregates + count && code == MESH_OK; a++)
        if (a->reached != a->version || a->begins != a->begun)
            add(&c, a, a->reached, a->begins);
    return code != MESH_OK || c.count == 0 ? code : run(tx, sql, consumer, &c, NULL, err);
}

mesh_code mesh_inbox_begin(mesh_tx *tx, const char *consumer, const mesh_aggregate *a,
                           mesh_error *err)
{
    static const char sql[] = "UPDATE mesh_inbox_version SET begun_at = $4 WHERE consumer = $1"
                              " AND aggregate_type = $2 AND aggregate_id = $3";
    return mesh_tx_query(tx, sql,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(a->type),
                                         MESH_SQL_TEXT(a->id), MESH_SQL_TIME(a->begun_ns)),
                         NULL, NULL, err);
}

mesh_code mesh_inbox_left_out(mesh_db *db, const char *consumer, const mesh_inbox_earlier *event,
                              bool *left_out, mesh_error *err)
{
    static const char sql[] =
        "SELECT EXISTS (SELECT FROM mesh_inbox_version WHERE consumer = $1 AND aggregate_type = $2"
        "  AND aggregate_id = $3 AND begun_at >= $4) AND NOT EXISTS"
        " (SELECT FROM mesh_inbox WHERE consumer = $1 AND event_id = $5::uuid)";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(
        db, 0, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(event->aggregate_type),
                        MESH_SQL_TEXT(event->aggregate_id), MESH_SQL_TIME(event->stored_ns),
                        MESH_SQL_TEXT(event->event_id)),
        &rows, err);
    if (code != MESH_OK)
        return code;
    *left_out = mesh_rows_bool(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code mesh_inbox_see(mesh_db *db, int64_t deadline_ns, const char *consumer,
                         const mesh_inbox_seen *seen, mesh_error *err)
{
    /* One that has begun is not touched: its row may be locked for long. */
    static const char sql[] =
        "INSERT INTO mesh_inbox_version AS v"
        " (consumer, aggregate_type, aggregate_id, version, begins) SELECT $1, $2, $3, 0, $4"
        " WHERE NOT EXISTS (SELECT FROM mesh_inbox_version WHERE consumer = $1"
        "  AND aggregate_type = $2 AND aggregate_id = $3 AND version > 0 OFFSET 0)"
        " ON CONFLICT (consumer, aggregate_type, aggregate_id) DO UPDATE"
        " SET begins = excluded.begins"
        " WHERE v.version = 0 AND (v.begins = 0 OR v.begins > excluded.begins)";
    return mesh_db_exec(
        db, deadline_ns, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(seen->aggregate_type),
                        MESH_SQL_TEXT(seen->aggregate_id), MESH_SQL_INT(seen->version)),
        NULL, err);
}

mesh_code mesh_inbox_bury(mesh_tx *tx, const char *consumer, const char *type, const char *id,
                          int64_t version, mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_version AS v"
        " (consumer, aggregate_type, aggregate_id, version, begins, dead)"
        " VALUES ($1, $2, $3, 0, 0, $4)"
        " ON CONFLICT (consumer, aggregate_type, aggregate_id) DO UPDATE SET dead = excluded.dead"
        " WHERE v.version < excluded.dead AND (v.dead = 0 OR v.dead > excluded.dead)";
    return mesh_tx_query(tx, sql,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(type),
                                         MESH_SQL_TEXT(id), MESH_SQL_INT(version)),
                         NULL, NULL, err);
}

mesh_code mesh_inbox_join(mesh_db *db, const char *consumer, const char *aggregate_type, bool *late,
                          mesh_error *err)
{
    static const char sql[] =
        "INSERT INTO mesh_inbox_type AS t (consumer, aggregate_type, late) VALUES ($1, $2, $3)"
        " ON CONFLICT (consumer, aggregate_type) DO UPDATE SET late = t.late RETURNING late";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer),
                                                   MESH_SQL_TEXT(aggregate_type),
                                                   MESH_SQL_BOOL(*late)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    *late = mesh_rows_bool(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

/* ---- operators ---- */

mesh_code mesh_inbox_read_control(mesh_db *db, const char *consumer, bool *paused,
                                  int64_t *since_ns, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(
        db, 0, "SELECT paused, changed_at FROM mesh_inbox_control WHERE consumer = $1",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer)), &rows, err);
    if (code != MESH_OK)
        return code;
    *paused = mesh_rows_count(rows) == 1 && mesh_rows_bool(rows, 0, 0);
    if (since_ns != NULL)
        *since_ns = *paused ? mesh_rows_time(rows, 0, 1) : 0;
    mesh_rows_end(rows);
    return MESH_OK;
}

/* ---- old rows ---- */

/* The smallest UUIDv7 of a moment (RFC 9562, section 5.7: it begins with the milliseconds). */
static void first_id_of(int64_t wall_ns, char *text)
{
    uint64_t ms = (uint64_t)(wall_ns / 1000000);
    snprintf(text, MESH_UUID_TEXT_BYTES, "%08" PRIx64 "-%04" PRIx64 "-7000-8000-000000000000",
             (ms >> 16) & 0xffffffff, ms & 0xffff);
}

static mesh_code prune(mesh_db *db, const char *sql, mesh_param oldest, bool *left, mesh_error *err)
{
    int64_t removed = 0;
    mesh_code code = mesh_db_exec(db, 0, sql, MESH_SQL_PARAMS(oldest, MESH_SQL_INT(PRUNE_ROWS)),
                                  &removed, err);
    if (code == MESH_OK)
        *left = removed == PRUNE_ROWS;
    return code;
}

/* The database's, which all instances have in common: one of theirs may be wrong. */
static mesh_code read_clock(mesh_db *db, int64_t *now_ns, mesh_error *err)
{
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, 0, "SELECT now()", MESH_SQL_NO_PARAMS, &rows, err);
    if (code != MESH_OK)
        return code;
    *now_ns = mesh_rows_time(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code mesh_inbox_prune(mesh_db *db, int max_age_days, bool *left, mesh_error *err)
{
    static const char ids[] = "DELETE FROM mesh_inbox WHERE (event_id, consumer) IN"
                              " (SELECT event_id, consumer FROM mesh_inbox WHERE event_id < $1"
                              " ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED)";
    static const char attempts[] =
        "DELETE FROM mesh_inbox_attempt WHERE (consumer, event, delivery) IN"
        " (SELECT consumer, event, delivery FROM mesh_inbox_attempt WHERE noted_at < $1"
        " LIMIT $2 FOR UPDATE SKIP LOCKED)";
    char oldest[MESH_UUID_TEXT_BYTES];
    int64_t now_ns = 0;
    bool ids_left = false, attempts_left = false;
    mesh_code code = read_clock(db, &now_ns, err);
    if (code != MESH_OK)
        return code;
    int64_t oldest_ns = now_ns - (int64_t)max_age_days * 24 * 3600 * 1000000000;
    first_id_of(oldest_ns, oldest);
    code = prune(db, ids, MESH_SQL_TEXT(oldest), &ids_left, err);
    if (code == MESH_OK)
        code = prune(db, attempts, MESH_SQL_TIME(oldest_ns), &attempts_left, err);
    if (code == MESH_OK)
        *left = ids_left || attempts_left;
    return code;
}
