/* Payloads of events, decoded with the types of the mesh. */
#ifndef MESH_MESHCTL_PAYLOAD_H
#define MESH_MESHCTL_PAYLOAD_H

#include "mesh/dyn/text.h"
#include "mesh/events/v1/events.mesh.h"
#include "mesh/meshctl/catalog.h"

enum {
    CTL_PAYLOAD_STRANGERS = 16 /* types that nobody knew, so that they are not asked for again */
};

typedef struct ctl_payloads {
    ctl_catalog catalog;
    char *strangers[CTL_PAYLOAD_STRANGERS];
    size_t stranger_count;
} ctl_payloads;

mesh_code ctl_payloads_open(ctl *run, ctl_connection *connection, ctl_payloads *payloads,
                            ctl_failure *failure);
void ctl_payloads_close(ctl_payloads *payloads);

/*
 * The payload of an event as JSON, in the arena, laid out with `indent` spaces a level; NULL when
 * its type is not known or its bytes are not of that type: `why` says so then.
 */
const char *ctl_payload_json(ctl_payloads *payloads, const Mesh__Events__V1__Event *event,
                             unsigned indent, mesh_arena *arena, const char **why);

/* An event with its payload as a JSON object on one line: `"payload"`, or, where it is not decoded,
 * `"payload_base64"` and `"payload_error"`. */
void ctl_payload_add_event(ctl_payloads *payloads, const Mesh__Events__V1__Event *event,
                           mesh_arena *arena, mesh_text *out);

/* Bytes as base64, in quotes. */
void ctl_payload_add_base64(const ProtobufCBinaryData *data, mesh_text *out);

#endif
