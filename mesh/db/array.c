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
