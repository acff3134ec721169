#include "services/user/session_store.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/log.h"
#include "services/user/convert.h"

enum {
    EXTRA_COLUMN = USER_COLUMN_COUNT /* behind USER_COLUMNS */
};

#define SELECTOR(refresh) MESH_SQL_BYTES((refresh)->selector, USER_SELECTOR_BYTES)
#define SECRET_HASH(refresh) MESH_SQL_BYTES((refresh)->secret_hash, USER_SECRET_HASH_BYTES)

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

static mesh_code banned(mesh_error *err)
{
    return user__v1__error_reason__set(err, MESH_PERMISSION_DENIED,
                                       USER__V1__ERROR_REASON__USER_BANNED, "the user is banned");
}

mesh_code user_wrong_credentials(mesh_error *err)
{
    return user__v1__error_reason__set(err, MESH_UNAUTHENTICATED,
                                       USER__V1__ERROR_REASON__WRONG_CREDENTIALS,
                                       "no such user, or another password");
}

mesh_code user_store_find_login(const user_scope *scope, const char *login, bool staff,
                                User__V1__User *user, user_secret *secret, mesh_error *err)
{
    static const char BY_USERNAME[] = "SELECT " USER_COLUMNS ", u.password_hash, u.password_serial"
                                      " FROM " USER_TABLES
                                      " WHERE u.username_key = $1 AND (u.kind = 4) = $2";
    static const char BY_EMAIL[] = "SELECT " USER_COLUMNS ", u.password_hash, u.password_serial"
                                   " FROM " USER_TABLES
                                   " WHERE u.email_key = $1 AND (u.kind = 4) = $2";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(
        scope->db, scope->deadline_ns, strchr(login, '@') != NULL ? BY_EMAIL : BY_USERNAME,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(login), MESH_SQL_BOOL(staff)), &rows, err);
    if (code != MESH_OK)
        return code;
    *secret = (user_secret){.hash = NULL};
    if (mesh_rows_count(rows) == 1 && user_from_row(scope->arena, rows, 0, user)) {
        secret->hash = mesh_arena_strdup(scope->arena, mesh_rows_text(rows, 0, EXTRA_COLUMN));
        secret->serial = mesh_rows_int(rows, 0, EXTRA_COLUMN + 1);
    }
    mesh_rows_end(rows);
    return mesh_arena_overflowed(scope->arena) ? no_memory(err) : MESH_OK;
}

mesh_code user_store_find_secret(const user_scope *scope, const char *user_id, user_secret *secret,
                                 mesh_error *err)
{
    static const char SQL[] = "SELECT password_hash, password_serial FROM users WHERE id = $1";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), &rows, err);
    if (code != MESH_OK)
        return code;
    *secret = (user_secret){.hash = NULL};
    if (mesh_rows_count(rows) == 1) {
        secret->hash = mesh_arena_strdup(scope->arena, mesh_rows_text(rows, 0, 0));
        secret->serial = mesh_rows_int(rows, 0, 1);
    }
    mesh_rows_end(rows);
    return mesh_arena_overflowed(scope->arena) ? no_memory(err) : MESH_OK;
}

mesh_code user_store_rehash(const user_scope *scope, const char *user_id, const char *old,
                            const char *password_hash, mesh_error *err)
{
    static const char SQL[] = "UPDATE users SET password_hash = $3"
                              " WHERE id = $1 AND password_hash = $2";
    return mesh_db_exec(
        scope->db, scope->deadline_ns, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id), MESH_SQL_TEXT(old), MESH_SQL_TEXT(password_hash)),
        NULL, err);
}

mesh_code user_store_change_password(const user_scope *scope, const char *user_id, int64_t serial,
                                     const char *password_hash, const char *session_id,
                                     mesh_error *err)
{
    static const char CHANGE[] = "UPDATE users SET password_hash = $3,"
                                 "  password_serial = password_serial + 1"
                                 " WHERE id = $1 AND password_serial = $2";
    static const char END_OTHERS[] = "DELETE FROM session"
                                     " WHERE user_id = $1 AND id IS DISTINCT FROM $2::uuid";
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    int64_t changed = 0;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(scope->db, &options, &tx, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, CHANGE,
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id), MESH_SQL_INT(serial),
                                             MESH_SQL_TEXT(password_hash)),
                             NULL, &changed, err);
    if (code == MESH_OK && changed == 0)
        code = user_wrong_credentials(err);
    if (code == MESH_OK)
        code = mesh_tx_query(
            tx, END_OTHERS,
            MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id),
                            MESH_SQL_TEXT(mesh_uuid_valid(session_id) ? session_id : NULL)),
            NULL, NULL, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

/* The row stays as it is until the transaction ends: no session of an old password begins after the
 * others were ended. */
static mesh_code lock_bearer(mesh_tx *tx, const char *user_id, int64_t serial, mesh_error *err)
{
    static const char SQL[] = "SELECT banned, password_serial = $2 FROM users"
                              " WHERE id = $1 FOR SHARE";
    mesh_rows *rows;
    mesh_code code = mesh_tx_query(
        tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id), MESH_SQL_INT(serial)), &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0 || !mesh_rows_bool(rows, 0, 1))
        return user_wrong_credentials(err);
    return mesh_rows_bool(rows, 0, 0) ? banned(err) : MESH_OK;
}

