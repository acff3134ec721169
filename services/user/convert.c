#include "services/user/convert.h"

#include <string.h>

#include "mesh/resource/timestamp.h"

/* At most three. */
bool user_roles(mesh_arena *arena, User__V1__User__Kind kind, User__V1__Role role,
                User__V1__Role **roles, size_t *count)
{
    User__V1__Role *list = mesh_arena_calloc(arena, 3, sizeof *list);
    if (list == NULL)
        return false;
    size_t n = 0;
    list[n++] = kind == USER__V1__USER__KIND__STAFF ? USER__V1__ROLE__STAFF
                                                    : USER__V1__ROLE__REGULAR;
    if (role == USER__V1__ROLE__PRO)
        list[n++] = USER__V1__ROLE__CONSUMER;
    list[n++] = role;
    *roles = list;
    *count = n;
    return true;
}

bool user_split(mesh_arena *arena, const char *text, char ***words, size_t *count)
{
    size_t most = text[0] != '\0';
    for (const char *at = text; *at != '\0'; at++)
        most += *at == ',';
    char **list = mesh_arena_calloc(arena, most, sizeof *list);
    if (list == NULL)
        return false;
    for (size_t i = 0; i < most; i++) {
        const size_t size = strcspn(text, ",");
        list[i] = mesh_arena_strndup(arena, text, size);
        text += size + (text[size] == ',');
    }
    *words = list;
    *count = most;
    return !mesh_arena_overflowed(arena);
}

bool user_from_row(mesh_arena *arena, const mesh_rows *rows, size_t row, User__V1__User *user)
{
    User__V1__Profile *profile = mesh_arena_alloc(arena, sizeof *profile);
    if (profile == NULL)
        return false;
    user__v1__profile__init(profile);
    profile->first_name = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 10));
    profile->last_name = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 11));

    user->id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 0));
    user->username = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 1));
    user->email = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 2));
    user->kind = (User__V1__User__Kind)mesh_rows_int(rows, row, 3);
    if (!user_roles(arena, user->kind, (User__V1__Role)mesh_rows_int(rows, row, 4), &user->roles,
                    &user->n_roles))
        return false;
    user->banned = mesh_rows_bool(rows, row, 5);
    user->confirmed = mesh_rows_bool(rows, row, 6);
    user->version = mesh_rows_int(rows, row, 7);
    user->create_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 8));
    user->update_time = mesh_timestamp(arena, mesh_rows_time(rows, row, 9));
    user->profile = profile;
    return user_split(arena, mesh_rows_text(rows, row, 12), &user->groups, &user->n_groups);
}
