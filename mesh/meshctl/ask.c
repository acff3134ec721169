#include "mesh/meshctl/ask.h"

#include <string.h>

#include "mesh/base/clock.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/sign_in.h"

mesh_code ctl_ask_open(ctl *run, const char *target, ctl_connection **connection,
                       ctl_failure *failure)
{
    ctl_target resolved;
    mesh_code code = ctl_sign_in_use(run, target, failure);
    if (code == MESH_OK)
        code = ctl_target_resolve(run, target, &resolved, failure);
    if (code == MESH_OK)
        code = ctl_connection_open(run, &resolved, connection, failure);
    return code;
}

static void name_service(const char *name, ctl_failure *failure)
{
    if (strncmp(failure->err.message, name, strlen(name)) != 0)
        mesh_error_prefix(&failure->err, "%s", name);
}

/* ChangeGroups takes all groups of a user. */
static const char *how_to_be_let_in(ctl *run)
{
    const char *user = ctl_sign_in_user(run);
    return mesh_arena_printf(
        run->arena,
        "admins have it, and members of the group operators; an admin says which groups one is in: "
        "meshctl call user ChangeGroups '{\"user_id\": \"%s\", \"groups\": [\"operators\"]}'",
        user != NULL ? user : "ID");
}

void ctl_ask_explain(ctl *run, const ctl_connection *connection, mesh_code code,
                     ctl_failure *failure)
{
    name_service(ctl_connection_target(connection)->given, failure);
    if (code == MESH_UNIMPLEMENTED && failure->hint == NULL)
        failure->hint = "it has no events, or all of its methods are public, so that nobody could "
                        "say who may see them; meshctl consumers shows who can be asked";
    if (code == MESH_PERMISSION_DENIED && strcmp(failure->err.reason, "PERMISSION_MISSING") == 0)
        failure->hint = how_to_be_let_in(run);
}

mesh_code ctl_ask(ctl *run, ctl_connection *connection, const mesh_method *method,
                  const void *request, void *answer, ctl_failure *failure)
{
    ProtobufCMessage *said = NULL;
    mesh_code code;
    do {
        mesh_call_options options = ctl_connection_options(connection);
        options.timeout_ms = ctl_time_left(run, method->deadline_ms);
        code = mesh_unary_call(ctl_connection_channel(connection), method, request, &said, &options,
                               &failure->err);
        if (code == MESH_OK) {
            memcpy(answer, &said, sizeof said);
            return code;
        }
        ctl_connection_failed(connection, code, failure);
    } while (ctl_sign_in_again(run, failure));
    ctl_ask_explain(run, connection, code, failure);
    return code;
}

mesh_code ctl_ask_once(ctl *run, const char *target, const mesh_method *method, const void *request,
                       void *answer, ctl_failure *failure)
{
    ctl_connection *connection = NULL;
    mesh_code code = ctl_ask_open(run, target, &connection, failure);
    if (code == MESH_OK)
        code = ctl_ask(run, connection, method, request, answer, failure);
    ctl_connection_close(connection);
    return code;
}

static mesh_code ask_one(ctl *run, const char *service, ctl_ask_fn *fn, void *context,
                         ctl_failure *failure)
{
    ctl_connection *connection = NULL;
    mesh_code code = ctl_ask_open(run, service, &connection, failure);
    if (code == MESH_OK)
        code = fn(context, connection, service, failure);
    ctl_connection_close(connection);
    return code;
}

/* Nobody else would answer, either. */
static bool is_the_end(const ctl *run, mesh_code code)
{
    return code == MESH_UNAUTHENTICATED || code == MESH_PERMISSION_DENIED ||
           mesh_clock_left_ms(run->end_ns) == 0;
}

int ctl_ask_each(ctl *run, const char *target, ctl_ask_fn *fn, void *context)
{
    ctl_services services;
    ctl_failure failure;
    int exit_code = CTL_EXIT_OK;
    mesh_code code;
    if (target != NULL) {
        code = ask_one(run, target, fn, context, &failure);
        return code == MESH_OK ? CTL_EXIT_OK : ctl_report(run, &failure, NULL);
    }
    if (ctl_services_read(run, &services, &failure) != MESH_OK)
        return ctl_report(run, &failure, NULL);
    for (size_t i = 0; i < services.count; i++) {
        const char *name = services.instances[i].name;
        if (i > 0 && strcmp(name, services.instances[i - 1].name) == 0)
            continue;
        code = ask_one(run, name, fn, context, &failure);
        if (code == MESH_OK || code == MESH_UNIMPLEMENTED || code == MESH_FAILED_PRECONDITION)
            continue;
        name_service(name, &failure);
        exit_code = ctl_report(run, &failure, NULL);
        if (is_the_end(run, code))
            return exit_code;
    }
    return exit_code;
}
