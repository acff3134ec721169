#include "mesh/base/error.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/utf8.h"
#include "mesh/base/wire.h"

/* Numbers of the fields in google/rpc/status.proto, google/rpc/error_details.proto and
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

enum {
    FIELD_BYTES = 256,      /* longest path of a field in a violation, with its NUL */
    DESCRIPTION_BYTES = 512 /* longest description of one, and value of metadata */
};

#define TYPE_PREFIX "type.googleapis.com/"
#define ERROR_INFO "google.rpc.ErrorInfo"
#define BAD_REQUEST "google.rpc.BadRequest"
#define RETRY_INFO "google.rpc.RetryInfo"

/* ---- texts ---- */

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

/* Copies a name; false, and "" written, when it is too long to keep. */
static bool copy_name(char *to, size_t capacity, const char *from, size_t size)
{
    bool fits = size < capacity && mesh_utf8_is_text((const uint8_t *)from, size);

    if (!fits)
        size = 0;
    memcpy(to, from, size);
    to[size] = '\0';
    return fits;
}

/* ---- the buffer: details grow from its front, metadata of the ErrorInfo from its back ---- */

static size_t room(const mesh_error *err)
{
    return sizeof err->details - err->details_size - err->metadata_size;
}

static const uint8_t *metadata_begin(const mesh_error *err)
{
    return err->details + sizeof err->details - err->metadata_size;
}

/* Adds `google.protobuf.Any{type, value}` as one more detail. */
static void append_any(mesh_error *err, const char *type, size_t type_size, const void *value,
                       size_t value_size)
{
    const size_t prefix_size = strlen(TYPE_PREFIX);
    mesh_wire_writer out = {.at = err->details + err->details_size};
    size_t any_size;

    out.end = out.at + room(err);
    any_size = mesh_wire_bytes_size(ANY_TYPE_URL, prefix_size + type_size) +
               mesh_wire_bytes_size(ANY_VALUE, value_size);
    if (value_size > sizeof err->details || type_size > sizeof err->details ||
        mesh_wire_bytes_size(STATUS_DETAILS, any_size) > room(err)) {
        err->details_cut = true;
        return;
    }
    mesh_wire_put_header(&out, STATUS_DETAILS, any_size);
    mesh_wire_put_header(&out, ANY_TYPE_URL, prefix_size + type_size);
    mesh_wire_put_raw(&out, TYPE_PREFIX, prefix_size);
    mesh_wire_put_raw(&out, type, type_size);
    mesh_wire_put_bytes(&out, ANY_VALUE, value, value_size);
    err->details_size = (uint16_t)(out.at - err->details);
}

/* Reads the next detail; `whole` is its encoded field. False at the end. */
static bool next_any(mesh_wire_reader *in, mesh_error_any *any, mesh_wire_reader *whole)
{
    mesh_wire_field field;

    for (whole->at = in->at; mesh_wire_next(in, &field); whole->at = in->at) {
        mesh_wire_reader inner = {field.data, field.data + field.size};
        mesh_wire_field part;

        whole->end = in->at;
        if (field.number != STATUS_DETAILS || field.type != MESH_WIRE_BYTES)
            continue;
        *any = (mesh_error_any){.type = "", .data = field.data};
        while (mesh_wire_next(&inner, &part)) {
            if (part.type != MESH_WIRE_BYTES)
                continue;
            if (part.number == ANY_TYPE_URL) {
                const char *slash = memrchr(part.data, '/', part.size);
                size_t before = slash == NULL ? 0 : (size_t)(slash + 1 - (const char *)part.data);

                any->type = (const char *)part.data + before;
                any->type_size = part.size - before;
            } else if (part.number == ANY_VALUE) {
                any->data = part.data;
                any->size = part.size;
            }
        }
        if (inner.at == inner.end)
            return true;
    }
    return false;
}

static bool is_type(const mesh_error_any *any, const char *type)
{
    return any->type_size == strlen(type) && memcmp(any->type, type, any->type_size) == 0;
}

static mesh_wire_reader details_of(const mesh_error *err)
{
    return (mesh_wire_reader){err->details, err->details + err->details_size};
}

/* Finds the first detail of a type. */
static bool find_any(const mesh_error *err, const char *type, mesh_error_any *any,
                     mesh_wire_reader *whole)
{
    mesh_wire_reader in = details_of(err);

    while (next_any(&in, any, whole)) {
        if (is_type(any, type))
            return true;
    }
    return false;
}

/* Puts `value` in the place of the detail of that type; a status has at most one of each. */
static void replace_any(mesh_error *err, const char *type, const uint8_t *value, size_t size)
{
    mesh_error_any any;
    mesh_wire_reader whole;

    if (find_any(err, type, &any, &whole)) {
        size_t tail = (size_t)(err->details + err->details_size - whole.end);

        memmove(err->details + (whole.at - err->details), whole.end, tail);
        err->details_size -= (uint16_t)(whole.end - whole.at);
    }
    append_any(err, type, strlen(type), value, size);
}

/* ---- writing ---- */

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
        copy_name(err->reason, sizeof err->reason, reason, strlen(reason));
        copy_name(err->domain, sizeof err->domain, domain, strlen(domain));
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

    if (err->code != MESH_INVALID_ARGUMENT || !find_any(err, BAD_REQUEST, &old, &whole))
        mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %s", path, description);

    /* The new value must fit in the old one's place and what is free, else all stays as it is. */
    size = add_violation(value, sizeof value, &old, path, description);
    grown = size - old.size + (old.size == 0 ? strlen(TYPE_PREFIX BAD_REQUEST) + 8 : 4);
    if (size == 0 || grown > room(err))
        err->details_cut = true;
    else
        replace_any(err, BAD_REQUEST, value, size);
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
    replace_any(err, RETRY_INFO, value, (size_t)(out.at - value));
}

