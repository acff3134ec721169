#include "services/notification/users.h"

#include "mesh/db/array.h"

enum {
    PRUNE_ROWS = 1000 /* in one statement, so that none holds locks for long */
};

static const int roles_end = 63; /* bits that a bigint has without its sign */

static mesh_code no_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "too much memory for copies of users");
}

/* --- what is ---------------------------------------------------------------------------------- */

static bool set_roles(mesh_arena *arena, int64_t bits, Notification__V1__Recipient *user)
{
    user->roles = mesh_arena_calloc(arena, (size_t)roles_end, sizeof *user->roles);
    for (int role = 1; user->roles != NULL && role < roles_end; role++)
        if (bits & (INT64_C(1) << role))
            user->roles[user->n_roles++] = (User__V1__Role)role;
    return user->roles != NULL;
}

mesh_code notification_users_find(const notification_scope *scope, const char *id,
                                  Notification__V1__Recipient **user, mesh_error *err)
{
    static const char SQL[] =
        "SELECT id, username, first_name, last_name, kind, roles, banned, version FROM user_copy"
        " WHERE id = $1 AND NOT deleted";
    mesh_arena *arena = scope->arena;
    Notification__V1__Recipient *one = mesh_arena_alloc(arena, sizeof *one);
    mesh_rows *rows;
    if (one == NULL)
        return no_memory(err);
    mesh_code code = mesh_db_query(scope->db, scope->deadline_ns, SQL,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(id)), &rows, err);
    if (code != MESH_OK)
        return code;
    bool found = mesh_rows_count(rows) != 0;
    notification__v1__recipient__init(one);
    if (found) {
        one->user_id = mesh_arena_strdup(arena, mesh_rows_text(rows, 0, 0));
        one->username = mesh_arena_strdup(arena, mesh_rows_text(rows, 0, 1));
        one->first_name = mesh_arena_strdup(arena, mesh_rows_text(rows, 0, 2));
        one->last_name = mesh_arena_strdup(arena, mesh_rows_text(rows, 0, 3));
        one->kind = (User__V1__User__Kind)mesh_rows_int(rows, 0, 4);
        one->banned = mesh_rows_bool(rows, 0, 6);
        one->version = mesh_rows_int(rows, 0, 7);
        if (!set_roles(arena, mesh_rows_int(rows, 0, 5), one))
            code = no_memory(err);
    }
    mesh_rows_end(rows);
    if (code == MESH_OK)
        *user = found ? one : NULL;
    return code;
}

static int64_t role_bits(const User__V1__User *user)
{
    int64_t bits = 0;
    for (size_t i = 0; i < user->n_roles; i++) {
        int role = (int)user->roles[i];
        if (role > 0 && role < roles_end)
            bits |= INT64_C(1) << role;
    }
    return bits;
}

/* Columns of users as arrays, in the order of the statement's parameters. */
typedef struct columns {
    const char **ids, **usernames, **first_names, **last_names;
    int64_t *versions, *kinds, *roles, *banned;
} columns;

static bool fill(mesh_arena *arena, User__V1__User *const *users, size_t count, columns *all)
{
    all->ids = mesh_arena_calloc(arena, count, sizeof *all->ids);
    all->usernames = mesh_arena_calloc(arena, count, sizeof *all->usernames);
    all->first_names = mesh_arena_calloc(arena, count, sizeof *all->first_names);
    all->last_names = mesh_arena_calloc(arena, count, sizeof *all->last_names);
    all->versions = mesh_arena_calloc(arena, count, sizeof *all->versions);
    all->kinds = mesh_arena_calloc(arena, count, sizeof *all->kinds);
    all->roles = mesh_arena_calloc(arena, count, sizeof *all->roles);
    all->banned = mesh_arena_calloc(arena, count, sizeof *all->banned);
    if (mesh_arena_overflowed(arena))
        return false;
    for (size_t i = 0; i < count; i++) {
        const User__V1__User *user = users[i];
        all->ids[i] = user->id;
        all->versions[i] = user->version;
        all->usernames[i] = user->username;
        all->first_names[i] = user->profile != NULL ? user->profile->first_name : "";
        all->last_names[i] = user->profile != NULL ? user->profile->last_name : "";
        all->kinds[i] = user->kind;
        all->roles[i] = role_bits(user);
        all->banned[i] = user->banned;
    }
    return true;
}

