/*
 * UTF-8 as RFC 3629 defines it (no surrogates, no overlong forms, up to U+10FFFF), private to
 * mesh/.
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

/*
 * Bytes at the start of `text` that are ASCII other than NUL: never more than there are, fewer only
 * by up to seven before one that is not.
 */
static inline size_t mesh_utf8_skip_ascii(const uint8_t *text, size_t size)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), highs = UINT64_C(0x8080808080808080);
    size_t at = 0;

    for (; size - at >= 8; at += 8) {
        uint64_t eight;

        memcpy(&eight, text + at, 8);
        /* A byte is 0 or over 0x7f exactly if it, or it minus one, has its high bit set (a borrow
         * can only come from such a byte). */
        if (((eight | (eight - ones)) & highs) != 0)
            break;
    }
    return at;
}

/* True when all is UTF-8 and nothing is NUL. */
static inline bool mesh_utf8_is_text(const uint8_t *text, size_t size)
{
    size_t at = 0;

    while (at < size) {
        size_t length;

        if (size - at >= 8) {
            at += mesh_utf8_skip_ascii(text + at, size - at);
            if (at == size)
                break;
        }
        length = mesh_utf8_length(text + at, size - at);
        if (length == 0 || text[at] == 0)
            return false;
        at += length;
    }
    return true;
}

/*
 * Copies `size` bytes into `capacity` bytes with a NUL: what is not UTF-8 (and a NUL) becomes
 * U+FFFD, what does not fit is left out at a character. Returns the bytes written without the NUL.
 */
size_t mesh_utf8_copy(char *to, size_t capacity, const char *from, size_t size);

#endif
