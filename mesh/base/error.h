/*
 * mesh_error: what went wrong, owned by the caller, without an allocation.
 *
 * A function that can fail takes a `mesh_error *` as its last parameter, which may be NULL. On
 * failure it writes the error and returns its code; on success it leaves the error alone. One value
 * is used by one thread at a time.
 *
 * Across a call the code and the message travel as grpc-status and grpc-message, everything
 * together as google.rpc.Status in the trailer grpc-status-details-bin: a reason becomes a
 * google.rpc.ErrorInfo (reason, domain, metadata), a field violation a google.rpc.BadRequest, a
 * retry delay a google.rpc.RetryInfo (https://google.aip.dev/193).
 */
#ifndef MESH_BASE_ERROR_H
#define MESH_BASE_ERROR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/code.h"

MESH_BEGIN_DECLS

enum {
    MESH_ERROR_MESSAGE_BYTES =
        256,                      /* the message with its NUL; longer ones are cut at a character */
    MESH_ERROR_REASON_BYTES = 64, /* AIP-193: a reason has at most 63 characters */
    MESH_ERROR_DOMAIN_BYTES = 64, /* the proto package of the reason's enum */
    MESH_ERROR_DETAILS_BYTES = 2048 /* encoded details; one that does not fit is left out whole */
};

typedef struct mesh_error {
    mesh_code code;
    char message[MESH_ERROR_MESSAGE_BYTES];
    char reason[MESH_ERROR_REASON_BYTES]; /* UPPER_SNAKE value of a proto enum, "" when there is
                                             none */
    char domain[MESH_ERROR_DOMAIN_BYTES]; /* proto package of that enum, "" when there is none */

    /*
     * Private; read it with the functions below. From the front of `details`: the details other
     * than the reason's own ErrorInfo, as consecutive, encoded `google.rpc.Status.details` fields
     * (field 3, google.protobuf.Any). From its back: the metadata of that ErrorInfo, as encoded
     * `google.rpc.ErrorInfo.metadata` fields (field 3, map entries).
     */
    uint16_t details_size;  /* bytes in use from the front */
    uint16_t metadata_size; /* bytes in use from the back */
    bool details_cut;       /* at least one detail or entry did not fit */
    uint8_t details[MESH_ERROR_DETAILS_BYTES];
} mesh_error;

/* MESH_OK and nothing else. */
MESH_API void mesh_error_clear(mesh_error *err);

/* Writes code and message (no reason, no details) and returns the code. `err` may be NULL. */
MESH_API mesh_code mesh_error_set(mesh_error *err, mesh_code code, const char *format, ...)
    MESH_PRINTF(3, 4);
MESH_API mesh_code mesh_error_vset(mesh_error *err, mesh_code code, const char *format,
                                   va_list args) MESH_PRINTF(3, 0);

/* The same with a reason and its domain. The plugin generates typed wrappers for enums of reasons.
 */
MESH_API mesh_code mesh_error_reason(mesh_error *err, mesh_code code, const char *domain,
                                     const char *reason, const char *format, ...) MESH_PRINTF(5, 6);

/*
 * INVALID_ARGUMENT with a BadRequest field violation: `field` is the path of the field in the
 * request
 * ("lines[2].quantity"), `format` says what would be right. On an error that already is
 * INVALID_ARGUMENT with field violations it adds one more, so that a handler can report all
 * mistakes at once; the message then names the first. So the error must be initialised
 * (mesh_error_clear). Returns MESH_INVALID_ARGUMENT.
 */
MESH_API mesh_code mesh_error_field(mesh_error *err, const char *field, const char *format, ...)
    MESH_PRINTF(3, 4);

/* Adds google.rpc.RetryInfo: try again after `delay_ms`. */
MESH_API void mesh_error_retry_after(mesh_error *err, int64_t delay_ms);

/* Adds a key and value to the metadata of the reason's ErrorInfo, or replaces the key's value.
 * Needs a reason; ignored without one. Values are cut at 511 bytes. */
MESH_API void mesh_error_metadata(mesh_error *err, const char *key, const char *value);

/* Adds any other detail: `type` is a full message name ("google.rpc.Help"), `data` its encoding
 * (copied). */
MESH_API void mesh_error_detail(mesh_error *err, const char *type, const void *data, size_t size);

/* Puts "prefix: " in front of the message, which is cut at its end if need be. */
MESH_API void mesh_error_prefix(mesh_error *err, const char *format, ...) MESH_PRINTF(2, 3);

/* Reading. Each walks the details; `index` counts from 0; false when there is no such detail. */
typedef struct mesh_error_any {
    const char *type; /* full message name, not NUL-terminated, `type_size` bytes */
    size_t type_size;
    const uint8_t *data;
    size_t size;
} mesh_error_any;

typedef struct mesh_error_violation {
    const char *field; /* not NUL-terminated */
    size_t field_size;
    const char *description; /* not NUL-terminated */
    size_t description_size;
} mesh_error_violation;

MESH_API bool mesh_error_detail_at(const mesh_error *err, size_t index, mesh_error_any *detail);
MESH_API bool mesh_error_violation_at(const mesh_error *err, size_t index,
                                      mesh_error_violation *violation);
MESH_API bool mesh_error_retry_delay(const mesh_error *err, int64_t *delay_ms);

/* The value of a metadata key of the ErrorInfo, copied with its NUL into `value`; false when
 * missing. */
MESH_API bool mesh_error_metadata_get(const mesh_error *err, const char *key, char *value,
                                      size_t size);

/*
 * Encodes the whole error as a google.rpc.Status into `out` and returns its size; 0 when it has
 * neither reason nor details, or `capacity` is too small. MESH_ERROR_STATUS_BYTES is always enough.
 */
enum {
    MESH_ERROR_STATUS_BYTES = MESH_ERROR_DETAILS_BYTES + 1024
};
MESH_API size_t mesh_error_encode_status(const mesh_error *err, uint8_t *out, size_t capacity);

/*
 * Fills an error from what a call brought: code, message (may be NULL) and the bytes of
 * grpc-status-details-bin (may be NULL, are checked; malformed ones are ignored). A code
 * outside 1..16 becomes UNKNOWN.
 */
MESH_API mesh_code mesh_error_decode_status(mesh_error *err, int code, const char *message,
                                            size_t message_size, const uint8_t *status,
                                            size_t status_size);

MESH_END_DECLS

#endif
