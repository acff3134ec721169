#include "mesh/db/array.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char NO_MEMORY[] = "";

const char *mesh_array_of_texts(mesh_arena *arena, const char *const *items, size_t count)
{
    size_t size = 3; /* braces and the NUL */
    for (size_t i = 0; i < count; i++)
        size += 2 * strlen(items[i]) + 3; /* every character escaped, quotes, comma */

    char *text = mesh_arena_alloc(arena, size);
    if (text == NULL)
        return NO_MEMORY;
    char *at = text;
    *at++ = '{';
    for (size_t i = 0; i < count; i++) {
        if (i != 0)
            *at++ = ',';
        *at++ = '"';
        for (const char *from = items[i]; *from != '\0'; from++) {
            if (*from == '"' || *from == '\\')
                *at++ = '\\';
            *at++ = *from;
        }
        *at++ = '"';
    }
    *at++ = '}';
    *at = '\0';
    return text;
}

const char *mesh_array_of_integers(mesh_arena *arena, const int64_t *items, size_t count)
{
    enum {
        INTEGER_BYTES = 21 /* "-9223372036854775808" and a comma */
    };
    char *text = mesh_arena_alloc(arena, count * INTEGER_BYTES + 3);
    if (text == NULL)
        return NO_MEMORY;
    char *at = text;
    *at++ = '{';
    for (size_t i = 0; i < count; i++)
        at += sprintf(at, i == 0 ? "%" PRId64 : ",%" PRId64, items[i]);
    *at++ = '}';
    *at = '\0';
    return text;
}

static char *put_number(char *at, uint32_t number)
{
    const uint8_t bytes[] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
                             (uint8_t)(number >> 8), (uint8_t)number};
    memcpy(at, bytes, sizeof bytes);
    return at + sizeof bytes;
}

mesh_bytes mesh_array_of_bytes(mesh_arena *arena, const mesh_bytes *items, size_t count)
{
    enum {
        BYTEA = 17, /* its oid, a constant of PostgreSQL */
        HEADER_BYTES = 5 * 4
    };
    size_t size = HEADER_BYTES;
    for (size_t i = 0; i < count; i++)
        size += 4 + items[i].size;
    char *data = mesh_arena_alloc(arena, size);
    if (data == NULL)
        return (mesh_bytes){.data = NULL};
    /* As array_recv of PostgreSQL reads it: dimensions, nulls, type, and of the one dimension its
     * size and first index; then the items. */
    char *at = put_number(data, 1);
    at = put_number(at, 0);
    at = put_number(at, BYTEA);
    at = put_number(at, (uint32_t)count);
    at = put_number(at, 1);
    for (size_t i = 0; i < count; i++) {
        at = put_number(at, (uint32_t)items[i].size);
        memcpy(at, items[i].data, items[i].size);
        at += items[i].size;
    }
    return (mesh_bytes){.data = data, .size = size};
}
