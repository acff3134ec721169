/* The server's side of a service: handler table, adapters, constant method table. */
#include "mesh/plugin/comment.h"
#include "mesh/plugin/parts.h"

void method_vars(text_var vars[METHOD_VARS], const schema_method *method)
{
    const text_var all[METHOD_VARS] = {
        {"method", method->symbol},
        {"index", method->index},
        {"stem", method->stem},
        {"slot", method->slot},
        {"service", method->service->lower},
        {"request", method->request->type},
        {"response", method->response->type},
        {"request_lower", method->request->lower},
        {"response_lower", method->response->lower},
        {"mark", method->deprecated ? "__attribute__((deprecated)) " : ""},
    };
    for (size_t i = 0; i < METHOD_VARS; i++)
        vars[i] = all[i];
}

/* What a handler gets beside self, call and err; by kind. */
static const char *const handler_arguments[] = {
    [MESH_UNARY] = "const $request$ *request, $response$ *response",
    [MESH_SERVER_STREAMING] = "const $request$ *request, mesh_stream *stream",
    [MESH_CLIENT_STREAMING] = "mesh_stream *stream, $response$ *response",
    [MESH_BIDI_STREAMING] = "mesh_stream *stream",
};

static void add_events_type(text *out, const schema_method *method)
{
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    bool reads = method->kind != MESH_SERVER_STREAMING;
    text_fill(out, vars,
              "\n/* `$slot$` with events, see mesh/rpc/stream.h; any of them may be NULL. */\n"
              "typedef struct $method$__events {\n"
              "    mesh_code (*on_open)(void *self, mesh_stream *stream,");
    text_fill(out, vars,
              reads ? " mesh_error *err);\n"
                      "    mesh_code (*on_message)(void *self, mesh_stream *stream,\n"
                      "        const $request$ *message, mesh_error *err);\n"
                      "    void (*on_end)(void *self, mesh_stream *stream);\n"
                    : "\n        const $request$ *request, mesh_error *err);\n");
    text_fill(out, vars,
              "    void (*on_writable)(void *self, mesh_stream *stream);\n"
              "    void (*on_close)(void *self, mesh_stream *stream, mesh_code code);\n"
              "} $method$__events;\n");
}

static void add_slots(text *out, const schema_method *method)
{
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    comment_add(out, "    ", schema_comment(method->service->file->proto, method->path));
    text_fill(out, vars, "    mesh_code (*$slot$)(void *self, mesh_call *call,\n        ");
    text_fill(out, vars, handler_arguments[method->kind]);
    text_add(out, ", mesh_error *err);\n");
    if (method->kind == MESH_UNARY)
        text_fill(out, vars,
                  "    mesh_code (*$stem$__inline)(void *self, mesh_call *call,\n"
                  "        const $request$ *request, $response$ *response, mesh_error *err);\n");
    else
        text_fill(out, vars, "    const $method$__events *$stem$__events;\n");
}

static void add_handlers(text *out, const schema_service *service)
{
    for (size_t i = 0; i < service->method_count; i++)
        if (service->methods[i].kind != MESH_UNARY)
            add_events_type(out, &service->methods[i]);
    text_addf(out,
              "\n/*\n"
              " * Handlers of %s; an empty slot answers UNIMPLEMENTED, and one method fills one "
              "slot.\n"
              " * Plain slots run on the worker pool and may block; `__inline` ones and events run "
              "on the\n"
              " * transport's thread and must not.\n"
              " */\n",
              service->full_name);
    text_addf(out, "typedef struct %s__handlers {\n", service->lower);
    if (service->method_count == 0)
        text_add(out, "    void *none; /* the service has no methods */\n");
    for (size_t i = 0; i < service->method_count; i++)
        add_slots(out, &service->methods[i]);
    text_addf(out, "} %s__handlers;\n", service->lower);
}

void service_header(text *out, const schema_service *service)
{
    const text_var vars[] = {{"service", service->lower}, {NULL, NULL}};
    text_add(out, "\n");
    comment_add(out, "", schema_comment(service->file->proto, service->path));
    text_fill(out, vars,
              "extern const mesh_api_descriptor $service$__descriptor;\n"
              "extern const mesh_method $service$__methods[];\n");
    if (service->method_count > 0) {
        text_add(out, "\n/* Indexes of the methods in the table. */\nenum {\n");
        for (size_t i = 0; i < service->method_count; i++)
            text_addf(out, "    %s = %zu,\n", service->methods[i].index, i);
        text_add(out, "};\n");
    }
    add_handlers(out, service);
    text_fill(out, vars,
              "\n/* The service as a server takes it. `handlers` are borrowed for its life. */\n"
              "static inline mesh_api $service$__api(\n"
              "    const $service$__handlers *handlers, void *self)\n"
              "{\n"
              "    return mesh_api_make(&$service$__descriptor, handlers, self);\n"
              "}\n");
}

