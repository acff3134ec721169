#include "mesh/rpc/metadata.h"

#include <string.h>

enum {
    FIRST_CAPACITY = 8
};

static bool is_key(const char *key)
{
    if (key[0] == '\0')
        return false;
    for (const char *c = key; *c != '\0'; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
              *c == '.'))
            return false;
    return true;
}

/* gRPC's own keys, and those that an HTTP/2 peer must refuse (RFC 9113, 8.2.2) or may misread. */
static bool is_own(const char *key)
{
    static const char *const own[] = {
        "te",         "content-type",      "user-agent", "host",
        "connection", "content-length",    "keep-alive", "proxy-connection",
        "upgrade",    "transfer-encoding",
    };

    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(key, own[i]) == 0)
            return true;
    return strncmp(key, "grpc-", 5) == 0;
}

static bool ends_in_bin(const char *key)
{
    size_t size = strlen(key);

    return size >= 4 && strcmp(key + size - 4, "-bin") == 0;
}

static bool is_printable(const uint8_t *value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (value[i] < 0x20 || value[i] > 0x7e)
            return false;
    return true;
}

static bool push(mesh_metadata_list *list, mesh_arena *arena, const mesh_metadata *entry)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? FIRST_CAPACITY : list->capacity * 2;
        mesh_metadata *grown = mesh_arena_alloc(arena, capacity * sizeof *grown);

        if (grown == NULL)
            return false;
        if (list->count > 0)
            memcpy(grown, list->entries, list->count * sizeof *grown);
        list->entries = grown;
        list->capacity = capacity;
    }
    list->entries[list->count++] = *entry;
    return true;
}

/* What an entry counts for: RFC 9113, section 10.5.1; binary values travel as base64. */
static size_t bytes_of(const mesh_metadata *entry)
{
    size_t size = ends_in_bin(entry->key) ? (entry->size + 2) / 3 * 4 : entry->size;

    return strlen(entry->key) + size + 32;
}

static size_t bytes_of_all(const mesh_metadata_list *list)
{
    size_t bytes = 0;

    for (size_t i = 0; list != NULL && i < list->count; i++)
        bytes += bytes_of(&list->entries[i]);
    return bytes;
}

mesh_code mesh_metadata_add(mesh_metadata_list *list, const mesh_metadata_list *beside,
                            mesh_arena *arena, const mesh_metadata *given, mesh_error *err)
{
    mesh_metadata entry = *given;
    const char *key = entry.key;

    if (!is_key(key))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "metadata key \"%s\": must be of a-z 0-9 - _ . and not empty", key);
    if (is_own(key))
        return mesh_error_set(err, MESH_INVALID_ARGUMENT,
                              "metadata key \"%s\": belongs to gRPC and HTTP", key);
    if (!ends_in_bin(key) && !is_printable(entry.value, entry.size))
        return mesh_error_set(
            err, MESH_INVALID_ARGUMENT,
            "metadata \"%s\": the value must be printable ASCII, or the key end in "
            "-bin",
            key);
    if (list->count == MESH_METADATA_MAX || entry.size > MESH_METADATA_BYTES_MAX ||
        bytes_of_all(list) + bytes_of_all(beside) + bytes_of(given) > MESH_METADATA_BYTES_MAX)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "metadata \"%s\": too much metadata",
                              key);
    entry.key = mesh_arena_strdup(arena, key);
    entry.value = mesh_arena_memdup(arena, entry.value, entry.size);
    if (mesh_arena_overflowed(arena) || !push(list, arena, &entry))
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "metadata \"%s\": out of memory", key);
    return MESH_OK;
}

mesh_code mesh_metadata_copy(mesh_tcall *call, bool trailing, mesh_arena *arena,
                             mesh_metadata_list *list)
{
    mesh_received received;
    mesh_metadata *entry = &received.entry;
    size_t at = 0;

    while (call->ops->metadata(call, trailing, &at, &received)) {
        entry->key = mesh_arena_strndup(arena, entry->key, received.key_size);
        entry->value = mesh_arena_memdup(arena, entry->value, entry->size);
        if (entry->value == NULL || !push(list, arena, entry))
            return MESH_RESOURCE_EXHAUSTED;
    }
    return MESH_OK;
}

mesh_code mesh_metadata_list_received(mesh_tcall *call, mesh_arena *arena, mesh_metadata_list *list)
{
    mesh_received received;
    size_t at = 0;

    while (call->ops->metadata(call, false, &at, &received)) {
        if (!received.terminated)
            received.entry.key = mesh_arena_strndup(arena, received.entry.key, received.key_size);
        if (!push(list, arena, &received.entry))
            return MESH_RESOURCE_EXHAUSTED;
    }
    return MESH_OK;
}

const mesh_metadata *mesh_metadata_find(const mesh_metadata_list *list, const char *key,
                                        size_t index)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].key[0] == key[0] && strcmp(list->entries[i].key, key) == 0 &&
            index-- == 0)
            return &list->entries[i];
    return NULL;
}
