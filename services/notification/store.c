#include "services/notification/store.h"

#include <string.h>

#include "mesh/base/uuid.h"
#include "mesh/db/array.h"
#include "mesh/resource/timestamp.h"

#define COLUMNS "id, kind, text, resource, create_time, read_time, user_id"

enum {
    COLUMN_COUNT = 7
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
    notification->user_id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 6));
}

mesh_code notification_store_add(mesh_tx *tx, mesh_arena *arena, const notification_draft *draft,
                                 Notification__V1__Notification **made, mesh_error *err)
{
    /*
     * The copy's lock makes whoever deletes the user meanwhile wait, and find this notification; or
     * this waits, and finds the user deleted.
     */
    static const char SQL[] =
        "WITH recipient AS (SELECT deleted FROM user_copy WHERE id = $5 FOR SHARE)"
        " INSERT INTO notification (id, kind, text, resource, user_id, sender_id, request_id)"
        " SELECT $1::uuid, $2::smallint, $3::text, $4::text, $5::text, $6::text,"
        "   nullif($7, '')::uuid"
        "  WHERE coalesce((SELECT NOT deleted FROM recipient), $6::text = '')"
        " ON CONFLICT (sender_id, request_id) WHERE request_id IS NOT NULL DO NOTHING"
        " RETURNING " COLUMNS;
    Notification__V1__Notification *one = mesh_arena_alloc(arena, sizeof *one);
    char id[MESH_UUID_TEXT_BYTES];
    mesh_rows *rows;
    if (one == NULL)
        return no_memory(err);
    mesh_uuid_v7(id);
    mesh_code code = mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(draft->kind), MESH_SQL_TEXT(draft->text),
                        MESH_SQL_TEXT(draft->resource), MESH_SQL_TEXT(draft->user_id),
                        MESH_SQL_TEXT(draft->sender_id), MESH_SQL_TEXT(draft->request_id)),
        &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    bool added = mesh_rows_count(rows) != 0;
    if (added) {
        notification__v1__notification__init(one);
        from_row(arena, rows, 0, one);
        if (mesh_arena_overflowed(arena))
            return no_memory(err);
    }
    *made = added ? one : NULL;
    return MESH_OK;
}

mesh_code notification_store_find_request(const notification_scope *scope, const char *sender_id,
                                          const char *request_id,
                                          Notification__V1__Notification **made, mesh_error *err)
{
    static const char SQL[] = "SELECT " COLUMNS
                              " FROM notification WHERE sender_id = $1 AND request_id = $2";
    Notification__V1__Notification *one = mesh_arena_alloc(scope->arena, sizeof *one);
    mesh_rows *rows;
    if (one == NULL)
        return no_memory(err);
    mesh_code code = mesh_db_query(
        scope->db, scope->deadline_ns, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(sender_id), MESH_SQL_TEXT(request_id)), &rows, err);
    if (code != MESH_OK)
        return code;
    notification__v1__notification__init(one);
    if (mesh_rows_count(rows) != 0)
        from_row(scope->arena, rows, 0, one);
    *made = mesh_rows_count(rows) != 0 ? one : NULL;
    mesh_rows_end(rows);
    return MESH_OK;
}

