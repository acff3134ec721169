#include "mesh/meshctl/payload.h"

#include <inttypes.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/meshctl/grid.h"
#include "mesh/meshctl/header.h"

mesh_code ctl_payloads_open(ctl *run, ctl_connection *connection, ctl_payloads *payloads,
                            ctl_failure *failure)
{
    *payloads = (ctl_payloads){.stranger_count = 0};
    return ctl_catalog_open_mesh(run, connection, &payloads->catalog, failure);
}

void ctl_payloads_close(ctl_payloads *payloads)
{
    for (size_t i = 0; i < payloads->stranger_count; i++)
        mesh_free(payloads->strangers[i]);
    ctl_catalog_close(&payloads->catalog);
    *payloads = (ctl_payloads){.stranger_count = 0};
}

static const mesh_dyn_message *find_type(ctl_payloads *payloads, const char *name)
{
    for (size_t i = 0; i < payloads->stranger_count; i++)
        if (strcmp(payloads->strangers[i], name) == 0)
            return NULL;
    const mesh_dyn_message *type = ctl_catalog_message(&payloads->catalog, name);
    if (type == NULL && payloads->stranger_count < CTL_PAYLOAD_STRANGERS) {
        char *copy = mesh_strdup(name);
        if (copy != NULL)
            payloads->strangers[payloads->stranger_count++] = copy;
    }
    return type;
}

const char *ctl_payload_json(ctl_payloads *payloads, const Mesh__Events__V1__Event *event,
                             unsigned indent, mesh_arena *arena, const char **why)
{
    const mesh_dyn_json_options options = {
        .size = sizeof options, .proto_names = true, .indent = indent};
    const mesh_dyn_message *type = find_type(payloads, event->type);
    const char *json;
    size_t size;
    mesh_error err;
    if (type == NULL) {
        *why = mesh_arena_printf(arena,
                                 "%zu bytes of %s, a type that is not known here; --protoset FILE "
                                 "tells it",
                                 event->payload.len,
                                 event->type[0] == '\0' ? "no type" : event->type);
        return NULL;
    }
    mesh_error_clear(&err);
    if (ctl_catalog_json(&payloads->catalog, type, event->payload.data, event->payload.len,
                         &options, arena, &json, &size, &err) == MESH_OK)
        return json;
    *why = mesh_arena_printf(arena, "%zu bytes that are no %s: %s", event->payload.len, event->type,
                             err.message);
    return NULL;
}

void ctl_payload_add_base64(const ProtobufCBinaryData *data, mesh_text *out)
{
    char digits[CTL_BASE64_DIGITS];
    mesh_text_puts(out, "\"");
    for (size_t i = 0; i < data->len; i += CTL_BASE64_BYTES) {
        ctl_base64_next(data->data + i, data->len - i, digits);
        mesh_text_add(out, digits, sizeof digits);
    }
    mesh_text_puts(out, "\"");
}

static void add_time(mesh_text *out, const char *name, const Google__Protobuf__Timestamp *time)
{
    const ctl run = {.arena = out->arena};
    if (time != NULL)
        ctl_json_member(out, name, ctl_moment(&run, time));
}

void ctl_payload_add_event(ctl_payloads *payloads, const Mesh__Events__V1__Event *event,
                           mesh_arena *arena, mesh_text *out)
{
    const char *why = "";
    mesh_text_printf(out, "{\"sequence\":%" PRIu64, event->sequence);
    add_time(out, "store_time", event->store_time);
    ctl_json_member(out, "subject", event->subject);
    ctl_json_member(out, "id", event->id);
    ctl_json_member(out, "type", event->type);
    ctl_json_member(out, "source", event->source);
    ctl_json_member(out, "aggregate_type", event->aggregate_type);
    ctl_json_member(out, "aggregate_id", event->aggregate_id);
    mesh_text_printf(out, ",\"version\":%" PRId64, event->version);
    add_time(out, "time", event->time);
    ctl_json_member(out, "traceparent", event->traceparent);
    const char *json = ctl_payload_json(payloads, event, 0, arena, &why);
    if (json != NULL) {
        mesh_text_puts(out, ",\"payload\":");
        mesh_text_puts(out, json);
    } else {
        mesh_text_puts(out, ",\"payload_base64\":");
        ctl_payload_add_base64(&event->payload, out);
        ctl_json_member(out, "payload_error", why);
    }
    mesh_text_puts(out, "}");
}
