#include "mesh/base/options.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    SIZE_MAX_BYTES = 16384 /* no option struct comes near; a larger size was never set */
};

#define NOT_KNOWN                                                                           \
    "%s: a field is set that this library, version " MESH_VERSION ", does not know: it is " \
    "older than the program"

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

mesh_code mesh_options_read(const mesh_options_layout *layout, void *known, const void *given,
                            mesh_error *err)
{
    mesh_code code = MESH_OK;
    size_t size = 0;

    memset(known, 0, layout->size);
    if (given != NULL) {
        memcpy(&size, given, sizeof size);
        if (size == 0)
            size = layout->first_size;
        if (size < layout->first_size || size > SIZE_MAX_BYTES)
            code = mesh_error_set(err, MESH_INVALID_ARGUMENT,
                                  "%s: its size cannot be %zu; set it by MESH_OPTIONS, or to 0",
                                  layout->name, size);
        else if (size > layout->size &&
                 !is_zero((const uint8_t *)given + layout->size, size - layout->size))
            code = mesh_error_set(err, MESH_INVALID_ARGUMENT, NOT_KNOWN, layout->name);
    }
    if (given != NULL && code == MESH_OK)
        memcpy(known, given, size < layout->size ? size : layout->size);
    memcpy(known, &layout->size, sizeof layout->size);
    return code;
}

mesh_code mesh_reserved_check(const void *const *reserved, size_t count, mesh_error *err,
                              const char *what, ...)
{
    char name[128];
    va_list args;

    while (count > 0 && reserved[count - 1] == NULL)
        count--;
    if (count == 0)
        return MESH_OK;
    va_start(args, what);
    vsnprintf(name, sizeof name, what, args);
    va_end(args);
    return mesh_error_set(err, MESH_INVALID_ARGUMENT, NOT_KNOWN, name);
}
