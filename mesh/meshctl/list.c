/* meshctl list: the services of the mesh, of a server, or the methods of a service. */
#include <string.h>

#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/method_name.h"
#include "mesh/meshctl/report.h"
#include "mesh/meshctl/session.h"
#include "mesh/meshctl/table.h"

static void quote(mesh_text *out, const char *text)
{
    mesh_json_quote(text, strlen(text), out);
}

/* Names and addresses as scripts/up wrote them. */
static int list_mesh(ctl *run)
{
    ctl_services services;
    ctl_failure failure;
    if (ctl_services_read(run, &services, &failure) != MESH_OK)
        return ctl_report(run, &failure, NULL);
    const char **cells = mesh_arena_calloc(run->arena, services.count, 2 * sizeof *cells);
    mesh_text json = MESH_TEXT_INIT(run->arena, 0);
    mesh_text_puts(&json, "[");
    for (size_t i = 0; cells != NULL && i < services.count; i++) {
        const ctl_instance *at = &services.instances[i];
        cells[2 * i] = at->name;
        cells[2 * i + 1] = at->address;
        mesh_text_puts(&json, i == 0 ? "{\"name\":" : ",{\"name\":");
        quote(&json, at->name);
        mesh_text_puts(&json, ",\"address\":");
        quote(&json, at->address);
        mesh_text_puts(&json, "}");
    }
    if (run->args.json)
        fprintf(run->out, "%s]\n", json.data);
    else if (cells != NULL)
        ctl_table_print(run->out, cells, 2, services.count);
    return CTL_EXIT_OK;
}

static void add_method(mesh_text *out, const mesh_dyn_method *method)
{
    mesh_text_puts(out, "{\"name\":");
    quote(out, mesh_dyn_method_name(method));
    mesh_text_puts(out, ",\"input\":");
    quote(out, mesh_dyn_message_name(mesh_dyn_method_input(method)));
    mesh_text_puts(out, ",\"output\":");
    quote(out, mesh_dyn_message_name(mesh_dyn_method_output(method)));
    mesh_text_printf(out, ",\"client_streaming\":%s,\"server_streaming\":%s}",
                     mesh_dyn_method_client_streaming(method) ? "true" : "false",
                     mesh_dyn_method_server_streaming(method) ? "true" : "false");
}

static void add_service(mesh_text *out, const mesh_dyn_service *service)
{
    mesh_text_puts(out, "{\"service\":");
    quote(out, mesh_dyn_service_name(service));
    mesh_text_puts(out, ",\"methods\":[");
    for (size_t i = 0; i < mesh_dyn_method_count(service); i++) {
        if (i > 0)
            mesh_text_puts(out, ",");
        add_method(out, mesh_dyn_method_at(service, i));
    }
    mesh_text_puts(out, "]}");
}

static void list_services(ctl *run, const ctl_catalog *catalog)
{
    mesh_text json = MESH_TEXT_INIT(run->arena, 0);
    for (size_t i = 0; i < catalog->service_count; i++) {
        const mesh_dyn_service *service = mesh_dyn_find_service(catalog->pool,
                                                                catalog->services[i]);
        if (!run->args.json) {
            fprintf(run->out, "%s\n", catalog->services[i]);
        } else if (service != NULL) {
            mesh_text_puts(&json, json.size == 0 ? "" : ",");
            add_service(&json, service);
        }
    }
    if (run->args.json)
        fprintf(run->out, "[%s]\n", mesh_text_string(&json));
}

static void list_methods(ctl *run, const mesh_dyn_service *service)
{
    if (run->args.json) {
        mesh_text json = MESH_TEXT_INIT(run->arena, 0);
        add_service(&json, service);
        fprintf(run->out, "%s\n", mesh_text_string(&json));
        return;
    }
    size_t count = mesh_dyn_method_count(service);
    const char **cells = mesh_arena_calloc(run->arena, count, 2 * sizeof *cells);
    for (size_t i = 0; cells != NULL && i < count; i++) {
        const mesh_dyn_method *method = mesh_dyn_method_at(service, i);
        cells[2 * i] = mesh_arena_printf(run->arena, "%s/%s", mesh_dyn_service_name(service),
                                         mesh_dyn_method_name(method));
        cells[2 * i + 1] = mesh_arena_printf(
            run->arena, "(%s%s) returns (%s%s)",
            mesh_dyn_method_client_streaming(method) ? "stream " : "",
            mesh_dyn_message_name(mesh_dyn_method_input(method)),
            mesh_dyn_method_server_streaming(method) ? "stream " : "",
            mesh_dyn_message_name(mesh_dyn_method_output(method)));
    }
    if (cells != NULL)
        ctl_table_print(run->out, cells, 2, count);
}

int ctl_list(ctl *run)
{
    const ctl_args *args = &run->args;
    size_t targets = args->protoset == NULL ? 1 : 0;
    if (args->word_count > targets + 1)
        return ctl_report_usage(run, "list takes a target and a service, not %s as well",
                                args->words[targets + 1]);
    if (args->word_count == 0 && targets == 1)
        return list_mesh(run);

    ctl_session session;
    ctl_failure failure;
    int exit_code = CTL_EXIT_OK;
    mesh_code code = ctl_session_open(run, targets == 1 ? args->words[0] : NULL, &session,
                                      &failure);
    if (code == MESH_OK && args->word_count == targets) {
        list_services(run, &session.catalog);
    } else if (code == MESH_OK) {
        const char *name = NULL;
        const mesh_dyn_service *service = NULL;
        code = ctl_symbol_find(session.catalog.pool, args->words[targets], run->arena, &name,
                               &failure);
        if (code == MESH_OK) {
            service = mesh_dyn_find_service(session.catalog.pool, name);
            if (service == NULL)
                code = ctl_fail(&failure, MESH_NOT_FOUND, "meshctl describe shows what it is",
                                "%s is not a service", name);
            else
                list_methods(run, service);
        }
    }
    if (code != MESH_OK)
        exit_code = ctl_report(run, &failure, session.catalog.pool);
    ctl_session_close(&session);
    return exit_code;
}
