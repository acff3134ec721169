/*
 * meshctl complete -- WORD...: what may stand in place of the last word, one a line. The words are
 * those of a command line without the program's name. Problems are silent: there is nothing to
 * offer then.
 */
#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/meshctl/header.h"
#include "mesh/meshctl/method_name.h"
#include "mesh/meshctl/session.h"

enum {
    MAX_TIME_MS = 2000 /* nobody waits longer for the TAB key */
};

static void offer(ctl *run, const char *typed, const char *candidate)
{
    if (strncmp(candidate, typed, strlen(typed)) == 0)
        fprintf(run->out, "%s\n", candidate);
}

static void offer_commands(ctl *run, const char *typed)
{
    for (unsigned bit = 1; bit <= CTL_VERSION; bit <<= 1)
        if (bit != CTL_COMPLETE)
            offer(run, typed, ctl_command_name((ctl_command)bit));
}

static void offer_options(ctl *run, const ctl_args *line, const char *typed)
{
    size_t count;
    const ctl_option *options = ctl_options(&count);
    const char *verb = ctl_verb(line);
    for (size_t i = 0; i < count; i++)
        if (options[i].commands & line->command &&
            (verb == NULL || ctl_option_is_of(&options[i], verb)))
            offer(run, typed, options[i].name);
}

static void offer_targets(ctl *run, const char *typed)
{
    ctl_services services;
    ctl_failure failure;
    if (ctl_services_read(run, &services, &failure) != MESH_OK)
        return;
    for (size_t i = 0; i < services.count; i++)
        if (i == 0 || strcmp(services.instances[i].name, services.instances[i - 1].name) != 0)
            offer(run, typed, services.instances[i].name);
}

/* Methods in the form that was begun: SERVICE.METHOD, else full or METHOD. */
static void offer_methods(ctl *run, const ctl_catalog *catalog, const char *typed)
{
    for (size_t s = 0; s < catalog->service_count; s++) {
        const char *full = catalog->services[s];
        const mesh_dyn_service *service = mesh_dyn_find_service(catalog->pool, full);
        const char *dot = strrchr(full, '.');
        if (ctl_is_standard_service(full))
            continue;
        for (size_t m = 0; m < mesh_dyn_method_count(service); m++) {
            const char *method = mesh_dyn_method_name(mesh_dyn_method_at(service, m));
            const char *brief = mesh_arena_printf(run->arena, "%s.%s", dot == NULL ? full : dot + 1,
                                                  method);
            offer(run, typed, brief);
            if (typed[0] != '\0' && strncmp(brief, typed, strlen(typed)) != 0) {
                offer(run, typed, mesh_arena_printf(run->arena, "%s/%s", full, method));
                offer(run, typed, method);
            }
        }
    }
}

typedef struct symbol_offer {
    ctl *run;
    const char *typed;
} symbol_offer;

static bool offer_symbol(void *context, const char *name)
{
    symbol_offer *to = context;
    if (strncmp(name, "google.protobuf.", 16) != 0)
        offer(to->run, to->typed, name);
    return true;
}

/* What a server knows. */
static void offer_names(ctl *run, const ctl_args *line, const char *target, const char *typed)
{
    ctl asking = *run;
    asking.args = *line;
    asking.args.command = CTL_COMPLETE;
    asking.end_ns = mesh_clock_deadline_ns(MAX_TIME_MS);
    ctl_session session = {.connection = NULL};
    ctl_failure failure;
    if (ctl_headers(&asking, &failure) == MESH_OK &&
        ctl_session_open(&asking, target, &session, &failure) == MESH_OK) {
        symbol_offer symbols = {run, typed};
        switch (line->command) {
        case CTL_CALL:
        case CTL_AUTHZ:
            offer_methods(run, &session.catalog, typed);
            break;
        case CTL_LIST:
            for (size_t i = 0; i < session.catalog.service_count; i++)
                offer(run, typed, session.catalog.services[i]);
            break;
        default:
            mesh_dyn_each_symbol(session.catalog.pool, offer_symbol, &symbols);
            break;
        }
    }
    ctl_session_close(&session);
}

/* explain USER TARGET METHOD; users are not offered. */
static void complete_authz(ctl *run, const ctl_args *line, const char *typed)
{
    switch (line->word_count) {
    case 0:
        offer(run, typed, "explain");
        break;
    case 2:
        offer_targets(run, typed);
        break;
    case 3:
        offer_names(run, line, line->words[2], typed);
        break;
    default:
        break;
    }
}

/* The verbs of a command, and which of them a target follows. */
static void complete_operate(ctl *run, const ctl_args *line, const char *typed)
{
    const char *const *verbs = ctl_verbs(line->command);
    const size_t before = verbs[0] != NULL ? 1 : 0; /* the target */
    for (size_t i = 0; line->word_count == 0 && verbs[i] != NULL; i++)
        offer(run, typed, verbs[i]);
    if (line->word_count == before || (line->word_count == 0 && line->command == CTL_CONSUMERS))
        offer_targets(run, typed);
}

int ctl_complete(ctl *run)
{
    const ctl_args *args = &run->args;
    size_t count = args->word_count;
    if (count > 0 && strcmp(args->words[0], "--") == 0)
        count--;
    const char *const *words = args->words + (args->word_count - count);
    if (count <= 1) {
        offer_commands(run, count == 0 ? "" : words[0]);
        return CTL_EXIT_OK;
    }

    /* The line without its last word, which may not make sense yet. */
    const char *typed = words[count - 1];
    ctl_args line;
    char message[CTL_MESSAGE_BYTES];
    if (!ctl_args_parse((int)count - 1, (char *const *)words, run->arena, &line, message))
        return CTL_EXIT_OK; /* the option before waits for its value: a file, most likely */
    if (typed[0] == '-') {
        offer_options(run, &line, typed);
        return CTL_EXIT_OK;
    }
    if (line.command == CTL_AUTHZ) {
        complete_authz(run, &line, typed);
        return CTL_EXIT_OK;
    }
    if (line.command & (CTL_EVENTS | CTL_CONSUMERS | CTL_DLQ | CTL_OUTBOX | CTL_SAGA)) {
        complete_operate(run, &line, typed);
        return CTL_EXIT_OK;
    }
    size_t targets = line.protoset != NULL && line.command != CTL_CALL ? 0 : 1;
    bool remote = (line.command & (CTL_LIST | CTL_DESCRIBE | CTL_CALL)) != 0;
    if (remote && line.word_count == targets)
        offer_names(run, &line, targets == 0 ? NULL : line.words[0], typed);
    else if ((remote || line.command == CTL_STATUS) && line.word_count == 0)
        offer_targets(run, typed);
    else if (line.command == CTL_COMPLETION && line.word_count == 0)
        offer(run, typed, "bash");
    return CTL_EXIT_OK;
}
