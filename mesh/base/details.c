#include "mesh/base/details.h"

#include <string.h>

#include "mesh/base/utf8.h"

size_t mesh_details_room(const mesh_error *err)
{
    return sizeof err->details - err->details_size - err->metadata_size;
}

const uint8_t *mesh_details_metadata(const mesh_error *err)
{
    return err->details + sizeof err->details - err->metadata_size;
}

void mesh_details_append(mesh_error *err, const char *type, size_t type_size, const void *value,
                         size_t value_size)
{
    const size_t prefix_size = strlen(TYPE_PREFIX);
    mesh_wire_writer out = {.at = err->details + err->details_size};
    size_t any_size;

    out.end = out.at + mesh_details_room(err);
    any_size = mesh_wire_bytes_size(ANY_TYPE_URL, prefix_size + type_size) +
               mesh_wire_bytes_size(ANY_VALUE, value_size);
    if (value_size > sizeof err->details || type_size > sizeof err->details ||
        mesh_wire_bytes_size(STATUS_DETAILS, any_size) > mesh_details_room(err)) {
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

bool mesh_details_next(mesh_wire_reader *in, mesh_error_any *any, mesh_wire_reader *whole)
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

bool mesh_details_is(const mesh_error_any *any, const char *type)
{
    return any->type_size == strlen(type) && memcmp(any->type, type, any->type_size) == 0;
}

mesh_wire_reader mesh_details_begin(const mesh_error *err)
{
    return (mesh_wire_reader){err->details, err->details + err->details_size};
}

bool mesh_details_find(const mesh_error *err, const char *type, mesh_error_any *any,
                       mesh_wire_reader *whole)
{
    mesh_wire_reader in = mesh_details_begin(err);

    while (mesh_details_next(&in, any, whole)) {
        if (mesh_details_is(any, type))
            return true;
    }
    return false;
}

void mesh_details_replace(mesh_error *err, const char *type, const uint8_t *value, size_t size)
{
    mesh_error_any any;
    mesh_wire_reader whole;

    if (mesh_details_find(err, type, &any, &whole)) {
        size_t tail = (size_t)(err->details + err->details_size - whole.end);

        memmove(err->details + (whole.at - err->details), whole.end, tail);
        err->details_size -= (uint16_t)(whole.end - whole.at);
    }
    mesh_details_append(err, type, strlen(type), value, size);
}

bool mesh_details_next_metadata(mesh_wire_reader *in, mesh_wire_field *key, mesh_wire_field *value)
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

bool mesh_details_find_metadata(const mesh_error *err, const char *key, size_t key_size,
                                mesh_wire_field *value, mesh_wire_reader *whole)
{
    const uint8_t *begin = mesh_details_metadata(err);
    mesh_wire_reader in = {begin, begin + err->metadata_size};
    mesh_wire_field found;

    for (whole->at = in.at; mesh_details_next_metadata(&in, &found, value); whole->at = in.at) {
        whole->end = in.at;
        if (found.size == key_size && memcmp(found.data, key, key_size) == 0)
            return true;
    }
    return false;
}

void mesh_details_put_metadata(mesh_error *err, const char *key, size_t key_size, const char *value,
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
    if (mesh_details_find_metadata(err, key, key_size, &old, &whole))
        gained = (size_t)(whole.end - whole.at);
    if (needed > mesh_details_room(err) + gained) {
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

bool mesh_details_copy_name(char *to, size_t capacity, const char *from, size_t size)
{
    bool fits = size < capacity && mesh_utf8_is_text((const uint8_t *)from, size);

    if (!fits)
        size = 0;
    memcpy(to, from, size);
    to[size] = '\0';
    return fits;
}
