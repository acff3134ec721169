/*
 * Messages whose types are known at run time only: a pool of .proto files, JSON from and to the
 * wire format, and types shown as .proto text. For tools and for transcoding; programs that know
 * their types use the generated ones.
 *
 * A pool is filled by one thread; after that any number of threads may use it at once. Everything
 * found in a pool lives as long as the pool. Results are written into the arena that the caller
 * gives.
 */
#ifndef MESH_DYN_DYN_H
#define MESH_DYN_DYN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/arena.h"
#include "mesh/base/error.h"

MESH_BEGIN_DECLS

typedef struct mesh_dyn_pool mesh_dyn_pool;
typedef struct mesh_dyn_message mesh_dyn_message; /* a message type */
typedef struct mesh_dyn_service mesh_dyn_service;
typedef struct mesh_dyn_method mesh_dyn_method;

enum {
    MESH_DYN_MAX_WIRE_DEPTH = 100,               /* nesting of messages on the wire */
    MESH_DYN_MAX_JSON_DEPTH = 64,                /* nesting of JSON objects and arrays */
    MESH_DYN_MAX_JSON_ANY_DEPTH = 30,            /* the same in a text that holds an "@type" */
    MESH_DYN_MAX_OUTPUT_BYTES = 64 * 1024 * 1024 /* default limit of a result */
};

/*
 * Creates a pool that knows google/protobuf/descriptor.proto and nothing else. FAILED_PRECONDITION:
 * the program runs with another version of libupb than it was made for; RESOURCE_EXHAUSTED: out of
 * memory.
 */
mesh_code mesh_dyn_pool_create(mesh_dyn_pool **pool, mesh_error *err);

/* Frees the pool and all that was found in it. NULL is accepted. */
void mesh_dyn_pool_destroy(mesh_dyn_pool *pool);

/*
 * Adds an encoded google.protobuf.FileDescriptorProto (copied). Files may come in any order: one
 * whose imports are not there yet is kept until they are. A file whose name was seen before is
 * ignored. INVALID_ARGUMENT: it is not a valid file; the message names it and says why.
 */
mesh_code mesh_dyn_pool_add(mesh_dyn_pool *pool, const void *data, size_t size, mesh_error *err);

/*
 * Adds an encoded google.protobuf.FileDescriptorSet ("protoc --include_imports
 * --descriptor_set_out") and completes the pool as below.
 */
mesh_code mesh_dyn_pool_add_set(mesh_dyn_pool *pool, const void *data, size_t size,
                                mesh_error *err);

/*
 * The name of a file that others import and that was not added, or NULL when there is none: what to
 * ask a reflection server for next. Valid until the next add.
 */
const char *mesh_dyn_pool_missing(const mesh_dyn_pool *pool);

/* FAILED_PRECONDITION when imports are missing; the message names them and who imports them. */
mesh_code mesh_dyn_pool_complete(const mesh_dyn_pool *pool, mesh_error *err);

/* By full name ("order.v1.Order"); NULL when there is none. */
const mesh_dyn_message *mesh_dyn_find_message(const mesh_dyn_pool *pool, const char *name);
const mesh_dyn_service *mesh_dyn_find_service(const mesh_dyn_pool *pool, const char *name);
/* By its name in the service ("GetOrder"). */
const mesh_dyn_method *mesh_dyn_find_method(const mesh_dyn_service *service, const char *name);

/* The services of the pool in the order their files were added, and their methods as declared. */
size_t mesh_dyn_service_count(const mesh_dyn_pool *pool);
const mesh_dyn_service *mesh_dyn_service_at(const mesh_dyn_pool *pool, size_t index);
size_t mesh_dyn_method_count(const mesh_dyn_service *service);
const mesh_dyn_method *mesh_dyn_method_at(const mesh_dyn_service *service, size_t index);