/*
 * Writes users, in ascending order of their ids, so that two who do that cannot wait for each
 * other. What the copy wrote before `asked_ns` is replaced whatever it is, what it wrote later by a
 * higher version. Statements do not see what they write: the join tells new from known.
 */
static mesh_code merge(mesh_tx *tx, User__V1__User *const *users, size_t count, int64_t asked_ns,
                       reconciler_counts *counts, mesh_error *err)
{
    static const char SQL[] =
        "WITH merged AS (INSERT INTO user_copy AS old"
        "  (id, version, username, first_name, last_name, kind, roles, banned, deleted)"
        "  SELECT said.*, false FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[],"
        "   $5::text[], $6::smallint[], $7::bigint[], $8::integer[]::boolean[]) AS said"
        "  ON CONFLICT (id) DO UPDATE SET version = excluded.version, deleted = false,"
        "   doubt_time = NULL,"
        "   username = excluded.username, first_name = excluded.first_name,"
        "   last_name = excluded.last_name, kind = excluded.kind, roles = excluded.roles,"
        "   banned = excluded.banned, change_time = now()"
        "  WHERE old.version < excluded.version OR (old.change_time < $9"
        "   AND (old.version, old.deleted, old.username, old.first_name, old.last_name, old.kind,"
        "    old.roles, old.banned, old.doubt_time) IS DISTINCT FROM (excluded.version,"
        "    excluded.deleted, excluded.username, excluded.first_name, excluded.last_name,"
        "    excluded.kind, excluded.roles, excluded.banned, NULL::timestamptz))"
        "  RETURNING id)"
        " SELECT count(*) - count(known.id), count(known.id)"
        "  FROM merged LEFT JOIN user_copy known ON known.id = merged.id";
    mesh_arena *arena = mesh_tx_arena(tx);
    columns all;
    if (!fill(arena, users, count, &all))
        return no_memory(err);
    mesh_rows *rows;
    mesh_code code = mesh_tx_query(
        tx, SQL,
        MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_array_of_texts(arena, all.ids, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, all.versions, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, all.usernames, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, all.first_names, count)),
                        MESH_SQL_TEXT(mesh_array_of_texts(arena, all.last_names, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, all.kinds, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, all.roles, count)),
                        MESH_SQL_TEXT(mesh_array_of_integers(arena, all.banned, count)),
                        MESH_SQL_TIME(asked_ns)),
        &rows, NULL, err);
    if (code != MESH_OK)
        return code;
    counts->missing = mesh_rows_int(rows, 0, 0);
    counts->stale = mesh_rows_int(rows, 0, 1);
    return MESH_OK;
}

