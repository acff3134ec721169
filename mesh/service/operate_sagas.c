/* EventsService: the sagas of a service. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mesh/auth/caller.h"
#include "mesh/resource/check.h"
#include "mesh/resource/page.h"
#include "mesh/service/events_text.h"
#include "mesh/service/operate_impl.h"

enum {
    REASON_MAX = 200, /* characters */
    SCOPE_BYTES = 64 + MESH_SAGA_NAME_BYTES
};

static mesh_code sagas_of(const mesh_operate *operate, mesh_sagas **sagas, mesh_error *err)
{
    if (operate->sagas == NULL)
        return mesh_error_set(err, MESH_FAILED_PRECONDITION, "%s has no sagas",
                              operate->service->name);
    *sagas = operate->sagas;
    return MESH_OK;
}

/* --- as messages ------------------------------------------------------------------------------ */

static Mesh__Events__V1__SagaEntry *entry_of(const mesh_saga_entry *entry, mesh_arena *arena)
{
    Mesh__Events__V1__SagaEntry *said = mesh_arena_alloc(arena, sizeof *said);
    if (said == NULL)
        return NULL;
    mesh__events__v1__saga_entry__init(said);
    said->time = mesh_events_text_time(arena, entry->at_ns);
    said->step = (char *)entry->step;
    said->compensating = entry->compensating;
    said->attempt = entry->attempt;
    said->what = (char *)entry->what;
    said->code = entry->code != MESH_OK ? (char *)mesh_code_name(entry->code) : "";
    said->cause = (char *)entry->cause;
    return said;
}

static void fill(Mesh__Events__V1__Saga *said, const mesh_saga_info *info, mesh_arena *arena)
{
    static const Mesh__Events__V1__Saga__Status statuses[] = {
        [MESH_SAGA_ANY] = MESH__EVENTS__V1__SAGA__STATUS__STATUS_UNSPECIFIED,
        [MESH_SAGA_RUNNING] = MESH__EVENTS__V1__SAGA__STATUS__RUNNING,
        [MESH_SAGA_WAITING] = MESH__EVENTS__V1__SAGA__STATUS__WAITING,
        [MESH_SAGA_PARKED] = MESH__EVENTS__V1__SAGA__STATUS__PARKED,
        [MESH_SAGA_COMPLETED] = MESH__EVENTS__V1__SAGA__STATUS__COMPLETED,
        [MESH_SAGA_COMPENSATED] = MESH__EVENTS__V1__SAGA__STATUS__COMPENSATED,
    };
    said->number = info->number;
    said->definition = (char *)info->definition;
    said->id = (char *)info->id;
    said->status = statuses[info->status];
    said->compensating = info->compensating;
    said->step = (char *)info->step;
    said->attempts = info->attempts;
    said->max_attempts = info->attempts_max;
    said->begin_time = mesh_events_text_time(arena, info->begun_ns);
    said->change_time = mesh_events_text_time(arena, info->changed_ns);
    said->due_time = mesh_events_text_time(arena, info->due_ns);
    said->deadline = mesh_events_text_time(arena, info->deadline_ns);
    said->code = info->code != MESH_OK ? (char *)mesh_code_name(info->code) : "";
    said->cause = (char *)info->cause;
    said->context.data = (uint8_t *)info->context;
    said->context.len = info->context_size;
    said->history = mesh_arena_calloc(arena, info->history_count, sizeof *said->history);
    for (size_t i = 0; said->history != NULL && i < info->history_count; i++) {
        said->history[i] = entry_of(&info->history[i], arena);
        said->n_history += said->history[i] != NULL;
    }
}

/* --- looking ---------------------------------------------------------------------------------- */

static mesh_code check_list(const Mesh__Events__V1__ListSagasRequest *request, mesh_page *page,
                            char scope[SCOPE_BYTES], mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_check_that(&check,
                    protobuf_c_enum_descriptor_get_value(
                        &mesh__events__v1__saga__status__descriptor, (int)request->status) != NULL,
                    "status", "must be one of those that there are");
    mesh_check_text(&check, "definition", request->definition, 0, MESH_SAGA_NAME_BYTES - 1);
    if (check.code == MESH_OK)
        snprintf(scope, SCOPE_BYTES, "mesh.events.v1.EventsService/ListSagas %d %s",
                 (int)request->status, request->definition);
    mesh_page_read(page, &check, scope, request->page_size, request->page_token);
    return check.code;
}

mesh_code mesh_operate_list_sagas(void *self, mesh_call *call,
                                  const Mesh__Events__V1__ListSagasRequest *request,
                                  Mesh__Events__V1__ListSagasResponse *response, mesh_error *err)
{
    static const mesh_saga_status statuses[] = {MESH_SAGA_ANY,       MESH_SAGA_RUNNING,
                                                MESH_SAGA_WAITING,   MESH_SAGA_PARKED,
                                                MESH_SAGA_COMPLETED, MESH_SAGA_COMPENSATED};
    mesh_arena *arena = mesh_call_arena(call);
    mesh_sagas *sagas = NULL;
    mesh_page page;
    char scope[SCOPE_BYTES] = "";
    const mesh_saga_info *list;
    size_t count;
    mesh_code code = sagas_of(self, &sagas, err);
    if (code == MESH_OK)
        code = check_list(request, &page, scope, err);
    if (code != MESH_OK)
        return code;
    const mesh_saga_query query = {
        .size = sizeof query,
        .status = statuses[request->status],
        .definition = request->definition[0] != '\0' ? request->definition : NULL,
        .after = strtoll(page.after, NULL, 10),
        .limit = page.size + 1};
    code = mesh_saga_list(sagas, &query, arena, &list, &count, err);
    if (code != MESH_OK)
        return code;
    const size_t shown = count > page.size ? page.size : count;
    Mesh__Events__V1__Saga *said = mesh_arena_calloc(arena, shown, sizeof *said);
    response->sagas = mesh_arena_calloc(arena, shown, sizeof *response->sagas);
    for (size_t i = 0; said != NULL && response->sagas != NULL && i < shown; i++) {
        mesh__events__v1__saga__init(&said[i]);
        fill(&said[i], &list[i], arena);
        response->sagas[response->n_sagas++] = &said[i];
    }
    if (count > shown)
        response->next_page_token = mesh_page_token(
            arena, scope, mesh_arena_printf(arena, "%" PRId64, list[shown - 1].number));
    return MESH_OK;
}

