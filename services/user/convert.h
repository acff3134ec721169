/* From rows to messages, and from messages to events. What is made lives in the arena. */
#ifndef SERVICES_USER_CONVERT_H
#define SERVICES_USER_CONVERT_H

#include "mesh/db/db.h"
#include "user/v1/user.mesh.h"

/* What user_from_row reads, in its order: of a user `u` and its profile `p`. */
#define USER_COLUMNS                                                                \
    "u.id, u.username, u.email, u.kind, u.role, u.banned, u.confirmed, u.version, " \
    "u.create_time, u.update_time, p.first_name, p.last_name, "                     \
    "(SELECT string_agg(m.group_name, ',' ORDER BY m.group_name)"                   \
    "  FROM user_group m WHERE m.user_id = u.id)"
enum {
    USER_COLUMN_COUNT = 13
};

/* Where these are. */
#define USER_TABLES "users u JOIN profile p ON p.user_id = u.id"

/* Fills a user from a row of USER_COLUMNS. False: the arena overflowed. */
bool user_from_row(mesh_arena *arena, const mesh_rows *rows, size_t row, User__V1__User *user);

/* All roles that a user of this kind has by the one that the table keeps. False: as above. */
bool user_roles(mesh_arena *arena, User__V1__User__Kind kind, User__V1__Role role,
                User__V1__Role **roles, size_t *count);

/* The words of "one,two", none of "". False: the arena overflowed. */
bool user_split(mesh_arena *arena, const char *text, char ***words, size_t *count);

#endif
