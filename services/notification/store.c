#include "services/notification/store.h"

#include "mesh/base/uuid.h"
#include "mesh/resource/timestamp.h"

#define COLUMNS "id, kind, text, resource, create_time, read_time"

enum {
    COLUMN_COUNT = 6
};

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

static void from_row(mesh_arena *arena, const mesh_rows *rows, size_t row,
                     Notification__V1__Notification *notification)
{
    notification->id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    notification->kind = (Notification__V1__Notification__Kind)mesh_rows_int(rows, row, 1);
    notification->text = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 2));
    notification->resource = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 3));
    notification->create_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 4));
    if (!mesh_rows_is_null(rows, row, 5))
        notification->read_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 5));
}

mesh_code notification_store_add(mesh_tx *tx, Notification__V1__Notification__Kind kind,
                                 const char *text, const char *resource, mesh_error *err)
{
    static const char SQL[] =
        "INSERT INTO notification (id, kind, text, resource) VALUES ($1, $2, $3, $4)";
    char id[MESH_UUID_TEXT_BYTES];
    mesh_uuid_v7(id);
    return mesh_tx_query(tx, SQL,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(kind), MESH_SQL_TEXT(text),
                                         MESH_SQL_TEXT(resource)),
                         NULL, NULL, err);
}

/* A statement about one notification that answers with it. */
static mesh_code one(const notification_scope *scope, const char *sql, const char *id,
                     Notification__V1__Notification *notification, mesh_error *err)
{
    if (mesh_uuid_valid(id)) {
        mesh_rows *rows;
        mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, sql,
                                       MESH_SQL_PARAMS(MESH_SQL_TEXT(id)), &rows, err);
        if (code != MESH_OK)
            return code;
        bool found = mesh_rows_count(rows) != 0;
        if (found)
            from_row(scope->arena, rows, 0, notification);
        mesh_rows_end(rows);
        if (found)
            return MESH_OK;
    }
    notification__v1__error_reason__set(err, MESH_NOT_FOUND,
                                        NOTIFICATION__V1__ERROR_REASON__NOTIFICATION_NOT_FOUND,
                                        "no notification %s", id);
    mesh_error_metadata(err, "notification_id", id);
    return MESH_NOT_FOUND;
}

mesh_code notification_store_get(const notification_scope *scope, const char *id,
                                 Notification__V1__Notification *notification, mesh_error *err)
{
    static const char SQL[] = "SELECT " COLUMNS " FROM notification WHERE id = $1";
    return one(scope, SQL, id, notification, err);
}

mesh_code notification_store_mark_read(const notification_scope *scope, const char *id,
                                       Notification__V1__Notification *notification,
                                       mesh_error *err)
{
    static const char SQL[] =
        "UPDATE notification SET read_time = coalesce(read_time, now()) WHERE id = $1"
        " RETURNING " COLUMNS;
    return one(scope, SQL, id, notification, err);
}

mesh_code notification_store_list(const notification_scope *scope, const char *after, size_t limit,
                                  bool unread_only, Notification__V1__Notification ***notifications,
                                  size_t *found, mesh_error *err)
{
    static const char ALL[] = "SELECT " COLUMNS
                              " FROM notification WHERE id < $1 ORDER BY id DESC LIMIT $2";
    static const char UNREAD[] = "SELECT " COLUMNS " FROM notification WHERE id < $1"
                                 " AND read_time IS NULL ORDER BY id DESC LIMIT $2";
    static const char NEWEST[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, unread_only ? UNREAD : ALL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(after[0] == '\0' ? NEWEST : after),
                                                   MESH_SQL_INT((int64_t)limit)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;

    size_t count = mesh_rows_count(rows);
    Notification__V1__Notification *items = mesh_arena_calloc(scope->arena, count, sizeof *items);
    Notification__V1__Notification **list = mesh_arena_calloc(scope->arena, count, sizeof *list);
    if (items == NULL || list == NULL) {
        code = no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        notification__v1__notification__init(&items[i]);
        from_row(scope->arena, rows, i, &items[i]);
        list[i] = &items[i];
    }
    if (mesh_arena_overflowed(scope->arena)) {
        code = no_memory(err);
        goto done;
    }
    *notifications = list;
    *found = count;
done:
    mesh_rows_end(rows);
    return code;
}

mesh_code notification_store_place(mesh_db *db, size_t *placed, mesh_error *err)
{
    /*
     * The lock is held until the commit, so positions become visible in their order. Whoever gets
     * it after reading may find rows placed meanwhile: hence the second look at `position`.
     */
    static const char SQL[] =
        "WITH turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(5641022098415) AS mine)"
        " UPDATE notification SET position = nextval('notification_position')"
        " WHERE position IS NULL AND id = ANY (ARRAY(SELECT id FROM notification, turn"
        "  WHERE turn.mine AND position IS NULL ORDER BY id LIMIT $1))";
    int64_t affected;
    mesh_code code = mesh_db_exec(db, 0, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(NOTIFICATION_BATCH)),
                                  &affected, err);
    if (code == MESH_OK)
        *placed = (size_t)affected;
    return code;
}

mesh_code notification_store_last_position(mesh_db *db, int64_t *position, mesh_error *err)
{
    static const char SQL[] = "SELECT max(position) FROM notification WHERE position IS NOT NULL";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(db, 0, SQL, MESH_SQL_NO_PARAMS, &rows, err);
    if (code != MESH_OK)
        return code;
    *position = mesh_rows_int(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}

mesh_code notification_store_after(mesh_db *db, mesh_arena *arena, int64_t after,
                                   notification_batch *batch, mesh_error *err)
{
    static const char SQL[] = "SELECT " COLUMNS ", position FROM notification WHERE position > $1"
                              " ORDER BY position LIMIT $2";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(
        db, 0, SQL, MESH_SQL_PARAMS(MESH_SQL_INT(after), MESH_SQL_INT(NOTIFICATION_BATCH)), &rows,
        err);
    if (code != MESH_OK)
        return code;

    size_t count = mesh_rows_count(rows);
    batch->after = after;
    batch->count = count;
    batch->items = mesh_arena_calloc(arena, count, sizeof *batch->items);
    batch->positions = mesh_arena_calloc(arena, count, sizeof *batch->positions);
    if (batch->items == NULL || batch->positions == NULL) {
        code = no_memory(err);
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        notification__v1__notification__init(&batch->items[i]);
        from_row(arena, rows, i, &batch->items[i]);
        batch->positions[i] = mesh_rows_int(rows, i, COLUMN_COUNT);
    }
    if (mesh_arena_overflowed(arena))
        code = no_memory(err);
done:
    mesh_rows_end(rows);
    return code;
}
