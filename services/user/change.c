#include "services/user/change.h"

#include "mesh/base/uuid.h"
#include "services/user/convert.h"
#include "user/v1/events.mesh.h"

/* The user that a statement gives. */
static mesh_code read_user(mesh_tx *tx, mesh_arena *arena, const char *sql, const char *user_id,
                           User__V1__User *user, mesh_error *err)
{
    mesh_rows *rows;
    mesh_code code = mesh_tx_query(tx, sql, MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), &rows, NULL,
                                   err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0)
        return user_not_found(user_id, err);
    if (!user_from_row(arena, rows, 0, user))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
    return MESH_OK;
}

/* Read once the lock is there, and not by the statement that waits for it: that one would show the
 * other tables as they were before the wait. */
static mesh_code lock_and_read(mesh_tx *tx, mesh_arena *arena, const char *user_id,
                               User__V1__User *user, mesh_error *err)
{
    static const char LOCK[] = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE";
    static const char READ[] = "SELECT " USER_COLUMNS " FROM " USER_TABLES " WHERE u.id = $1";
    mesh_code code = mesh_tx_query(tx, LOCK, MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), NULL, NULL,
                                   err);
    return code == MESH_OK ? read_user(tx, arena, READ, user_id, user, err) : code;
}

/* The time is that of the change, and not of the transaction, which may have waited for others. */
static mesh_code renew_version(mesh_tx *tx, mesh_arena *arena, const char *user_id,
                               User__V1__User *user, mesh_error *err)
{
    static const char SQL[] =
        "WITH u AS (UPDATE users SET version = version + 1, update_time = clock_timestamp()"
        "  WHERE id = $1 RETURNING *)"
        " SELECT " USER_COLUMNS " FROM u JOIN profile p ON p.user_id = u.id";
    return read_user(tx, arena, SQL, user_id, user, err);
}

/* Nobody waits for who prunes at the same time. */
static mesh_code remember_deletion(mesh_tx *tx, const char *user_id, mesh_error *err)
{
    static const char PRUNE[] =
        "DELETE FROM deleted_user WHERE user_id = ANY (ARRAY(SELECT user_id FROM deleted_user"
        "  WHERE delete_time < now() - interval '2 hours' LIMIT 100 FOR UPDATE SKIP LOCKED))";
    static const char ADD[] = "INSERT INTO deleted_user SELECT id, version, update_time"
                              " FROM users WHERE id = $1";
    mesh_code code = mesh_tx_query(tx, PRUNE, MESH_SQL_NO_PARAMS, NULL, NULL, err);
    if (code != MESH_OK)
        return code;
    return mesh_tx_query(tx, ADD, MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), NULL, NULL, err);
}

/* What belongs to the user goes with it. */
static mesh_code remove_user(mesh_tx *tx, const char *user_id, mesh_error *err)
{
    static const char SQL[] = "DELETE FROM users WHERE id = $1";
    mesh_code code = remember_deletion(tx, user_id, err);
    if (code != MESH_OK)
        return code;
    return mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), NULL, NULL, err);
}

static mesh_code add_event(mesh_tx *tx, user_event event, User__V1__User *user, mesh_error *err)
{
    User__V1__UserUpdated updated = USER__V1__USER_UPDATED__INIT;
    User__V1__UserBanned banned = USER__V1__USER_BANNED__INIT;
    User__V1__UserUnbanned unbanned = USER__V1__USER_UNBANNED__INIT;
    User__V1__UserDeleted deleted = USER__V1__USER_DELETED__INIT;
    updated.user_id = banned.user_id = unbanned.user_id = deleted.user_id = user->id;
    updated.version = banned.version = unbanned.version = deleted.version = user->version;
    updated.user = banned.user = unbanned.user = user;
    deleted.delete_time = user->update_time;
    switch (event) {
    case USER_EVENT_BANNED:
        return user__v1__user_banned__add(tx, &banned, err);
    case USER_EVENT_UNBANNED:
        return user__v1__user_unbanned__add(tx, &unbanned, err);
    case USER_EVENT_DELETED:
        return user__v1__user_deleted__add(tx, &deleted, err);
    case USER_EVENT_UPDATED:
        break;
    }
    return user__v1__user_updated__add(tx, &updated, err);
}

mesh_code user_change(const user_scope *scope, const char *user_id, user_event event,
                      user_change_fn *fn, void *context, User__V1__User *user, mesh_error *err)
{
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    User__V1__User before = USER__V1__USER__INIT;
    bool changed = true;
    mesh_tx *tx = NULL;
    if (!mesh_uuid_valid(user_id))
        return user_not_found(user_id, err);
    mesh_code code = mesh_tx_begin(scope->db, &options, &tx, err);
    if (code == MESH_OK)
        code = lock_and_read(tx, scope->arena, user_id, &before, err);
    if (code == MESH_OK)
        code = fn(tx, &before, context, &changed, err);
    if (code != MESH_OK)
        goto done;
    if (changed)
        code = renew_version(tx, scope->arena, user_id, user, err);
    else
        *user = before;
    if (code == MESH_OK && event == USER_EVENT_DELETED)
        code = remove_user(tx, user_id, err);
    if (code == MESH_OK && changed)
        code = add_event(tx, event, user, err);
    if (code == MESH_OK) {
        code = mesh_tx_commit(tx, err);
        tx = NULL;
    }
done:
    mesh_tx_rollback(tx);
    return code;
}
