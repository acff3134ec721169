#include <string.h>

#include "mesh/base/options.h"
#include "mesh/events/saga_hold.h"

enum {
    DEFAULT_LIMIT = 50
};

static const char *const status_names[] = {
    [MESH_SAGA_ANY] = "",
    [MESH_SAGA_RUNNING] = "running",
    [MESH_SAGA_WAITING] = "waiting",
    [MESH_SAGA_PARKED] = "parked",
    [MESH_SAGA_COMPLETED] = "completed",
    [MESH_SAGA_COMPENSATED] = "compensated",
};
enum {
    STATUSES = sizeof status_names / sizeof status_names[0]
};

const char *mesh_saga_status_name(mesh_saga_status status)
{
    return (unsigned)status < STATUSES ? status_names[status] : "";
}

mesh_saga_status mesh_saga_status_parse(const char *name)
{
    for (int i = 0; i < STATUSES; i++) {
        if (strcmp(status_names[i], name) == 0)
            return (mesh_saga_status)i;
    }
    return MESH_SAGA_ANY;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* What read_info takes. */
#define COLUMNS                                                                             \
    "number, definition, id, status, compensating, step, attempts, attempts_max, begun_at," \
    " changed_at, due, deadline, code, cause"

#define PAGE " AND ($2::text IS NULL OR definition = $2) AND number > $3 ORDER BY number LIMIT $4"

/* MESH_OK for the text of no code. */
static mesh_code read_code(const char *name)
{
    mesh_code code = MESH_OK;
    if (name[0] != '\0' && !mesh_code_parse(name, &code))
        code = MESH_UNKNOWN;
    return code;
}

static void read_info(const mesh_rows *rows, size_t row, mesh_arena *arena, mesh_saga_info *info)
{
    *info = (mesh_saga_info){
        .number = mesh_rows_int(rows, row, 0),
        .definition = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 1)),
        .id = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 2)),
        .status = mesh_saga_status_parse(mesh_rows_text(rows, row, 3)),
        .compensating = mesh_rows_bool(rows, row, 4),
        .step = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 5)),
        .attempts = (int)mesh_rows_int(rows, row, 6),
        .attempts_max = (int)mesh_rows_int(rows, row, 7),
        .begun_ns = mesh_rows_time(rows, row, 8),
        .changed_ns = mesh_rows_time(rows, row, 9),
        .due_ns = mesh_rows_time(rows, row, 10),
        .deadline_ns = mesh_rows_time(rows, row, 11),
        .code = read_code(mesh_rows_text(rows, row, 12)),
        .cause = mesh_arena_strdup(arena, mesh_rows_text(rows, row, 13)),
    };
}

static mesh_code out_of_memory(mesh_error *err)
{
    return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
}

mesh_code mesh_saga_list(mesh_sagas *self, const mesh_saga_query *given, mesh_arena *arena,
                         const mesh_saga_info **list, size_t *count, mesh_error *err)
{
    /* Two statements, since one for both could not use the index of the status. */
    static const char all[] = "SELECT " COLUMNS " FROM mesh_saga WHERE $1 = ''" PAGE;
    static const char some[] = "SELECT " COLUMNS " FROM mesh_saga WHERE status = $1" PAGE;
    mesh_saga_query query;
    mesh_rows *rows = NULL;
    mesh_code code = MESH_OPTIONS_READ(mesh_saga_query, limit, &query, given, err);
    if (code != MESH_OK)
        return code;
    MESH_OPTION_DEFAULT(query.limit, DEFAULT_LIMIT);
    if (query.limit > MESH_SAGA_PAGE_MAX)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "a page has %d sagas at most",
                              MESH_SAGA_PAGE_MAX);
    code = mesh_db_query(self->options.db, 0, query.status == MESH_SAGA_ANY ? all : some,
                         MESH_SQL_PARAMS(MESH_SQL_TEXT(mesh_saga_status_name(query.status)),
                                         MESH_SQL_TEXT(query.definition), MESH_SQL_INT(query.after),
                                         MESH_SQL_INT((int64_t)query.limit)),
                         &rows, err);
    if (code != MESH_OK)
        return code;
    size_t found = mesh_rows_count(rows);
    mesh_saga_info *infos = mesh_arena_calloc(arena, found, sizeof *infos);
    for (size_t i = 0; infos != NULL && i < found; i++)
        read_info(rows, i, arena, &infos[i]);
    mesh_rows_end(rows);
    if (infos == NULL || mesh_arena_overflowed(arena))
        return out_of_memory(err);
    *list = infos;
    *count = found;
    return MESH_OK;
}

static mesh_code read_history(mesh_sagas *self, mesh_arena *arena, mesh_saga_info *info,
                              mesh_error *err)
{
    static const char sql[] = "SELECT at, step, compensating, attempt, what, code, cause"
                              " FROM mesh_saga_history WHERE saga = $1 ORDER BY number";
    mesh_rows *rows = NULL;
    mesh_code code = mesh_db_query(self->options.db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_INT(info->number)), &rows, err);
    if (code != MESH_OK)
        return code;
    info->history_count = mesh_rows_count(rows);
    mesh_saga_entry *entries = mesh_arena_calloc(arena, info->history_count, sizeof *entries);
    for (size_t i = 0; entries != NULL && i < info->history_count; i++)
        entries[i] = (mesh_saga_entry){
            .at_ns = mesh_rows_time(rows, i, 0),
            .step = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 1)),
            .compensating = mesh_rows_bool(rows, i, 2),
            .attempt = (int)mesh_rows_int(rows, i, 3),
            .what = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 4)),
            .code = read_code(mesh_rows_text(rows, i, 5)),
            .cause = mesh_arena_strdup(arena, mesh_rows_text(rows, i, 6)),
        };
    mesh_rows_end(rows);
    info->history = entries;
    return entries != NULL && !mesh_arena_overflowed(arena) ? MESH_OK : out_of_memory(err);
}

