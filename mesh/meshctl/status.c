/* meshctl status: every instance of the mesh and its health (grpc.health.v1). */
#include <pthread.h>
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/connection.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/style.h"
#include "mesh/meshctl/table.h"

enum {
    CHECK_TIMEOUT_MS = 2000,
    MAX_CHECKS = 16, /* at once, so that a few that hang do not add up */
    ARENA_BYTES = 4096,
    COLUMNS = 4
};

typedef struct instance_state {
    const char *text; /* SERVING, NOT_SERVING, UNKNOWN, DOWN */
    const char *why;  /* "" or the message of the failed check */
} instance_state;

/* HealthCheckResponse.status */
static const char *serving_status(const uint8_t *answer, size_t size)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    uint64_t status = 0;
    mesh_wire_reader reader = {answer, answer + size};
    mesh_wire_field field;
    while (mesh_wire_next(&reader, &field))
        if (field.number == 1 && field.type == MESH_WIRE_VARINT)
            status = field.value;
    return names[status < sizeof names / sizeof names[0] ? status : 0];
}

static instance_state check(ctl *run, const ctl_instance *instance)
{
    const ctl_target target = {
        .given = instance->name, .address = instance->address, .named = true};
    instance_state state = {"DOWN", ""};
    ctl_connection *connection = NULL;
    ctl_failure failure;
    const uint8_t *answer;
    size_t size;
    mesh_code code = ctl_connection_open(run, &target, &connection, &failure);
    if (code == MESH_OK)
        code = ctl_connection_unary(connection, "grpc.health.v1.Health", "Check", "", 0,
                                    CHECK_TIMEOUT_MS, &answer, &size, &failure);
    if (code == MESH_OK) {
        state.text = serving_status(answer, size);
    } else {
        /* Somebody answered, so it is not down. */
        if (code != MESH_UNAVAILABLE && code != MESH_DEADLINE_EXCEEDED)
            state.text = "UNKNOWN";
        state.why = mesh_arena_printf(run->arena, "%s: %s", mesh_code_name(code),
                                      failure.err.message);
    }
    ctl_connection_close(connection);
    return state;
}

typedef struct check_thread {
    pthread_t thread;
    bool started;
    ctl run; /* with an arena of its own */
    const ctl_instance *instance;
    instance_state state;
} check_thread;

static void *run_check(void *argument)
{
    check_thread *one = argument;
    one->state = check(&one->run, one->instance);
    return NULL;
}

/* Checks up to MAX_CHECKS instances at the same time. */
static void check_some(ctl *run, const ctl_instance *instances, instance_state *states,
                       size_t count)
{
    check_thread checks[MAX_CHECKS];
    for (size_t i = 0; i < count; i++) {
        checks[i] = (check_thread){.run = *run, .instance = &instances[i]};
        checks[i].run.arena = mesh_arena_create(ARENA_BYTES, 0);
        checks[i].started = checks[i].run.arena != NULL &&
                            pthread_create(&checks[i].thread, NULL, run_check, &checks[i]) == 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (checks[i].started) {
            pthread_join(checks[i].thread, NULL);
            states[i].text = checks[i].state.text;
            states[i].why = mesh_arena_strdup(run->arena, checks[i].state.why);
        } else {
            states[i] = check(run, &instances[i]);
        }
        mesh_arena_destroy(checks[i].run.arena);
    }
}

static void print_json(ctl *run, const ctl_services *services, const instance_state *states)
{
    mesh_text out = MESH_TEXT_INIT(run->arena, 0);
    mesh_text_puts(&out, "[");
    for (size_t i = 0; i < services->count; i++) {
        const ctl_instance *at = &services->instances[i];
        const struct {
            const char *key, *value;
        } members[] = {{"name", at->name},
                       {"address", at->address},
                       {"metrics", at->metrics},
                       {"state", states[i].text},
                       {"why", states[i].why}};
        for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
            mesh_text_printf(&out, "%s\"%s\":", m > 0 ? "," : i > 0 ? ",{" : "{", members[m].key);
            mesh_json_quote(members[m].value, strlen(members[m].value), &out);
        }
        mesh_text_puts(&out, "}");
    }
    fprintf(run->out, "%s]\n", mesh_text_string(&out));
}

static void print_table(ctl *run, const ctl_services *services, const instance_state *states)
{
    const char **cells = mesh_arena_calloc(run->arena, services->count + 1,
                                           COLUMNS * sizeof *cells);
    if (cells == NULL)
        return;
    memcpy(cells, (const char *[]){"SERVICE", "ADDRESS", "METRICS", "STATE"},
           COLUMNS * sizeof *cells);
    for (size_t i = 0; i < services->count; i++) {
        const ctl_instance *at = &services->instances[i];
        const char **row = cells + (i + 1) * COLUMNS;
        ctl_colour colour = strcmp(states[i].text, "SERVING") == 0 ? CTL_GREEN
                            : strcmp(states[i].text, "DOWN") == 0  ? CTL_RED
                                                                   : CTL_YELLOW;
        row[0] = at->name;
        row[1] = at->address;
        row[2] = at->metrics[0] == '\0' ? "-" : at->metrics;
        row[3] = mesh_arena_printf(run->arena, "%s%s%s%s%s", ctl_style(run->colour_out, colour),
                                   states[i].text, ctl_style(run->colour_out, CTL_PLAIN),
                                   run->args.verbose && states[i].why[0] != '\0' ? "  " : "",
                                   run->args.verbose ? states[i].why : "");
    }
    ctl_table_print(run->out, cells, COLUMNS, services->count + 1);
}

int ctl_status(ctl *run)
{
    ctl_services services;
    ctl_failure failure;
    if (run->args.word_count > 1)
        return ctl_report_usage(run, "status takes the name of one service, or none");
    if (ctl_services_read(run, &services, &failure) != MESH_OK)
        return ctl_report(run, &failure, NULL);
    if (run->args.word_count == 1) {
        const char *wanted = run->args.words[0];
        ctl_target target;
        if (ctl_target_find(&services, wanted, run->arena, &target, &failure) != MESH_OK)
            return ctl_report(run, &failure, NULL);
        size_t kept = 0;
        for (size_t i = 0; i < services.count; i++)
            if (strcmp(services.instances[i].name, wanted) == 0)
                services.instances[kept++] = services.instances[i];
        services.count = kept;
    }
    instance_state *states = mesh_arena_calloc(run->arena, services.count, sizeof *states);
    if (states == NULL) {
        ctl_fail(&failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
        return ctl_report(run, &failure, NULL);
    }
    bool all_serve = true;
    for (size_t i = 0; i < services.count; i += MAX_CHECKS) {
        size_t left = services.count - i;
        check_some(run, services.instances + i, states + i, left < MAX_CHECKS ? left : MAX_CHECKS);
    }
    for (size_t i = 0; i < services.count; i++)
        all_serve = all_serve && strcmp(states[i].text, "SERVING") == 0;
    if (run->args.json)
        print_json(run, &services, states);
    else
        print_table(run, &services, states);
    return all_serve ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}