static void add_style(text *out, const schema_method *method)
{
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    text_fill(out, vars,
              "\nstatic mesh_handler_style $method$__style(const void *handlers)\n"
              "{\n"
              "    const $service$__handlers *slots = (const $service$__handlers *)handlers;\n"
              "    return mesh_style(");
    text_fill(out, vars,
              method->kind == MESH_UNARY ? "slots->$slot$ != NULL, slots->$stem$__inline != NULL,\n"
                                           "        MESH_HANDLER_INLINE);\n}\n"
                                         : "slots->$slot$ != NULL, slots->$stem$__events != NULL,\n"
                                           "        MESH_HANDLER_EVENTS);\n}\n");
}

static void add_invoke(text *out, const schema_method *method)
{
    static const char *const bodies[] = {
        [MESH_UNARY] =
            "    (void)stream;\n"
            "    return (slots->$slot$ != NULL ? slots->$slot$ : slots->$stem$__inline)(\n"
            "        self, call, (const $request$ *)request, ($response$ *)response, "
            "err);\n",
        [MESH_SERVER_STREAMING] = "    (void)response;\n"
                                  "    return slots->$slot$(\n"
                                  "        self, call, (const $request$ *)request, stream, err);\n",
        [MESH_CLIENT_STREAMING] = "    (void)request;\n"
                                  "    return slots->$slot$(\n"
                                  "        self, call, stream, ($response$ *)response, err);\n",
        [MESH_BIDI_STREAMING] = "    (void)request;\n"
                                "    (void)response;\n"
                                "    return slots->$slot$(self, call, stream, err);\n",
    };
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    text_fill(out, vars,
              "\nstatic mesh_code $method$__invoke(const void *handlers, void *self,\n"
              "    mesh_call *call, const ProtobufCMessage *request, ProtobufCMessage *response,\n"
              "    mesh_stream *stream, mesh_error *err)\n"
              "{\n"
              "    const $service$__handlers *slots = (const $service$__handlers *)handlers;\n");
    text_fill(out, vars, bodies[method->kind]);
    text_add(out, "}\n");
}

/* One adapter of an evented stream: parameters, call, and what an absent callback means. */
static void add_event(text *out, const text_var *vars, const char *result, const char *name,
                      const char *parameters, const char *arguments)
{
    bool code = result[0] == 'm';
    text_addf(out, "\nstatic %s ", result);
    text_fill(out, vars, "$method$__");
    text_addf(out, "%s(const void *handlers, void *self,\n    mesh_stream *stream%s)\n{\n", name,
              parameters);
    text_fill(out, vars,
              "    const $method$__events *events =\n"
              "        ((const $service$__handlers *)handlers)->$stem$__events;\n");
    text_addf(out,
              code ? "    return events->%s == NULL ? MESH_OK : events->%s("
                   : "    if (events->%s != NULL)\n        events->%s(",
              name, name);
    text_add(out, "self, stream");
    text_fill(out, vars, arguments);
    text_add(out, ");\n}\n");
}

static void add_adapter(text *out, const schema_method *method)
{
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    bool reads = method->kind != MESH_SERVER_STREAMING;
    const char *with_request = ", const ProtobufCMessage *request, mesh_error *err";
    if (reads) {
        text_fill(out, vars,
                  "\nstatic mesh_code $method$__on_open(const void *handlers, void *self,\n"
                  "    mesh_stream *stream, const ProtobufCMessage *request, mesh_error *err)\n"
                  "{\n"
                  "    const $method$__events *events =\n"
                  "        ((const $service$__handlers *)handlers)->$stem$__events;\n"
                  "    (void)request;\n"
                  "    return events->on_open == NULL ? MESH_OK : events->on_open(self, stream, "
                  "err);\n"
                  "}\n");
        add_event(out, vars, "mesh_code", "on_message",
                  ", const ProtobufCMessage *message, mesh_error *err",
                  ", (const $request$ *)message, err");
        add_event(out, vars, "void", "on_end", "", "");
    } else {
        add_event(out, vars, "mesh_code", "on_open", with_request,
                  ", (const $request$ *)request, err");
    }
    add_event(out, vars, "void", "on_writable", "", "");
    add_event(out, vars, "void", "on_close", ", mesh_code code", ", code");
    text_fill(out, vars,
              "\nstatic const mesh_events_adapter $method$__adapter = {\n"
              "    .on_open = $method$__on_open,\n");
    if (reads)
        text_fill(out, vars,
                  "    .on_message = $method$__on_message,\n"
                  "    .on_end = $method$__on_end,\n");
    text_fill(out, vars,
              "    .on_writable = $method$__on_writable,\n"
              "    .on_close = $method$__on_close,\n"
              "};\n");
}

