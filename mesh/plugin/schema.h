/*
 * The contract as the generator sees it: files, types, services, events, reasons, permissions and
 * roles, with their names of C and their options, read from a checked CodeGeneratorRequest.
 * Everything lives in the schema's arena and is immutable once schema_build returned.
 */
#ifndef MESH_PLUGIN_SCHEMA_H
#define MESH_PLUGIN_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "google/protobuf/compiler/plugin.pb-c.h"
#include "google/protobuf/descriptor.pb-c.h"
#include "mesh/base/arena.h"
#include "mesh/rpc/method.h"

typedef Google__Protobuf__FileDescriptorProto file_proto;
typedef Google__Protobuf__DescriptorProto message_proto;
typedef Google__Protobuf__FieldDescriptorProto field_proto;
typedef Google__Protobuf__EnumDescriptorProto enum_proto;
typedef Google__Protobuf__ServiceDescriptorProto service_proto;
typedef Google__Protobuf__MethodDescriptorProto method_proto;

/* Where something stands in its file: SourceCodeInfo.Location.path of descriptor.proto. */
typedef struct schema_path {
    const int32_t *steps;
    size_t count;
} schema_path;

typedef struct schema_file {
    const file_proto *proto;
    bool generate;
    const char *stem;   /* "order/v1/order" */
    const char *c_name; /* "order__v1__order_proto" */
    const bool *sees;   /* of a file to generate, one for each of the schema's files: it is this
                           one or an import of it, direct or not */
} schema_file;

/* What the values of an enum are, by its option. */
typedef enum schema_values {
    SCHEMA_VALUES, /* no more than that */
    SCHEMA_REASONS,
    SCHEMA_PERMISSIONS,
    SCHEMA_ROLES
} schema_values;

/* A message or an enum, nested ones included. */
typedef struct schema_type schema_type;
struct schema_type {
    const schema_file *file;
    const message_proto *message;  /* one of both is set */
    const enum_proto *enumeration; /* */
    const schema_type *parent;     /* the message around it, or NULL */
    schema_path path;
    const char *full_name; /* "order.v1.Order" */
    const char *type;      /* "Order__V1__Order" */
    const char *lower;     /* "order__v1__order" */
    const char *upper;     /* "ORDER__V1__ORDER" */
    bool map_entry;

    /* (mesh.v1.error_reasons), (mesh.v1.permissions) or (mesh.v1.roles) of an enum. */
    schema_values values;
    const char **strings; /* of each permission or role, NULL for the value 0; else NULL */

    /* (mesh.v1.event) of a message. */
    bool event;
    const char *subject;
    const char *aggregate;      /* member of the C struct */
    const char *version;        /* the same, or NULL */
    const char *aggregate_type; /* "order" */
    const schema_type *older;   /* the event whose place it takes, or NULL */
};

typedef struct schema_http {
    const char *verb;
    const char *path;
    const char *body;
    const char *response_body;
} schema_http;

typedef struct schema_service schema_service;

typedef struct schema_method {
    const schema_service *service;
    const method_proto *proto;
    schema_path path;
    const char *full_name; /* "order.v1.OrderService.CreateOrder" */
    const char *symbol;    /* "order__v1__order_service__create_order" */
    const char *index;     /* "ORDER__V1__ORDER_SERVICE__CREATE_ORDER" */
    const char *stem;      /* "create_order", "delete" */
    const char *slot;      /* the same, with "_" behind a keyword: "delete_" */
    mesh_method_kind kind;
    const schema_type *request;
    const schema_type *response;
    mesh_idempotency idempotency;
    bool deprecated;

    mesh_policy_kind policy;
    const char *permission;
    const char **names; /* roles or services */
    size_t name_count;
    bool sensitive;
    int64_t deadline_ms;
    schema_http *http;
    size_t http_count;
} schema_method;

struct schema_service {
    const schema_file *file;
    const service_proto *proto;
    schema_path path;
    const char *full_name;
    const char *lower;
    const char *upper;
    schema_method *methods;
    size_t method_count;
};

typedef struct schema {
    mesh_arena *arena;
    schema_file *files;
    size_t file_count;
    schema_type *types; /* in the order of files and declarations */
    size_t type_count;
    schema_type **by_name; /* the same, sorted by full name */
    schema_service *services;
    size_t service_count;
} schema;

typedef struct report report; /* mesh/plugin/report.h */

/* Builds the schema, without options, of a request that request_read accepted; it is borrowed. */
void schema_build(schema *out, mesh_arena *arena,
                  const Google__Protobuf__Compiler__CodeGeneratorRequest *request);

/*
 * Adds the options, once check_links found nothing. What is wrong with them goes to `problems`;
 * the schema is only good for generating when there are none.
 */
void schema_read_options(schema *out, report *problems);

/* The type of a name as descriptors write it (".order.v1.Order"); NULL when there is none. */
const schema_type *schema_find(const schema *all, const char *type_name);

/* The file of an import; NULL when the request does not have it. */
const schema_file *schema_file_find(const schema *all, const char *name);

/* `path` with two more steps: a field of the descriptor and the index in it. */
schema_path schema_path_add(mesh_arena *arena, schema_path path, int32_t field, int32_t index);

/* `path` with one more step. */
schema_path schema_path_field(mesh_arena *arena, schema_path path, int32_t field);

/* The comment in front of what stands at `path`; NULL when there is none. */
const char *schema_comment(const file_proto *file, schema_path path);

/* A proto3 `optional` field. */
bool schema_is_optional(const field_proto *field);

/* The first member of a oneof; NULL for one without members. */
const field_proto *schema_oneof_first(const message_proto *message, size_t oneof);

/* The start of a oneof's constants: "ORDER__V1__ORDER__PAYMENT" of "..__NOT_SET". */
const char *schema_oneof_constant(const schema *all, const schema_type *type, size_t oneof);

#endif
