/*
 * meshctl events: tail shows events as the broker stores them, publish adds one to the outbox of
 * the service that it is of.
 */
#include <inttypes.h>
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/meshctl/ask.h"
#include "mesh/meshctl/grid.h"
#include "mesh/meshctl/input.h"
#include "mesh/meshctl/interrupt.h"
#include "mesh/meshctl/payload.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/sign_in.h"
#include "mesh/meshctl/suggest.h"

enum {
    ARENA_BYTES = 64 * 1024
};

/* --- subjects --------------------------------------------------------------------------------- */

typedef struct subject_search {
    const mesh_dyn_pool *pool;
    mesh_arena *arena;
    size_t words; /* of the subject: names are compared in as many */
    ctl_suggestions near;
    bool found;
} subject_search;

static bool see_message(void *context, const char *name)
{
    subject_search *search = context;
    size_t size = strcspn(name, ".");
    if (mesh_dyn_find_message(search->pool, name) == NULL)
        return true;
    for (size_t i = 1; i < search->words && name[size] == '.'; i++)
        size += 1 + strcspn(name + size + 1, ".");
    const char *begin = mesh_arena_strndup(search->arena, name, size);
    search->found = search->found || strcmp(begin, search->near.wanted) == 0;
    ctl_suggest_offer(&search->near, begin);
    return true;
}

/* What messages of that name, or of that package, could have been meant: "; did you mean order?";
 * "" when there are some, or none is near. */
static const char *near_subjects(const ctl *run, const mesh_dyn_pool *pool, const char *subject)
{
    char text[400];
    subject_search search = {
        .pool = pool, .arena = run->arena, .words = 1, .near = ctl_suggest_begin(subject)};
    for (const char *c = subject; *c != '\0'; c++)
        search.words += *c == '.';
    mesh_dyn_each_symbol(pool, see_message, &search);
    ctl_suggest_end(&search.near, text, sizeof text);
    return search.found ? "" : mesh_arena_strdup(run->arena, text);
}

/* --- tail ------------------------------------------------------------------------------------- */

typedef struct tail {
    ctl *run;
    ctl_interrupt *interrupt;
    ctl_connection *connection;
    ctl_payloads payloads;
    mesh_stream *stream;
    mesh_arena *arena; /* of one event */
    const char *target;
    const char *subject;
    bool in_place; /* the service answered */
    uint64_t shown;
    uint64_t next_sequence;
} tail;

static void cancel(void *context)
{
    tail *t = context;
    mesh_stream_cancel(t->stream);
}

/* "order" means all of order: what is a message is meant itself, and * and > say what they mean. */
static const char *pattern_of(tail *t, const char *subject)
{
    if (subject == NULL || subject[0] == '\0' || strpbrk(subject, "*>") != NULL ||
        ctl_catalog_message(&t->payloads.catalog, subject) != NULL)
        return subject != NULL ? subject : "";
    size_t size = strlen(subject);
    while (size > 0 && subject[size - 1] == '.')
        size--;
    const char *words = mesh_arena_strndup(t->run->arena, subject, size);
    const char *near = near_subjects(t->run, t->payloads.catalog.pool, words);
    if (near[0] != '\0')
        fprintf(t->run->err, "(no event of %s is known here%s)\n", words, near);
    return mesh_arena_printf(t->run->arena, "%s.>", words);
}

/* Where it begins: where the last stream ended, else as the command line says. */
static void set_start(const tail *t, Mesh__Events__V1__TailEventsRequest *request,
                      Google__Protobuf__Timestamp *time)
{
    const ctl_args *args = &t->run->args;
    if (t->next_sequence > 0 || args->from_sequence > 0) {
        request->start_case = MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_SEQUENCE;
        request->sequence = t->next_sequence > 0 ? t->next_sequence : args->from_sequence;
    } else if (args->from_ns > 0) {
        request->start_case = MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__START_TIME;
        time->seconds = args->from_ns / 1000000000;
        time->nanos = (int32_t)(args->from_ns % 1000000000);
        request->time = time;
    }
}

