/*
 * The options that a contract gives to methods, messages and enums (proto/mesh/v1/options.proto and
 * google.api.http), read and checked. They arrive as unknown fields of the options messages.
 */
#ifndef MESH_PLUGIN_OPTIONS_H
#define MESH_PLUGIN_OPTIONS_H

#include "mesh/plugin/report.h"
#include "mesh/plugin/schema.h"

/* Each fills its part of the schema; mistakes go to `problems`. */
void options_method(schema *all, schema_method *method, report *problems);
void options_http(schema *all, schema_method *method, report *problems);
void options_message(schema *all, schema_type *type, report *problems);
void options_enum(schema *all, schema_type *type);

/* Mistakes in an enum's options, once those of all enums are read. */
void options_enum_check(schema *all, const schema_type *type, report *problems);

/* protoc-gen-c's own options (protobuf-c.proto) would change the names that we count on. */
void options_refuse_protobuf_c(const schema *all, report *problems);

/*
 * The value of the option `number` in an options message, all its occurrences joined as the wire
 * format wants it. NULL when it is not given.
 */
const uint8_t *options_find(mesh_arena *arena, const ProtobufCMessage *options, uint32_t number,
                            size_t *size);

/* An option that is read, and where it stands. */
typedef struct options_place {
    schema *all;
    const file_proto *file;
    const char *owner; /* full name of what has it */
    schema_path path;
    report *problems;
} options_place;

/* Adds a mistake in the option: its place, the owner's name, and the text. */
void options_mistake(const options_place *where, const char *format, ...) MESH_PRINTF(2, 3);

/*
 * The value of the option `number`, called `name`, as a message of the type. NULL when it is not
 * given, or its bytes are no such message, which is a mistake.
 */
const ProtobufCMessage *options_read(const options_place *where, const ProtobufCMessage *options,
                                     uint32_t number, const char *name,
                                     const ProtobufCMessageDescriptor *type);

/*
 * Adds a mistake when `string`, which a policy in `file` names, is of no value of an enum of these
 * values (permissions or roles) in the file or its imports.
 */
void options_check_named(const options_place *where, const schema_file *file, schema_values values,
                         const char *string);

#endif
