/* meshctl describe: definitions as .proto text, or a message to edit. */
#include <string.h>

#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/method_name.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/session.h"

/* The method that a symbol ("SERVICE.METHOD") is; NULL when it is none. */
static const mesh_dyn_method *as_method(const mesh_dyn_pool *pool, const char *symbol,
                                        mesh_arena *arena)
{
    const char *dot = strrchr(symbol, '.');
    if (dot == NULL)
        return NULL;
    const mesh_dyn_service *service = mesh_dyn_find_service(
        pool, mesh_arena_strndup(arena, symbol, (size_t)(dot - symbol)));
    return service == NULL ? NULL : mesh_dyn_find_method(service, dot + 1);
}

static mesh_code add_text(ctl *run, const mesh_dyn_pool *pool, const char *symbol, mesh_text *out,
                          ctl_failure *failure)
{
    const char *text;
    mesh_code code = mesh_dyn_describe(pool, symbol, run->arena, &text, &failure->err);
    failure->remote = false;
    failure->hint = NULL;
    if (code == MESH_OK) {
        if (out->size > 0)
            mesh_text_puts(out, "\n");
        mesh_text_puts(out, text);
    }
    return code;
}

/* A method with the messages that it takes and gives; those of google.protobuf are well known. */
static mesh_code describe_symbol(ctl *run, const mesh_dyn_pool *pool, const char *symbol,
                                 mesh_text *out, ctl_failure *failure)
{
    mesh_code code = add_text(run, pool, symbol, out, failure);
    const mesh_dyn_method *method = as_method(pool, symbol, run->arena);
    if (method == NULL)
        return code;
    const char *input = mesh_dyn_message_name(mesh_dyn_method_input(method));
    const char *output = mesh_dyn_message_name(mesh_dyn_method_output(method));
    if (code == MESH_OK && strncmp(input, "google.protobuf.", 16) != 0)
        code = add_text(run, pool, input, out, failure);
    if (code == MESH_OK && strcmp(input, output) != 0 &&
        strncmp(output, "google.protobuf.", 16) != 0)
        code = add_text(run, pool, output, out, failure);
    return code;
}

static mesh_code describe_services(ctl *run, const ctl_catalog *catalog, mesh_text *out,
                                   ctl_failure *failure)
{
    mesh_code code = MESH_OK;
    for (size_t i = 0; code == MESH_OK && i < catalog->service_count; i++)
        if (!ctl_is_standard_service(catalog->services[i]))
            code = add_text(run, catalog->pool, catalog->services[i], out, failure);
    return code;
}

static mesh_code make_template(ctl *run, const mesh_dyn_pool *pool, const char *symbol,
                               mesh_text *out, ctl_failure *failure)
{
    const mesh_dyn_method *method = as_method(pool, symbol, run->arena);
    const mesh_dyn_message *type = method != NULL ? mesh_dyn_method_input(method)
                                                  : mesh_dyn_find_message(pool, symbol);
    if (type == NULL)
        return ctl_fail(failure, MESH_INVALID_ARGUMENT, NULL,
                        "%s is neither a message nor a method, so there is no template", symbol);
    const char *json;
    mesh_code code = mesh_dyn_template(pool, type, run->args.proto_names, run->arena, &json,
                                       &failure->err);
    failure->remote = false;
    failure->hint = NULL;
    if (code == MESH_OK)
        mesh_text_printf(out, "%s\n", json);
    return code;
}

static void print(ctl *run, const char *symbol, const mesh_text *text)
{
    if (!run->args.json || run->args.template) {
        fputs(mesh_text_string(text), run->out);
        return;
    }
    mesh_text json = MESH_TEXT_INIT(run->arena, 0);
    mesh_text_puts(&json, "{\"symbol\":");
    mesh_json_quote(symbol, strlen(symbol), &json);
    mesh_text_puts(&json, ",\"proto\":");
    mesh_json_quote(mesh_text_string(text), text->size, &json);
    mesh_text_puts(&json, "}");
    fprintf(run->out, "%s\n", mesh_text_string(&json));
}

int ctl_describe(ctl *run)
{
    const ctl_args *args = &run->args;
    size_t targets = args->protoset == NULL ? 1 : 0;
    if (args->word_count < targets)
        return ctl_report_usage(run, "describe needs a target: HOST:PORT, unix:PATH or a service "
                                     "of the mesh");
    if (args->word_count > targets + 1)
        return ctl_report_usage(run, "describe takes a target and one symbol, not %s as well",
                                args->words[targets + 1]);
    bool all = args->word_count == targets;
    if (all && args->template)
        return ctl_report_usage(run, "--template needs the name of a message or method");

    ctl_session session;
    ctl_failure failure;
    const char *symbol = "";
    mesh_text text = MESH_TEXT_INIT(run->arena, 0);
    mesh_code code = ctl_session_open(run, targets == 1 ? args->words[0] : NULL, &session,
                                      &failure);
    if (code == MESH_OK && all) {
        code = describe_services(run, &session.catalog, &text, &failure);
    } else if (code == MESH_OK) {
        code = ctl_symbol_find(session.catalog.pool, args->words[targets], run->arena, &symbol,
                               &failure);
        if (code == MESH_NOT_FOUND && targets == 1 && ctl_services_types(run) != NULL)
            failure.hint = mesh_arena_printf(
                run->arena,
                "meshctl describe %s shows what it has; all types of the mesh, events among them: "
                "meshctl describe --protoset %s",
                args->words[0], ctl_services_types(run));
        if (code == MESH_OK)
            code = args->template
                       ? make_template(run, session.catalog.pool, symbol, &text, &failure)
                       : describe_symbol(run, session.catalog.pool, symbol, &text, &failure);
    }
    int exit_code = CTL_EXIT_OK;
    if (code == MESH_OK)
        print(run, symbol, &text);
    else
        exit_code = ctl_report(run, &failure, session.catalog.pool);
    ctl_session_close(&session);
    return exit_code;
}