mesh_code mesh_saga_show(mesh_sagas *self, const char *definition, const char *id,
                         mesh_arena *arena, mesh_saga_info *out, mesh_error *err)
{
    static const char sql[] = "SELECT " COLUMNS
                              ", context FROM mesh_saga WHERE definition = $1 AND id = $2";
    mesh_rows *rows = NULL;
    mesh_saga_info info;
    mesh_code code = mesh_db_query(self->options.db, 0, sql,
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(definition), MESH_SQL_TEXT(id)),
                                   &rows, err);
    if (code != MESH_OK)
        return code;
    if (mesh_rows_count(rows) == 0) {
        mesh_rows_end(rows);
        return mesh_error_set(err, MESH_NOT_FOUND, "there is no saga %s of %s", id, definition);
    }
    read_info(rows, 0, arena, &info);
    const uint8_t *context = mesh_rows_bytes(rows, 0, 14, &info.context_size);
    info.context = mesh_arena_memdup(arena, context, info.context_size);
    mesh_rows_end(rows);
    code = info.context != NULL ? read_history(self, arena, &info, err) : out_of_memory(err);
    if (code == MESH_OK)
        *out = info;
    return code;
}

/* --- deciding --------------------------------------------------------------------------------- */

static const char *direction(bool compensating)
{
    return compensating ? "the compensation of " : "";
}

/* Whether the saga still is where the operator saw it. It is locked: so it stays there. */
static mesh_code check_place(const mesh_saga_hold *hold, const mesh_saga_decision *said,
                             mesh_error *err)
{
    if (hold->status == MESH_SAGA_COMPLETED || hold->status == MESH_SAGA_COMPENSATED)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "the saga is over: it is %s",
                              mesh_saga_status_name(hold->status));
    if (said->step == NULL ||
        (hold->compensating == said->compensating && strcmp(hold->step, said->step) == 0))
        return MESH_OK;
    return mesh_error_set(err, MESH_FAILED_PRECONDITION, "the step at hand is %s%s, not %s%s",
                          direction(hold->compensating), hold->step, direction(said->compensating),
                          said->step);
}

typedef mesh_code move(mesh_saga_hold *hold, const char *by, mesh_error *err);

/* An operator's word, in a transaction of its own; without a step for whichever is at hand. */
static mesh_code decide(mesh_sagas *self, const mesh_saga_decision *said, move *make,
                        mesh_error *err)
{
    mesh_tx *tx = NULL;
    mesh_saga_hold hold;
    if (said->by == NULL || said->by[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "who decides must say so");
    mesh_code code = mesh_tx_begin(self->options.db, NULL, &tx, err);
    if (code != MESH_OK)
        return code;
    code = mesh_saga_hold_take(self, tx, said->definition, said->id, &hold, err);
    if (code == MESH_OK)
        code = check_place(&hold, said, err);
    if (code == MESH_OK)
        code = make(&hold, said->by, err);
    if (code == MESH_OK)
        return mesh_tx_commit(tx, err);
    mesh_tx_rollback(tx);
    return code;
}

static mesh_code retry(mesh_saga_hold *hold, const char *by, mesh_error *err)
{
    if (hold->status == MESH_SAGA_WAITING)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION,
                              "the saga waits for a signal: there is nothing to try again");
    return mesh_saga_hold_retry(hold, by, err);
}

static mesh_code step_done(mesh_saga_hold *hold, const char *by, mesh_error *err)
{
    return mesh_saga_hold_done(hold, "resolved", by, err);
}

static mesh_code turn_back(mesh_saga_hold *hold, const char *by, mesh_error *err)
{
    mesh_error why = {.code = MESH_OK};
    if (hold->compensating)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "the saga compensates already");
    mesh_error_set(&why, MESH_CANCELLED, "%s", by);
    return mesh_saga_hold_turn_back(hold, true, "resolved", &why, err);
}

mesh_code mesh_saga_retry(mesh_sagas *self, const char *definition, const char *id, const char *by,
                          mesh_error *err)
{
    const mesh_saga_decision again = {.definition = definition, .id = id, .by = by};
    return decide(self, &again, retry, err);
}

static move *find_move(mesh_saga_resolution resolution)
{
    switch (resolution) {
    case MESH_SAGA_STEP_DONE:
        return step_done;
    case MESH_SAGA_TURN_BACK:
        return turn_back;
    case MESH_SAGA_ALL_UNDONE:
        return mesh_saga_hold_end;
    }
    return NULL;
}

mesh_code mesh_saga_resolve(mesh_sagas *self, const mesh_saga_decision *given, mesh_error *err)
{
    mesh_saga_decision said;
    mesh_code code = MESH_OPTIONS_READ(mesh_saga_decision, by, &said, given, err);
    if (code != MESH_OK)
        return code;
    move *make = find_move(said.resolution);
    if (make == NULL)
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "there is no such resolution");
    MESH_OPTION_DEFAULT(said.definition, "");
    MESH_OPTION_DEFAULT(said.id, "");
    if (said.step == NULL || said.step[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "who decides must say which step is meant");
    return decide(self, &said, make, err);
}
