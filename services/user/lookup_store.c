#include "services/user/lookup_store.h"

#include <stdlib.h>

#include "mesh/base/uuid.h"
#include "services/user/convert.h"

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "the call needs too much memory");
}

/* Two statements, so that each has the plan that is right for it. */
static mesh_code select_users(const user_scope *scope, User__V1__User__Kind kind,
                              const mesh_page *page, mesh_rows **rows, mesh_error *err)
{
    static const char ALL[] = "SELECT " USER_COLUMNS " FROM " USER_TABLES
                              " WHERE u.id > $1 ORDER BY u.id LIMIT $2";
    static const char OF_KIND[] = "SELECT " USER_COLUMNS " FROM " USER_TABLES
                                  " WHERE u.id > $1 AND u.kind = $3 ORDER BY u.id LIMIT $2";
    const mesh_param params[] = {MESH_SQL_TEXT(page->after), MESH_SQL_INT((int64_t)page->size + 1),
                                 MESH_SQL_INT(kind)};
    const bool all = kind == USER__V1__USER__KIND__KIND_UNSPECIFIED;
    return mesh_db_query(scope->db, scope->deadline_ns, all ? ALL : OF_KIND,
                         (mesh_params){params, all ? 2 : 3}, rows, err);
}

mesh_code user_store_list(const user_scope *scope, User__V1__User__Kind kind, const mesh_page *page,
                          User__V1__User ***users, size_t *count, mesh_error *err)
{
    mesh_rows *rows;
    mesh_code code = select_users(scope, kind, page, &rows, err);
    if (code != MESH_OK)
        return code;
    const size_t found = mesh_rows_count(rows);
    User__V1__User *items = mesh_arena_calloc(scope->arena, found, sizeof *items);
    User__V1__User **list = mesh_arena_calloc(scope->arena, found, sizeof *list);
    bool fits = items != NULL && list != NULL;
    for (size_t i = 0; fits && i < found; i++) {
        user__v1__user__init(&items[i]);
        fits = user_from_row(scope->arena, rows, i, &items[i]);
        list[i] = &items[i];
    }
    mesh_rows_end(rows);
    if (!fits)
        return no_memory(err);
    *users = list;
    *count = found;
    return MESH_OK;
}

static bool changed_from_row(mesh_arena *arena, const mesh_rows *rows, size_t row,
                             User__V1__ChangedUser *user)
{
    user->user_id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    user->version = mesh_rows_int(rows, row, 1);
    user->refused = mesh_rows_bool(rows, row, 2);
    return mesh_rows_is_null(rows, row, 3) ||
           user_roles(arena, (User__V1__User__Kind)mesh_rows_int(rows, row, 3),
                      (User__V1__Role)mesh_rows_int(rows, row, 4), &user->roles, &user->n_roles);
}

mesh_code user_store_list_changed(const user_scope *scope, int64_t since_ns, const mesh_page *page,
                                  User__V1__ChangedUser ***users, size_t *count, mesh_error *err)
{
    static const char SQL[] =
        "SELECT id, version, banned, kind, role FROM users"
        "  WHERE version > 1 AND update_time >= $2 AND id > $1"
        " UNION ALL SELECT user_id, version, true, NULL, NULL FROM deleted_user"
        "  WHERE delete_time >= $2 AND user_id > $1"
        " ORDER BY 1 LIMIT $3";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(page->after),
                                                   MESH_SQL_TIME(since_ns),
                                                   MESH_SQL_INT((int64_t)page->size + 1)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    const size_t found = mesh_rows_count(rows);
    User__V1__ChangedUser *items = mesh_arena_calloc(scope->arena, found, sizeof *items);
    User__V1__ChangedUser **list = mesh_arena_calloc(scope->arena, found, sizeof *list);
    bool fits = items != NULL && list != NULL;
    for (size_t i = 0; fits && i < found; i++) {
        user__v1__changed_user__init(&items[i]);
        fits = changed_from_row(scope->arena, rows, i, &items[i]);
        list[i] = &items[i];
    }
    mesh_rows_end(rows);
    if (!fits)
        return no_memory(err);
    *users = list;
    *count = found;
    return MESH_OK;
}