static void add_constants(text *out, const schema_method *method)
{
    if (method->name_count > 0) {
        text_addf(out, "\nstatic const char *const %s__names[] = {\n", method->symbol);
        for (size_t i = 0; i < method->name_count; i++) {
            text_add(out, "    ");
            text_add_literal(out, method->names[i]);
            text_add(out, ",\n");
        }
        text_add(out, "    NULL,\n};\n");
    }
    if (method->http_count > 0) {
        text_addf(out, "\nstatic const mesh_http_rule %s__http[] = {\n", method->symbol);
        for (size_t i = 0; i < method->http_count; i++) {
            const schema_http *rule = &method->http[i];
            const char *parts[] = {rule->verb, rule->path, rule->body, rule->response_body};
            for (size_t k = 0; k < 4; k++) {
                text_add(out, k == 0 ? "    {" : ", ");
                text_add_literal(out, parts[k]);
            }
            text_add(out, "},\n");
        }
        text_add(out, "};\n");
    }
}

static void add_policy(text *out, const schema_method *method)
{
    static const char *const kinds[] = {
        [MESH_POLICY_PUBLIC] = "PUBLIC",     [MESH_POLICY_AUTHENTICATED] = "AUTHENTICATED",
        [MESH_POLICY_ROLES] = "ROLES",       [MESH_POLICY_PERMISSION] = "PERMISSION",
        [MESH_POLICY_SERVICES] = "SERVICES",
    };
    if (method->policy == MESH_POLICY_UNDECLARED)
        return;
    text_addf(out, "        .policy.kind = MESH_POLICY_%s,\n", kinds[method->policy]);
    if (method->permission != NULL) {
        text_add(out, "        .policy.permission = ");
        text_add_literal(out, method->permission);
        text_add(out, ",\n");
    }
    if (method->name_count > 0)
        text_addf(out, "        .policy.names = %s__names,\n", method->symbol);
    if (method->sensitive)
        text_add(out, "        .policy.sensitive = true,\n");
}

static void add_row(text *out, const schema_method *method)
{
    static const char *const kinds[] = {
        [MESH_UNARY] = "UNARY",
        [MESH_CLIENT_STREAMING] = "CLIENT_STREAMING",
        [MESH_SERVER_STREAMING] = "SERVER_STREAMING",
        [MESH_BIDI_STREAMING] = "BIDI_STREAMING",
    };
    text_var vars[METHOD_VARS];
    method_vars(vars, method);
    text_addf(out, "    [%s] = {\n", method->index);
    text_addf(out, "        .path = \"/%s/%s\",\n", method->service->full_name,
              method->proto->name);
    text_addf(out, "        .name = \"%s\",\n", method->proto->name);
    text_fill(out, vars, "        .api = &$service$__descriptor,\n");
    text_addf(out, "        .kind = MESH_%s,\n", kinds[method->kind]);
    if (method->idempotency != MESH_IDEMPOTENCY_UNKNOWN)
        text_addf(out, "        .idempotency = %s,\n",
                  method->idempotency == MESH_NO_SIDE_EFFECTS ? "MESH_NO_SIDE_EFFECTS"
                                                              : "MESH_IDEMPOTENT");
    text_fill(out, vars,
              "        .request = &$request_lower$__descriptor,\n"
              "        .response = &$response_lower$__descriptor,\n");
    add_policy(out, method);
    if (method->deadline_ms > 0)
        text_addf(out, "        .deadline_ms = INT64_C(%lld),\n", (long long)method->deadline_ms);
    if (method->http_count > 0)
        text_addf(out, "        .http = %s__http,\n        .http_count = %zu,\n", method->symbol,
                  method->http_count);
    if (method->deprecated)
        text_add(out, "        .deprecated = true,\n");
    text_fill(out, vars,
              "        .style = $method$__style,\n"
              "        .invoke = $method$__invoke,\n");
    if (method->kind != MESH_UNARY)
        text_fill(out, vars, "        .events = &$method$__adapter,\n");
    text_add(out, "    },\n");
}

void service_source(text *out, const schema_service *service)
{
    for (size_t i = 0; i < service->method_count; i++) {
        add_style(out, &service->methods[i]);
        add_invoke(out, &service->methods[i]);
        if (service->methods[i].kind != MESH_UNARY)
            add_adapter(out, &service->methods[i]);
        add_constants(out, &service->methods[i]);
    }
    text_addf(out, "\nconst mesh_method %s__methods[] = {\n", service->lower);
    for (size_t i = 0; i < service->method_count; i++)
        add_row(out, &service->methods[i]);
    if (service->method_count == 0)
        text_add(out, "    {0},\n");
    text_addf(out, "};\n\nconst mesh_api_descriptor %s__descriptor = {\n", service->lower);
    text_addf(out, "    .name = \"%s\",\n", service->full_name);
    text_addf(out, "    .file = &%s__file,\n", service->file->c_name);
    text_addf(out, "    .methods = %s__methods,\n", service->lower);
    text_addf(out, "    .method_count = %zu,\n", service->method_count);
    text_addf(out, "    .version = %d,\n};\n", MESH_VERSION_NUMBER);
}
