/* Headers and trailers of answers, as nghttp2 takes them. What is the same for most is constant. */
#include <stdio.h>
#include <string.h>

#include "mesh/rpc/h2/h2.h"

enum {
    OWN_ENTRIES_MAX = 6 /* beside the application's */
};

#define CONSTANT NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
#define NV(name, value)                                                                \
    {                                                                                  \
        (uint8_t *)(uintptr_t)(name), (uint8_t *)(uintptr_t)(value), sizeof(name) - 1, \
            sizeof(value) - 1, CONSTANT                                                \
    }

static const nghttp2_nv head[] = {
    NV(":status", "200"),
    NV("content-type", "application/grpc"),
};
static const nghttp2_nv encodings[] = {
    [H2_GZIP] = NV("grpc-encoding", "gzip"),
    [H2_DEFLATE] = NV("grpc-encoding", "deflate"),
};
static const nghttp2_nv accepted = NV("grpc-accept-encoding", "identity,deflate,gzip");
static const nghttp2_nv statuses[] = {
    NV("grpc-status", "0"),  NV("grpc-status", "1"),  NV("grpc-status", "2"),
    NV("grpc-status", "3"),  NV("grpc-status", "4"),  NV("grpc-status", "5"),
    NV("grpc-status", "6"),  NV("grpc-status", "7"),  NV("grpc-status", "8"),
    NV("grpc-status", "9"),  NV("grpc-status", "10"), NV("grpc-status", "11"),
    NV("grpc-status", "12"), NV("grpc-status", "13"), NV("grpc-status", "14"),
    NV("grpc-status", "15"), NV("grpc-status", "16"),
};
static const nghttp2_nv not_grpc[] = {
    NV(":status", "415"),
    NV("content-type", "text/plain"),
};
static const nghttp2_nv not_post[] = {
    NV(":status", "405"),
    NV("content-type", "text/plain"),
    NV("allow", "POST"),
};

void h2_block_clear(h2_block *block)
{
    h2_buffer_give(h2_this_cache(), block->memory);
    *block = (h2_block){.entries = NULL};
}

/* --- making a list ---------------------------------------------------------------------------- */

/* A list that is being made: entries from the front of the memory, their bytes behind them. */
typedef struct maker {
    nghttp2_nv *entries;
    size_t count;
    uint8_t *at;
} maker;

static bool ends_in_bin(const char *key, size_t size)
{
    return size >= 4 && memcmp(key + size - 4, "-bin", 4) == 0;
}

static size_t base64_size(size_t size)
{
    return (size * 4 + 2) / 3;
}

/* Base64 without padding (RFC 4648), as gRPC sends it. */
static uint8_t *put_base64(uint8_t *at, const uint8_t *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    unsigned have = 0;

    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (have += 8; have >= 6; have -= 6)
            *at++ = (uint8_t)digits[bits >> (have - 6) & 63];
    }
    if (have > 0)
        *at++ = (uint8_t)digits[bits << (6 - have) & 63];
    return at;
}

static bool needs_escape(uint8_t c)
{
    return c < 0x20 || c > 0x7e || c == '%';
}

static size_t escaped_size(const char *text)
{
    size_t size = 0;

    for (; *text != '\0'; text++)
        size += needs_escape((uint8_t)*text) ? 3 : 1;
    return size;
}

/* Percent-encoding of grpc-message. */
static uint8_t *put_escaped(uint8_t *at, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";

    for (; *text != '\0'; text++) {
        uint8_t c = (uint8_t)*text;

        if (needs_escape(c)) {
            *at++ = '%';
            *at++ = (uint8_t)digits[c >> 4];
            *at++ = (uint8_t)digits[c & 15];
        } else {
            *at++ = c;
        }
    }
    return at;
}

static size_t list_size(const mesh_metadata_list *list)
{
    size_t size = 0;

    for (size_t i = 0; list != NULL && i < list->count; i++)
        size += strlen(list->entries[i].key) + base64_size(list->entries[i].size) + 3;
    return size;
}

static size_t list_count(const mesh_metadata_list *list)
{
    return list != NULL ? list->count : 0;
}

/* Memory for so many entries with so many bytes. False: out of memory. */
static bool begin(maker *list, h2_block *block, size_t count, size_t bytes)
{
    block->memory = h2_buffer_take(h2_this_cache(), count * sizeof *list->entries + bytes);
    if (block->memory == NULL)
        return false;
    list->entries = (nghttp2_nv *)(void *)block->memory->bytes;
    list->count = 0;
    list->at = block->memory->bytes + count * sizeof *list->entries;
    return true;
}

