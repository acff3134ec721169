/* meshctl dlq: events that services have given up, and what becomes of them. */
#include <inttypes.h>
#include <string.h>

#include "mesh/meshctl/ask.h"
#include "mesh/meshctl/grid.h"
#include "mesh/meshctl/payload.h"
#include "mesh/meshctl/report.h"

enum {
    SHOWN_MAX = 1000 /* letters of a service in a list */
};

typedef Mesh__Events__V1__DeadLetter letter;

/* --- list ------------------------------------------------------------------------------------- */

static const ctl_column columns[] = {
    {"SERVICE", "service"},   {"NUMBER", "number"},    {"GIVEN UP", "give_up_time"},
    {"EVENT", "subject"},     {NULL, "event_id"},      {NULL, "sequence"},
    {NULL, "aggregate_type"}, {NULL, "aggregate_id"},  {NULL, "version"},
    {"AGGREGATE", NULL},      {"TRIES", "deliveries"}, {NULL, "code"},
    {NULL, "cause"},          {"CAUSE", NULL},
};

static void add_letter(ctl_grid *grid, const char *service, const letter *one)
{
    const Mesh__Events__V1__Event *event = one->event;
    const ctl *run = grid->run;
    ctl_grid_text(grid, service);
    ctl_grid_number(grid, one->number);
    ctl_grid_time(grid, one->give_up_time);
    ctl_grid_text(grid, event->subject);
    ctl_grid_text(grid, event->id);
    ctl_grid_number(grid, event->sequence);
    ctl_grid_text(grid, event->aggregate_type);
    ctl_grid_text(grid, event->aggregate_id);
    ctl_grid_add(grid, NULL, mesh_arena_printf(run->arena, "%" PRId64, event->version));
    ctl_grid_text(grid, mesh_arena_printf(run->arena, "%s %s v%" PRId64, event->aggregate_type,
                                          event->aggregate_id, event->version));
    ctl_grid_number(grid, (uint64_t)one->deliveries);
    ctl_grid_text(grid, one->code);
    ctl_grid_text(grid, one->cause);
    ctl_grid_text(grid, mesh_arena_printf(run->arena, "%s: %s", one->code, one->cause));
}

static mesh_code list_at(void *context, ctl_connection *connection, const char *service,
                         ctl_failure *failure)
{
    ctl_grid *grid = context;
    Mesh__Events__V1__ListDeadLettersRequest request =
        MESH__EVENTS__V1__LIST_DEAD_LETTERS_REQUEST__INIT;
    Mesh__Events__V1__ListDeadLettersResponse *said;
    request.page_size = 100;
    for (size_t shown = 0; shown < SHOWN_MAX; shown += said->n_letters) {
        mesh_code code = ctl_ask(grid->run, connection, CTL_EVENTS_METHOD(LIST_DEAD_LETTERS),
                                 &request, &said, failure);
        if (code != MESH_OK)
            return code;
        for (size_t i = 0; i < said->n_letters; i++)
            if (said->letters[i]->event != NULL)
                add_letter(grid, service, said->letters[i]);
        if (said->next_page_token[0] == '\0')
            return MESH_OK;
        request.page_token = said->next_page_token;
    }
    fprintf(grid->run->err, "(%s has more than these %d; the first ones come first)\n", service,
            SHOWN_MAX);
    return MESH_OK;
}

static int list_letters(ctl *run)
{
    ctl_grid grid = CTL_GRID(run, columns);
    if (run->args.word_count > 2)
        return ctl_report_usage(run, "dlq list takes the name of one service, or none");
    int exit_code = ctl_ask_each(run, run->args.word_count == 2 ? run->args.words[1] : NULL,
                                 list_at, &grid);
    if (grid.count > 0 || exit_code == CTL_EXIT_OK)
        ctl_grid_print(&grid, "no dead letters");
    return exit_code;
}

/* --- one letter ------------------------------------------------------------------------------- */

/* VERB TARGET NUMBER */
static bool read_number(const ctl *run, uint64_t *number)
{
    return run->args.word_count == 3 && ctl_number(run->args.words[2], number);
}

static int missing_number(const ctl *run)
{
    return ctl_report_usage(run,
                            "dlq %s needs a service and a number: meshctl dlq %s TARGET NUMBER; "
                            "meshctl dlq list shows them",
                            run->args.words[0], run->args.words[0]);
}

static const ctl_column letter_columns[] = {
    {"number", "number"},
    {"given up", "give_up_time"},
    {"deliveries", "deliveries"},
    {"code", "code"},
    {"cause", "cause"},
    {"event", NULL},
    {"id", NULL},
    {"of", NULL},
    {"from", NULL},
    {"added", NULL},
    {"place", NULL},
    {"trace", NULL},
    {NULL, "history"},
};

static void add_details(ctl_grid *grid, const letter *one)
{
    const Mesh__Events__V1__Event *event = one->event;
    ctl_grid_number(grid, one->number);
    ctl_grid_time(grid, one->give_up_time);
    ctl_grid_number(grid, (uint64_t)one->deliveries);
    ctl_grid_text(grid, one->code);
    ctl_grid_text(grid, one->cause);
    ctl_grid_text(grid, event->subject);
    ctl_grid_text(grid, event->id);
    ctl_grid_text(grid,
                  mesh_arena_printf(grid->run->arena, "%s %s, version %" PRId64,
                                    event->aggregate_type, event->aggregate_id, event->version));
    ctl_grid_text(grid, event->source);
    ctl_grid_time(grid, event->time);
    ctl_grid_number(grid, event->sequence);
    ctl_grid_text(grid, event->traceparent);
    ctl_grid_text(grid, one->history);
}

