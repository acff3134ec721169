/*
 * The parts of generated files. Each function adds what belongs into x.mesh.h (`..._header`) or
 * x.mesh.c (`..._source`); mesh/plugin/README.md shows the shape of the whole.
 */
#ifndef MESH_PLUGIN_PARTS_H
#define MESH_PLUGIN_PARTS_H

#include "mesh/plugin/schema.h"
#include "mesh/plugin/text.h"

/* Whole files. */
void parts_header(text *out, const schema *all, const schema_file *file);
void parts_source(text *out, const schema *all, const schema_file *file);

/* mesh_file: descriptor and imports. */
void reflection_header(text *out, const schema_file *file);
void reflection_source(text *out, const schema *all, const schema_file *file);

/* has, set and clear of proto3 `optional` fields. */
void presence_header(text *out, const schema *all, const schema_type *type);

/* Enums of reasons. */
void reason_header(text *out, const schema_type *type);
void reason_source(text *out, const schema_type *type);

/* Enums of permissions and of roles. */
void access_header(text *out, const schema *all, const schema_type *type);
void access_source(text *out, const schema_type *type);

/* Messages that are events. */
void event_header(text *out, const schema_type *type);
void event_source(text *out, const schema_type *type);

/* A service: handler table and constants; its client functions and stream helpers. */
void service_header(text *out, const schema_service *service);
void service_source(text *out, const schema_service *service);
void client_header(text *out, const schema_service *service);
void client_source(text *out, const schema_service *service);

/* The variables of templates about a method; the names are those of $...$ in the templates. */
enum {
    METHOD_VARS = 11
};
void method_vars(text_var vars[METHOD_VARS], const schema_method *method);

#endif