static void end(const maker *list, h2_block *block)
{
    block->entries = list->entries;
    block->count = list->count;
}

static void put(maker *list, const nghttp2_nv *entry)
{
    list->entries[list->count++] = *entry;
}

/* The value was written behind the name, up to `end`. */
static void put_written(maker *list, const char *name, size_t name_size, uint8_t *value,
                        uint8_t *end)
{
    list->entries[list->count++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                                                .namelen = name_size,
                                                .value = value,
                                                .valuelen = (size_t)(end - value),
                                                .flags = CONSTANT};
    list->at = end;
}

static void put_list(maker *list, const mesh_metadata_list *metadata)
{
    for (size_t i = 0; metadata != NULL && i < metadata->count; i++) {
        const mesh_metadata *entry = &metadata->entries[i];
        size_t key_size = strlen(entry->key);
        char *key = memcpy(list->at, entry->key, key_size);
        uint8_t *value = list->at + key_size;

        if (ends_in_bin(key, key_size)) {
            put_written(list, key, key_size, value, put_base64(value, entry->value, entry->size));
        } else {
            if (entry->size > 0)
                memcpy(value, entry->value, entry->size);
            put_written(list, key, key_size, value, value + entry->size);
        }
    }
}

/* --- what is made ----------------------------------------------------------------------------- */

static void put_head(maker *list, const h2_call *call, h2_encoding encoding)
{
    put(list, &head[0]);
    put(list, &head[1]);
    if (encoding != H2_IDENTITY)
        put(list, &encodings[encoding]);
    if (call->fields.encoding == H2_ENCODING_COUNT)
        put(list, &accepted);
}

/* What the client takes: gzip, since every implementation knows it. */
static h2_encoding choose(const h2_call *call, bool compress)
{
    if (!compress)
        return H2_IDENTITY;
    if ((call->fields.accepts & 1 << H2_GZIP) != 0)
        return H2_GZIP;
    return (call->fields.accepts & 1 << H2_DEFLATE) != 0 ? H2_DEFLATE : H2_IDENTITY;
}

bool h2_answer_headers(h2_call *call, const mesh_metadata_list *headers, bool compress)
{
    h2_block *block = &call->given.headers;
    maker list;

    call->given.has_headers = true;
    call->given.encoding = choose(call, compress);
    if (call->given.encoding == H2_IDENTITY && list_count(headers) == 0 &&
        call->fields.encoding != H2_ENCODING_COUNT) {
        *block = (h2_block){.entries = head, .count = sizeof head / sizeof head[0]};
        return true;
    }
    if (!begin(&list, block, list_count(headers) + OWN_ENTRIES_MAX, list_size(headers)))
        return false;
    put_head(&list, call, call->given.encoding);
    put_list(&list, headers);
    end(&list, block);
    return true;
}

bool h2_answer_trailers(const h2_call *call, const mesh_final *final, bool alone, h2_block *block)
{
    static const char message[] = "grpc-message";
    static const char details[] = "grpc-status-details-bin";
    size_t count = list_count(final->trailers);
    maker list;

    if (!alone && final->text == NULL && final->details_size == 0 && count == 0) {
        *block = (h2_block){.entries = &statuses[final->code], .count = 1};
        return true;
    }
    if (!begin(&list, block, count + OWN_ENTRIES_MAX,
               list_size(final->trailers) + (final->text != NULL ? escaped_size(final->text) : 0) +
                   base64_size(final->details_size)))
        return false;
    if (alone)
        put_head(&list, call, H2_IDENTITY);
    put(&list, &statuses[final->code]);
    if (final->text != NULL)
        put_written(&list, message, sizeof message - 1, list.at, put_escaped(list.at, final->text));
    if (final->details_size > 0)
        put_written(&list, details, sizeof details - 1, list.at,
                    put_base64(list.at, final->details, final->details_size));
    put_list(&list, final->trailers);
    end(&list, block);
    return true;
}

const char *h2_answer_http(const h2_call *call, h2_block *headers)
{
    if (!call->fields.is_post) {
        *headers = (h2_block){.entries = not_post, .count = sizeof not_post / sizeof *not_post};
        return "gRPC requests are POST\n";
    }
    *headers = (h2_block){.entries = not_grpc, .count = sizeof not_grpc / sizeof *not_grpc};
    return "this is a gRPC server: content-type must be application/grpc\n";
}
