/*
 * UTF-8 as RFC 3629 defines it (no surrogates, no overlong forms, up to U+10FFFF), for mesh/ and
 * the services here.
 */
#ifndef MESH_BASE_UTF8_H
#define MESH_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes of the character at `text`, 1 to 4; 0 when the `size` bytes do not begin with one. */
static inline size_t mesh_utf8_length(const uint8_t *text, size_t size)
{
    uint8_t low = 0x80, high = 0xbf; /* range of the second byte */
    size_t length;

    if (size == 0)
        return 0;
    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    length = text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    if (size < length)
        return 0;
    if (text[0] == 0xe0)
        low = 0xa0;
    else if (text[0] == 0xed)
        high = 0x9f;
    else if (text[0] == 0xf0)
        low = 0x90;
    else if (text[0] == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    return length;
}

/* True when each of eight bytes is ASCII other than NUL. */
static inline bool mesh_utf8_is_plain(uint64_t eight)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);

    /* A byte is 0 or over 0x7f exactly if it, or it minus one, has its high bit set (a borrow can
     * only come from such a byte). */
    return ((eight | (eight - ones)) & highs) == 0;
}

/* All of 1 to 7 bytes, some of them twice or three times, with ones in the place of none. */
static inline uint64_t mesh_utf8_few(const uint8_t *text, size_t size)
{
    uint32_t first, last;

    if (size < 4)
        return UINT64_C(0x0101010101000000) | text[0] | (uint32_t)text[size / 2] << 8 |
               (uint32_t)text[size - 1] << 16;
    memcpy(&first, text, 4);
    memcpy(&last, text + size - 4, 4);
    return first | (uint64_t)last << 32;
}

/* Bytes at the start of `text` that are plain: all of them, or a multiple of eight. */
static inline size_t mesh_utf8_skip_plain(const uint8_t *text, size_t size)
{
    uint64_t eight;
    size_t at = 0;

    for (; size - at >= 8; at += 8) {
        memcpy(&eight, text + at, 8);
        if (!mesh_utf8_is_plain(eight))
            return at;
    }
    return at == size || mesh_utf8_is_plain(mesh_utf8_few(text + at, size - at)) ? size : at;
}

/* True when all is UTF-8 and nothing is NUL. */
static inline bool mesh_utf8_is_text(const uint8_t *text, size_t size)
{
    size_t at = mesh_utf8_skip_plain(text, size);

    while (at < size) {
        size_t length = mesh_utf8_length(text + at, size - at);

        if (length == 0 || text[at] == 0)
            return false;
        at += length;
        if (size - at >= 8)
            at += mesh_utf8_skip_plain(text + at, size - at);
    }
    return true;
}

/*
 * Copies `size` bytes into `capacity` bytes with a NUL: what is not UTF-8 (and a NUL) becomes
 * U+FFFD, what does not fit is left out at a character. Returns the bytes written without the NUL.
 */
size_t mesh_utf8_copy(char *to, size_t capacity, const char *from, size_t size);

#endif
