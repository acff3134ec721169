#include "mesh/base/error.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/details.h"
#include "mesh/base/utf8.h"

enum {
    FIELD_BYTES = 256,      /* longest path of a field in a violation, with its NUL */
    DESCRIPTION_BYTES = 512 /* longest description of one, and value of metadata */
};

/* Formats into `capacity` bytes; what is not UTF-8 is replaced, what does not fit is left out. */
static size_t format_text(char *to, size_t capacity, const char *format, va_list args)
{
    char text[DESCRIPTION_BYTES + 4]; /* a character cut here lies beyond every capacity */
    int size = vsnprintf(text, sizeof text, format, args);

    if (size < 0)
        size = 0;
    else if ((size_t)size >= sizeof text)
        size = sizeof text - 1;
    return mesh_utf8_copy(to, capacity, text, (size_t)size);
}

void mesh_error_clear(mesh_error *err)
{
    if (err == NULL)
        return;
    err->code = MESH_OK;
    err->message[0] = err->reason[0] = err->domain[0] = '\0';
    err->details_size = err->metadata_size = 0;
    err->details_cut = false;
}

mesh_code mesh_error_vset(mesh_error *err, mesh_code code, const char *format, va_list args)
{
    char message[MESH_ERROR_MESSAGE_BYTES];
    size_t size;

    if (err == NULL)
        return code;
    size = format_text(message, sizeof message, format, args); /* err->message may be among args */
    mesh_error_clear(err);
    err->code = code;
    memcpy(err->message, message, size + 1);
    return code;
}

mesh_code mesh_error_set(mesh_error *err, mesh_code code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mesh_error_vset(err, code, format, args);
    va_end(args);
    return code;
}

mesh_code mesh_error_reason(mesh_error *err, mesh_code code, const char *domain, const char *reason,
                            const char *format, ...)
{
    va_list args;

    va_start(args, format);
    mesh_error_vset(err, code, format, args);
    va_end(args);
    if (err != NULL) {
        mesh_details_copy_name(err->reason, sizeof err->reason, reason, strlen(reason));
        mesh_details_copy_name(err->domain, sizeof err->domain, domain, strlen(domain));
    }
    return code;
}

/* Encodes one more violation behind those of `old`; 0 when it does not fit. */
static size_t add_violation(uint8_t *value, size_t capacity, const mesh_error_any *old,
                            const char *field, const char *description)
{
    mesh_wire_writer out = {.at = value, .end = value + capacity};
    size_t field_size = strlen(field), description_size = strlen(description);

    mesh_wire_put_raw(&out, old->data, old->size);
    mesh_wire_put_header(&out, BAD_REQUEST_VIOLATIONS,
                         mesh_wire_bytes_size(VIOLATION_FIELD, field_size) +
                             mesh_wire_bytes_size(VIOLATION_DESCRIPTION, description_size));
    mesh_wire_put_bytes(&out, VIOLATION_FIELD, field, field_size);
    mesh_wire_put_bytes(&out, VIOLATION_DESCRIPTION, description, description_size);
    return out.full ? 0 : (size_t)(out.at - value);
}

mesh_code mesh_error_field(mesh_error *err, const char *field, const char *format, ...)
{
    char path[FIELD_BYTES], description[DESCRIPTION_BYTES];
    uint8_t value[MESH_ERROR_DETAILS_BYTES];
    mesh_error_any old = {.data = value};
    mesh_wire_reader whole;
    va_list args;
    size_t size, grown;

    if (err == NULL)
        return MESH_INVALID_ARGUMENT;
    mesh_utf8_copy(path, sizeof path, field, strlen(field));
    va_start(args, format);
    format_text(description, sizeof description, format, args);
    va_end(args);

    if (err->code != MESH_INVALID_ARGUMENT || !mesh_details_find(err, BAD_REQUEST, &old, &whole))
        mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %s", path, description);

    /* The new value must fit in the old one's place and what is free, else all stays as it is. */
    size = add_violation(value, sizeof value, &old, path, description);
    grown = size - old.size + (old.size == 0 ? strlen(TYPE_PREFIX BAD_REQUEST) + 8 : 4);
    if (size == 0 || grown > mesh_details_room(err))
        err->details_cut = true;
    else
        mesh_details_replace(err, BAD_REQUEST, value, size);
    return MESH_INVALID_ARGUMENT;
}

void mesh_error_retry_after(mesh_error *err, int64_t delay_ms)
{
    uint8_t duration[32], value[40];
    mesh_wire_writer out = {.at = duration, .end = duration + sizeof duration};
    size_t size;

    if (err == NULL)
        return;
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms >= 1000)
        mesh_wire_put_uint(&out, DURATION_SECONDS, (uint64_t)delay_ms / 1000);
    if (delay_ms % 1000 != 0)
        mesh_wire_put_uint(&out, DURATION_NANOS, (uint64_t)(delay_ms % 1000) * 1000000);
    size = (size_t)(out.at - duration);

    out = (mesh_wire_writer){.at = value, .end = value + sizeof value};
    mesh_wire_put_bytes(&out, RETRY_INFO_DELAY, duration, size);
    mesh_details_replace(err, RETRY_INFO, value, (size_t)(out.at - value));
}

void mesh_error_metadata(mesh_error *err, const char *key, const char *value)
{
    char key_text[FIELD_BYTES], value_text[DESCRIPTION_BYTES];
    size_t key_size, value_size;

    if (err == NULL || err->reason[0] == '\0')
        return;
    key_size = mesh_utf8_copy(key_text, sizeof key_text, key, strlen(key));
    value_size = mesh_utf8_copy(value_text, sizeof value_text, value, strlen(value));
    mesh_details_put_metadata(err, key_text, key_size, value_text, value_size);
}

void mesh_error_detail(mesh_error *err, const char *type, const void *data, size_t size)
{
    if (err != NULL)
        mesh_details_append(err, type, strlen(type), data, size);
}

void mesh_error_prefix(mesh_error *err, const char *format, ...)
{
    char message[MESH_ERROR_MESSAGE_BYTES];
    va_list args;
    size_t size;

    if (err == NULL)
        return;
    va_start(args, format);
    size = format_text(message, sizeof message, format, args);
    va_end(args);
    if (size + 2 < sizeof message) {
        memcpy(message + size, ": ", 2);
        size += 2;
        mesh_utf8_copy(message + size, sizeof message - size, err->message, strlen(err->message));
    }
    memcpy(err->message, message, sizeof message);
}