mesh_code user_store_list_employees(const user_scope *scope, const mesh_page *page,
                                    User__V1__Employee ***employees, size_t *count, mesh_error *err)
{
    static const char SQL[] = "SELECT u.id, p.first_name, p.last_name FROM " USER_TABLES
                              " WHERE u.kind = 3 AND u.confirmed AND NOT u.banned AND u.id > $1"
                              " ORDER BY u.id LIMIT $2";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(
        scope->db, scope->deadline_ns, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(page->after), MESH_SQL_INT((int64_t)page->size + 1)), &rows,
        err);
    if (code != MESH_OK)
        return code;
    const size_t found = mesh_rows_count(rows);
    User__V1__Employee *items = mesh_arena_calloc(scope->arena, found, sizeof *items);
    User__V1__Employee **list = mesh_arena_calloc(scope->arena, found, sizeof *list);
    for (size_t i = 0; items != NULL && list != NULL && i < found; i++) {
        user__v1__employee__init(&items[i]);
        items[i].id = mesh_arena_strdup(scope->arena, mesh_rows_text(rows, i, 0));
        items[i].first_name = mesh_arena_strdup(scope->arena, mesh_rows_text(rows, i, 1));
        items[i].last_name = mesh_arena_strdup(scope->arena, mesh_rows_text(rows, i, 2));
        list[i] = &items[i];
    }
    mesh_rows_end(rows);
    if (mesh_arena_overflowed(scope->arena))
        return no_memory(err);
    *employees = list;
    *count = found;
    return MESH_OK;
}

/* The numbers of roles, as they are in the row. */
static bool read_roles(mesh_arena *arena, const char *text, User__V1__Group *group)
{
    char **words;
    size_t count;
    if (!user_split(arena, text, &words, &count))
        return false;
    User__V1__Role *roles = mesh_arena_calloc(arena, count, sizeof *roles);
    for (size_t i = 0; roles != NULL && i < count; i++)
        roles[i] = (User__V1__Role)strtol(words[i], NULL, 10);
    group->roles = roles;
    group->n_roles = count;
    return roles != NULL;
}

static bool group_from_row(mesh_arena *arena, const mesh_rows *rows, size_t row,
                           User__V1__Group *group)
{
    group->name = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    return user_split(arena, mesh_rows_text(rows, row, 1), &group->permissions,
                      &group->n_permissions) &&
           read_roles(arena, mesh_rows_text(rows, row, 2), group);
}

mesh_code user_store_list_groups(const user_scope *scope, User__V1__Group ***groups, size_t *count,
                                 mesh_error *err)
{
    static const char SQL[] =
        "SELECT g.name, (SELECT string_agg(permission, ',' ORDER BY permission)"
        "  FROM group_permission WHERE group_name = g.name),"
        " (SELECT string_agg(role::text, ',' ORDER BY role)"
        "  FROM role_group WHERE group_name = g.name)"
        " FROM groups g ORDER BY g.name";
    mesh_rows *rows;
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL, MESH_SQL_NO_PARAMS, &rows,
                                   err);
    if (code != MESH_OK)
        return code;
    const size_t found = mesh_rows_count(rows);
    User__V1__Group *items = mesh_arena_calloc(scope->arena, found, sizeof *items);
    User__V1__Group **list = mesh_arena_calloc(scope->arena, found, sizeof *list);
    bool fits = items != NULL && list != NULL;
    for (size_t i = 0; fits && i < found; i++) {
        user__v1__group__init(&items[i]);
        fits = group_from_row(scope->arena, rows, i, &items[i]);
        list[i] = &items[i];
    }
    mesh_rows_end(rows);
    if (!fits)
        return no_memory(err);
    *groups = list;
    *count = found;
    return MESH_OK;
}

mesh_code user_store_has_permission(const user_scope *scope, const char *user_id,
                                    const char *permission, bool *allowed, mesh_error *err)
{
    static const char SQL[] =
        "SELECT EXISTS (SELECT FROM users u JOIN group_permission held ON held.permission = $2"
        "  WHERE u.id = $1 AND NOT u.banned"
        "  AND (EXISTS (SELECT FROM user_group m"
        "    WHERE m.user_id = u.id AND m.group_name = held.group_name)"
        "  OR EXISTS (SELECT FROM role_group r"
        "    WHERE r.role = u.role AND r.group_name = held.group_name)))";
    mesh_rows *rows;
    if (!mesh_uuid_valid(user_id)) {
        *allowed = false;
        return MESH_OK;
    }
    mesh_code code = mesh_db_query(
        scope->db, scope->deadline_ns, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(user_id), MESH_SQL_TEXT(permission)), &rows, err);
    if (code != MESH_OK)
        return code;
    *allowed = mesh_rows_bool(rows, 0, 0);
    mesh_rows_end(rows);
    return MESH_OK;
}
