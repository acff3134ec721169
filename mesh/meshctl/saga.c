/* meshctl saga: where sagas stand, and how those go on that do not end by themselves. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "mesh/meshctl/ask.h"
#include "mesh/meshctl/grid.h"
#include "mesh/meshctl/payload.h"
#include "mesh/meshctl/report.h"

enum {
    SHOWN_MAX = 1000 /* sagas of a service in a list */
};

/* Before the name of a step, which has no space: its compensation. */
#define UNDO "undo "

typedef Mesh__Events__V1__Saga saga;

/* --- showing ---------------------------------------------------------------------------------- */

static const ctl_column columns[] = {
    {"SERVICE", "service"}, {"SAGA", "definition"},  {"ID", "id"},
    {"STEP", "step"},       {NULL, "compensating"},  {"TRIES", "attempts"},
    {NULL, "max_attempts"}, {"BEGUN", "begin_time"}, {"CHANGED", "change_time"},
    {NULL, "due_time"},     {NULL, "deadline"},      {NULL, "code"},
    {NULL, "cause"},        {"STATUS", "status"},
};

static const char *status_name(const saga *one)
{
    const ProtobufCEnumValue *known = protobuf_c_enum_descriptor_get_value(
        &mesh__events__v1__saga__status__descriptor, (int)one->status);
    return known != NULL ? known->name : "?";
}

static void add_status(ctl_grid *grid, const saga *one)
{
    const ctl *run = grid->run;
    ctl_colour colour = one->status == MESH__EVENTS__V1__SAGA__STATUS__PARKED      ? CTL_RED
                        : one->status == MESH__EVENTS__V1__SAGA__STATUS__COMPLETED ? CTL_GREEN
                                                                                   : CTL_YELLOW;
    const char *name = status_name(one);
    const char *because =
        one->cause[0] == '\0' || one->status == MESH__EVENTS__V1__SAGA__STATUS__COMPLETED
            ? ""
            : mesh_arena_printf(run->arena, "  %s: %s", one->code, ctl_legible(run, one->cause));
    ctl_grid_add(grid,
                 mesh_arena_printf(run->arena, "%s%s%s%s", ctl_style(run->colour_out, colour), name,
                                   ctl_style(run->colour_out, CTL_PLAIN), because),
                 mesh_arena_printf(run->arena, "\"%s\"", name));
}

/* People read the direction with the step; programs have a cell for each. */
static void add_step(ctl_grid *grid, const char *step, bool compensating)
{
    const ctl *run = grid->run;
    ctl_grid_text(grid, step);
    if (compensating && grid->count > 0)
        grid->cells[grid->count - 1].shown = mesh_arena_printf(run->arena, UNDO "%s",
                                                               ctl_legible(run, step));
    ctl_grid_flag(grid, compensating);
}

static void add_saga(ctl_grid *grid, const char *service, const saga *one)
{
    const ctl *run = grid->run;
    ctl_grid_text(grid, service);
    ctl_grid_text(grid, one->definition);
    ctl_grid_text(grid, one->id);
    add_step(grid, one->step, one->compensating);
    ctl_grid_add(grid, mesh_arena_printf(run->arena, "%d/%d", one->attempts, one->max_attempts),
                 mesh_arena_printf(run->arena, "%d", one->attempts));
    ctl_grid_number(grid, (uint64_t)one->max_attempts);
    ctl_grid_time(grid, one->begin_time);
    ctl_grid_time(grid, one->change_time);
    ctl_grid_time(grid, one->due_time);
    ctl_grid_time(grid, one->deadline);
    ctl_grid_text(grid, one->code);
    ctl_grid_text(grid, one->cause);
    add_status(grid, one);
}

static const ctl_column entry_columns[] = {
    {"TIME", "time"}, {"STEP", "step"}, {NULL, "compensating"}, {"TRY", "attempt"},
    {"WHAT", "what"}, {"CODE", "code"}, {"CAUSE", "cause"},
};

static ctl_grid history_of(ctl *run, const saga *one)
{
    ctl_grid grid = CTL_GRID(run, entry_columns);
    for (size_t i = 0; i < one->n_history; i++) {
        const Mesh__Events__V1__SagaEntry *entry = one->history[i];
        ctl_grid_time(&grid, entry->time);
        add_step(&grid, entry->step, entry->compensating);
        ctl_grid_number(&grid, (uint64_t)entry->attempt);
        ctl_grid_text(&grid, entry->what);
        ctl_grid_text(&grid, entry->code);
        ctl_grid_text(&grid, entry->cause);
    }
    return grid;
}

