#include "services/user/store.h"

#include <string.h>

#include "mesh/base/uuid.h"
#include "services/user/convert.h"
#include "user/v1/events.mesh.h"

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

mesh_code user_not_found(const char *user_id, mesh_error *err)
{
    user__v1__error_reason__set(err, MESH_NOT_FOUND, USER__V1__ERROR_REASON__USER_NOT_FOUND,
                                "there is no such user");
    mesh_error_metadata(err, "user_id", user_id);
    return MESH_NOT_FOUND;
}

mesh_code user_taken(const char *constraint, mesh_error *err)
{
    bool email = strcmp(constraint, "users_email_taken") == 0;
    user__v1__error_reason__set(err, MESH_ALREADY_EXISTS,
                                email ? USER__V1__ERROR_REASON__EMAIL_TAKEN
                                      : USER__V1__ERROR_REASON__USERNAME_TAKEN,
                                "another user has this %s", email ? "e-mail" : "username");
    mesh_error_metadata(err, "field", email ? "email" : "username");
    return MESH_ALREADY_EXISTS;
}

/* User and profile with one statement, since each refers to the other. */
static mesh_code insert(mesh_tx *tx, mesh_arena *arena, const user_account *account,
                        User__V1__User *user, mesh_error *err)
{
    static const char SQL[] =
        "WITH u AS (INSERT INTO users (id, username, email, password_hash, kind, role, confirmed)"
        "  VALUES ($1, $2, nullif($3, ''), $4, $5, $6, $7) RETURNING *),"
        " p AS (INSERT INTO profile (user_id, kind, first_name, last_name)"
        "  SELECT id, kind, $8, $9 FROM u RETURNING *)"
        " SELECT " USER_COLUMNS " FROM u JOIN p ON p.user_id = u.id";
    const bool confirmed = account->kind != USER__V1__USER__KIND__EMPLOYEE;
    char id[MESH_UUID_TEXT_BYTES];
    mesh_rows *rows;
    mesh_uuid_v7(id);
    mesh_code code = mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_TEXT(account->username),
                        MESH_SQL_TEXT(account->email), MESH_SQL_TEXT(account->password_hash),
                        MESH_SQL_INT(account->kind), MESH_SQL_INT(account->role),
                        MESH_SQL_BOOL(confirmed), MESH_SQL_TEXT(account->first_name),
                        MESH_SQL_TEXT(account->last_name)),
        &rows, NULL, err);
    if (code == MESH_ALREADY_EXISTS)
        return user_taken(mesh_tx_constraint(tx), err);
    if (code == MESH_OK && !user_from_row(arena, rows, 0, user))
        return no_memory(err);
    return code;
}

mesh_code user_store_add(const user_scope *scope, const user_account *account, User__V1__User *user,
                         mesh_error *err)
{
    const mesh_tx_options options = {.deadline_ns = scope->deadline_ns};
    User__V1__UserCreated event = USER__V1__USER_CREATED__INIT;
    mesh_tx *tx = NULL;
    mesh_code code = mesh_tx_begin(scope->db, &options, &tx, err);
    if (code != MESH_OK)
        return code;
    code = insert(tx, scope->arena, account, user, err);
    if (code != MESH_OK)
        goto done;
    event.user_id = user->id;
    event.version = user->version;
    event.user = user;
    code = user__v1__user_created__add(tx, &event, err);
    if (code != MESH_OK)
        goto done;
    code = mesh_tx_commit(tx, err);
    tx = NULL;
done:
    mesh_tx_rollback(tx);
    return code;
}

mesh_code user_store_get(const user_scope *scope, const char *user_id, User__V1__User *user,
                         mesh_error *err)
{
    static const char SQL[] = "SELECT " USER_COLUMNS " FROM " USER_TABLES " WHERE u.id = $1";
    mesh_rows *rows;
    if (!mesh_uuid_valid(user_id))
        return user_not_found(user_id, err);
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id)), &rows, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0)
        code = user_not_found(user_id, err);
    else if (!user_from_row(scope->arena, rows, 0, user))
        code = no_memory(err);
    mesh_rows_end(rows);
    return code;
}
