/*
 * The details of a mesh_error, in wire format: how its buffer is filled from both ends, and the
 * numbers of the messages in it. Private to mesh/base.
 */
#ifndef MESH_BASE_DETAILS_H
#define MESH_BASE_DETAILS_H

#include "mesh/base/error.h"
#include "mesh/base/wire.h"

/* Fields in google/rpc/status.proto, google/rpc/error_details.proto and
 * google/protobuf/{any,duration}.proto. */
enum {
    STATUS_CODE = 1,
    STATUS_MESSAGE = 2,
    STATUS_DETAILS = 3,
    ANY_TYPE_URL = 1,
    ANY_VALUE = 2,
    ERROR_INFO_REASON = 1,
    ERROR_INFO_DOMAIN = 2,
    ERROR_INFO_METADATA = 3,
    BAD_REQUEST_VIOLATIONS = 1,
    VIOLATION_FIELD = 1,
    VIOLATION_DESCRIPTION = 2,
    RETRY_INFO_DELAY = 1,
    DURATION_SECONDS = 1,
    DURATION_NANOS = 2,
    ENTRY_KEY = 1,
    ENTRY_VALUE = 2
};

#define TYPE_PREFIX "type.googleapis.com/"
#define ERROR_INFO "google.rpc.ErrorInfo"
#define BAD_REQUEST "google.rpc.BadRequest"
#define RETRY_INFO "google.rpc.RetryInfo"

/* Bytes that are free. */
size_t mesh_details_room(const mesh_error *err);

/* Adds `google.protobuf.Any{type, value}` as one more detail, or notes that it does not fit. */
void mesh_details_append(mesh_error *err, const char *type, size_t type_size, const void *value,
                         size_t value_size);

/* Puts `value` in the place of the detail of that type; a status has at most one of each. */
void mesh_details_replace(mesh_error *err, const char *type, const uint8_t *value, size_t size);

/* The details, to be read one by one; `whole` becomes the encoded field. False at the end. The
 * reader may also stand in any other encoded google.rpc.Status. */
mesh_wire_reader mesh_details_begin(const mesh_error *err);
bool mesh_details_next(mesh_wire_reader *in, mesh_error_any *any, mesh_wire_reader *whole);

/* True when a detail is of that type; finds the first one that is. */
bool mesh_details_is(const mesh_error_any *any, const char *type);
bool mesh_details_find(const mesh_error *err, const char *type, mesh_error_any *any,
                       mesh_wire_reader *whole);

/* The metadata of the ErrorInfo: `metadata_size` bytes of encoded entries. */
const uint8_t *mesh_details_metadata(const mesh_error *err);

/* Reads one entry; false at the end. */
bool mesh_details_next_metadata(mesh_wire_reader *in, mesh_wire_field *key, mesh_wire_field *value);

/* Finds the value of a key; `whole` becomes the encoded entry. */
bool mesh_details_find_metadata(const mesh_error *err, const char *key, size_t key_size,
                                mesh_wire_field *value, mesh_wire_reader *whole);

/* Adds or replaces an entry, or notes that it does not fit. Key and value are text. */
void mesh_details_put_metadata(mesh_error *err, const char *key, size_t key_size, const char *value,
                               size_t value_size);

/* Copies a reason or domain; false, and "" written, when it is too long to keep or no text. */
bool mesh_details_copy_name(char *to, size_t capacity, const char *from, size_t size);

#endif
