/* An event that an operator has published, and where it came to stand in the stream. */
#include <stdio.h>
#include <time.h>

#include "mesh/base/clock.h"
#include "mesh/events/operate.h"
#include "mesh/events/outbox.h"

enum {
    STORED_WAIT_MS = 2000,
    LOOK_PERIOD_NS = 10 * 1000000
};

/* The outbox before the event was in it, so that it is found without a look at all of it. */
typedef struct mark {
    int64_t position;
    int64_t batch;
} mark;

static mesh_code read_mark(mesh_tx *tx, mark *before, mesh_error *err)
{
    static const char SQL[] = "SELECT (SELECT COALESCE(max(position), 0) FROM mesh_outbox),"
                              "  (SELECT COALESCE(max(id), 0) FROM mesh_outbox_batch)";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_NO_PARAMS, &rows, NULL, err);
    if (code == MESH_OK)
        *before = (mark){mesh_rows_int(rows, 0, 0), mesh_rows_int(rows, 0, 1)};
    return code;
}

static mesh_code add(mesh_db *db, const mesh_event_descriptor *event,
                     const ProtobufCMessage *message, int64_t deadline_ns, mark *before,
                     mesh_published *made, mesh_error *err)
{
    const mesh_tx_options options = {.size = sizeof options, .deadline_ns = deadline_ns};
    mesh_entry *entry = NULL;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = read_mark(tx, before, err);
    if (code == MESH_OK)
        code = mesh_event_add_entry(tx, event, message, &entry, err);
    if (code == MESH_OK) {
        snprintf(made->id, sizeof made->id, "%s", entry->id);
        return mesh_tx_commit(tx, err);
    }
    mesh_tx_rollback(tx);
    return code;
}

/* 0: it is not there yet, or that cannot be said. */
static uint64_t find_sequence(mesh_db *db, int64_t deadline_ns, const mark *before, const char *id)
{
    static const char SQL[] = "SELECT b.sequences[array_position(b.positions, o.position)]"
                              " FROM mesh_outbox o JOIN mesh_outbox_batch b"
                              "  ON b.id > $2::bigint AND o.position = ANY (b.positions)"
                              " WHERE o.position > $1::bigint AND o.event_id = $3::uuid";
    uint64_t sequence = 0;
    mesh_rows *rows = NULL;
    if (mesh_db_query(db, deadline_ns, SQL,
                      MESH_SQL_PARAMS(MESH_SQL_INT(before->position), MESH_SQL_INT(before->batch),
                                      MESH_SQL_TEXT(id)),
                      &rows, NULL) != MESH_OK)
        return 0;
    if (mesh_rows_count(rows) > 0)
        sequence = (uint64_t)mesh_rows_int(rows, 0, 0);
    mesh_rows_end(rows);
    return sequence;
}

mesh_code mesh_event_publish(mesh_db *db, const mesh_event_descriptor *event,
                             const ProtobufCMessage *message, int64_t deadline_ns,
                             mesh_published *published, mesh_error *err)
{
    const struct timespec pause = {.tv_nsec = LOOK_PERIOD_NS};
    mesh_published made = {.sequence = 0};
    mark before;
    mesh_code code = add(db, event, message, deadline_ns, &before, &made, err);
    if (code != MESH_OK)
        return code;
    const int64_t end_ns = mesh_clock_earlier(deadline_ns, mesh_clock_deadline_ns(STORED_WAIT_MS));
    while ((made.sequence = find_sequence(db, end_ns, &before, made.id)) == 0 &&
           mesh_clock_left_ms(end_ns) > 0)
        (void)nanosleep(&pause, NULL);
    *published = made;
    return MESH_OK;
}
