#include "mesh/base/setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/address.h"
#include "mesh/base/utf8.h"

enum {
    SHOWN_BYTES = 65 /* a wrong value is shown up to here, with the NUL */
};

typedef struct unit {
    const char *name;
    int64_t factor;
} unit;

/* Largest first, so that the first one that divides a number is the one to show it in. */
static const unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};
static const unit sizes[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0}};
static const unit plain[] = {{"", 1}, {NULL, 0}};

static const unit *units_of(mesh_setting_type type)
{
    return type == MESH_SETTING_DURATION ? durations : type == MESH_SETTING_BYTES ? sizes : plain;
}

const char *mesh_setting_form(const mesh_setting *setting)
{
    switch (setting->type) {
    case MESH_SETTING_STRING:
        return "text";
    case MESH_SETTING_SECRET:
        return "secret";
    case MESH_SETTING_INTEGER:
        return "number";
    case MESH_SETTING_DURATION:
        return "duration";
    case MESH_SETTING_BYTES:
        return "bytes";
    case MESH_SETTING_BOOL:
        return "true|false";
    case MESH_SETTING_ADDRESS:
    case MESH_SETTING_TCP_ADDRESS:
        return "address";
    case MESH_SETTING_CHOICE:
        return setting->choices;
    }
    return "";
}

/* How to write a value of the type, for the text of a mistake. */
static const char *example(mesh_setting_type type)
{
    switch (type) {
    case MESH_SETTING_DURATION:
        return "give a number with ms, s, m or h, like 250ms";
    case MESH_SETTING_BYTES:
        return "give a number, with KiB, MiB or GiB if you like";
    case MESH_SETTING_ADDRESS:
        return "give HOST:PORT, [V6]:PORT, unix:PATH or fd://N";
    case MESH_SETTING_TCP_ADDRESS:
        return "give HOST:PORT or [V6]:PORT";
    default:
        return "give a whole number";
    }
}

void mesh_setting_format(mesh_setting_type type, int64_t number, char text[MESH_SETTING_TEXT_BYTES])
{
    const unit *one = units_of(type);

    if (number == 0 && type == MESH_SETTING_DURATION)
        one = &durations[2];
    else
        while (one[1].name != NULL && (number == 0 || number % one->factor != 0))
            one++;
    snprintf(text, MESH_SETTING_TEXT_BYTES, "%" PRId64 "%s", number / one->factor, one->name);
}

/* Digits up to `end`, as a number; false when there is none, another character, or overflow. */
static bool parse_digits(const char *text, const char *end, int64_t *number)
{
    *number = 0;
    if (text == end)
        return false;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, *text - '0', number))
            return false;
    }
    return true;
}

static bool parse_number(mesh_setting_type type, const char *text, int64_t *number)
{
    bool negative = type == MESH_SETTING_INTEGER && text[0] == '-';
    const char *digits = negative ? text + 1 : text;
    const char *end = digits + strspn(digits, "0123456789");
    const unit *one = units_of(type);

    if (!parse_digits(digits, end, number))
        return false;
    while (one->name != NULL && strcmp(one->name, end) != 0)
        one++;
    if (one->name == NULL)
        return *number == 0 && *end == '\0'; /* 0 needs no unit */
    if (__builtin_mul_overflow(*number, one->factor, number))
        return false;
    if (negative)
        *number = -*number;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t size = strlen(text);

    while (choices != NULL && *choices != '\0') {
        size_t one = strcspn(choices, "|");

        if (one == size && memcmp(choices, text, size) == 0)
            return true;
        choices += one;
        choices += *choices == '|';
    }
    return false;
}

static bool in_range(const mesh_setting *setting, int64_t number,
                     char mistake[MESH_SETTING_MISTAKE_BYTES])
{
    char min[MESH_SETTING_TEXT_BYTES], max[MESH_SETTING_TEXT_BYTES], is[MESH_SETTING_TEXT_BYTES];

    if (number >= setting->min && (setting->max == 0 || number <= setting->max))
        return true;
    mesh_setting_format(setting->type, setting->min, min);
    mesh_setting_format(setting->type, setting->max, max);
    mesh_setting_format(setting->type, number, is);
    if (setting->max == 0)
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "%s is too small: at least %s", is, min);
    else
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "%s is out of range: from %s to %s", is, min,
                 max);
    return false;
}

/* True when a setting may be given as nothing. */
static bool may_be_empty(const mesh_setting *setting)
{
    if (setting->fallback == NULL)
        return false;
    return setting->type == MESH_SETTING_STRING || setting->fallback[0] == '\0';
}

bool mesh_setting_parse(const mesh_setting *setting, const char *text, mesh_setting_value *value,
                        char mistake[MESH_SETTING_MISTAKE_BYTES])
{
    char shown[SHOWN_BYTES];
    mesh_address address;

    *value = (mesh_setting_value){.text = text};
    if (text[0] == '\0') {
        if (may_be_empty(setting))
            return true;
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "must not be empty");
        return false;
    }
    if (!mesh_utf8_is_text((const uint8_t *)text, strlen(text))) {
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "is not UTF-8");
        return false;
    }
    mesh_utf8_copy(shown, sizeof shown, text, strlen(text));

    switch (setting->type) {
    case MESH_SETTING_STRING:
    case MESH_SETTING_SECRET:
        return true;
    case MESH_SETTING_INTEGER:
    case MESH_SETTING_DURATION:
    case MESH_SETTING_BYTES:
        if (parse_number(setting->type, text, &value->number))
            return in_range(setting, value->number, mistake);
        break;
    case MESH_SETTING_BOOL:
        value->boolean = strcmp(text, "true") == 0;
        if (value->boolean || strcmp(text, "false") == 0)
            return true;
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "\"%s\" is neither true nor false", shown);
        return false;
    case MESH_SETTING_ADDRESS:
    case MESH_SETTING_TCP_ADDRESS:
        if (mesh_address_parse(text, &address) &&
            (address.port != NULL || setting->type == MESH_SETTING_ADDRESS))
            return true;
        break;
    case MESH_SETTING_CHOICE:
        if (is_choice(setting->choices, text))
            return true;
        snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "\"%s\" is none of %s", shown,
                 setting->choices);
        return false;
    }
    snprintf(mistake, MESH_SETTING_MISTAKE_BYTES, "\"%s\" is no %s: %s", shown,
             mesh_setting_form(setting), example(setting->type));
    return false;
}
