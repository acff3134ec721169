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

/* ---- versions ---- */

typedef struct version_lists {
    const char *types;
    const char *ids;
    const char *versions;
    const char *begins;
    size_t count;
} version_lists;

typedef bool choose_fn(const mesh_aggregate *aggregate);

static bool any(const mesh_aggregate *aggregate)
{
    (void)aggregate;
    return true;
}

static bool is_new(const mesh_aggregate *aggregate)
{
    return !aggregate->known && (aggregate->reached != 0 || aggregate->begins != 0);
}

static bool is_further(const mesh_aggregate *aggregate)
{
    return aggregate->known &&
           (aggregate->reached != aggregate->version || aggregate->begins != aggregate->begun);
}

/* Those that are chosen, as parameters of a statement. */
static mesh_code list_versions(mesh_tx *tx, const mesh_aggregate *aggregates, size_t count,
                               choose_fn *chosen, version_lists *lists, mesh_error *err)
{
    mesh_arena *arena = mesh_tx_arena(tx);
    const char **types = mesh_arena_calloc(arena, count, sizeof *types);
    const char **ids = mesh_arena_calloc(arena, count, sizeof *ids);
    int64_t *versions = mesh_arena_calloc(arena, count, sizeof *versions);
    int64_t *begins = mesh_arena_calloc(arena, count, sizeof *begins);
    lists->count = 0;
    if (types == NULL || ids == NULL || versions == NULL || begins == NULL)
        return check_memory(tx, err);
    for (const mesh_aggregate *a = aggregates; a < aggregates + count; a++) {
        if (!chosen(a))
            continue;
        types[lists->count] = a->type;
        ids[lists->count] = a->id;
        begins[lists->count] = a->begins;
        versions[lists->count++] = a->reached;
    }
    lists->types = mesh_array_of_texts(arena, types, lists->count);
    lists->ids = mesh_array_of_texts(arena, ids, lists->count);
    lists->versions = mesh_array_of_integers(arena, versions, lists->count);
    lists->begins = mesh_array_of_integers(arena, begins, lists->count);
    return check_memory(tx, err);
}

/* LATERAL, with a lock or an offset: each row is found by the key, however large the table was when
 * this was planned. */
#define READ_VERSIONS(lock)                                                              \
    "SELECT given.n, held.version, held.dead, held.begins"                               \
    " FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS given (type, id, n),"       \
    " LATERAL (SELECT version, dead, begins FROM mesh_inbox_version WHERE consumer = $1" \
    "  AND aggregate_type = given.type AND aggregate_id = given.id" lock ") AS held"

static mesh_code read_versions(mesh_tx *tx, const char *sql, const char *consumer,
                               mesh_aggregate *aggregates, size_t count, mesh_error *err)
{
    version_lists lists;
    mesh_rows *rows = NULL;
    for (mesh_aggregate *a = aggregates; a < aggregates + count; a++)
        *a = (mesh_aggregate){.type = a->type, .id = a->id};
    mesh_code code = list_versions(tx, aggregates, count, any, &lists, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, sql,
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(lists.types),
                                             MESH_SQL_TEXT(lists.ids)),
                             &rows, NULL, err);
    for (size_t i = 0; code == MESH_OK && i < mesh_rows_count(rows); i++) {
        mesh_aggregate *a = &aggregates[mesh_rows_int(rows, i, 0) - 1];
        a->known = true;
        a->version = a->reached = mesh_rows_int(rows, i, 1);
        a->dead = mesh_rows_int(rows, i, 2);
        a->begun = a->begins = mesh_rows_int(rows, i, 3);
    }
    return code;
}

mesh_code mesh_inbox_lock(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err)
{
    static const char sql[] = READ_VERSIONS(" FOR UPDATE");
    return read_versions(tx, sql, consumer, aggregates, count, err);
}

mesh_code mesh_inbox_peek(mesh_tx *tx, const char *consumer, mesh_aggregate *aggregates,
                          size_t count, mesh_error *err)
{
    static const char sql[] = READ_VERSIONS(" OFFSET 0");
    return read_versions(tx, sql, consumer, aggregates, count, err);
}

#define INSERT_VERSIONS                                                \
    "INSERT INTO mesh_inbox_version AS v"                              \
    " (consumer, aggregate_type, aggregate_id, version, begins)"       \
    " SELECT $1, type, id, version, begins"                            \
    " FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])" \
    " AS given (type, id, version, begins)"

static mesh_code put_versions(mesh_tx *tx, const char *sql, const char *consumer,
                              const version_lists *lists, mesh_error *err)
{
    int64_t affected = 0;
    if (lists->count == 0)
        return MESH_OK;
    mesh_code code = mesh_tx_query(
        tx, sql,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(consumer), MESH_SQL_TEXT(lists->types),
                        MESH_SQL_TEXT(lists->ids), MESH_SQL_TEXT(lists->versions),
                        MESH_SQL_TEXT(lists->begins)),
        NULL, &affected, err);
    if (code == MESH_OK && affected != (int64_t)lists->count)
        code = mesh_error_set(err, MESH_ABORTED,
                              "another instance handled an event of the same aggregate");
    return code;
}

mesh_code mesh_inbox_advance(mesh_tx *tx, const char *consumer, const mesh_aggregate *aggregates,
                             size_t count, mesh_error *err)
{
    static const char insert[] = INSERT_VERSIONS " ON CONFLICT DO NOTHING";
    /* Found by the key, as in mesh_inbox_lock: all of them are there. */
    static const char update[] = INSERT_VERSIONS
        " ON CONFLICT (consumer, aggregate_type, aggregate_id) DO UPDATE"
        " SET version = excluded.version, begins = excluded.begins,"
        " dead = CASE WHEN v.dead > excluded.version THEN v.dead ELSE 0 END";
    version_lists lists;
    mesh_code code = list_versions(tx, aggregates, count, is_new, &lists, err);
    if (code == MESH_OK)
        code = put_versions(tx, insert, consumer, &lists, err);
    if (code == MESH_OK)
        code = list_versions(tx, aggregates, count, is_further, &lists, err);
    if (code == MESH_OK)
        code = put_versions(tx, update, consumer, &lists, err);
    return code;
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

static mesh_code prune(mesh_db *db, const char *sql, mesh_param oldest, mesh_error *err)
{
    int64_t removed = PRUNE_ROWS;
    mesh_code code = MESH_OK;
    while (code == MESH_OK && removed == PRUNE_ROWS)
        code = mesh_db_exec(db, 0, sql, MESH_SQL_PARAMS(oldest, MESH_SQL_INT(PRUNE_ROWS)), &removed,
                            err);
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

mesh_code mesh_inbox_prune(mesh_db *db, int max_age_days, mesh_error *err)
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
    mesh_code code = read_clock(db, &now_ns, err);
    if (code != MESH_OK)
        return code;
    int64_t oldest_ns = now_ns - (int64_t)max_age_days * 24 * 3600 * 1000000000;
    first_id_of(oldest_ns, oldest);
    code = prune(db, ids, MESH_SQL_TEXT(oldest), err);
    return code == MESH_OK ? prune(db, attempts, MESH_SQL_TIME(oldest_ns), err) : code;
}
