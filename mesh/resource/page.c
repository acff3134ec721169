#include "mesh/resource/page.h"

#include <assert.h>
#include <string.h>

#include "mesh/base/hash.h"

/* A token before its encoding: this byte, the checksum, the key. */
#define TOKEN_VERSION 1

enum {
    CHECKSUM_BYTES = 8,
    HEAD_BYTES = 1 + CHECKSUM_BYTES,
    TOKEN_MAX_BYTES = HEAD_BYTES + MESH_PAGE_KEY_BYTES - 1
};

/* base64url of RFC 4648, section 5, without padding: fits into an address as it is. */
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Tells mistakes apart, not attackers, who could gain nothing here. */
static uint64_t checksum(const char *scope, const char *key)
{
    /* With the NULs, which keep the parts apart. */
    uint64_t hash = mesh_hash_bytes(MESH_HASH_EMPTY, scope, strlen(scope) + 1);
    return mesh_hash_bytes(hash, key, strlen(key) + 1);
}

static void encode(const uint8_t *data, size_t size, char *text)
{
    uint32_t bits = 0;
    unsigned count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = (bits << 8) | data[i];
        count += 8;
        while (count >= 6) {
            count -= 6;
            *text++ = ALPHABET[(bits >> count) & 63];
        }
    }
    if (count != 0)
        *text++ = ALPHABET[(bits << (6 - count)) & 63];
    *text = '\0';
}

/* False: not base64url, left-over bits that are not zero, or more than `capacity` bytes. */
static bool decode(const char *text, uint8_t *data, size_t capacity, size_t *size)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t used = 0;
    for (; *text != '\0'; text++) {
        const char *at = strchr(ALPHABET, *text);
        if (at == NULL)
            return false;
        bits = (bits << 6) | (uint32_t)(at - ALPHABET);
        count += 6;
        if (count >= 8) {
            if (used == capacity)
                return false;
            count -= 8;
            data[used++] = (uint8_t)(bits >> count);
        }
    }
    *size = used;
    return count < 6 && (bits & ((1u << count) - 1)) == 0;
}

char *mesh_page_token(mesh_arena *arena, const char *scope, const char *key)
{
    size_t size = strlen(key);
    assert(size != 0);
    assert(size < MESH_PAGE_KEY_BYTES);

    uint8_t token[TOKEN_MAX_BYTES];
    uint64_t sum = checksum(scope, key);
    token[0] = TOKEN_VERSION;
    for (size_t i = 0; i < CHECKSUM_BYTES; i++)
        token[1 + i] = (uint8_t)(sum >> (8 * i));
    memcpy(token + HEAD_BYTES, key, size);

    char text[TOKEN_MAX_BYTES * 4 / 3 + 3];
    encode(token, HEAD_BYTES + size, text);
    return mesh_arena_strdup(arena, text);
}

bool mesh_page_token_key(const char *token, const char *scope, char *key)
{
    uint8_t data[TOKEN_MAX_BYTES];
    size_t size;
    if (!decode(token, data, sizeof data, &size) || size <= HEAD_BYTES || data[0] != TOKEN_VERSION)
        return false;

    char found[MESH_PAGE_KEY_BYTES];
    memcpy(found, data + HEAD_BYTES, size - HEAD_BYTES);
    found[size - HEAD_BYTES] = '\0';
    uint64_t sum = 0;
    for (size_t i = 0; i < CHECKSUM_BYTES; i++)
        sum |= (uint64_t)data[1 + i] << (8 * i);
    if (strlen(found) != size - HEAD_BYTES || sum != checksum(scope, found))
        return false;
    memcpy(key, found, size - HEAD_BYTES + 1);
    return true;
}

void mesh_page_read(mesh_page *page, mesh_check *check, const char *scope, int32_t page_size,
                    const char *page_token)
{
    page->size = MESH_PAGE_SIZE_DEFAULT;
    page->after[0] = '\0';

    if (page_size < 0)
        mesh_check_fail(check, "page_size", "must not be negative");
    else if (page_size > MESH_PAGE_SIZE_MAX)
        page->size = MESH_PAGE_SIZE_MAX;
    else if (page_size > 0)
        page->size = (size_t)page_size;

    if (page_token[0] != '\0' && !mesh_page_token_key(page_token, scope, page->after))
        mesh_check_fail(check, "page_token",
                        "must be the next_page_token of this list's page before, with the same "
                        "filter");
}
