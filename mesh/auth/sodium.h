/* What all of mesh/auth needs of libsodium: its start, and base64url (RFC 4648). Internal. */
#ifndef MESH_AUTH_SODIUM_H
#define MESH_AUTH_SODIUM_H

#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "mesh/base/error.h"

/* Text of `size` bytes, with its NUL. */
#define MESH_BASE64URL_BYTES(size) \
    sodium_base64_ENCODED_LEN((size), sodium_base64_VARIANT_URLSAFE_NO_PADDING)

/* Before anything else of the library; any thread, any number of times. INTERNAL: it refuses. */
static inline mesh_code mesh_sodium_start(mesh_error *err)
{
    if (sodium_init() < 0)
        return mesh_error_set(err, MESH_INTERNAL, "libsodium does not start");
    return MESH_OK;
}

/*
 * Decodes strictly: no padding, no blanks, no bit in the last character that is not used; each
 * sequence of bytes has one text. False also when it does not fit.
 */
static inline bool mesh_base64url_read(const char *text, size_t text_size, void *data,
                                       size_t capacity, size_t *size)
{
    /* The library takes bytes beyond ASCII for letters, where char is signed. */
    for (size_t i = 0; i < text_size; i++)
        if ((unsigned char)text[i] > 0x7f)
            return false;
    return sodium_base642bin(data, capacity, text, text_size, NULL, size, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0;
}

/* Writes MESH_BASE64URL_BYTES(size) bytes and returns the place of the NUL. */
static inline char *mesh_base64url_write(char *text, const void *data, size_t size)
{
    (void)sodium_bin2base64(text, MESH_BASE64URL_BYTES(size), data, size,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return text + MESH_BASE64URL_BYTES(size) - 1;
}

#endif
