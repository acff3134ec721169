/*
 * JSON objects and arrays (RFC 8259) as the tokens and keys of this module need them: their members
 * as slices of the text. Nothing is copied or allocated, so nothing can run out and no secret is
 * left in a heap; docs/adr/0012-identity.md says why no library does this. Any thread. Internal.
 *
 * Names of members, and strings that are read, are written without escapes: ids, names, URLs and
 * base64url need none, and what has none cannot be the same in two forms. Members that nobody asks
 * for may hold any JSON.
 */
#ifndef MESH_AUTH_MEMBERS_H
#define MESH_AUTH_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    MESH_MEMBERS_MAX = 32, /* of an object, or elements of an array */
    MESH_MEMBERS_DEPTH = 16
};

typedef struct mesh_slice {
    const char *data;
    size_t size;
} mesh_slice;

typedef struct mesh_members {
    size_t count;
    struct {
        mesh_slice name;  /* without its quotes; an element has none */
        mesh_slice value; /* as it stands in the text */
    } list[MESH_MEMBERS_MAX];
} mesh_members;

/*
 * Reads a text that is one object, or one array, and nothing else but blanks. NULL, or what is
 * wrong with it (static): not JSON, not UTF-8, more than MESH_MEMBERS_MAX, nested deeper than
 * MESH_MEMBERS_DEPTH, an escape in a name, a name that is there twice.
 */
const char *mesh_members_read(const char *json, size_t size, mesh_members *members);
const char *mesh_elements_read(const char *json, size_t size, mesh_members *elements);

/* The value of a name; NULL: there is none. */
const mesh_slice *mesh_members_find(const mesh_members *members, const char *name);

/* The value as a string, without its quotes; false when it is NULL, no string, or has an escape. */
bool mesh_slice_string(const mesh_slice *value, mesh_slice *text);

/* True for a value that is this string. */
bool mesh_slice_is(const mesh_slice *value, const char *text);

/* The value as a whole number of 0 to 999999999999 in plain digits; false when it is none. */
bool mesh_slice_number(const mesh_slice *value, int64_t *number);

#endif
