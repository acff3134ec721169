/*
 * Reading the option structs of callers that were compiled earlier or later; see MESH_OPTIONS in
 * mesh/base/api.h for what their `size` means. Internal.
 */
#ifndef MESH_BASE_OPTIONS_H
#define MESH_BASE_OPTIONS_H

#include <stddef.h>
#include <string.h>

/* The size of a struct in version 0.1.0, whose last field was `last`. It never changes. */
#define MESH_FIRST_SIZE(type, last) (offsetof(type, last) + sizeof(((type *)0)->last))

/*
 * Copies what the caller knew of its options over `known`, whose other fields keep what they have.
 * `given` begins with the size; NULL changes nothing.
 */
static inline void mesh_options_read(void *known, size_t known_size, const void *given,
                                     size_t first_size)
{
    size_t size;

    if (given == NULL)
        return;
    memcpy(&size, given, sizeof size);
    if (size == 0)
        size = first_size;
    memcpy(known, given, size < known_size ? size : known_size);
}

#endif