/* What an operator can do about one that is parked. */
static void show_ways_on(ctl *run, const saga *one)
{
    const char *which = mesh_arena_printf(run->arena, "%s %s %s", run->args.words[1],
                                          ctl_legible(run, one->definition),
                                          ctl_legible(run, one->id));
    const char *step = ctl_legible(run, one->step);
    fprintf(run->out, "\nmeshctl saga retry %s\n  tries the step again\n", which);
    if (one->compensating)
        fprintf(run->out,
                "meshctl saga resolve %s --step '" UNDO "%s' --as done\n"
                "  goes on without it; so does --as undone, when all was undone by hand\n",
                which, step);
    else
        fprintf(run->out,
                "meshctl saga resolve %s --step %s --as done\n"
                "  goes on without it; --as back undoes what was done; --as undone, when that was "
                "done by hand, too\n",
                which, step);
}

static void show(ctl *run, const saga *one)
{
    ctl_grid grid = CTL_GRID(run, columns), history = history_of(run, one);
    mesh_text more = MESH_TEXT_INIT(run->arena, 0);
    add_saga(&grid, run->args.words[1], one);
    if (run->args.json) {
        mesh_text_puts(&more, "\"context_base64\":");
        ctl_payload_add_base64(&one->context, &more);
        mesh_text_printf(&more, ",\"history\":");
        mesh_text_puts(&more, ctl_grid_json(&history));
    }
    ctl_grid_print_record(&grid, mesh_text_string(&more));
    if (run->args.json)
        return;
    fprintf(run->out, "\n");
    ctl_grid_print(&history, "It has no history.");
    if (one->status == MESH__EVENTS__V1__SAGA__STATUS__PARKED)
        show_ways_on(run, one);
}

/* --- list ------------------------------------------------------------------------------------- */

/* False: there is no such status. */
static bool find_status(const char *text, Mesh__Events__V1__Saga__Status *status)
{
    const ProtobufCEnumDescriptor *all = &mesh__events__v1__saga__status__descriptor;
    *status = MESH__EVENTS__V1__SAGA__STATUS__STATUS_UNSPECIFIED;
    if (text == NULL)
        return true;
    for (unsigned i = 1; i < all->n_values; i++)
        if (strcasecmp(all->values[i].name, text) == 0) {
            *status = (Mesh__Events__V1__Saga__Status)all->values[i].value;
            return true;
        }
    return false;
}

typedef struct listing {
    ctl_grid grid;
    Mesh__Events__V1__Saga__Status status;
} listing;

static mesh_code list_at(void *context, ctl_connection *connection, const char *service,
                         ctl_failure *failure)
{
    listing *list = context;
    ctl *run = list->grid.run;
    Mesh__Events__V1__ListSagasRequest request = MESH__EVENTS__V1__LIST_SAGAS_REQUEST__INIT;
    Mesh__Events__V1__ListSagasResponse *said;
    request.status = list->status;
    request.page_size = 100;
    for (size_t shown = 0; shown < SHOWN_MAX; shown += said->n_sagas) {
        mesh_code code = ctl_ask(run, connection, CTL_EVENTS_METHOD(LIST_SAGAS), &request, &said,
                                 failure);
        if (code != MESH_OK)
            return code;
        for (size_t i = 0; i < said->n_sagas; i++)
            add_saga(&list->grid, service, said->sagas[i]);
        if (said->next_page_token[0] == '\0')
            return MESH_OK;
        request.page_token = said->next_page_token;
    }
    fprintf(run->err,
            "(%s has more than these %d; --status parked shows those that wait for you)\n", service,
            SHOWN_MAX);
    return MESH_OK;
}

static int list_sagas(ctl *run)
{
    const ctl_args *args = &run->args;
    listing list = {.grid = CTL_GRID(run, columns)};
    if (args->word_count > 2)
        return ctl_report_usage(run, "saga list takes the name of one service, or none");
    if (!find_status(args->status, &list.status))
        return ctl_report_usage(run,
                                "--status %s: it is running, waiting, parked, completed or "
                                "compensated",
                                args->status);
    int exit_code = ctl_ask_each(run, args->word_count == 2 ? args->words[1] : NULL, list_at,
                                 &list);
    if (list.grid.count > 0 || exit_code == CTL_EXIT_OK)
        ctl_grid_print(&list.grid, args->status == NULL ? "no sagas" : "no sagas of that status");
    return exit_code;
}

/* --- one saga --------------------------------------------------------------------------------- */

static bool names_one(const ctl *run)
{
    return run->args.word_count == 4;
}

