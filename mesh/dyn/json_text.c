#include "mesh/dyn/json_text.h"

#include <stdint.h>
#include <string.h>

#include "mesh/base/utf8.h"

enum {
    MAX_FRAMES = 128
};

/* An object or array that is open, and what was seen of it last. */
typedef struct frame {
    bool array;
    size_t index;              /* array: of the element */
    size_t key_begin, key_end; /* object: the key without its quotes; both 0 before the first */
} frame;

typedef struct scanner {
    const char *json;
    size_t size;
    size_t at;
    unsigned max_depth;
    mesh_json_scan *scan;
    mesh_json_result failure;
    unsigned depth;
    frame frames[MAX_FRAMES];

    /* mesh_json_path: the frames at the last token before `stop`. */
    size_t stop;
    size_t kept_token;
    unsigned kept_depth;
    frame kept[MAX_FRAMES];
} scanner;

static bool fail(scanner *s, const char *why)
{
    s->failure = s->at >= s->size ? MESH_JSON_PARTIAL : MESH_JSON_BAD;
    s->scan->position = s->at;
    s->scan->why = why;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_blanks(scanner *s)
{
    while (s->at < s->size && is_blank(s->json[s->at]))
        s->at++;
}

static char peek(const scanner *s)
{
    return s->at < s->size ? s->json[s->at] : '\0';
}

/* Remembers where in the value the scan is, for a token that begins before `stop`. */
static void keep_path(scanner *s, size_t token)
{
    if (token >= s->stop)
        return;
    s->kept_token = token;
    s->kept_depth = s->depth;
    memcpy(s->kept, s->frames, s->depth * sizeof(frame));
}

/* The four digits of \uXXXX. */
static bool hex_digits(scanner *s, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        char c = peek(s);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                                : 16;
        if (digit == 16)
            return fail(s, "expected four hexadecimal digits after \\u");
        *value = *value << 4 | digit;
    }
    return true;
}

static bool escape(scanner *s)
{
    s->at++;
    char c = peek(s);
    if (s->at >= s->size || strchr("\"\\/bfnrtu", c) == NULL || c == '\0')
        return fail(s, "no such escape in a string");
    s->at++;
    if (c != 'u')
        return true;
    unsigned value;
    if (!hex_digits(s, &value))
        return false;
    if (value >= 0xdc00 && value <= 0xdfff)
        return fail(s, "half a surrogate pair");
    if (value < 0xd800 || value > 0xdbff)
        return true;
    if (s->size - s->at < 2 || memcmp(s->json + s->at, "\\u", 2) != 0)
        return fail(s, "half a surrogate pair");
    s->at += 2;
    if (!hex_digits(s, &value))
        return false;
    return (value >= 0xdc00 && value <= 0xdfff) || fail(s, "half a surrogate pair");
}

static bool string(scanner *s)
{
    s->at++;
    while (s->at < s->size) {
        unsigned char c = (unsigned char)s->json[s->at];
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c == '\\') {
            if (!escape(s))
                return false;
            continue;
        }
        if (c < 0x20)
            return fail(s, "a control character in a string; write it as an escape");
        size_t size = mesh_utf8_length((const uint8_t *)s->json + s->at, s->size - s->at);
        if (size == 0)
            return fail(s, "not UTF-8");
        s->at += size;
    }
    return fail(s, "the string does not end");
}

static bool digits(scanner *s)
{
    size_t begin = s->at;
    while (s->at < s->size && s->json[s->at] >= '0' && s->json[s->at] <= '9')
        s->at++;
    return s->at > begin || fail(s, "expected a digit");
}

static bool number(scanner *s)
{
    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (peek(s) >= '0' && peek(s) <= '9')
            return fail(s, "a number does not begin with 0");
    } else if (!digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!digits(s))
            return false;
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        return digits(s);
    }
    return true;
}

static bool word(scanner *s, const char *text)
{
    for (; *text != '\0'; text++, s->at++)
        if (s->at >= s->size || s->json[s->at] != *text)
            return fail(s, "expected a value");
    return true;
}

static bool value(scanner *s);

static bool open(scanner *s, bool array)
{
    if (s->depth >= s->max_depth || s->depth >= MAX_FRAMES)
        return fail(s, "nested too deep");
    s->at++;
    s->frames[s->depth++] = (frame){.array = array};
    if (s->depth > s->scan->depth)
        s->scan->depth = s->depth;
    return true;
}

