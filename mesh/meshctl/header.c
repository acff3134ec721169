#include "mesh/meshctl/header.h"

#include <ctype.h>
#include <string.h>

static const char usage[] = "write -H 'key: value'";

static bool is_binary(const char *key)
{
    size_t size = strlen(key);
    return size > 4 && strcmp(key + size - 4, "-bin") == 0;
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

bool ctl_base64_decode(char *text, size_t *size)
{
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '=')
        length--;
    if (length % 4 == 1)
        return false;
    unsigned bits = 0, held = 0;
    size_t out = 0;
    for (size_t i = 0; i < length; i++) {
        int digit = base64_digit(text[i]);
        if (digit < 0)
            return false;
        held = held << 6 | (unsigned)digit;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            text[out++] = (char)(held >> bits);
            held &= (1U << bits) - 1;
        }
    }
    *size = out;
    return true;
}

mesh_code ctl_header_parse(const char *text, mesh_arena *arena, mesh_metadata *entry,
                           ctl_failure *failure)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || colon == text)
        return ctl_fail(failure, MESH_INVALID_ARGUMENT, usage, "the header \"%s\" has no %s", text,
                        colon == NULL ? "colon" : "key");
    char *key = mesh_arena_strndup(arena, text, (size_t)(colon - text));
    for (char *c = key; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
        if (!islower((unsigned char)*c) && !isdigit((unsigned char)*c) && strchr("-_.", *c) == NULL)
            return ctl_fail(failure, MESH_INVALID_ARGUMENT, usage,
                            "the header's key \"%.*s\" may have letters, digits, '-', '_' and '.'",
                            (int)(colon - text), text);
    }
    const char *begin = colon + 1 + strspn(colon + 1, " \t");
    char *value = mesh_arena_strdup(arena, begin);
    size_t size = strlen(value);
    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        value[--size] = '\0';
    if (is_binary(key)) {
        if (!ctl_base64_decode(value, &size))
            return ctl_fail(failure, MESH_INVALID_ARGUMENT, usage,
                            "the value of the header %s is not base64", key);
    } else {
        for (size_t i = 0; i < size; i++)
            if (value[i] < 0x20 || value[i] > 0x7e)
                return ctl_fail(failure, MESH_INVALID_ARGUMENT,
                                "other values need a key that ends in -bin, and base64",
                                "the value of the header %s is not printable ASCII", key);
    }
    *entry = (mesh_metadata){.key = key, .value = value, .size = size};
    return MESH_OK;
}

mesh_code ctl_headers(ctl *run, ctl_failure *failure)
{
    size_t wanted = run->args.header_count;
    mesh_metadata *list = mesh_arena_calloc(run->arena, wanted, sizeof *list);
    if (list == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    for (size_t i = 0; i < wanted; i++) {
        mesh_code code = ctl_header_parse(run->args.headers[i], run->arena, &list[i], failure);
        if (code != MESH_OK)
            return code;
    }
    run->headers = list;
    run->header_count = wanted;
    return MESH_OK;
}

void ctl_base64_next(const uint8_t *data, size_t left, char digits[CTL_BASE64_DIGITS])
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned held = (unsigned)data[0] << 16 | (left > 1 ? (unsigned)data[1] << 8 : 0) |
                    (left > 2 ? data[2] : 0);
    digits[0] = all[held >> 18];
    digits[1] = all[held >> 12 & 63];
    digits[2] = left > 1 ? all[held >> 6 & 63] : '=';
    digits[3] = left > 2 ? all[held & 63] : '=';
}

static void print_base64(FILE *out, const uint8_t *data, size_t size)
{
    char digits[CTL_BASE64_DIGITS];
    for (size_t i = 0; i < size; i += CTL_BASE64_BYTES) {
        ctl_base64_next(data + i, size - i, digits);
        fwrite(digits, 1, sizeof digits, out);
    }
}

void ctl_header_print(FILE *out, const mesh_metadata *entry)
{
    fprintf(out, "%s: ", entry->key);
    if (is_binary(entry->key))
        print_base64(out, entry->value, entry->size);
    else
        fwrite(entry->value, 1, entry->size, out);
    fputc('\n', out);
}
