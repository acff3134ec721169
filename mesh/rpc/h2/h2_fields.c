/*
 * What the headers of a request say. gRPC's own are understood as they come, those of the
 * application are kept: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
#include <string.h>

#include "mesh/rpc/h2/h2.h"

enum {
    FIRST_BYTES = 400, /* of the memory for the application's metadata */
    TIMEOUT_DIGITS_MAX = 8,
    UNKNOWN_PATH_MAX = 128 /* kept for the answer */
};

static bool is(const char *name, size_t size, const char *other, size_t other_size)
{
    return size == other_size && memcmp(name, other, size) == 0;
}
#define IS(name, size, literal) is(name, size, literal, sizeof(literal) - 1)

static void refuse(h2_fields *fields, mesh_code code, const char *text)
{
    if (fields->code != MESH_OK)
        return;
    fields->code = code;
    fields->text = text;
}

/* --- the application's ------------------------------------------------------------------------ */

/* Room for as many more bytes. False: out of memory. */
static bool reserve(h2_call *call, size_t size)
{
    h2_fields *fields = &call->fields;
    h2_cache *cache = &call->loop->cache;
    h2_buffer *grown;

    if (fields->memory != NULL && fields->memory->capacity - fields->bytes >= size)
        return true;
    grown = h2_buffer_take(cache, fields->memory == NULL && size < FIRST_BYTES
                                      ? FIRST_BYTES
                                      : (fields->bytes + size) * 2);
    if (grown == NULL)
        return false;
    if (fields->memory != NULL)
        memcpy(grown->bytes, fields->memory->bytes, fields->bytes);
    h2_buffer_give(cache, fields->memory);
    fields->memory = grown;
    return true;
}

/* Entries lie behind one another: field, name and its NUL, value; each begins aligned. */
static size_t space_of(size_t name_size, size_t value_size)
{
    return (sizeof(h2_field) + name_size + 1 + value_size + 3) & ~(size_t)3;
}

