/*
 * Reading the structs of callers that were compiled earlier or later than this library; see
 * mesh/base/api.h for the rule that both sides follow. Internal.
 */
#ifndef MESH_BASE_OPTIONS_H
#define MESH_BASE_OPTIONS_H

#include <stddef.h>

#include "mesh/base/error.h"

/* What is known of an option struct. */
typedef struct mesh_options_layout {
    const char *name; /* "mesh_call_options" */
    size_t size;
    size_t first_size; /* in version 0.1.0; it never changes */
} mesh_options_layout;

/*
 * MESH_OPTIONS_READ(mesh_call_options, was_compressed, &known, given, err): `was_compressed` was
 * the last field in version 0.1.0. A new field goes behind all others and never into the padding at
 * the end, since what an older caller has there may be anything.
 */
#define MESH_OPTIONS_READ(type, last, known, given, err)                                \
    mesh_options_read(                                                                  \
        &(const mesh_options_layout){#type, sizeof(type),                               \
                                     offsetof(type, last) + sizeof(((type *)0)->last)}, \
        known, given, err)

/*
 * Fills `known` with what the caller gave and with zeros where it knew less; its `size` is then the
 * known one. `given` NULL: all default. INVALID_ARGUMENT: no version had such a size, or
 * something is set that this library does not know. Then `known` is all default.
 */
MESH_MUST_CHECK mesh_code mesh_options_read(const mesh_options_layout *layout, void *known,
                                            const void *given, mesh_error *err);

/* Gives an option that was left 0 its default. */
#define MESH_OPTION_DEFAULT(option, value) ((option) = (option) != 0 ? (option) : (value))

/*
 * INVALID_ARGUMENT unless all reserved words of a struct are NULL; `what` says which one it is:
 * MESH_RESERVED_CHECK(&setting, err, "setting %s", setting.name).
 */
#define MESH_RESERVED_CHECK(entry, err, ...)                                                     \
    mesh_reserved_check((entry)->reserved, sizeof(entry)->reserved / sizeof(entry)->reserved[0], \
                        err, __VA_ARGS__)
MESH_MUST_CHECK mesh_code mesh_reserved_check(const void *const *reserved, size_t count,
                                              mesh_error *err, const char *what, ...)
    MESH_PRINTF(4, 5);

#endif
