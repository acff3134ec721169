#include "mesh/resource/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/uuid.h"

void mesh_check_enter(mesh_check *check, const char *format, ...)
{
    size_t room = sizeof check->path - check->depth;
    va_list args;
    va_start(args, format);
    int written = vsnprintf(check->path + check->depth, room, format, args);
    va_end(args);
    if (written < 0)
        return;
    size_t used = strlen(check->path);
    if (used + 1 < sizeof check->path) {
        check->path[used++] = '.';
        check->path[used] = '\0';
    }
    check->depth = used;
}

void mesh_check_leave(mesh_check *check)
{
    /* The part to take off ends with its dot; parts themselves hold none. */
    size_t depth = check->depth;
    if (depth != 0 && check->path[depth - 1] == '.')
        depth--;
    while (depth != 0 && check->path[depth - 1] != '.')
        depth--;
    check->depth = depth;
    check->path[depth] = '\0';
}

void mesh_check_fail(mesh_check *check, const char *field, const char *format, ...)
{
    char path[MESH_CHECK_PATH_BYTES * 2];
    char text[MESH_ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(path, sizeof path, "%s%s", check->path, field);
    check->code = mesh_error_field(check->err, path, "%s", text);
}

void mesh_check_that(mesh_check *check, bool right, const char *field, const char *text)
{
    if (!right)
        mesh_check_fail(check, field, "%s", text);
}

void mesh_check_integer(mesh_check *check, const char *field, int64_t value, int64_t min,
                        int64_t max)
{
    if (value < min || value > max)
        mesh_check_fail(check, field, "must be between %" PRId64 " and %" PRId64, min, max);
}

void mesh_check_text(mesh_check *check, const char *field, const char *value, size_t min,
                     size_t max)
{
    size_t count = 0;
    bool blank = true;
    bool control = false;
    for (const char *at = value; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if ((byte & 0xC0) != 0x80) /* not a continuation byte: a character begins */
            count++;
        if (byte != ' ' && byte != '\t')
            blank = false;
        if (byte < 0x20 || byte == 0x7F)
            control = true;
    }
    if (count < min || count > max)
        mesh_check_fail(check, field, "must have %zu to %zu characters", min, max);
    else if (control)
        mesh_check_fail(check, field, "must not hold control characters");
    else if (min != 0 && blank)
        mesh_check_fail(check, field, "must not be blank");
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

void mesh_check_id(mesh_check *check, const char *field, const char *value, size_t max)
{
    size_t size = strlen(value);
    bool right = size >= 1 && size <= max && is_letter_or_digit(value[0]);
    for (size_t i = 1; right && i < size; i++)
        right = is_letter_or_digit(value[i]) || strchr("._-", value[i]) != NULL;
    if (!right)
        mesh_check_fail(check, field,
                        "must be 1 to %zu letters, digits, '.', '_' or '-', beginning with a "
                        "letter or digit",
                        max);
}

void mesh_check_currency(mesh_check *check, const char *field, const char *value)
{
    bool right = strlen(value) == 3;
    for (size_t i = 0; right && i < 3; i++)
        right = value[i] >= 'A' && value[i] <= 'Z';
    mesh_check_that(check, right, field, "must be a currency code of three upper-case letters");
}

void mesh_check_request_id(mesh_check *check, const char *field, const char *value)
{
    mesh_check_that(check, value[0] == '\0' || mesh_uuid_valid(value), field,
                    "must be a UUID (8-4-4-4-12 hexadecimal digits)");
}