/* Reads one entry of the metadata; false at the end. */
static bool next_metadata(mesh_wire_reader *in, mesh_wire_field *key, mesh_wire_field *value)
{
    mesh_wire_field entry, part;

    if (!mesh_wire_next(in, &entry))
        return false;
    mesh_wire_reader inner = {entry.data, entry.data + entry.size};
    *key = *value = (mesh_wire_field){.data = entry.data};
    while (mesh_wire_next(&inner, &part)) {
        if (part.number == ENTRY_KEY && part.type == MESH_WIRE_BYTES)
            *key = part;
        else if (part.number == ENTRY_VALUE && part.type == MESH_WIRE_BYTES)
            *value = part;
    }
    return true;
}

/* Finds the value of a key; `whole` is the encoded entry. */
static bool find_metadata(const mesh_error *err, const char *key, size_t key_size,
                          mesh_wire_field *value, mesh_wire_reader *whole)
{
    const uint8_t *begin = metadata_begin(err);
    mesh_wire_reader in = {begin, begin + err->metadata_size};
    mesh_wire_field found;

    for (whole->at = in.at; next_metadata(&in, &found, value); whole->at = in.at) {
        whole->end = in.at;
        if (found.size == key_size && memcmp(found.data, key, key_size) == 0)
            return true;
    }
    return false;
}

/* Adds or replaces an entry. Key and value are text. */
static void put_metadata(mesh_error *err, const char *key, size_t key_size, const char *value,
                         size_t value_size)
{
    mesh_wire_field old;
    mesh_wire_reader whole;
    size_t entry, needed, gained = 0;
    mesh_wire_writer out;
    uint8_t *begin;

    if (key_size > sizeof err->details || value_size > sizeof err->details) {
        err->details_cut = true;
        return;
    }
    entry = mesh_wire_bytes_size(ENTRY_KEY, key_size) +
            mesh_wire_bytes_size(ENTRY_VALUE, value_size);
    needed = mesh_wire_bytes_size(ERROR_INFO_METADATA, entry);
    if (find_metadata(err, key, key_size, &old, &whole))
        gained = (size_t)(whole.end - whole.at);
    if (needed > room(err) + gained) {
        err->details_cut = true;
        return;
    }
    begin = err->details + sizeof err->details - err->metadata_size;
    if (gained != 0) { /* close the old entry's gap from the front */
        memmove(begin + gained, begin, (size_t)(whole.at - begin));
        begin += gained;
        err->metadata_size -= (uint16_t)gained;
    }
    memmove(begin - needed, begin, err->metadata_size);
    out.end = err->details + sizeof err->details;
    out.at = out.end - needed;
    out.full = false;
    mesh_wire_put_header(&out, ERROR_INFO_METADATA, entry);
    mesh_wire_put_bytes(&out, ENTRY_KEY, key, key_size);
    mesh_wire_put_bytes(&out, ENTRY_VALUE, value, value_size);
    err->metadata_size += (uint16_t)needed;
}

void mesh_error_metadata(mesh_error *err, const char *key, const char *value)
{
    char key_text[FIELD_BYTES], value_text[DESCRIPTION_BYTES];
    size_t key_size, value_size;

    if (err == NULL || err->reason[0] == '\0')
        return;
    key_size = mesh_utf8_copy(key_text, sizeof key_text, key, strlen(key));
    value_size = mesh_utf8_copy(value_text, sizeof value_text, value, strlen(value));
    put_metadata(err, key_text, key_size, value_text, value_size);
}

void mesh_error_detail(mesh_error *err, const char *type, const void *data, size_t size)
{
    if (err != NULL)
        append_any(err, type, strlen(type), data, size);
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

/* ---- reading ---- */

bool mesh_error_detail_at(const mesh_error *err, size_t index, mesh_error_any *detail)
{
    mesh_wire_reader in = details_of(err), whole;
    mesh_error_any any;

    while (next_any(&in, &any, &whole)) {
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
    mesh_wire_reader in = details_of(err), whole;
    mesh_error_any any;
    mesh_wire_field field;

    while (next_any(&in, &any, &whole)) {
        mesh_wire_reader inner = {any.data, any.data + any.size};

        while (is_type(&any, BAD_REQUEST) && mesh_wire_next(&inner, &field)) {
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

    if (!find_any(err, RETRY_INFO, &any, &whole))
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

    if (size == 0 || !find_metadata(err, key, strlen(key), &found, &whole))
        return false;
    mesh_utf8_copy(value, size, (const char *)found.data, found.size);
    return true;
}

/* ---- google.rpc.Status ---- */

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
        mesh_wire_put_raw(&to, metadata_begin(err), err->metadata_size);
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
            fits = copy_name(err->reason, sizeof err->reason, (const char *)field.data, field.size);
        else if (field.number == ERROR_INFO_DOMAIN)
            fits = copy_name(err->domain, sizeof err->domain, (const char *)field.data, field.size);
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
            next_metadata(&entries, &key, &value) && mesh_utf8_is_text(key.data, key.size) &&
            mesh_utf8_is_text(value.data, value.size))
            put_metadata(err, (const char *)key.data, key.size, (const char *)value.data,
                         value.size);
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
    while (next_any(&in, &any, &whole)) {
        bool info = err->reason[0] == '\0' && is_type(&any, ERROR_INFO);

        if (!mesh_utf8_is_text((const uint8_t *)any.type, any.type_size))
            continue;
        if (!info || !take_error_info(err, &any))
            append_any(err, any.type, any.type_size, any.data, any.size);
    }
    return (mesh_code)code;
}
