#include "services/user/manage_store.h"

#include "mesh/db/array.h"
#include "services/user/change.h"

/* A statement of a change; whether it found something to do. */
static mesh_code change_rows(mesh_tx *tx, const char *sql, mesh_params params, bool *changed,
                             mesh_error *err)
{
    int64_t affected = 0;
    mesh_code code = mesh_tx_query(tx, sql, params, NULL, &affected, err);
    if (code == MESH_OK)
        *changed = affected != 0;
    return code;
}

static mesh_code expect_kind(const User__V1__User *user, User__V1__User__Kind kind, mesh_error *err)
{
    if (user->kind == kind)
        return MESH_OK;
    const ProtobufCEnumValue *other = protobuf_c_enum_descriptor_get_value(
        &user__v1__user__kind__descriptor, (int)user->kind);
    const char *name = other != NULL ? other->name : "";
    user__v1__error_reason__set(err, MESH_FAILED_PRECONDITION,
                                USER__V1__ERROR_REASON__KIND_MISMATCH,
                                "a user of the kind %s cannot be changed so", name);
    mesh_error_metadata(err, "kind", name);
    return MESH_FAILED_PRECONDITION;
}

static bool is_admin(const User__V1__User *user)
{
    for (size_t i = 0; i < user->n_roles; i++)
        if (user->roles[i] == USER__V1__ROLE__ADMIN)
            return !user->banned;
    return false;
}

/*
 * For a change after which the user is no admin any more, or none whom services take calls of. Who
 * takes an admin away waits here for others who do, with a lock that comes after the user's own and
 * before no other: so nobody waits in a circle, and two who take each other away do not both see
 * that the other one is left.
 */
static mesh_code keep_an_admin(mesh_tx *tx, const User__V1__User *user, mesh_error *err)
{
    static const char LOCK[] = "SELECT FROM groups WHERE name = 'admins' FOR NO KEY UPDATE";
    static const char OTHERS[] = "SELECT FROM users WHERE role = 7 AND NOT banned AND id <> $1"
                                 " LIMIT 1";
    mesh_rows *others;
    if (!is_admin(user))
        return MESH_OK;
    mesh_code code = mesh_tx_query(tx, LOCK, MESH_SQL_NO_PARAMS, NULL, NULL, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, OTHERS, MESH_SQL_PARAMS(MESH_SQL_TEXT(user->id)), &others, NULL,
                             err);
    if (code != MESH_OK || mesh_rows_count(others) != 0)
        return code;
    return user__v1__error_reason__set(err, MESH_FAILED_PRECONDITION,
                                       USER__V1__ERROR_REASON__LAST_ADMIN,
                                       "this is the last admin: make another one first");
}

typedef struct wanted_role {
    User__V1__Role role;
    User__V1__User__Kind kind; /* that may have it */
} wanted_role;

static mesh_code set_role(mesh_tx *tx, const User__V1__User *before, void *context, bool *changed,
                          mesh_error *err)
{
    static const char SQL[] = "UPDATE users SET role = $2 WHERE id = $1 AND role <> $2";
    const wanted_role *wanted = context;
    mesh_code code = expect_kind(before, wanted->kind, err);
    if (code == MESH_OK && wanted->role != USER__V1__ROLE__ADMIN)
        code = keep_an_admin(tx, before, err);
    if (code != MESH_OK)
        return code;
    return change_rows(tx, SQL,
                       MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id), MESH_SQL_INT(wanted->role)),
                       changed, err);
}

mesh_code user_store_change_role(const user_scope *scope, const char *user_id, User__V1__Role role,
                                 User__V1__User *user, mesh_error *err)
{
    wanted_role wanted = {role, USER__V1__USER__KIND__CONSUMER};
    return user_change(scope, user_id, USER_EVENT_UPDATED, set_role, &wanted, user, err);
}

mesh_code user_store_change_level(const user_scope *scope, const char *user_id,
                                  User__V1__Role level, User__V1__User *user, mesh_error *err)
{
    wanted_role wanted = {level, USER__V1__USER__KIND__STAFF};
    return user_change(scope, user_id, USER_EVENT_UPDATED, set_role, &wanted, user, err);
}