static int missing_name(const ctl *run)
{
    return ctl_report_usage(run,
                            "saga %s needs a service, a saga and its id: meshctl saga %s TARGET "
                            "SAGA ID; meshctl saga list shows them",
                            run->args.words[0], run->args.words[0]);
}

/* Of one that cannot be shown or moved on. */
static const char *advice(const ctl *run, mesh_code code)
{
    const char *const *words = run->args.words;
    if (code == MESH_NOT_FOUND)
        return mesh_arena_printf(run->arena, "meshctl saga list %s shows those that are there",
                                 words[1]);
    if (code == MESH_FAILED_PRECONDITION && strcmp(words[0], "show") != 0)
        return mesh_arena_printf(run->arena, "meshctl saga show %s %s %s tells where it stands",
                                 words[1], words[2], words[3]);
    return code == MESH_FAILED_PRECONDITION ? "meshctl saga list shows the sagas of all services"
                                            : NULL;
}

/* Asks, and shows the saga that is the answer. */
static int ask_and_show(ctl *run, const mesh_method *method, const void *request)
{
    saga *said;
    ctl_failure failure;
    mesh_code code = ctl_ask_once(run, run->args.words[1], method, request, &said, &failure);
    if (code == MESH_OK) {
        show(run, said);
        return CTL_EXIT_OK;
    }
    if (failure.remote && failure.hint == NULL)
        failure.hint = advice(run, code);
    return ctl_report(run, &failure, NULL);
}

static int show_saga(ctl *run)
{
    Mesh__Events__V1__GetSagaRequest request = MESH__EVENTS__V1__GET_SAGA_REQUEST__INIT;
    if (!names_one(run))
        return missing_name(run);
    request.definition = (char *)run->args.words[2];
    request.id = (char *)run->args.words[3];
    return ask_and_show(run, CTL_EVENTS_METHOD(GET_SAGA), &request);
}

static int retry_saga(ctl *run)
{
    Mesh__Events__V1__RetrySagaRequest request = MESH__EVENTS__V1__RETRY_SAGA_REQUEST__INIT;
    if (!names_one(run))
        return missing_name(run);
    request.definition = (char *)run->args.words[2];
    request.id = (char *)run->args.words[3];
    if (run->args.reason != NULL)
        request.reason = (char *)run->args.reason;
    return ask_and_show(run, CTL_EVENTS_METHOD(RETRY_SAGA), &request);
}

static Mesh__Events__V1__ResolveSagaRequest__Resolution find_resolution(const char *as)
{
    static const char *const words[] = {NULL, "done", "back", "undone"};
    for (unsigned i = 1; as != NULL && i < sizeof words / sizeof words[0]; i++)
        if (strcmp(words[i], as) == 0)
            return (Mesh__Events__V1__ResolveSagaRequest__Resolution)i;
    return MESH__EVENTS__V1__RESOLVE_SAGA_REQUEST__RESOLUTION__RESOLUTION_UNSPECIFIED;
}

static int resolve_saga(ctl *run)
{
    Mesh__Events__V1__ResolveSagaRequest request = MESH__EVENTS__V1__RESOLVE_SAGA_REQUEST__INIT;
    const char *step = run->args.step != NULL ? run->args.step : "";
    if (!names_one(run))
        return missing_name(run);
    request.resolution = find_resolution(run->args.as);
    if (request.resolution == 0)
        return ctl_report_usage(run, "saga resolve needs to know how: --as done (the step was done "
                                     "by hand), back (undo from here on) or undone (all was undone "
                                     "by hand)");
    request.compensating = strncmp(step, UNDO, strlen(UNDO)) == 0;
    request.step = (char *)step + (request.compensating ? strlen(UNDO) : 0);
    if (request.step[0] == '\0')
        return ctl_report_usage(run,
                                "saga resolve needs to know which step is meant: --step STEP; "
                                "meshctl saga show %s %s %s shows the one at hand",
                                run->args.words[1], run->args.words[2], run->args.words[3]);
    request.definition = (char *)run->args.words[2];
    request.id = (char *)run->args.words[3];
    if (run->args.reason != NULL)
        request.reason = (char *)run->args.reason;
    return ask_and_show(run, CTL_EVENTS_METHOD(RESOLVE_SAGA), &request);
}

int ctl_saga(ctl *run)
{
    const char *verb = run->args.word_count > 0 ? run->args.words[0] : "";
    if (strcmp(verb, "list") == 0)
        return list_sagas(run);
    if (strcmp(verb, "show") == 0)
        return show_saga(run);
    if (strcmp(verb, "retry") == 0)
        return retry_saga(run);
    if (strcmp(verb, "resolve") == 0)
        return resolve_saga(run);
    return ctl_report_verb(run);
}
