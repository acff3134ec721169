#include "mesh/meshctl/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/dyn/json_text.h"
#include "mesh/meshctl/style.h"
#include "mesh/meshctl/suggest.h"

/* google.rpc.Status, Any and ErrorInfo. */
enum {
    STATUS_DETAILS = 3,
    ANY_TYPE = 1,
    ANY_VALUE = 2,
    ERROR_INFO_METADATA = 3,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2
};

static const char error_info[] = "google.rpc.ErrorInfo";

static bool is_type(const mesh_error_any *detail, const char *type)
{
    return detail->type_size == strlen(type) && memcmp(detail->type, type, detail->type_size) == 0;
}

/* Shown in words of its own, not as JSON. */
static bool is_spoken(const mesh_error_any *detail)
{
    return is_type(detail, "google.rpc.BadRequest") || is_type(detail, "google.rpc.RetryInfo") ||
           is_type(detail, error_info);
}

/* Calls `fn` for each entry of the ErrorInfo's metadata. */
typedef void metadata_fn(void *context, const mesh_wire_field *key, const mesh_wire_field *value);

static void each_metadata(const mesh_error *err, metadata_fn *fn, void *context)
{
    uint8_t status[MESH_ERROR_STATUS_BYTES];
    size_t size = mesh_error_encode_status(err, status, sizeof status);
    mesh_wire_reader fields = {status, status + size};
    mesh_wire_field detail, part, entry;
    while (mesh_wire_next(&fields, &detail)) {
        if (detail.number != STATUS_DETAILS || detail.type != MESH_WIRE_BYTES)
            continue;
        mesh_wire_reader any = {detail.data, detail.data + detail.size};
        mesh_wire_field type = {.size = 0}, value = {.size = 0};
        while (mesh_wire_next(&any, &part))
            if (part.type == MESH_WIRE_BYTES)
                *(part.number == ANY_TYPE ? &type : &value) = part;
        size_t name = sizeof error_info - 1;
        if (type.size < name || value.size == 0 ||
            memcmp(type.data + type.size - name, error_info, name) != 0)
            continue;
        mesh_wire_reader info = {value.data, value.data + value.size};
        while (mesh_wire_next(&info, &entry)) {
            if (entry.number != ERROR_INFO_METADATA || entry.type != MESH_WIRE_BYTES)
                continue;
            mesh_wire_reader pair = {entry.data, entry.data + entry.size};
            mesh_wire_field key = {.data = entry.data}, text = {.data = entry.data};
            while (mesh_wire_next(&pair, &part))
                if (part.type == MESH_WIRE_BYTES)
                    *(part.number == ENTRY_KEY ? &key : &text) = part;
            fn(context, &key, &text);
        }
        return;
    }
}

/* Text from a server: control characters could move the terminal's cursor. */
static void print_text(FILE *out, const void *data, size_t size)
{
    const unsigned char *text = data;
    for (size_t i = 0; i < size; i++)
        fputc(text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i], out);
}

static void print_metadata(void *context, const mesh_wire_field *key, const mesh_wire_field *value)
{
    FILE *out = context;
    fputs("  ", out);
    print_text(out, key->data, key->size);
    fputs(": ", out);
    print_text(out, value->data, value->size);
    fputc('\n', out);
}

/* One detail as JSON; NULL when its type is not known. */
static const char *detail_json(const mesh_error_any *detail, const mesh_dyn_pool *pool,
                               mesh_arena *arena)
{
    const char *name = mesh_arena_strndup(arena, detail->type, detail->type_size);
    const mesh_dyn_message *type = pool == NULL ? NULL : mesh_dyn_find_message(pool, name);
    const char *json;
    size_t size;
    if (type == NULL || mesh_dyn_wire_to_json(pool, type, detail->data, detail->size, NULL, arena,
                                              &json, &size, NULL) != MESH_OK)
        return NULL;
    return json;
}

static void print_details(const ctl *run, const mesh_error *err, const mesh_dyn_pool *pool)
{
    FILE *out = run->err;
    if (err->reason[0] != '\0')
        fprintf(out, "  reason: %s%s%s%s\n", err->reason, err->domain[0] == '\0' ? "" : " (",
                err->domain, err->domain[0] == '\0' ? "" : ")");
    each_metadata(err, print_metadata, out);
    mesh_error_violation violation;
    for (size_t i = 0; mesh_error_violation_at(err, i, &violation); i++) {
        fputs("  - ", out);
        print_text(out, violation.field, violation.field_size);
        fputs(": ", out);
        print_text(out, violation.description, violation.description_size);
        fputc('\n', out);
    }
    int64_t delay_ms;
    if (mesh_error_retry_delay(err, &delay_ms))
        fprintf(out, "  try again after %" PRId64 ".%03" PRId64 " s\n", delay_ms / 1000,
                delay_ms % 1000);
    mesh_error_any detail;
    for (size_t i = 0; mesh_error_detail_at(err, i, &detail); i++) {
        if (is_spoken(&detail))
            continue;
        const char *json = detail_json(&detail, pool, run->arena);
        fprintf(out, "  %.*s: ", (int)detail.type_size, detail.type);
        if (json != NULL)
            fprintf(out, "%s\n", json);
        else
            fprintf(out, "%zu bytes of a type that is not known here\n", detail.size);
    }
    if (err->details_cut)
        fputs("  (more details were left out)\n", out);
}

typedef struct json_metadata {
    mesh_text *out;
    size_t count;
} json_metadata;