static mesh_code expect_groups(mesh_tx *tx, const char *groups, mesh_error *err)
{
    static const char SQL[] = "SELECT wanted FROM unnest($1::text[]) wanted"
                              " WHERE wanted NOT IN (SELECT name FROM groups) LIMIT 1";
    mesh_rows *unknown;
    mesh_code code = mesh_tx_query(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(groups)), &unknown, NULL,
                                   err);
    if (code != MESH_OK || mesh_rows_count(unknown) == 0)
        return code;
    const char *name = mesh_rows_text(unknown, 0, 0);
    user__v1__error_reason__set(err, MESH_INVALID_ARGUMENT, USER__V1__ERROR_REASON__GROUP_UNKNOWN,
                                "there is no group %s", name);
    mesh_error_metadata(err, "group", name);
    return MESH_INVALID_ARGUMENT;
}

static mesh_code set_groups(mesh_tx *tx, const User__V1__User *before, void *context, bool *changed,
                            mesh_error *err)
{
    static const char LEAVE[] = "DELETE FROM user_group WHERE user_id = $1"
                                "  AND group_name <> ALL ($2::text[])";
    static const char ENTER[] = "INSERT INTO user_group (user_id, group_name)"
                                " SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING";
    const char *groups = context;
    const mesh_params params = MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id), MESH_SQL_TEXT(groups));
    bool left = false, entered = false;
    mesh_code code = expect_groups(tx, groups, err);
    if (code == MESH_OK)
        code = change_rows(tx, LEAVE, params, &left, err);
    if (code == MESH_OK)
        code = change_rows(tx, ENTER, params, &entered, err);
    *changed = left || entered;
    return code;
}

mesh_code user_store_change_groups(const user_scope *scope, const char *user_id,
                                   const char *const *groups, size_t count, User__V1__User *user,
                                   mesh_error *err)
{
    char *array = (char *)mesh_array_of_texts(scope->arena, groups, count);
    return user_change(scope, user_id, USER_EVENT_UPDATED, set_groups, array, user, err);
}

static mesh_code set_confirmed(mesh_tx *tx, const User__V1__User *before, void *context,
                               bool *changed, mesh_error *err)
{
    static const char SQL[] = "UPDATE users SET confirmed = true WHERE id = $1 AND NOT confirmed";
    (void)context;
    mesh_code code = expect_kind(before, USER__V1__USER__KIND__EMPLOYEE, err);
    if (code != MESH_OK)
        return code;
    return change_rows(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id)), changed, err);
}

mesh_code user_store_confirm(const user_scope *scope, const char *user_id, User__V1__User *user,
                             mesh_error *err)
{
    return user_change(scope, user_id, USER_EVENT_UPDATED, set_confirmed, NULL, user, err);
}

static mesh_code ban(mesh_tx *tx, const User__V1__User *before, void *context, bool *changed,
                     mesh_error *err)
{
    static const char BAN[] = "UPDATE users SET banned = true WHERE id = $1 AND NOT banned";
    static const char END[] = "DELETE FROM session WHERE user_id = $1";
    const mesh_params params = MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id));
    (void)context;
    mesh_code code = keep_an_admin(tx, before, err);
    if (code == MESH_OK)
        code = change_rows(tx, BAN, params, changed, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, END, params, NULL, NULL, err);
    return code;
}

mesh_code user_store_ban(const user_scope *scope, const char *user_id, User__V1__User *user,
                         mesh_error *err)
{
    return user_change(scope, user_id, USER_EVENT_BANNED, ban, NULL, user, err);
}

static mesh_code unban(mesh_tx *tx, const User__V1__User *before, void *context, bool *changed,
                       mesh_error *err)
{
    static const char SQL[] = "UPDATE users SET banned = false WHERE id = $1 AND banned";
    (void)context;
    return change_rows(tx, SQL, MESH_SQL_PARAMS(MESH_SQL_TEXT(before->id)), changed, err);
}

mesh_code user_store_unban(const user_scope *scope, const char *user_id, User__V1__User *user,
                           mesh_error *err)
{
    return user_change(scope, user_id, USER_EVENT_UNBANNED, unban, NULL, user, err);
}

static mesh_code before_deletion(mesh_tx *tx, const User__V1__User *before, void *context,
                                 bool *changed, mesh_error *err)
{
    (void)context;
    (void)changed;
    return keep_an_admin(tx, before, err);
}

mesh_code user_store_delete(const user_scope *scope, const char *user_id, mesh_error *err)
{
    User__V1__User last = USER__V1__USER__INIT;
    return user_change(scope, user_id, USER_EVENT_DELETED, before_deletion, NULL, &last, err);
}
