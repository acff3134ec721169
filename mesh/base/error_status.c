/* An error as google.rpc.Status, and back. */
#include <string.h>

#include "mesh/base/details.h"
#include "mesh/base/utf8.h"

size_t mesh_error_encode_status(const mesh_error *err, uint8_t *out, size_t capacity)
{
    const size_t type_size = strlen(TYPE_PREFIX ERROR_INFO);
    mesh_wire_writer to = {.at = out, .end = out + capacity};
    size_t reason_size = strlen(err->reason), domain_size = strlen(err->domain);
    size_t message_size = strlen(err->message);

    if (reason_size == 0 && err->details_size == 0)
        return 0;
    mesh_wire_put_uint(&to, STATUS_CODE, (uint64_t)(int64_t)err->code);
    if (message_size != 0)
        mesh_wire_put_bytes(&to, STATUS_MESSAGE, err->message, message_size);
    if (reason_size != 0) {
        size_t info_size = mesh_wire_bytes_size(ERROR_INFO_REASON, reason_size) +
                           mesh_wire_bytes_size(ERROR_INFO_DOMAIN, domain_size) +
                           err->metadata_size;

        mesh_wire_put_header(&to, STATUS_DETAILS,
                             mesh_wire_bytes_size(ANY_TYPE_URL, type_size) +
                                 mesh_wire_bytes_size(ANY_VALUE, info_size));
        mesh_wire_put_bytes(&to, ANY_TYPE_URL, TYPE_PREFIX ERROR_INFO, type_size);
        mesh_wire_put_header(&to, ANY_VALUE, info_size);
        mesh_wire_put_bytes(&to, ERROR_INFO_REASON, err->reason, reason_size);
        mesh_wire_put_bytes(&to, ERROR_INFO_DOMAIN, err->domain, domain_size);
        mesh_wire_put_raw(&to, mesh_details_metadata(err), err->metadata_size);
    }
    mesh_wire_put_raw(&to, err->details, err->details_size);
    return to.full ? 0 : (size_t)(to.at - out);
}

/* Takes reason, domain and metadata from an ErrorInfo; false when they cannot be kept there. */
static bool take_error_info(mesh_error *err, const mesh_error_any *any)
{
    mesh_wire_reader in = {any->data, any->data + any->size}, entries;
    mesh_wire_field field, key, value;

    err->reason[0] = err->domain[0] = '\0';
    while (mesh_wire_next(&in, &field)) {
        bool fits = true;

        if (field.type != MESH_WIRE_BYTES)
            continue;
        if (field.number == ERROR_INFO_REASON)
            fits = mesh_details_copy_name(err->reason, sizeof err->reason, (const char *)field.data,
                                          field.size);
        else if (field.number == ERROR_INFO_DOMAIN)
            fits = mesh_details_copy_name(err->domain, sizeof err->domain, (const char *)field.data,
                                          field.size);
        if (!fits)
            break;
    }
    if (in.at != in.end || err->reason[0] == '\0') {
        err->reason[0] = err->domain[0] = '\0';
        return false;
    }
    in.at = any->data;
    for (entries.at = in.at; mesh_wire_next(&in, &field); entries.at = in.at) {
        entries.end = in.at;
        if (field.number == ERROR_INFO_METADATA && field.type == MESH_WIRE_BYTES &&
            mesh_details_next_metadata(&entries, &key, &value) &&
            mesh_utf8_is_text(key.data, key.size) && mesh_utf8_is_text(value.data, value.size))
            mesh_details_put_metadata(err, (const char *)key.data, key.size,
                                      (const char *)value.data, value.size);
    }
    return true;
}

/* True when every byte belongs to a field. */
static bool well_formed(const uint8_t *data, size_t size)
{
    mesh_wire_reader in = {data, data + size};
    mesh_wire_field field;

    while (mesh_wire_next(&in, &field))
        ;
    return in.at == in.end;
}

mesh_code mesh_error_decode_status(mesh_error *err, int code, const char *message,
                                   size_t message_size, const uint8_t *status, size_t status_size)
{
    mesh_wire_reader in = {status, status + status_size}, whole;
    mesh_wire_field field;
    mesh_error_any any;

    if (code < MESH_CANCELLED || code > MESH_UNAUTHENTICATED)
        code = MESH_UNKNOWN;
    if (err == NULL)
        return (mesh_code)code;
    mesh_error_clear(err);
    err->code = (mesh_code)code;
    if (message != NULL)
        mesh_utf8_copy(err->message, sizeof err->message, message, message_size);
    if (status == NULL || !well_formed(status, status_size))
        return (mesh_code)code;

    while (err->message[0] == '\0' && mesh_wire_next(&in, &field)) {
        if (field.number == STATUS_MESSAGE && field.type == MESH_WIRE_BYTES)
            mesh_utf8_copy(err->message, sizeof err->message, (const char *)field.data, field.size);
    }
    in.at = status;
    while (mesh_details_next(&in, &any, &whole)) {
        bool info = err->reason[0] == '\0' && mesh_details_is(&any, ERROR_INFO);

        if (!mesh_utf8_is_text((const uint8_t *)any.type, any.type_size))
            continue;
        if (!info || !take_error_info(err, &any))
            mesh_details_append(err, any.type, any.type_size, any.data, any.size);
    }
    return (mesh_code)code;
}