/* A statement about one notification ($2) of a user's ($1) that answers with it. */
static mesh_code one(const notification_scope *scope, const char *sql, const char *id,
                     Notification__V1__Notification *notification, mesh_error *err)
{
    if (mesh_uuid_valid(id)) {
        mesh_rows *rows;
        mesh_code code = mesh_db_query(
            scope->db, scope->deadline_ns, sql,
            MESH_SQL_PARAMS(MESH_SQL_TEXT(scope->user_id), MESH_SQL_TEXT(id)), &rows, err);
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
    static const char SQL[] = "SELECT " COLUMNS " FROM notification WHERE user_id = $1 AND id = $2";
    return one(scope, SQL, id, notification, err);
}

mesh_code notification_store_mark_read(const notification_scope *scope, const char *id,
                                       Notification__V1__Notification *notification,
                                       mesh_error *err)
{
    static const char SQL[] = "UPDATE notification SET read_time = coalesce(read_time, now())"
                              " WHERE user_id = $1 AND id = $2 RETURNING " COLUMNS;
    return one(scope, SQL, id, notification, err);
}

mesh_code notification_store_list(const notification_scope *scope, const char *after, size_t limit,
                                  bool unread_only, Notification__V1__Notification ***notifications,
                                  size_t *found, mesh_error *err)
{
    static const char ALL[] = "SELECT " COLUMNS " FROM notification WHERE user_id = $1"
                              " AND id < $2 ORDER BY id DESC LIMIT $3";
    static const char UNREAD[] = "SELECT " COLUMNS " FROM notification WHERE user_id = $1"
                                 " AND id < $2 AND read_time IS NULL ORDER BY id DESC LIMIT $3";
    static const char NEWEST[] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, unread_only ? UNREAD : ALL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(scope->user_id),
                                                   MESH_SQL_TEXT(after[0] == '\0' ? NEWEST : after),
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
     * it after reading may find rows placed meanwhile: hence the second look at `position`. To wait
     * for it, and not to go on without, is for who begins to watch: what was there before is placed
     * then, and is no news.
     */
    static const char SQL[] =
        "WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(5641022098415))"
        " UPDATE notification SET position = nextval('notification_position')"
        " WHERE position IS NULL AND id = ANY (ARRAY(SELECT id FROM notification, turn"
        "  WHERE position IS NULL ORDER BY id LIMIT $1))";
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

/* Takes rows of COLUMNS and a position, and ends them. */
static mesh_code take_batch(mesh_arena *arena, mesh_rows *rows, notification_batch *batch,
                            mesh_error *err)
{
    size_t count = mesh_rows_count(rows);
    batch->count = count;
    batch->items = mesh_arena_calloc(arena, count, sizeof *batch->items);
    batch->positions = mesh_arena_calloc(arena, count, sizeof *batch->positions);
    for (size_t i = 0; i < count && !mesh_arena_overflowed(arena); i++) {
        notification__v1__notification__init(&batch->items[i]);
        from_row(arena, rows, i, &batch->items[i]);
        batch->positions[i] = mesh_rows_int(rows, i, COLUMN_COUNT);
    }
    mesh_rows_end(rows);
    return mesh_arena_overflowed(arena) ? no_memory(err) : MESH_OK;
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
    return code == MESH_OK ? take_batch(arena, rows, batch, err) : code;
}

mesh_code notification_store_own(mesh_db *db, mesh_arena *arena, const char *user_id, int64_t after,
                                 int64_t last, notification_batch *batch, mesh_error *err)
{
    static const char SQL[] = "SELECT " COLUMNS ", position FROM notification WHERE user_id = $1"
                              " AND position > $2 AND position <= $3 ORDER BY position LIMIT $4";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(db, 0, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id), MESH_SQL_INT(after),
                                                   MESH_SQL_INT(last),
                                                   MESH_SQL_INT(NOTIFICATION_BATCH)),
                                   &rows, err);
    return code == MESH_OK ? take_batch(arena, rows, batch, err) : code;
}

/* What a row of notification_store_start says. */
static void take_start(mesh_arena *arena, const mesh_rows *rows, size_t row, int64_t head,
                       notification_start *start)
{
    bool none = strcmp(start->after, NOTIFICATION_NONE) == 0;
    if (none || !mesh_rows_is_null(rows, row, 0)) {
        start->position = none ? 0 : mesh_rows_int(rows, row, 0);
        start->last_id = start->after;
        return;
    }
    start->position = head;
    start->last_id = mesh_rows_is_null(rows, row, 1)
                         ? NOTIFICATION_NONE
                         : mesh_arena_strdup(arena, mesh_rows_text(rows, row, 1));
}

mesh_code notification_store_start(mesh_db *db, mesh_arena *arena, int64_t head,
                                   notification_start *starts, size_t count, mesh_error *err)
{
    static const char SQL[] =
        "SELECT asked.position, latest.id"
        " FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS start (user_id, after, n)"
        " LEFT JOIN LATERAL (SELECT position FROM notification"
        "  WHERE id = nullif(start.after, '')::uuid AND user_id = start.user_id) asked ON true"
        " LEFT JOIN LATERAL (SELECT id FROM notification WHERE user_id = start.user_id"
        "  AND position <= $3 ORDER BY position DESC LIMIT 1) latest ON true"
        " ORDER BY n";
    const char **users = mesh_arena_calloc(arena, count, sizeof *users);
    const char **afters = mesh_arena_calloc(arena, count, sizeof *afters);
    mesh_rows *rows;
    if (users == NULL || afters == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        users[i] = starts[i].user_id;
        afters[i] = starts[i].after;
    }
    mesh_code code = mesh_db_query(
        db, 0, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_texts(arena, users, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, afters, count)),
                        MESH_SQL_INT(head)),
        &rows, err);
    if (code != MESH_OK)
        return code;
    for (size_t i = 0; i < count; i++)
        take_start(arena, rows, i, head, &starts[i]);
    mesh_rows_end(rows);
    return mesh_arena_overflowed(arena) ? no_memory(err) : MESH_OK;
}
