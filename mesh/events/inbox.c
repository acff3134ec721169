#include "mesh/events/inbox.h"

#include <inttypes.h>
#include <stdio.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"

enum {
    PRUNE_ROWS = 1000 /* in one statement, so that none holds locks for long */
};

mesh_code mesh_inbox_note(mesh_tx *tx, const char *event_id, const char *consumer, bool *first,
                          mesh_error *err)
{
    int64_t affected = 0;
    mesh_code code = mesh_tx_query(
        tx,
        "INSERT INTO mesh_inbox (event_id, consumer) VALUES ($1, $2)"
        " ON CONFLICT DO NOTHING",
        MESH_SQL_PARAMS(MESH_SQL_TEXT(event_id), MESH_SQL_TEXT(consumer)), NULL, &affected, err);
    if (code == MESH_OK)
        *first = affected == 1;
    return code;
}

/* The smallest UUIDv7 of a moment (RFC 9562, section 5.7: it begins with the milliseconds). */
static void first_id_of(int64_t wall_ns, char *text)
{
    uint64_t ms = (uint64_t)(wall_ns / 1000000);
    snprintf(text, MESH_UUID_TEXT_BYTES, "%08" PRIx64 "-%04" PRIx64 "-7000-8000-000000000000",
             (ms >> 16) & 0xffffffff, ms & 0xffff);
}

mesh_code mesh_inbox_prune(mesh_db *db, int max_age_days, mesh_error *err)
{
    static const char sql[] = "DELETE FROM mesh_inbox WHERE (event_id, consumer) IN"
                              " (SELECT event_id, consumer FROM mesh_inbox WHERE event_id < $1"
                              " ORDER BY event_id LIMIT $2 FOR UPDATE SKIP LOCKED)";
    char oldest[MESH_UUID_TEXT_BYTES];
    int64_t age_ns = (int64_t)max_age_days * 24 * 3600 * 1000000000;
    first_id_of(mesh_clock_wall_ns() - age_ns, oldest);
    int64_t removed = PRUNE_ROWS;
    mesh_code code = MESH_OK;
    while (code == MESH_OK && removed == PRUNE_ROWS)
        code = mesh_db_exec(db, 0, sql,
                            MESH_SQL_PARAMS(MESH_SQL_TEXT(oldest), MESH_SQL_INT(PRUNE_ROWS)),
                            &removed, err);
    return code;
}