/* After an element: true with *more when another follows. */
static bool separator(scanner *s, char end, bool *more)
{
    skip_blanks(s);
    if (peek(s) == ',') {
        s->at++;
        *more = true;
        return true;
    }
    if (peek(s) != end)
        return fail(s, end == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
    *more = false;
    return true;
}

static bool member(scanner *s)
{
    frame *top = &s->frames[s->depth - 1];
    skip_blanks(s);
    size_t begin = s->at;
    if (peek(s) != '"')
        return fail(s, "expected a field name in quotes");
    if (!string(s))
        return false;
    top->key_begin = begin + 1;
    top->key_end = s->at - 1;
    keep_path(s, begin);
    if (top->key_end - top->key_begin == 5 && memcmp(s->json + top->key_begin, "@type", 5) == 0)
        s->scan->has_type = true;
    skip_blanks(s);
    if (peek(s) != ':')
        return fail(s, "expected ':'");
    s->at++;
    return value(s);
}

static bool object(scanner *s)
{
    if (!open(s, false))
        return false;
    skip_blanks(s);
    bool more = peek(s) != '}';
    while (more)
        if (!member(s) || !separator(s, '}', &more))
            return false;
    s->at++;
    s->depth--;
    return true;
}

static bool array(scanner *s)
{
    if (!open(s, true))
        return false;
    skip_blanks(s);
    bool more = peek(s) != ']';
    while (more) {
        if (!value(s) || !separator(s, ']', &more))
            return false;
        s->frames[s->depth - 1].index++;
    }
    s->at++;
    s->depth--;
    return true;
}

static bool value(scanner *s)
{
    skip_blanks(s);
    keep_path(s, s->at);
    switch (peek(s)) {
    case '{':
        return object(s);
    case '[':
        return array(s);
    case '"':
        return string(s);
    case 't':
        return word(s, "true");
    case 'f':
        return word(s, "false");
    case 'n':
        return word(s, "null");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number(s);
    default:
        return fail(s, "expected a value");
    }
}

mesh_json_result mesh_json_scan_value(const char *json, size_t size, unsigned max_depth,
                                      mesh_json_scan *scan)
{
    scanner s = {.json = json, .size = size, .max_depth = max_depth, .scan = scan};
    *scan = (mesh_json_scan){.why = ""};
    skip_blanks(&s);
    scan->begin = scan->end = s.at;
    if (s.at >= size)
        return MESH_JSON_NOTHING;
    if (!value(&s))
        return s.failure;
    scan->end = s.at;
    return MESH_JSON_VALUE;
}

void mesh_json_locate(const char *json, size_t size, size_t position, unsigned *line,
                      unsigned *column)
{
    *line = 1;
    *column = 1;
    for (size_t i = 0; i < position && i < size; i++) {
        if (json[i] == '\n') {
            (*line)++;
            *column = 1;
        } else if (((unsigned char)json[i] & 0xc0) != 0x80) {
            (*column)++;
        }
    }
}

size_t mesh_json_path(const char *json, size_t size, size_t position, mesh_text *path)
{
    mesh_json_scan scan = {.why = ""};
    scanner s = {
        .json = json, .size = size, .max_depth = MAX_FRAMES, .scan = &scan, .stop = position};
    (void)value(&s); /* as far as it goes: the text may be wrong further on */
    for (unsigned i = 0; i < s.kept_depth; i++) {
        const frame *at = &s.kept[i];
        if (at->array) {
            mesh_text_printf(path, "[%zu]", at->index);
        } else if (at->key_end > at->key_begin) {
            if (path->size > 0)
                mesh_text_puts(path, ".");
            mesh_text_add(path, json + at->key_begin, at->key_end - at->key_begin);
        }
    }
    return s.kept_token;
}

void mesh_json_indent(const char *json, size_t size, unsigned indent, mesh_text *out)
{
    size_t level = 0;
    bool quoted = false;
    for (size_t i = 0; i < size && !out->failed; i++) {
        char c = json[i];
        if (quoted) {
            mesh_text_add(out, &c, 1);
            if (c == '\\' && i + 1 < size)
                mesh_text_add(out, &json[++i], 1);
            else if (c == '"')
                quoted = false;
            continue;
        }
        if (is_blank(c))
            continue;
        bool closes = c == '}' || c == ']';
        if (closes)
            level--;
        /* An empty object or array stays on its line. */
        if (closes && out->data[out->size - 1] != '{' && out->data[out->size - 1] != '[') {
            mesh_text_puts(out, "\n");
            mesh_text_fill(out, ' ', level * indent);
        } else if (!closes && out->size > 0 &&
                   (out->data[out->size - 1] == '{' || out->data[out->size - 1] == '[')) {
            mesh_text_puts(out, "\n");
            mesh_text_fill(out, ' ', level * indent);
        }
        mesh_text_add(out, &c, 1);
        if (c == '{' || c == '[')
            level++;
        else if (c == ':')
            mesh_text_puts(out, " ");
        else if (c == '"')
            quoted = true;
        else if (c == ',') {
            mesh_text_puts(out, "\n");
            mesh_text_fill(out, ' ', level * indent);
        }
    }
}

void mesh_json_quote(const char *string, size_t size, mesh_text *out)
{
    mesh_text_puts(out, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)string[i];
        if (c == '"' || c == '\\')
            mesh_text_printf(out, "\\%c", c);
        else if (c == '\n')
            mesh_text_puts(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            mesh_text_printf(out, "\\u%04x", c);
        else
            mesh_text_add(out, &string[i], 1);
    }
    mesh_text_puts(out, "\"");
}