mesh_code user_session_add(const user_scope *scope, const char *user_id, int64_t serial,
                           const user_refresh *refresh, int64_t expire_ns,
                           char session_id[MESH_UUID_TEXT_BYTES], mesh_error *err)
{
    static const char SQL[] =
        "WITH surplus AS (DELETE FROM session WHERE id IN (SELECT id FROM session"
        "  WHERE user_id = $2 ORDER BY refresh_time DESC OFFSET $6))"
        " INSERT INTO session (id, user_id, selector, secret_hash, expire_time)"
        " VALUES ($1, $2, $3, $4, $5)";
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    mesh_tx *tx = NULL;
    mesh_uuid_v7(session_id);
    mesh_code code = mesh_tx_begin(scope->db, &options, &tx, err);
    if (code == MESH_OK)
        code = lock_bearer(tx, user_id, serial, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, SQL,
                             MESH_SQL_PARAMS(MESH_SQL_TEXT(session_id), MESH_SQL_TEXT(user_id),
                                             SELECTOR(refresh), SECRET_HASH(refresh),
                                             MESH_SQL_TIME(expire_ns),
                                             MESH_SQL_INT(USER_SESSIONS_MAX - 1)),
                             NULL, NULL, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

/* Those that others are just about to forget, too, are theirs. */
mesh_code user_store_sweep(const user_scope *scope, mesh_error *err)
{
    /* As an array: a subquery behind IN may run again for each row, and take others every time. */
    static const char SQL[] =
        "WITH attempts AS (DELETE FROM attempt WHERE ctid = ANY (ARRAY(SELECT ctid FROM attempt"
        "  WHERE end_time <= now() ORDER BY end_time LIMIT $1 FOR UPDATE SKIP LOCKED)))"
        " DELETE FROM session WHERE id = ANY (ARRAY(SELECT id FROM session"
        "  WHERE expire_time <= now() ORDER BY expire_time LIMIT $1 FOR UPDATE SKIP LOCKED))";
    return mesh_db_exec(scope->db, scope->deadline_ns, SQL,
                        MESH_SQL_PARAMS(MESH_SQL_INT(USER_SWEPT)), NULL, err);
}

/* What came renews no session: the session has expired, or it was not its last token. If it was an
 * earlier one, whoever has the last one may not be who signed in. */
static mesh_code end_expired_or_misused(const user_scope *scope, const user_refresh *refresh,
                                        mesh_error *err)
{
    static const char SQL[] = "DELETE FROM session WHERE selector = $1"
                              " RETURNING id, user_id, secret_hash <> $2";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(SELECTOR(refresh), SECRET_HASH(refresh)), &rows,
                                   err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) != 0 && mesh_rows_bool(rows, 0, 2))
        mesh_log(MESH_LOG_WARN, "a refresh token came that is not the last: its session ended",
                 MESH_LOG_S("session_id", mesh_rows_text(rows, 0, 0)),
                 MESH_LOG_S("user_id", mesh_rows_text(rows, 0, 1)));
    mesh_rows_end(rows);
    return user__v1__error_reason__set(err, MESH_UNAUTHENTICATED,
                                       USER__V1__ERROR_REASON__SESSION_ENDED,
                                       "the session has ended: sign in again");
}

mesh_code user_session_renew(const user_scope *scope, const user_refresh *old,
                             const user_refresh *refresh, int64_t expire_ns, User__V1__User *user,
                             char session_id[MESH_UUID_TEXT_BYTES], mesh_error *err)
{
    static const char SQL[] =
        "UPDATE session s SET secret_hash = $3, refresh_time = now(), expire_time = $4"
        " FROM " USER_TABLES
        " WHERE s.selector = $1 AND s.secret_hash = $2 AND s.expire_time > now()"
        "  AND u.id = s.user_id"
        " RETURNING " USER_COLUMNS ", s.id";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(SELECTOR(old), SECRET_HASH(old),
                                                   SECRET_HASH(refresh), MESH_SQL_TIME(expire_ns)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    bool renewed = mesh_rows_count(rows) == 1;
    bool fits = !renewed || user_from_row(scope->arena, rows, 0, user);
    if (renewed)
        snprintf(session_id, MESH_UUID_TEXT_BYTES, "%s", mesh_rows_text(rows, 0, EXTRA_COLUMN));
    mesh_rows_end(rows);
    if (!renewed)
        return end_expired_or_misused(scope, old, err);
    if (!fits)
        return no_memory(err);
    if (!user->banned)
        return MESH_OK;
    code = user_session_end(scope, old, err);
    return code == MESH_OK ? banned(err) : code;
}

mesh_code user_session_end(const user_scope *scope, const user_refresh *refresh, mesh_error *err)
{
    static const char SQL[] = "DELETE FROM session WHERE selector = $1";
    return mesh_db_exec(scope->db, scope->deadline_ns, SQL, MESH_SQL_PARAMS(SELECTOR(refresh)),
                        NULL, err);
}
