/* (google.api.http): how a method is reached by plain HTTP. */
#include <string.h>

#include "google/api/http.pb-c.h"
#include "mesh/plugin/memory.h"
#include "mesh/plugin/options.h"

enum {
    OPTION_HTTP = 72295728,
    METHOD_OPTIONS = 4
};

static const field_proto *find_field(const schema_type *type, const char *name, size_t size)
{
    for (size_t i = 0; i < type->message->n_field; i++) {
        const field_proto *field = type->message->field[i];
        if (strlen(field->name) == size && memcmp(field->name, name, size) == 0)
            return field;
    }
    return NULL;
}

/* A field path "order.id" of `size` bytes: each part but the last is a message. */
static bool has_field(const schema *all, const schema_type *type, const char *path, size_t size)
{
    for (;;) {
        const char *dot = memchr(path, '.', size);
        size_t part = dot != NULL ? (size_t)(dot - path) : size;
        const field_proto *field = find_field(type, path, part);
        if (field == NULL || dot == NULL)
            return field != NULL;
        if (field->type != GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_MESSAGE)
            return false;
        type = schema_find(all, field->type_name);
        path = dot + 1;
        size -= part + 1;
    }
}

static void check_path(const options_place *where, const schema_method *method, const char *path)
{
    if (path[0] != '/') {
        options_mistake(where, "the HTTP path \"%s\" does not begin with \"/\"", path);
        return;
    }
    for (const char *open = path; (open = strpbrk(open, "{}")) != NULL;) {
        size_t size = strcspn(open + 1, "{}=");
        const char *close = *open == '{' ? strpbrk(open + 1, "{}") : NULL;
        if (close == NULL || *close == '{' || size == 0) {
            options_mistake(where, "the HTTP path \"%s\" has an unpaired or empty brace", path);
            return;
        }
        if (!has_field(where->all, method->request, open + 1, size))
            options_mistake(where,
                            "the HTTP path \"%s\" names the field \"%.*s\" that %s does not have",
                            path, (int)size, open + 1, method->request->full_name);
        open = close + 1;
    }
}

static bool read_pattern(const Google__Api__HttpRule *rule, const char **verb, const char **path)
{
    switch (rule->pattern_case) {
    case GOOGLE__API__HTTP_RULE__PATTERN_GET:
        *verb = "GET", *path = rule->get;
        return true;
    case GOOGLE__API__HTTP_RULE__PATTERN_PUT:
        *verb = "PUT", *path = rule->put;
        return true;
    case GOOGLE__API__HTTP_RULE__PATTERN_POST:
        *verb = "POST", *path = rule->post;
        return true;
    case GOOGLE__API__HTTP_RULE__PATTERN_DELETE:
        *verb = "DELETE", *path = rule->delete_;
        return true;
    case GOOGLE__API__HTTP_RULE__PATTERN_PATCH:
        *verb = "PATCH", *path = rule->patch;
        return true;
    case GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM:
        *verb = rule->custom->kind, *path = rule->custom->path;
        return (*verb)[0] != '\0';
    default:
        return false;
    }
}

static void read_rule(const options_place *where, schema_method *method,
                      const Google__Api__HttpRule *rule)
{
    schema_http *http = &method->http[method->http_count];
    if (!read_pattern(rule, &http->verb, &http->path)) {
        options_mistake(where, "an HTTP rule needs a verb and a path");
        return;
    }
    method->http_count++;
    http->body = rule->body;
    http->response_body = rule->response_body;
    check_path(where, method, http->path);
    if (http->body[0] != '\0' && strcmp(http->body, "*") != 0 &&
        find_field(method->request, http->body, strlen(http->body)) == NULL)
        options_mistake(where, "`body` names the field \"%s\" that %s does not have", http->body,
                        method->request->full_name);
    if (http->response_body[0] != '\0' &&
        find_field(method->response, http->response_body, strlen(http->response_body)) == NULL)
        options_mistake(where, "`response_body` names the field \"%s\" that %s does not have",
                        http->response_body, method->response->full_name);
}

void options_http(schema *all, schema_method *method, report *problems)
{
    const ProtobufCMessage *base = (const ProtobufCMessage *)method->proto->options;
    const options_place where = {
        .all = all,
        .file = method->service->file->proto,
        .owner = method->full_name,
        .path = schema_path_field(
            all->arena, schema_path_field(all->arena, method->path, METHOD_OPTIONS), OPTION_HTTP),
        .problems = problems};
    const ProtobufCMessage *message = options_read(&where, base, OPTION_HTTP, "google.api.http",
                                                   &google__api__http_rule__descriptor);
    if (message == NULL)
        return;
    const Google__Api__HttpRule *rule = (const Google__Api__HttpRule *)message;
    method->http = memory_take(all->arena, rule->n_additional_bindings + 1, sizeof *method->http);
    read_rule(&where, method, rule);
    for (size_t i = 0; i < rule->n_additional_bindings; i++) {
        if (rule->additional_bindings[i]->n_additional_bindings > 0)
            options_mistake(&where,
                            "an additional HTTP binding has additional bindings of its own");
        read_rule(&where, method, rule->additional_bindings[i]);
    }
}
