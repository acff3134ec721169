/* meshctl consumers and outbox: how services stand to the stream of events. */
#include <inttypes.h>
#include <string.h>

#include "mesh/meshctl/ask.h"
#include "mesh/meshctl/grid.h"
#include "mesh/meshctl/report.h"

typedef Mesh__Events__V1__Consumer consumer;
typedef Mesh__Events__V1__Outbox outbox;

/* --- consumers -------------------------------------------------------------------------------- */

static const ctl_column consumer_columns[] = {
    {"SERVICE", "service"},
    {"WAITING", "waiting"},
    {"UNANSWERED", "unanswered"},
    {"HELD", "held"},
    {"OLDEST", "oldest_held_ms"},
    {"DELIVERED", "delivered_sequence"},
    {"DONE", "answered_sequence"},
    {"DEAD", "dead_letters"},
    {NULL, "gaps"},
    {NULL, "paused"},
    {NULL, "pause_time"},
    {NULL, "stalled"},
    {"STATE", "state"},
};

static const ctl_column gap_columns[] = {
    {"SERVICE", "service"},
    {"AGGREGATE", NULL},
    {NULL, "aggregate_type"},
    {NULL, "aggregate_id"},
    {"VERSION", "missing_version"},
    {"DEAD", "dead"},
    {"HELD", "events"},
    {"WAITS", "waits_ms"},
};

typedef struct consumers {
    ctl_grid all;
    ctl_grid gaps; /* of all services */
} consumers;

static void add_gap(ctl_grid *grid, const char *service, const Mesh__Events__V1__Gap *one)
{
    const ctl *run = grid->run;
    ctl_grid_text(grid, service);
    ctl_grid_text(grid,
                  mesh_arena_printf(run->arena, "%s %s", one->aggregate_type, one->aggregate_id));
    ctl_grid_text(grid, one->aggregate_type);
    ctl_grid_text(grid, one->aggregate_id);
    ctl_grid_number(grid, (uint64_t)one->missing_version);
    ctl_grid_flag(grid, one->dead);
    ctl_grid_number(grid, (uint64_t)one->events);
    ctl_grid_add(grid, ctl_span(run, one->waits_ms),
                 mesh_arena_printf(run->arena, "%" PRId64, one->waits_ms));
}

static const char *gaps_json(ctl *run, const consumer *one)
{
    ctl_grid grid = CTL_GRID(run, gap_columns);
    for (size_t i = 0; i < one->n_gaps; i++)
        add_gap(&grid, one->name, one->gaps[i]);
    return ctl_grid_json(&grid);
}

static void add_consumer(consumers *found, const consumer *one)
{
    ctl_grid *grid = &found->all;
    ctl *run = grid->run;
    const char *state = one->paused ? "PAUSED" : one->stalled ? "STALLED" : "RUNNING";
    ctl_grid_text(grid, one->name);
    ctl_grid_number(grid, one->waiting);
    ctl_grid_number(grid, one->unanswered);
    ctl_grid_number(grid, one->held);
    ctl_grid_add(grid, one->oldest_held_ms > 0 ? ctl_span(run, one->oldest_held_ms) : "-",
                 mesh_arena_printf(run->arena, "%" PRId64, one->oldest_held_ms));
    ctl_grid_number(grid, one->delivered_sequence);
    ctl_grid_number(grid, one->answered_sequence);
    ctl_grid_number(grid, one->dead_letters);
    ctl_grid_add(grid, NULL, gaps_json(run, one));
    ctl_grid_flag(grid, one->paused);
    ctl_grid_time(grid, one->pause_time);
    ctl_grid_flag(grid, one->stalled);
    ctl_grid_coloured(grid, one->paused ? CTL_YELLOW : one->stalled ? CTL_RED : CTL_GREEN, state);
    for (size_t i = 0; i < one->n_gaps; i++)
        add_gap(&found->gaps, one->name, one->gaps[i]);
}

static void print_consumers(const consumers *found)
{
    const ctl *run = found->all.run;
    ctl_grid_print(&found->all, "no service of the mesh consumes events");
    if (found->gaps.count == 0 || run->args.json)
        return;
    fprintf(run->out,
            "\nHeld until this version of their aggregate comes, in the instance that was "
            "asked:\n");
    ctl_grid_print(&found->gaps, "");
    fprintf(run->out, "It may be among the dead letters (meshctl dlq list), wait to be published "
                      "(meshctl outbox), or not be\ntold at all (meshctl events tail --from "
                      "beginning, events publish); what is held too long is given up.\n");
}

static mesh_code ask_consumer(void *context, ctl_connection *connection, const char *service,
                              ctl_failure *failure)
{
    consumers *found = context;
    const Mesh__Events__V1__GetConsumerRequest request =
        MESH__EVENTS__V1__GET_CONSUMER_REQUEST__INIT;
    consumer *said;
    (void)service;
    mesh_code code = ctl_ask(found->all.run, connection, CTL_EVENTS_METHOD(GET_CONSUMER), &request,
                             &said, failure);
    if (code == MESH_OK)
        add_consumer(found, said);
    return code;
}

static int list_consumers(ctl *run, const char *target)
{
    consumers found = {CTL_GRID(run, consumer_columns), CTL_GRID(run, gap_columns)};
    int exit_code = ctl_ask_each(run, target, ask_consumer, &found);
    if (found.all.count > 0 || exit_code == CTL_EXIT_OK)
        print_consumers(&found);
    return exit_code;
}

