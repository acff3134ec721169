/* Lower-case hexadecimal digits, private to mesh/. */
#ifndef MESH_BASE_HEX_H
#define MESH_BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

/* Writes 2 * size digits, without a NUL, and returns the place behind them. */
static inline char *mesh_hex_write(char *text, const uint8_t *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *text++ = digits[data[i] >> 4];
        *text++ = digits[data[i] & 15];
    }
    return text;
}

/* The value of a lower-case digit; -1 for any other character. */
static inline int mesh_hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    return -1;
}

#endif
