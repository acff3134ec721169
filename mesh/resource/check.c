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

/* Ranges of code points, each with its last one; ended by zeros. */
typedef uint32_t range[2];

static bool is_in(const range *ranges, uint32_t character)
{
    for (; (*ranges)[1] != 0; ranges++)
        if (character >= (*ranges)[0] && character <= (*ranges)[1])
            return true;
    return false;
}

/* Unicode's categories Cc, Zl and Zp, and the embeddings, overrides and isolates of UAX #9, with
 * which a text shows in another order than it is read. */
static const range controls[] = {
    {0x00, 0x1F}, {0x7F, 0x9F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0, 0},
};

/* White_Space and Default_Ignorable_Code_Point, and what is drawn as a blank. */
static const range blanks[] = {
    {0x09, 0x0D},     {0x20, 0x20},       {0x85, 0x85},       {0xA0, 0xA0},       {0xAD, 0xAD},
    {0x34F, 0x34F},   {0x61C, 0x61C},     {0x115F, 0x1160},   {0x1680, 0x1680},   {0x17B4, 0x17B5},
    {0x180B, 0x180F}, {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x206F},   {0x2800, 0x2800},
    {0x3000, 0x3000}, {0x3164, 0x3164},   {0xFE00, 0xFE0F},   {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},
    {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}, {0, 0},
};

/* The character at *text, which is not its end, and moves there to the next one. */
static uint32_t next_character(const unsigned char **text)
{
    const unsigned char first = *(*text)++;
    uint32_t character = first < 0x80   ? first
                         : first < 0xE0 ? first & 0x1F
                         : first < 0xF0 ? first & 0x0F
                                        : first & 0x07;
    for (; (**text & 0xC0) == 0x80; (*text)++)
        character = character << 6 | (**text & 0x3F);
    return character;
}

void mesh_check_text(mesh_check *check, const char *field, const char *value, size_t min,
                     size_t max)
{
    const unsigned char *at = (const unsigned char *)value;
    size_t count = 0;
    bool blank = true;
    bool control = false;
    while (*at != '\0') {
        const uint32_t character = next_character(&at);
        count++;
        blank = blank && is_in(blanks, character);
        control = control || is_in(controls, character);
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