static mesh_code open_stream(tail *t, ctl_failure *failure)
{
    Mesh__Events__V1__TailEventsRequest request = MESH__EVENTS__V1__TAIL_EVENTS_REQUEST__INIT;
    Google__Protobuf__Timestamp time = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    mesh_call_options options = ctl_connection_options(t->connection);
    options.timeout_ms = ctl_time_left(t->run, 0);
    request.subject = (char *)t->subject;
    set_start(t, &request, &time);
    mesh_code code = mesh__events__v1__events_service__tail_events(
        ctl_connection_channel(t->connection), &request, &t->stream, &options, &failure->err);
    if (code != MESH_OK)
        ctl_connection_failed(t->connection, code, failure);
    else
        ctl_interrupt_set(t->interrupt, cancel, t);
    return code;
}

static void print_line(tail *t, const Mesh__Events__V1__Event *event)
{
    ctl shown = *t->run;
    const char *why = "";
    shown.arena = t->arena;
    const char *json = ctl_payload_json(&t->payloads, event, 0, t->arena, &why);
    fprintf(t->run->out, "%s%s  #%" PRIu64 "%s  %s%s%s  %s %s v%" PRId64 "  %s%s%s\n",
            ctl_style(t->run->colour_out, CTL_GREEN),
            ctl_moment(&shown, event->time != NULL ? event->time : event->store_time),
            event->sequence, ctl_style(t->run->colour_out, CTL_PLAIN),
            ctl_style(t->run->colour_out, CTL_BOLD), ctl_legible(&shown, event->subject),
            ctl_style(t->run->colour_out, CTL_PLAIN), ctl_legible(&shown, event->aggregate_type),
            ctl_legible(&shown, event->aggregate_id), event->version, json != NULL ? "" : "(",
            json != NULL ? json : why, json != NULL ? "" : ")");
}

static void print_object(tail *t, const Mesh__Events__V1__Event *event)
{
    mesh_text out = MESH_TEXT_INIT(t->arena, 0);
    ctl_payload_add_event(&t->payloads, event, t->arena, &out);
    fprintf(t->run->out, "%s\n", mesh_text_string(&out));
}

/* False: nobody reads it, or it was the last one that is wanted. */
static bool show(tail *t, const Mesh__Events__V1__Event *event)
{
    mesh_arena_reset(t->arena);
    if (t->run->args.json)
        print_object(t, event);
    else
        print_line(t, event);
    t->shown++;
    return fflush(t->run->out) == 0 && !mesh_arena_overflowed(t->arena) &&
           (t->run->args.count == 0 || t->shown < (uint64_t)t->run->args.count);
}

static mesh_code read_all(tail *t, bool *enough, ctl_failure *failure)
{
    const Mesh__Events__V1__TailEventsResponse *said;
    while (!*enough &&
           mesh__events__v1__events_service__tail_events__next(t->stream, &said) == MESH_OK) {
        t->in_place = true;
        t->next_sequence = said->next_sequence;
        if (said->event != NULL)
            *enough = !show(t, said->event);
        else if (t->run->args.verbose)
            fprintf(t->run->err, "* %s reads %s from place %" PRIu64 " on\n", t->target,
                    t->subject[0] == '\0' ? "all events" : t->subject, said->next_sequence);
    }
    if (*enough)
        mesh_stream_cancel(t->stream);
    mesh_code code = mesh_stream_finish(t->stream, &failure->err);
    ctl_interrupt_set(t->interrupt, NULL, NULL);
    ctl_connection_failed(t->connection, code, failure);
    return code;
}

/* The ways in which it is meant to end. */
static bool ended_well(const tail *t, mesh_code code, bool enough)
{
    return code == MESH_OK || enough || ctl_interrupted(t->interrupt) ||
           (code == MESH_DEADLINE_EXCEEDED && t->run->end_ns != MESH_NO_DEADLINE && t->in_place);
}