/* Where the value of a new entry goes, which has room for `value_size`; NULL: out of memory. */
static h2_field *append(h2_call *call, const char *name, size_t name_size, size_t value_size)
{
    h2_fields *fields = &call->fields;
    h2_field *field;

    if (!reserve(call, space_of(name_size, value_size))) {
        refuse(fields, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return NULL;
    }
    field = (h2_field *)(void *)(fields->memory->bytes + fields->bytes);
    field->name_size = (uint32_t)name_size;
    field->value_size = (uint32_t)value_size;
    memcpy(field + 1, name, name_size);
    ((char *)(field + 1))[name_size] = '\0';
    return field;
}

static void keep(h2_fields *fields, const h2_field *field)
{
    fields->bytes += (uint32_t)space_of(field->name_size, field->value_size);
    fields->count++;
}

static uint8_t *value_of(h2_field *field)
{
    return (uint8_t *)(field + 1) + field->name_size + 1;
}

static int digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Base64 with or without padding (RFC 4648). Writes at most three quarters; false: it is none. */
static bool decode(const uint8_t *text, size_t size, uint8_t *bytes, uint32_t *got)
{
    uint32_t bits = 0;
    size_t digits = 0;
    uint32_t count = 0;

    for (int padding = 0; padding < 2 && size > 0 && text[size - 1] == '='; padding++)
        size--;
    if (size % 4 == 1)
        return false;
    for (; digits < size; digits++) {
        int digit = digit_of(text[digits]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        if (digits % 4 != 0)
            bytes[count++] = (uint8_t)(bits >> (6 - 2 * (digits % 4)));
    }
    *got = count;
    return true;
}

/* One header may hold several binary values, with commas in between. */
static void add_binary(h2_call *call, const char *name, size_t name_size, const uint8_t *value,
                       size_t value_size)
{
    for (;;) {
        const uint8_t *comma = value_size > 0 ? memchr(value, ',', value_size) : NULL;
        size_t size = comma != NULL ? (size_t)(comma - value) : value_size;
        h2_field *field = append(call, name, name_size, size);

        if (field == NULL)
            return;
        if (!decode(value, size, value_of(field), &field->value_size)) {
            refuse(&call->fields, MESH_INTERNAL, "a binary header is not base64");
            return;
        }
        keep(&call->fields, field);
        if (comma == NULL)
            return;
        /* as if it had come in a header of its own */
        call->fields.list_bytes += name_size + H2_HEADER_ENTRY_BYTES;
        if (call->fields.list_bytes > H2_HEADER_BYTES_MAX)
            return; /* the call is refused for it */
        value_size -= size + 1;
        value = comma + 1;
    }
}

static void add(h2_call *call, const char *name, size_t name_size, const uint8_t *value,
                size_t value_size)
{
    h2_field *field;

    if (name_size >= 4 && memcmp(name + name_size - 4, "-bin", 4) == 0) {
        add_binary(call, name, name_size, value, value_size);
        return;
    }
    field = append(call, name, name_size, value_size);
    if (field == NULL)
        return;
    if (value_size > 0)
        memcpy(value_of(field), value, value_size);
    keep(&call->fields, field);
}

bool h2_fields_next(const h2_fields *fields, size_t *at, mesh_received *received)
{
    h2_field *field;

    if (*at >= fields->bytes)
        return false;
    field = (h2_field *)(void *)(fields->memory->bytes + *at);
    *received = (mesh_received){.entry = {.key = (const char *)(field + 1),
                                          .value = value_of(field),
                                          .size = field->value_size},
                                .key_size = field->name_size,
                                .terminated = true};
    *at += space_of(field->name_size, field->value_size);
    return true;
}

void h2_fields_clear(h2_fields *fields, h2_cache *cache)
{
    h2_buffer_give(cache, fields->memory);
    h2_buffer_give(cache, fields->path);
    *fields = (h2_fields){.memory = NULL};
}

/* --- gRPC's own ------------------------------------------------------------------------------- */

static void read_path(h2_call *call, const uint8_t *value, size_t size)
{
    h2_fields *fields = &call->fields;
    size_t kept = size < UNKNOWN_PATH_MAX ? size : UNKNOWN_PATH_MAX;

    call->method = h2_server_method(call->loop->server, (const char *)value, size);
    if (call->method != NULL)
        return;
    fields->path = h2_buffer_take(&call->loop->cache, kept);
    if (fields->path == NULL) {
        refuse(fields, MESH_RESOURCE_EXHAUSTED, "out of memory");
        return;
    }
    memcpy(fields->path->bytes, value, kept);
    fields->path->view.size = kept;
}

/* "100m" and the like. */
static void read_timeout(h2_call *call, const uint8_t *value, size_t size)
{
    static const struct {
        char unit;
        int64_t ns;
    } units[] = {{'n', 1},          {'u', 1000},          {'m', 1000000},
                 {'S', 1000000000}, {'M', 60000000000LL}, {'H', 3600000000000LL}};
    int64_t number = 0;

    if (size < 2 || size > TIMEOUT_DIGITS_MAX + 1)
        goto malformed;
    for (size_t i = 0; i + 1 < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            goto malformed;
        number = number * 10 + (value[i] - '0');
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (units[i].unit == (char)value[size - 1]) {
            int64_t ns;

            if (__builtin_mul_overflow(number, units[i].ns, &ns) ||
                __builtin_add_overflow(ns, call->loop->now_ns, &call->deadline_ns))
                call->deadline_ns = MESH_NO_DEADLINE;
            return;
        }
malformed:
    refuse(&call->fields, MESH_INTERNAL, "grpc-timeout is malformed");
}

static const struct {
    const char *name;
    size_t size;
} encodings[H2_ENCODING_COUNT] = {
    [H2_IDENTITY] = {"identity", 8},
    [H2_GZIP] = {"gzip", 4},
    [H2_DEFLATE] = {"deflate", 7},
};

static h2_encoding encoding_of(const char *name, size_t size)
{
    h2_encoding encoding = H2_IDENTITY;

    while (encoding < H2_ENCODING_COUNT &&
           !is(name, size, encodings[encoding].name, encodings[encoding].size))
        encoding++;
    return encoding;
}

/* "identity, deflate,gzip" */
static void read_accepted(h2_fields *fields, const uint8_t *value, size_t size)
{
    const char *at = (const char *)value;
    const char *end = at + size;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        const char *stop = comma != NULL ? comma : end;
        const char *last = stop;
        h2_encoding encoding;

        while (at < stop && *at == ' ')
            at++;
        while (last > at && last[-1] == ' ')
            last--;
        encoding = encoding_of(at, (size_t)(last - at));
        if (encoding < H2_ENCODING_COUNT)
            fields->accepts |= (uint8_t)(1 << encoding);
        at = stop + 1;
    }
}

static bool skip(const uint8_t **text, size_t *size, const char *word)
{
    size_t word_size = strlen(word);

    if (*size < word_size || memcmp(*text, word, word_size) != 0)
        return false;
    *text += word_size;
    *size -= word_size;
    return true;
}

/* application/grpc or application/grpc+proto, and parameters: messages are protobuf here. */
static bool is_grpc_type(const uint8_t *value, size_t size)
{
    if (!skip(&value, &size, "application/grpc"))
        return false;
    (void)skip(&value, &size, "+proto");
    return size == 0 || value[0] == ';';
}

/* Whether it was a header of the protocol's, which the application does not see. */
static bool read_own(h2_call *call, const char *name, size_t size, const uint8_t *value,
                     size_t value_size)
{
    h2_fields *fields = &call->fields;

    if (size == 0)
        return true;
    if (name[0] == ':') {
        if (IS(name, size, ":path")) {
            read_path(call, value, value_size);
        } else if (IS(name, size, ":method")) {
            fields->is_post = IS((const char *)value, value_size, "POST");
            fields->is_head = IS((const char *)value, value_size, "HEAD");
        }
        return true;
    }
    if (IS(name, size, "content-type")) {
        fields->is_grpc = is_grpc_type(value, value_size);
        return true;
    }
    if (IS(name, size, "te"))
        return true;
    if (size <= 5 || memcmp(name, "grpc-", 5) != 0)
        return false;
    if (IS(name, size, "grpc-timeout"))
        read_timeout(call, value, value_size);
    else if (IS(name, size, "grpc-encoding"))
        fields->encoding = encoding_of((const char *)value, value_size);
    else if (IS(name, size, "grpc-accept-encoding"))
        read_accepted(fields, value, value_size);
    return true;
}

void h2_fields_add(h2_call *call, const char *name, size_t name_size, const uint8_t *value,
                   size_t value_size)
{
    h2_fields *fields = &call->fields;

    fields->list_bytes += name_size + value_size + H2_HEADER_ENTRY_BYTES;
    if (!read_own(call, name, name_size, value, value_size) &&
        fields->list_bytes <= H2_HEADER_BYTES_MAX)
        add(call, name, name_size, value, value_size);
}
