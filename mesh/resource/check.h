/*
 * Checks of a request's fields, before anything else is done with it. Every violation is collected,
 * so that a caller learns all of its mistakes at once:
 *
 *   mesh_check check = {.err = err};
 *   mesh_check_text(&check, "title", product->title, 1, 200);
 *   mesh_check_integer(&check, "in_stock", product->in_stock, 0, 1000000000);
 *   if (check.code != MESH_OK)
 *       return check.code;
 *
 * A violation's field is the path of the field in the request ("lines[2].quantity"): enter and
 * leave put what is around it in front. Used by one thread at a time.
 */
#ifndef MESH_RESOURCE_CHECK_H
#define MESH_RESOURCE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

MESH_BEGIN_DECLS

enum {
    MESH_CHECK_PATH_BYTES = 128 /* a longer path is cut */
};

typedef struct mesh_check {
    mesh_error *err; /* borrowed, may be NULL; gets the violations */
    mesh_code code;  /* MESH_OK until the first violation, then MESH_INVALID_ARGUMENT */
    size_t depth;    /* bytes of `path` in use */
    char path[MESH_CHECK_PATH_BYTES];
} mesh_check;

/* Fields named from here on are inside of this one: "product", or "lines[%zu]" with an index. */
MESH_API void mesh_check_enter(mesh_check *check, const char *format, ...) MESH_PRINTF(2, 3);

/* Back to where the last enter was called. */
MESH_API void mesh_check_leave(mesh_check *check);

/* A violation; the text says what would be right. */
MESH_API void mesh_check_fail(mesh_check *check, const char *field, const char *format, ...)
    MESH_PRINTF(3, 4);

/* A violation with this text unless `right`. */
MESH_API void mesh_check_that(mesh_check *check, bool right, const char *field, const char *text);

/* Between min and max, inclusive. */
MESH_API void mesh_check_integer(mesh_check *check, const char *field, int64_t value, int64_t min,
                                 int64_t max);

/*
 * Text (UTF-8, as it comes with a call) of min to max characters (code points), without control
 * characters (those that end lines or turn the direction of what follows are among them), and when
 * min is not 0 with something to see: not only white space and characters that show nothing.
 */
MESH_API void mesh_check_text(mesh_check *check, const char *field, const char *value, size_t min,
                              size_t max);

/* An id that a caller chose: 1 to max of A-Z a-z 0-9 . _ -, the first one a letter or digit. */
MESH_API void mesh_check_id(mesh_check *check, const char *field, const char *value, size_t max);

/* A currency code by its form (ISO 4217: three upper-case letters). */
MESH_API void mesh_check_currency(mesh_check *check, const char *field, const char *value);

/* Empty or a UUID: the request_id of AIP-155. */
MESH_API void mesh_check_request_id(mesh_check *check, const char *field, const char *value);

MESH_END_DECLS

#endif