/* Line by line, each made legible. */
static void print_lines(const ctl *run, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, "\n");
        fprintf(run->out, "  %s\n", ctl_legible(run, mesh_arena_strndup(run->arena, text, size)));
        text += size + (text[size] == '\n');
    }
}

static void show(ctl *run, ctl_payloads *payloads, const letter *one)
{
    ctl_grid grid = CTL_GRID(run, letter_columns);
    const char *why = "";
    mesh_text more = MESH_TEXT_INIT(run->arena, 0);
    add_details(&grid, one);
    if (run->args.json) {
        mesh_text_puts(&more, "\"event\":");
        ctl_payload_add_event(payloads, one->event, run->arena, &more);
    }
    ctl_grid_print_record(&grid, mesh_text_string(&more));
    if (run->args.json)
        return;
    const char *json = ctl_payload_json(payloads, one->event, 2, run->arena, &why);
    fprintf(run->out, "\nWhat it says:\n%s\n\nAttempts:\n", json != NULL ? json : why);
    print_lines(run, one->history);
}

/* What to do about a letter that is not shown, handled or dropped. */
static void advise(const ctl *run, mesh_code code, ctl_failure *failure)
{
    const char *target = run->args.words[1];
    if (!failure->remote || failure->hint != NULL)
        return;
    if (code == MESH_NOT_FOUND)
        failure->hint = mesh_arena_printf(run->arena,
                                          "meshctl dlq list %s shows those that are there", target);
    else if (code == MESH_FAILED_PRECONDITION &&
             strstr(failure->err.message, "is missing before") != NULL)
        failure->hint = mesh_arena_printf(
            run->arena,
            "the letter of that version comes first, if meshctl dlq list %s has it; --force goes "
            "past it, for good",
            target);
    else if (code != MESH_FAILED_PRECONDITION)
        failure->hint = "the letter is still there";
}

static int show_letter(ctl *run)
{
    Mesh__Events__V1__GetDeadLetterRequest request =
        MESH__EVENTS__V1__GET_DEAD_LETTER_REQUEST__INIT;
    ctl_connection *connection = NULL;
    ctl_payloads payloads = {.stranger_count = 0};
    letter *said;
    ctl_failure failure;
    if (!read_number(run, &request.number))
        return missing_number(run);
    mesh_code code = ctl_ask_open(run, run->args.words[1], &connection, &failure);
    if (code == MESH_OK)
        code = ctl_ask(run, connection, CTL_EVENTS_METHOD(GET_DEAD_LETTER), &request, &said,
                       &failure);
    advise(run, code, &failure);
    if (code == MESH_OK && said->event == NULL)
        code = ctl_fail(&failure, MESH_INTERNAL, NULL, "the answer has no event");
    if (code == MESH_OK)
        code = ctl_payloads_open(run, connection, &payloads, &failure);
    if (code == MESH_OK)
        show(run, &payloads, said);
    ctl_payloads_close(&payloads);
    ctl_connection_close(connection);
    return code == MESH_OK ? CTL_EXIT_OK : ctl_report(run, &failure, NULL);
}

static void tell(const ctl *run, const char *done, uint64_t number)
{
    if (run->args.json)
        fprintf(run->out, "{\"number\":%" PRIu64 ",\"%s\":true}\n", number, done);
    else
        fprintf(run->out, "letter %" PRIu64 " of %s is %s\n", number, run->args.words[1], done);
}

static int replay_letter(ctl *run)
{
    Mesh__Events__V1__ReplayDeadLetterRequest request =
        MESH__EVENTS__V1__REPLAY_DEAD_LETTER_REQUEST__INIT;
    Mesh__Events__V1__ReplayDeadLetterResponse *said;
    ctl_failure failure;
    if (!read_number(run, &request.number))
        return missing_number(run);
    request.force = run->args.force;
    mesh_code code = ctl_ask_once(run, run->args.words[1], CTL_EVENTS_METHOD(REPLAY_DEAD_LETTER),
                                  &request, &said, &failure);
    if (code != MESH_OK) {
        advise(run, code, &failure);
        return ctl_report(run, &failure, NULL);
    }
    tell(run, "handled", request.number);
    return CTL_EXIT_OK;
}

static int drop_letter(ctl *run)
{
    Mesh__Events__V1__DropDeadLetterRequest request =
        MESH__EVENTS__V1__DROP_DEAD_LETTER_REQUEST__INIT;
    Mesh__Events__V1__DropDeadLetterResponse *said;
    ctl_failure failure;
    if (!read_number(run, &request.number))
        return missing_number(run);
    request.force = run->args.force;
    mesh_code code = ctl_ask_once(run, run->args.words[1], CTL_EVENTS_METHOD(DROP_DEAD_LETTER),
                                  &request, &said, &failure);
    if (code != MESH_OK) {
        advise(run, code, &failure);
        return ctl_report(run, &failure, NULL);
    }
    tell(run, "dropped", request.number);
    return CTL_EXIT_OK;
}

int ctl_dlq(ctl *run)
{
    const char *verb = run->args.word_count > 0 ? run->args.words[0] : "";
    if (strcmp(verb, "list") == 0)
        return list_letters(run);
    if (strcmp(verb, "show") == 0)
        return show_letter(run);
    if (strcmp(verb, "replay") == 0)
        return replay_letter(run);
    if (strcmp(verb, "drop") == 0)
        return drop_letter(run);
    return ctl_report_verb(run);
}
