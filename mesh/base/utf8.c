#include "mesh/base/utf8.h"

size_t mesh_utf8_copy(char *to, size_t capacity, const char *from, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)from;
    size_t written = 0, at = 0;

    while (at < size) {
        size_t length = bytes[at] == 0 ? 0 : mesh_utf8_length(bytes + at, size - at);
        const char *character = length == 0 ? "\xef\xbf\xbd" : from + at;
        size_t bytes_out = length == 0 ? 3 : length;

        if (bytes_out >= capacity - written)
            break;
        memcpy(to + written, character, bytes_out);
        written += bytes_out;
        at += length == 0 ? 1 : length;
    }
    to[written] = '\0';
    return written;
}