const char *mesh_dyn_message_name(const mesh_dyn_message *message); /* full */
const char *mesh_dyn_service_name(const mesh_dyn_service *service); /* full */
const char *mesh_dyn_method_name(const mesh_dyn_method *method);    /* in its service */
const mesh_dyn_service *mesh_dyn_method_service(const mesh_dyn_method *method);
const mesh_dyn_message *mesh_dyn_method_input(const mesh_dyn_method *method);
const mesh_dyn_message *mesh_dyn_method_output(const mesh_dyn_method *method);
bool mesh_dyn_method_client_streaming(const mesh_dyn_method *method);
bool mesh_dyn_method_server_streaming(const mesh_dyn_method *method);

/*
 * Calls `fn` with the full name of every message, enum and service (and "SERVICE.METHOD") of the
 * pool, those of descriptor.proto excepted, until it returns false.
 */
typedef bool mesh_dyn_symbol_fn(void *context, const char *name);
void mesh_dyn_each_symbol(const mesh_dyn_pool *pool, mesh_dyn_symbol_fn *fn, void *context);

/* How JSON is written and read; zero-initialised (or NULL) it is proto3's canonical mapping
 * (https://protobuf.dev/programming-guides/json/) on one line. */
typedef struct mesh_dyn_json_options {
    size_t size;
    bool emit_defaults;   /* fields without presence that are zero, too */
    bool proto_names;     /* order_id instead of orderId; reading accepts both always */
    bool enum_numbers;    /* 2 instead of "PAID" */
    bool ignore_unknown;  /* reading: skip fields that the type does not have */
    unsigned indent;      /* spaces a level; 0: one line */
    size_t max_out_bytes; /* largest result, default MESH_DYN_MAX_OUTPUT_BYTES */
} mesh_dyn_json_options;

/*
 * Reads one JSON value (UTF-8, `size` bytes, nothing but blanks after it) as a message and encodes
 * it. No bytes at all are an empty message. INVALID_ARGUMENT: not JSON, or not of this type; the
 * message reads "LINE:COLUMN: FIELD: why" and the field is a violation of the error, too.
 */
mesh_code mesh_dyn_json_to_wire(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                const char *json, size_t size, const mesh_dyn_json_options *options,
                                mesh_arena *arena, const uint8_t **wire, size_t *wire_size,
                                mesh_error *err);

/*
 * Writes an encoded message as JSON (NUL-terminated; the size does not count it).
 * INVALID_ARGUMENT: the bytes are not of this type, or hold what JSON cannot express: a timestamp
 * out of range, an Any of a type that the pool lacks; the message names the field.
 * RESOURCE_EXHAUSTED: more than max_out_bytes.
 */
mesh_code mesh_dyn_wire_to_json(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                const void *wire, size_t wire_size,
                                const mesh_dyn_json_options *options, mesh_arena *arena,
                                const char **json, size_t *size, mesh_error *err);

/*
 * The name of the first type that an Any inside an encoded message names and the pool lacks; NULL
 * when there is none: what to ask a reflection server for before writing it as JSON.
 */
const char *mesh_dyn_missing_type(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                                  const void *wire, size_t wire_size, mesh_arena *arena);

/*
 * The declaration of a message, enum, service, method ("order.v1.OrderService.GetOrder") or field
 * in .proto syntax, with its options, without comments. NOT_FOUND: no such symbol.
 */
mesh_code mesh_dyn_describe(const mesh_dyn_pool *pool, const char *symbol, mesh_arena *arena,
                            const char **text, mesh_error *err);

/* A message of the type as indented JSON with every field: an example to edit. Of a oneof only the
 * first field is there; a type inside itself is left empty; the version of an event (mesh.v1.event)
 * is the first one. */
mesh_code mesh_dyn_template(const mesh_dyn_pool *pool, const mesh_dyn_message *type,
                            bool proto_names, mesh_arena *arena, const char **json,
                            mesh_error *err);

MESH_END_DECLS

#endif
