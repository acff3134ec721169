#include "mesh/events/escape.h"

#include <stdbool.h>
#include <string.h>

#include "mesh/base/hex.h"

static bool plain(char c)
{
    return c > ' ' && c <= '~' && c != '"' && c != '%';
}

size_t mesh_event_escaped_size(const char *text)
{
    size_t size = 1;
    for (; *text != '\0'; text++)
        size += plain(*text) ? 1 : 3;
    return size;
}

void mesh_event_escape(const char *text, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        if (plain(*text)) {
            *out++ = *text;
        } else {
            *out++ = '%';
            *out++ = digits[(unsigned char)*text >> 4];
            *out++ = digits[(unsigned char)*text & 15];
        }
    }
    *out = '\0';
}

/* Digits of either case, as others may write them. */
static int digit_value(char digit)
{
    return mesh_hex_value(digit >= 'A' && digit <= 'F' ? (char)(digit - 'A' + 'a') : digit);
}

char *mesh_event_unescape(mesh_arena *arena, const char *escaped)
{
    char *text = mesh_arena_alloc(arena, strlen(escaped) + 1);
    if (text == NULL)
        return NULL;
    char *out = text;
    for (; *escaped != '\0'; escaped++) {
        if (*escaped != '%') {
            *out++ = *escaped;
            continue;
        }
        int high = digit_value(escaped[1]);
        int low = high >= 0 ? digit_value(escaped[2]) : -1;
        if (low < 0 || (high == 0 && low == 0))
            return NULL;
        *out++ = (char)(high << 4 | low);
        escaped += 2;
    }
    *out = '\0';
    return text;
}
