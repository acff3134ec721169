/* What an error's details say. */
#include <string.h>

#include "mesh/base/details.h"
#include "mesh/base/utf8.h"

bool mesh_error_detail_at(const mesh_error *err, size_t index, mesh_error_any *detail)
{
    mesh_wire_reader in = mesh_details_begin(err), whole;
    mesh_error_any any;

    while (mesh_details_next(&in, &any, &whole)) {
        if (index-- == 0) {
            *detail = any;
            return true;
        }
    }
    return false;
}

static void read_violation(const mesh_wire_field *field, mesh_error_violation *violation)
{
    mesh_wire_reader in = {field->data, field->data + field->size};
    mesh_wire_field part;

    *violation = (mesh_error_violation){.field = "", .description = ""};
    while (mesh_wire_next(&in, &part)) {
        if (part.type != MESH_WIRE_BYTES)
            continue;
        if (part.number == VIOLATION_FIELD) {
            violation->field = (const char *)part.data;
            violation->field_size = part.size;
        } else if (part.number == VIOLATION_DESCRIPTION) {
            violation->description = (const char *)part.data;
            violation->description_size = part.size;
        }
    }
}

bool mesh_error_violation_at(const mesh_error *err, size_t index, mesh_error_violation *violation)
{
    mesh_wire_reader in = mesh_details_begin(err), whole;
    mesh_error_any any;
    mesh_wire_field field;

    while (mesh_details_next(&in, &any, &whole)) {
        mesh_wire_reader inner = {any.data, any.data + any.size};

        while (mesh_details_is(&any, BAD_REQUEST) && mesh_wire_next(&inner, &field)) {
            if (field.number != BAD_REQUEST_VIOLATIONS || field.type != MESH_WIRE_BYTES)
                continue;
            if (index-- == 0) {
                read_violation(&field, violation);
                return true;
            }
        }
    }
    return false;
}

/* Milliseconds of a google.protobuf.Duration, rounded up; false when it is out of range. */
static bool read_duration(const mesh_wire_field *duration, int64_t *ms)
{
    const int64_t max_seconds = INT64_C(315576000000); /* 10,000 years, by duration.proto */
    mesh_wire_reader in = {duration->data, duration->data + duration->size};
    mesh_wire_field part;
    int64_t seconds = 0, nanos = 0;

    while (mesh_wire_next(&in, &part)) {
        if (part.number == DURATION_SECONDS && part.type == MESH_WIRE_VARINT)
            seconds = (int64_t)part.value;
        else if (part.number == DURATION_NANOS && part.type == MESH_WIRE_VARINT)
            nanos = (int64_t)part.value;
    }
    if (seconds < 0 || seconds > max_seconds || nanos < 0 || nanos > 999999999)
        return false;
    *ms = seconds * 1000 + (nanos + 999999) / 1000000;
    return true;
}

bool mesh_error_retry_delay(const mesh_error *err, int64_t *delay_ms)
{
    mesh_error_any any;
    mesh_wire_reader whole, in;
    mesh_wire_field field;

    if (!mesh_details_find(err, RETRY_INFO, &any, &whole))
        return false;
    in = (mesh_wire_reader){any.data, any.data + any.size};
    while (mesh_wire_next(&in, &field)) {
        if (field.number == RETRY_INFO_DELAY && field.type == MESH_WIRE_BYTES)
            return read_duration(&field, delay_ms);
    }
    return false;
}

bool mesh_error_metadata_get(const mesh_error *err, const char *key, char *value, size_t size)
{
    mesh_wire_field found;
    mesh_wire_reader whole;

    if (size == 0 || !mesh_details_find_metadata(err, key, strlen(key), &found, &whole))
        return false;
    mesh_utf8_copy(value, size, (const char *)found.data, found.size);
    return true;
}