mesh_code notification_users_put(mesh_tx *tx, const User__V1__User *user, mesh_error *err)
{
    reconciler_counts counts;
    User__V1__User *const one = (User__V1__User *)user;
    if (user->id[0] == '\0' || user->version <= 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a user without an id or a version");
    return merge(tx, &one, 1, 0, &counts, err); /* nothing was written before 1970 */
}

/* --- what is no more -------------------------------------------------------------------------- */

mesh_code notification_users_delete(mesh_tx *tx, const char *id, int64_t version, mesh_error *err)
{
    static const char MARK[] =
        "INSERT INTO user_copy AS old"
        " (id, version, deleted, username, first_name, last_name, kind, roles, banned)"
        " VALUES ($1, $2, true, '', '', '', 0, 0, false)"
        " ON CONFLICT (id) DO UPDATE SET version = excluded.version, deleted = true, username = '',"
        "  first_name = '', last_name = '', kind = 0, roles = 0, banned = false,"
        "  change_time = now(), doubt_time = NULL"
        " WHERE old.version < excluded.version";
    /* Second, so that it sees what others recorded while the mark waited for them. */
    static const char NOTIFICATIONS[] = "DELETE FROM notification WHERE user_id = $1";
    int64_t marked;
    if (id[0] == '\0' || version <= 0)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a user without an id or a version");
    mesh_code code = mesh_tx_query(
        tx, MARK, MESH_SQL_PARAMS(MESH_SQL_TEXT(id), MESH_SQL_INT(version)), NULL, &marked, err);
    if (code != MESH_OK || marked == 0)
        return code;
    return mesh_tx_query(tx, NOTIFICATIONS, MESH_SQL_PARAMS(MESH_SQL_TEXT(id)), NULL, NULL, err);
}

#define NOT_AMONG                                                                            \
    " WHERE id > $1 AND ($2::text IS NULL OR id <= $2) AND NOT deleted AND change_time < $3" \
    "  AND id <> ALL ($4::text[])"

/*
 * Those in the span who are not among the users, unless they came since: in doubt at first, and
 * gone when they were in doubt before. The end of a doubt comes first, so that it takes none that
 * begins.
 */
static mesh_code mark_gone(mesh_tx *tx, User__V1__User *const *users, size_t count,
                           const reconciler_span *span, reconciler_counts *counts, mesh_error *err)
{
    static const char GONE[] =
        "UPDATE user_copy SET deleted = true, username = '', first_name = '', last_name = '',"
        "  kind = 0, roles = 0, banned = false, change_time = now(), doubt_time = NULL" NOT_AMONG
        "  AND doubt_time < $3 - make_interval(mins => $5)";
    static const char DOUBT[] = "UPDATE user_copy SET doubt_time = clock_timestamp()" NOT_AMONG
                                " AND doubt_time IS NULL";
    mesh_arena *arena = mesh_tx_arena(tx);
    const char **ids = mesh_arena_calloc(arena, count, sizeof *ids);
    if (ids == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        ids[i] = users[i]->id;
    const mesh_param after = MESH_SQL_TEXT(span->after), last = MESH_SQL_TEXT(span->last),
                     asked = MESH_SQL_TIME(span->asked_ns),
                     known = MESH_SQL_TEXT(mesh_array_of_texts(arena, ids, count));
    mesh_code code = mesh_tx_query(
        tx, GONE,
        MESH_SQL_PARAMS(after, last, asked, known, MESH_SQL_INT(NOTIFICATION_DOUBT_MINUTES)), NULL,
        &counts->gone, err);
    if (code == MESH_OK)
        code = mesh_tx_query(tx, DOUBT, MESH_SQL_PARAMS(after, last, asked, known), NULL,
                             &counts->doubted, err);
    return code;
}

/* Nobody at all is likelier a mistake, such as a database that was emptied, than the truth. */
static mesh_code expect_somebody(mesh_tx *tx, mesh_error *err)
{
    mesh_rows *one;
    mesh_code code = mesh_tx_query(tx, "SELECT FROM user_copy WHERE NOT deleted LIMIT 1",
                                   MESH_SQL_NO_PARAMS, &one, NULL, err);
    if (code != MESH_OK || mesh_rows_count(one) == 0)
        return code;
    return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                          "the user service says that there are no users, and there are copies");
}

mesh_code notification_users_repair(mesh_tx *tx, User__V1__User *const *users, size_t count,
                                    const reconciler_span *span, reconciler_counts *counts,
                                    mesh_error *err)
{
    const bool nobody = count == 0 && span->after[0] == '\0';
    mesh_code code = nobody ? expect_somebody(tx, err) : MESH_OK;
    if (code == MESH_OK)
        code = merge(tx, users, count, span->asked_ns, counts, err);
    if (code == MESH_OK)
        code = mark_gone(tx, users, count, span, counts, err);
    return code;
}

mesh_code notification_users_prune(mesh_db *db, mesh_error *err)
{
    /* Something may have been recorded for a user of whom nothing was known yet but the end. */
    static const char SQL[] =
        "WITH old AS (DELETE FROM user_copy WHERE id = ANY (ARRAY(SELECT id FROM user_copy"
        "   WHERE deleted AND change_time < now() - make_interval(days => $1)"
        "   ORDER BY change_time LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id),"
        " notifications AS (DELETE FROM notification USING old WHERE user_id = old.id)"
        " SELECT 1 FROM old";
    int64_t removed = PRUNE_ROWS;
    mesh_code code = MESH_OK;
    while (code == MESH_OK && removed == PRUNE_ROWS)
        code = mesh_db_exec(
            db, 0, SQL,
            MESH_SQL_PARAMS(MESH_SQL_INT(NOTIFICATION_TOMBSTONE_DAYS), MESH_SQL_INT(PRUNE_ROWS)),
            &removed, err);
    return code;
}