static mesh_code tail_at(tail *t, const char *target, ctl_failure *failure)
{
    bool enough = false;
    mesh_code code;
    t->target = target;
    code = ctl_ask_open(t->run, target, &t->connection, failure);
    if (code == MESH_OK)
        code = ctl_payloads_open(t->run, t->connection, &t->payloads, failure);
    if (code == MESH_OK) {
        t->subject = pattern_of(t, t->run->args.subject);
        do {
            code = open_stream(t, failure);
            if (code == MESH_OK)
                code = read_all(t, &enough, failure);
            if (ended_well(t, code, enough))
                code = MESH_OK;
        } while (code != MESH_OK && ctl_sign_in_again(t->run, failure));
        if (code != MESH_OK)
            ctl_ask_explain(t->run, t->connection, code, failure);
        ctl_payloads_close(&t->payloads);
    }
    ctl_connection_close(t->connection);
    t->connection = NULL;
    if (code == MESH_OK && t->shown == 0 && !ctl_interrupted(t->interrupt))
        fprintf(t->run->err, "(no event came within --max-time; %s)\n",
                t->run->args.from_sequence > 0 || t->run->args.from_ns > 0
                    ? "a longer time may bring one"
                    : "--from beginning shows those that are there");
    if (code != MESH_OK && t->in_place)
        failure->hint = mesh_arena_printf(
            t->run->arena, "meshctl events tail --from %" PRIu64 " goes on from there",
            t->next_sequence);
    return code;
}

/* The first service that can show events; any can show all. */
static mesh_code tail_anywhere(tail *t, ctl_failure *failure)
{
    ctl_services services;
    mesh_code code = ctl_services_read(t->run, &services, failure);
    if (code != MESH_OK)
        return code;
    code = ctl_fail(failure, MESH_NOT_FOUND, "scripts/up starts them", "the mesh has no services");
    for (size_t i = 0; i < services.count; i++) {
        const char *name = services.instances[i].name;
        if (i > 0 && strcmp(name, services.instances[i - 1].name) == 0)
            continue;
        code = tail_at(t, name, failure);
        if (t->in_place || (code != MESH_UNAVAILABLE && code != MESH_UNIMPLEMENTED))
            break;
    }
    return code;
}

static int tail_events(ctl *run)
{
    tail t = {.run = run};
    ctl_failure failure;
    if (run->args.word_count > 2)
        return ctl_report_usage(run, "events tail takes one target, or none: meshctl events tail "
                                     "[TARGET] [--subject SUBJECT]");
    t.arena = mesh_arena_create(ARENA_BYTES, 0);
    mesh_code code = t.arena != NULL
                         ? ctl_interrupt_start(&t.interrupt, &failure)
                         : ctl_fail(&failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    if (code == MESH_OK)
        code = run->args.word_count == 2 ? tail_at(&t, run->args.words[1], &failure)
                                         : tail_anywhere(&t, &failure);
    int exit_code = code == MESH_OK ? CTL_EXIT_OK : ctl_report(run, &failure, NULL);
    ctl_interrupt_stop(t.interrupt);
    mesh_arena_destroy(t.arena);
    return exit_code;
}

/* --- publish ---------------------------------------------------------------------------------- */

/* publish [TARGET] SUBJECT JSON */
typedef struct publication {
    ctl *run;
    const char *target;
    const char *subject;
    const char *const *json; /* the word */
    ctl_connection *connection;
    ctl_payloads payloads;
    const mesh_dyn_message *type;
} publication;

/* A subject has a dot, and a target none unless it is an address. */
static bool read_words(publication *p)
{
    const ctl_args *args = &p->run->args;
    size_t at = 1;
    if (args->word_count == 4)
        p->target = args->words[at++];
    if (args->word_count != at + 2 || strchr(args->words[at], '.') == NULL)
        return false;
    p->subject = args->words[at];
    p->json = &args->words[at + 1];
    if (p->target == NULL) { /* note_book.v1.Written is of note-book */
        char *name = mesh_arena_strndup(p->run->arena, p->subject, strcspn(p->subject, "."));
        for (char *c = name; c != NULL && *c != '\0'; c++)
            *c = *c == '_' ? '-' : *c;
        p->target = name;
    }
    return true;
}

static mesh_code find_type(publication *p, ctl_failure *failure)
{
    p->type = ctl_catalog_message(&p->payloads.catalog, p->subject);
    if (p->type != NULL)
        return MESH_OK;
    return ctl_fail(failure, MESH_NOT_FOUND,
                    "docs/events.md lists the events; --protoset FILE tells their types",
                    "no event %s is known here%s", p->subject,
                    near_subjects(p->run, p->payloads.catalog.pool, p->subject));
}

static mesh_code read_payload(publication *p, ProtobufCBinaryData *payload, ctl_failure *failure)
{
    ctl_input *input = NULL;
    const char *json;
    const uint8_t *wire;
    size_t size, wire_size;
    mesh_code code = ctl_input_open(p->json, 1, false, &input, failure);
    if (code == MESH_OK)
        code = ctl_input_next(input, &json, &size, failure);
    if (code == MESH_EOF)
        code = ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL, "there is no event in %s", *p->json);
    if (code == MESH_OK) {
        code = mesh_dyn_json_to_wire(p->payloads.catalog.pool, p->type, json, size, NULL,
                                     p->run->arena, &wire, &wire_size, &failure->err);
        if (code != MESH_OK)
            mesh_error_prefix(&failure->err, "the %s", p->subject);
        failure->remote = false;
        failure->hint = NULL;
    }
    if (code == MESH_INVALID_ARGUMENT) {
        const char *types = ctl_services_types(p->run);
        failure->hint = mesh_arena_printf(
            p->run->arena, "meshctl describe --protoset %s %s --template shows an example",
            types != NULL ? types : "FILE", p->subject);
    }
    if (code == MESH_OK) {
        payload->data = (uint8_t *)wire;
        payload->len = wire_size;
    }
    ctl_input_close(input);
    return code;
}