/* The requests have no fields: one is as good as the other. */
static int steer_consumer(ctl *run, const char *target, const mesh_method *method)
{
    const Mesh__Events__V1__PauseConsumerRequest pause =
        MESH__EVENTS__V1__PAUSE_CONSUMER_REQUEST__INIT;
    const Mesh__Events__V1__ResumeConsumerRequest resume =
        MESH__EVENTS__V1__RESUME_CONSUMER_REQUEST__INIT;
    const bool pauses = method == CTL_EVENTS_METHOD(PAUSE_CONSUMER);
    consumers found = {CTL_GRID(run, consumer_columns), CTL_GRID(run, gap_columns)};
    consumer *said;
    ctl_failure failure;
    if (ctl_ask_once(run, target, method, pauses ? (const void *)&pause : &resume, &said,
                     &failure) != MESH_OK)
        return ctl_report(run, &failure, NULL);
    add_consumer(&found, said);
    print_consumers(&found);
    return CTL_EXIT_OK;
}

int ctl_consumers(ctl *run)
{
    const ctl_args *args = &run->args;
    const char *verb = args->word_count > 0 ? args->words[0] : "";
    const bool pauses = strcmp(verb, "pause") == 0;
    if (strcmp(verb, "list") == 0 && args->word_count <= 2)
        return list_consumers(run, args->word_count == 2 ? args->words[1] : NULL);
    if (ctl_verb(args) == NULL && args->word_count <= 1)
        return list_consumers(run, args->word_count == 1 ? verb : NULL);
    if (ctl_verb(args) == NULL)
        return ctl_report_verb(run);
    if (args->word_count != 2)
        return ctl_report_usage(run, "consumers list takes the name of one service, or none; pause "
                                     "and resume need one: meshctl consumers pause TARGET");
    return steer_consumer(run, args->words[1],
                          pauses ? CTL_EVENTS_METHOD(PAUSE_CONSUMER)
                                 : CTL_EVENTS_METHOD(RESUME_CONSUMER));
}

/* --- outbox ----------------------------------------------------------------------------------- */

static const ctl_column outbox_columns[] = {
    {"SERVICE", "service"}, {"PENDING", "pending"}, {"OLDEST", "oldest_pending_time"},
    {"KEPT", "kept"},       {"REFUSED", "refused"},
};

static const ctl_column refused_columns[] = {
    {"SERVICE", "service"}, {"AGGREGATE", NULL},      {NULL, "aggregate_type"},
    {NULL, "aggregate_id"}, {"EVENT", "subject"},     {"ID", "event_id"},
    {"SINCE", "since"},     {"ATTEMPTS", "attempts"}, {"CAUSE", "cause"},
};

typedef struct outboxes {
    ctl_grid all;
    ctl_grid refused; /* aggregates, of all services */
} outboxes;

static void add_refused(ctl_grid *grid, const char *service,
                        const Mesh__Events__V1__RefusedAggregate *one)
{
    ctl_grid_text(grid, service);
    ctl_grid_text(
        grid, mesh_arena_printf(grid->run->arena, "%s %s", one->aggregate_type, one->aggregate_id));
    ctl_grid_text(grid, one->aggregate_type);
    ctl_grid_text(grid, one->aggregate_id);
    ctl_grid_text(grid, one->subject);
    ctl_grid_text(grid, one->event_id);
    ctl_grid_time(grid, one->since);
    ctl_grid_number(grid, (uint64_t)one->attempts);
    ctl_grid_text(grid, one->cause);
}

static const char *refused_json(const ctl *run, const char *service, const outbox *said)
{
    ctl_grid grid = CTL_GRID((ctl *)run, refused_columns);
    for (size_t i = 0; i < said->n_refused; i++)
        add_refused(&grid, service, said->refused[i]);
    return ctl_grid_json(&grid);
}

static mesh_code ask_outbox(void *context, ctl_connection *connection, const char *service,
                            ctl_failure *failure)
{
    outboxes *found = context;
    ctl_grid *all = &found->all;
    const Mesh__Events__V1__GetOutboxRequest request = MESH__EVENTS__V1__GET_OUTBOX_REQUEST__INIT;
    outbox *said;
    mesh_code code = ctl_ask(all->run, connection, CTL_EVENTS_METHOD(GET_OUTBOX), &request, &said,
                             failure);
    if (code != MESH_OK)
        return code;
    ctl_grid_text(all, service);
    ctl_grid_number(all, (uint64_t)said->pending);
    ctl_grid_time(all, said->oldest_pending_time);
    ctl_grid_number(all, (uint64_t)said->kept);
    ctl_grid_add(all, mesh_arena_printf(all->run->arena, "%zu", said->n_refused),
                 refused_json(all->run, service, said));
    for (size_t i = 0; i < said->n_refused; i++)
        add_refused(&found->refused, service, said->refused[i]);
    return MESH_OK;
}

int ctl_outbox(ctl *run)
{
    outboxes found = {CTL_GRID(run, outbox_columns), CTL_GRID(run, refused_columns)};
    if (run->args.word_count > 1)
        return ctl_report_usage(run, "outbox takes the name of one service, or none");
    int exit_code = ctl_ask_each(run, run->args.word_count == 1 ? run->args.words[0] : NULL,
                                 ask_outbox, &found);
    if (found.all.count > 0 || exit_code == CTL_EXIT_OK)
        ctl_grid_print(&found.all, "no service of the mesh has events");
    if (found.refused.count > 0 && !run->args.json) {
        fprintf(run->out,
                "\nRefused by the broker; what follows them in their aggregates waits:\n");
        ctl_grid_print(&found.refused, "");
    }
    return exit_code;
}
