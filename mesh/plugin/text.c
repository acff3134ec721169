#include "mesh/plugin/text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/plugin/memory.h"

static void reserve(text *out, size_t more)
{
    if (more >= out->capacity - out->size) {
        size_t capacity = 2 * out->capacity + more + 256;
        char *data = mesh_realloc(out->data, capacity);
        if (data == NULL)
            memory_exhausted();
        out->data = data;
        out->capacity = capacity;
    }
}

void text_add_bytes(text *out, const char *data, size_t size)
{
    reserve(out, size + 1);
    memcpy(out->data + out->size, data, size);
    out->size += size;
    out->data[out->size] = '\0';
}

void text_add(text *out, const char *string)
{
    text_add_bytes(out, string, strlen(string));
}

void text_addf(text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(size >= 0);
    reserve(out, (size_t)size + 1);
    va_start(args, format);
    vsnprintf(out->data + out->size, (size_t)size + 1, format, args);
    va_end(args);
    out->size += (size_t)size;
}

static const char *lookup(const text_var *vars, const char *name, size_t size)
{
    for (; vars->name != NULL; vars++)
        if (strlen(vars->name) == size && memcmp(vars->name, name, size) == 0)
            return vars->value;
    assert(!"a template names a variable that does not exist");
    return "";
}

void text_fill(text *out, const text_var *vars, const char *pattern)
{
    for (;;) {
        const char *start = strchr(pattern, '$');
        if (start == NULL) {
            text_add(out, pattern);
            return;
        }
        const char *end = strchr(start + 1, '$');
        assert(end != NULL);
        text_add_bytes(out, pattern, (size_t)(start - pattern));
        text_add(out, lookup(vars, start + 1, (size_t)(end - start - 1)));
        pattern = end + 1;
    }
}

void text_add_literal(text *out, const char *value)
{
    if (value == NULL) {
        text_add(out, "NULL");
        return;
    }
    text_add(out, "\"");
    for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\' || *c == '?')
            text_addf(out, "\\%c", *c); /* `\?`: no trigraphs */
        else if (*c < 0x20 || *c >= 0x7f)
            text_addf(out, "\\%03o", *c);
        else
            text_add_bytes(out, (const char *)c, 1);
    }
    text_add(out, "\"");
}

void text_free(text *out)
{
    mesh_free(out->data);
    *out = (text){0};
}
