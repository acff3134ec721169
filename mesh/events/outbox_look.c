#include "mesh/events/outbox_look.h"

#include "mesh/events/queue.h"

/* The next one of such a queue; at first the event that it is named after is still in queue 0. */
static mesh_code list_refused(mesh_db *db, int64_t deadline_ns, mesh_arena *arena,
                              mesh_outbox_state *state, mesh_error *err)
{
    static const char LIST[] =
        "SELECT r.aggregate_type, r.aggregate_id, o.subject, o.event_id::text, r.since, r.attempts,"
        "  r.cause"
        " FROM mesh_outbox_refused r LEFT JOIN mesh_outbox o ON o.position = COALESCE("
        "  (SELECT min(h.position) FROM mesh_outbox_held h WHERE h.queue = r.queue), r.queue)"
        " ORDER BY r.since, r.queue LIMIT $1::bigint";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(db, deadline_ns, LIST,
                                   MESH_SQL_PARAMS(MESH_SQL_INT(MESH_OUTBOX_REFUSED_SHOWN)), &rows,
                                   err);
    if (code != MESH_OK)
        return code;
    const size_t found = mesh_rows_count(rows);
    mesh_outbox_refused *refused = mesh_arena_calloc(arena, found, sizeof *refused);
    for (size_t i = 0; refused != NULL && i < found; i++)
        refused[i] = (mesh_outbox_refused){
            .aggregate_type = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 0)),
            .aggregate_id = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 1)),
            .subject = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 2)),
            .event_id = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 3)),
            .since_ns = mesh_rows_time(rows, i, 4),
            .attempts = mesh_rows_int(rows, i, 5),
            .cause = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 6)),
        };
    mesh_rows_end(rows);
    state->refused = refused;
    state->refused_count = found;
    return mesh_arena_overflowed(arena)
               ? mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory")
               : MESH_OK;
}

mesh_code mesh_outbox_look(mesh_db *db, int64_t deadline_ns, mesh_arena *arena,
                           mesh_outbox_state *state, mesh_error *err)
{
    mesh_queue_figures figures;
    mesh_code code = mesh_queue_measure(db, deadline_ns, &figures, err);
    if (code != MESH_OK)
        return code;
    mesh_outbox_state seen = {
        .pending = figures.due, .oldest_ns = figures.oldest_ns, .kept = figures.kept};
    code = list_refused(db, deadline_ns, arena, &seen, err);
    if (code == MESH_OK)
        *state = seen;
    return code;
}