static void tell(const publication *p, const Mesh__Events__V1__PublishEventResponse *said)
{
    mesh_text out = MESH_TEXT_INIT(p->run->arena, 0);
    if (!p->run->args.json) {
        fprintf(p->run->out, "%s %s is ", p->subject, ctl_legible(p->run, said->id));
        if (said->sequence > 0)
            fprintf(p->run->out,
                    "#%" PRIu64 " of the stream; meshctl events tail --from %" PRIu64
                    " --count 1 shows it\n",
                    said->sequence, said->sequence);
        else
            fprintf(p->run->out,
                    "in the outbox of %s, and not in the stream yet: meshctl outbox %s shows what "
                    "waits there\n",
                    p->target, p->target);
        return;
    }
    mesh_text_puts(&out, "{");
    ctl_json_member(&out, "target", p->target);
    ctl_json_member(&out, "subject", p->subject);
    ctl_json_member(&out, "id", said->id);
    fprintf(p->run->out, "%s,\"sequence\":%" PRIu64 "}\n", mesh_text_string(&out), said->sequence);
}

static int publish_event(ctl *run)
{
    publication p = {.run = run};
    Mesh__Events__V1__PublishEventRequest request = MESH__EVENTS__V1__PUBLISH_EVENT_REQUEST__INIT;
    Mesh__Events__V1__PublishEventResponse *said;
    ctl_failure failure;
    if (!read_words(&p))
        return ctl_report_usage(run, "events publish needs a subject and the event: meshctl events "
                                     "publish [TARGET] SUBJECT JSON | @FILE | -");
    mesh_code code = ctl_ask_open(run, p.target, &p.connection, &failure);
    if (code == MESH_OK)
        code = ctl_payloads_open(run, p.connection, &p.payloads, &failure);
    if (code == MESH_OK)
        code = find_type(&p, &failure);
    if (code == MESH_OK)
        code = read_payload(&p, &request.payload, &failure);
    request.subject = (char *)p.subject;
    if (code == MESH_OK)
        code = ctl_ask(run, p.connection, CTL_EVENTS_METHOD(PUBLISH_EVENT), &request, &said,
                       &failure);
    if (code == MESH_OK)
        tell(&p, said);
    int exit_code = code == MESH_OK ? CTL_EXIT_OK
                                    : ctl_report(run, &failure, p.payloads.catalog.pool);
    ctl_payloads_close(&p.payloads);
    ctl_connection_close(p.connection);
    return exit_code;
}

int ctl_events(ctl *run)
{
    const char *verb = run->args.word_count > 0 ? run->args.words[0] : "";
    if (strcmp(verb, "tail") == 0)
        return tail_events(run);
    if (strcmp(verb, "publish") == 0)
        return publish_event(run);
    return ctl_report_verb(run);
}
