#include "mesh/dyn/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    FIRST_BYTES = 256
};

/* Makes room for `size` more bytes and the NUL. */
static bool reserve(mesh_text *text, size_t size)
{
    if (text->failed)
        return false;
    if (size > SIZE_MAX / 4 - text->size || (text->limit != 0 && size > text->limit - text->size)) {
        text->failed = true;
        return false;
    }
    size_t need = text->size + size + 1;
    if (need <= text->capacity)
        return true;
    size_t capacity = text->capacity == 0 ? FIRST_BYTES : text->capacity * 2;
    if (capacity < need)
        capacity = need;
    char *data = mesh_arena_alloc(text->arena, capacity);
    if (data == NULL) {
        text->failed = true;
        return false;
    }
    if (text->size > 0)
        memcpy(data, text->data, text->size);
    text->data = data;
    text->capacity = capacity;
    return true;
}

void mesh_text_add(mesh_text *text, const void *data, size_t size)
{
    if (!reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void mesh_text_puts(mesh_text *text, const char *string)
{
    mesh_text_add(text, string, strlen(string));
}

void mesh_text_fill(mesh_text *text, char c, size_t count)
{
    if (!reserve(text, count))
        return;
    memset(text->data + text->size, c, count);
    text->size += count;
    text->data[text->size] = '\0';
}

void mesh_text_printf(mesh_text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        text->failed = true;
    else if (reserve(text, (size_t)size)) {
        vsnprintf(text->data + text->size, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

const char *mesh_text_string(const mesh_text *text)
{
    return text->data == NULL ? "" : text->data;
}