static mesh_code show(mesh_sagas *sagas, mesh_call *call, const char *definition, const char *id,
                      Mesh__Events__V1__Saga *response, mesh_error *err)
{
    mesh_saga_info info;
    mesh_code code = mesh_saga_show(sagas, definition, id, mesh_call_arena(call), &info, err);
    if (code == MESH_OK)
        fill(response, &info, mesh_call_arena(call));
    return code;
}

/* When one is not found, which sagas the program has, if that is none of them. */
static mesh_code explain(const mesh_operate *operate, const char *definition, mesh_code code,
                         mesh_error *err)
{
    const mesh_saga_definition *all = operate->service->sagas;
    size_t count = 0;
    for (; code == MESH_NOT_FOUND && all != NULL && all[count].name != NULL; count++)
        if (strcmp(all[count].name, definition) == 0)
            return code;
    for (size_t i = 0; i < count; i++)
        mesh_operate_offer(err, i, all[i].name);
    return code;
}

mesh_code mesh_operate_get_saga(void *self, mesh_call *call,
                                const Mesh__Events__V1__GetSagaRequest *request,
                                Mesh__Events__V1__Saga *response, mesh_error *err)
{
    mesh_sagas *sagas = NULL;
    mesh_code code = sagas_of(self, &sagas, err);
    if (code == MESH_OK)
        code = show(sagas, call, request->definition, request->id, response, err);
    return explain(self, request->definition, code, err);
}

/* --- deciding --------------------------------------------------------------------------------- */

/* "USER: why", for the history. */
static const char *by(mesh_call *call, const char *reason)
{
    const char *user = mesh_call_caller(call)->user;
    return reason[0] == '\0' ? user
                             : mesh_arena_printf(mesh_call_arena(call), "%s: %s", user, reason);
}

static void note(mesh_call *call, const char *what, const char *definition, const char *id)
{
    mesh_log(MESH_LOG_INFO, what, MESH_LOG_S("saga", definition), MESH_LOG_S("id", id),
             MESH_LOG_S("user", mesh_call_caller(call)->user));
}

mesh_code mesh_operate_retry_saga(void *self, mesh_call *call,
                                  const Mesh__Events__V1__RetrySagaRequest *request,
                                  Mesh__Events__V1__Saga *response, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_sagas *sagas = NULL;
    mesh_code code = sagas_of(self, &sagas, err);
    if (code != MESH_OK)
        return code;
    mesh_check_text(&check, "reason", request->reason, 0, REASON_MAX);
    if (check.code != MESH_OK)
        return check.code;
    code = mesh_saga_retry(sagas, request->definition, request->id, by(call, request->reason), err);
    if (code != MESH_OK)
        return explain(self, request->definition, code, err);
    note(call, "an operator had a saga retried", request->definition, request->id);
    return show(sagas, call, request->definition, request->id, response, err);
}

static bool find_resolution(Mesh__Events__V1__ResolveSagaRequest__Resolution said,
                            mesh_saga_resolution *resolution)
{
    switch (said) {
    case MESH__EVENTS__V1__RESOLVE_SAGA_REQUEST__RESOLUTION__STEP_DONE:
        *resolution = MESH_SAGA_STEP_DONE;
        return true;
    case MESH__EVENTS__V1__RESOLVE_SAGA_REQUEST__RESOLUTION__TURN_BACK:
        *resolution = MESH_SAGA_TURN_BACK;
        return true;
    case MESH__EVENTS__V1__RESOLVE_SAGA_REQUEST__RESOLUTION__ALL_UNDONE:
        *resolution = MESH_SAGA_ALL_UNDONE;
        return true;
    default:
        return false;
    }
}

mesh_code mesh_operate_resolve_saga(void *self, mesh_call *call,
                                    const Mesh__Events__V1__ResolveSagaRequest *request,
                                    Mesh__Events__V1__Saga *response, mesh_error *err)
{
    mesh_check check = {.err = err};
    mesh_saga_decision decision = {.size = sizeof decision,
                                   .definition = request->definition,
                                   .id = request->id,
                                   .step = request->step,
                                   .compensating = request->compensating != 0};
    mesh_sagas *sagas = NULL;
    mesh_code code = sagas_of(self, &sagas, err);
    if (code != MESH_OK)
        return code;
    mesh_check_that(&check, find_resolution(request->resolution, &decision.resolution),
                    "resolution", "must be STEP_DONE, TURN_BACK or ALL_UNDONE");
    mesh_check_text(&check, "step", request->step, 1, MESH_SAGA_NAME_BYTES - 1);
    mesh_check_text(&check, "reason", request->reason, 0, REASON_MAX);
    if (check.code != MESH_OK)
        return check.code;
    decision.by = by(call, request->reason);
    code = mesh_saga_resolve(sagas, &decision, err);
    if (code != MESH_OK)
        return explain(self, request->definition, code, err);
    note(call, "an operator resolved a saga", request->definition, request->id);
    return show(sagas, call, request->definition, request->id, response, err);
}