static void add_metadata(void *context, const mesh_wire_field *key, const mesh_wire_field *value)
{
    json_metadata *json = context;
    mesh_text_puts(json->out, json->count++ == 0 ? ",\"metadata\":{" : ",");
    mesh_json_quote((const char *)key->data, key->size, json->out);
    mesh_text_puts(json->out, ":");
    mesh_json_quote((const char *)value->data, value->size, json->out);
}

static void add_member(mesh_text *out, const char *name, const char *value)
{
    mesh_text_printf(out, ",\"%s\":", name);
    mesh_json_quote(value, strlen(value), out);
}

static void add_details(mesh_text *out, const mesh_error *err, const mesh_dyn_pool *pool,
                        mesh_arena *arena)
{
    mesh_error_any detail;
    size_t count = 0;
    for (size_t i = 0; mesh_error_detail_at(err, i, &detail); i++) {
        if (is_spoken(&detail))
            continue;
        mesh_text_puts(out, count++ == 0 ? ",\"details\":[" : ",");
        mesh_text_puts(out, "{\"type\":");
        mesh_json_quote(detail.type, detail.type_size, out);
        const char *json = detail_json(&detail, pool, arena);
        if (json != NULL)
            mesh_text_printf(out, ",\"value\":%s", json);
        mesh_text_puts(out, "}");
    }
    if (count > 0)
        mesh_text_puts(out, "]");
}

static void print_json(const ctl *run, const ctl_failure *failure, const mesh_dyn_pool *pool)
{
    const mesh_error *err = &failure->err;
    mesh_text out = MESH_TEXT_INIT(run->arena, 0);
    mesh_text_printf(&out, "{\"code\":\"%s\",\"status\":%d", mesh_code_name(err->code), err->code);
    add_member(&out, "message", err->message);
    if (err->reason[0] != '\0')
        add_member(&out, "reason", err->reason);
    if (err->domain[0] != '\0')
        add_member(&out, "domain", err->domain);
    json_metadata metadata = {.out = &out};
    each_metadata(err, add_metadata, &metadata);
    if (metadata.count > 0)
        mesh_text_puts(&out, "}");
    mesh_error_violation violation;
    size_t count = 0;
    for (; mesh_error_violation_at(err, count, &violation); count++) {
        mesh_text_puts(&out, count == 0 ? ",\"violations\":[{\"field\":" : ",{\"field\":");
        mesh_json_quote(violation.field, violation.field_size, &out);
        mesh_text_puts(&out, ",\"description\":");
        mesh_json_quote(violation.description, violation.description_size, &out);
        mesh_text_puts(&out, "}");
    }
    if (count > 0)
        mesh_text_puts(&out, "]");
    int64_t delay_ms;
    if (mesh_error_retry_delay(err, &delay_ms))
        mesh_text_printf(&out, ",\"retry_after_ms\":%" PRId64, delay_ms);
    add_details(&out, err, pool, run->arena);
    mesh_text_printf(&out, ",\"remote\":%s", failure->remote ? "true" : "false");
    if (failure->hint != NULL)
        add_member(&out, "hint", failure->hint);
    mesh_text_puts(&out, "}");
    fprintf(run->err, "%s\n", mesh_text_string(&out));
}

int ctl_report(const ctl *run, const ctl_failure *failure, const mesh_dyn_pool *pool)
{
    const mesh_error *err = &failure->err;
    fflush(run->out); /* what came before the failure is seen before it */
    if (run->args.json) {
        print_json(run, failure, pool);
    } else {
        FILE *out = run->err;
        fprintf(out, "%smeshctl:%s ", ctl_style(run->colour_err, CTL_RED),
                ctl_style(run->colour_err, CTL_PLAIN));
        if (failure->remote)
            fprintf(out, "%s%s%s%s", ctl_style(run->colour_err, CTL_BOLD),
                    mesh_code_name(err->code), ctl_style(run->colour_err, CTL_PLAIN),
                    err->message[0] == '\0' ? "" : ": ");
        print_text(out, err->message, strlen(err->message));
        fputc('\n', out);
        if (failure->remote)
            print_details(run, err, pool);
        if (failure->hint != NULL)
            fprintf(out, "  %s\n", failure->hint);
    }
    return failure->remote ? CTL_EXIT_STATUS + (int)err->code : CTL_EXIT_FAILED;
}

int ctl_report_usage(const ctl *run, const char *format, ...)
{
    const char *command = ctl_command_name(run->args.command);
    va_list args;
    va_start(args, format);
    fprintf(run->err, "meshctl: ");
    vfprintf(run->err, format, args);
    va_end(args);
    fprintf(run->err, "\n  meshctl %s%s--help shows how it is used\n",
            command == NULL ? "" : command, command == NULL ? "" : " ");
    return CTL_EXIT_USAGE;
}

int ctl_report_verb(const ctl *run)
{
    const char *command = ctl_command_name(run->args.command);
    const char *const *verbs = ctl_verbs(run->args.command);
    const char *given = run->args.word_count > 0 ? run->args.words[0] : "";
    ctl_suggestions near = ctl_suggest_begin(given);
    char names[128];
    mesh_text all = MESH_TEXT_INIT(run->arena, 0);
    for (size_t i = 0; verbs[i] != NULL; i++) {
        mesh_text_printf(&all, "%s%s",
                         i == 0                 ? ""
                         : verbs[i + 1] != NULL ? ", "
                                                : " or ",
                         verbs[i]);
        ctl_suggest_offer(&near, verbs[i]);
    }
    ctl_suggest_end(&near, names, sizeof names);
    if (given[0] == '\0')
        return ctl_report_usage(run, "%s needs to know what: %s", command, mesh_text_string(&all));
    return ctl_report_usage(run, "%s: there is no %s, but %s%s", command, given,
                            mesh_text_string(&all), names);
}
