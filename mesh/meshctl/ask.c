#include "mesh/meshctl/ask.h"

#include <string.h>

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

void ctl_ask_explain(mesh_code code, ctl_failure *failure)
{
    if (code == MESH_UNIMPLEMENTED && failure->hint == NULL)
        failure->hint = "it has no events, or all of its methods are public, so that nobody could "
                        "say who may see them; meshctl consumers shows who can be asked";
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
    ctl_ask_explain(code, failure);
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

static bool is_refused(mesh_code code)
{
    return code == MESH_UNAUTHENTICATED || code == MESH_PERMISSION_DENIED;
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
        mesh_error_prefix(&failure.err, "%s", name);
        exit_code = ctl_report(run, &failure, NULL);
        if (is_refused(code))
            return exit_code;
    }
    return exit_code;
}
