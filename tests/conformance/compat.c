#include "tests/conformance/compat.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES_MAX = 16 << 20
};

void compat_die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

/* --- the pipe --------------------------------------------------------------------------------- */

void *compat_read(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCBinaryData bytes;
    uint32_t prefix;

    if (fread(&prefix, sizeof prefix, 1, stdin) != 1) {
        if (feof(stdin))
            return NULL;
        compat_die("standard input cannot be read");
    }
    bytes.len = ntohl(prefix);
    if (bytes.len > MESSAGE_BYTES_MAX)
        compat_die("a message of %zu bytes is too large", bytes.len);
    bytes.data = compat_alloc(arena, bytes.len, 1);
    if (fread(bytes.data, 1, bytes.len, stdin) != bytes.len)
        compat_die("a message of %zu bytes is cut", bytes.len);
    return compat_unpack(arena, descriptor, bytes);
}

void compat_write(const void *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint32_t prefix = htonl((uint32_t)size);
    uint8_t *bytes = malloc(size + 1);

    if (bytes == NULL)
        compat_die("out of memory");
    (void)protobuf_c_message_pack(message, bytes);
    if (fwrite(&prefix, sizeof prefix, 1, stdout) != 1 || fwrite(bytes, 1, size, stdout) != size ||
        fflush(stdout) != 0)
        compat_die("standard output cannot be written");
    free(bytes);
}

/* --- messages --------------------------------------------------------------------------------- */

void *compat_alloc(mesh_arena *arena, size_t count, size_t size)
{
    void *memory = mesh_arena_calloc(arena, count, size);

    if (memory == NULL)
        compat_die("out of memory");
    return memory;
}

void *compat_new(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message = compat_alloc(arena, 1, descriptor->sizeof_message);

    descriptor->message_init(message);
    return message;
}

ProtobufCBinaryData compat_bytes(mesh_arena *arena, const void *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    ProtobufCBinaryData bytes = {.len = size, .data = compat_alloc(arena, size, 1)};

    (void)protobuf_c_message_pack(message, bytes.data);
    return bytes;
}

static void *allocate(void *arena, size_t size)
{
    return compat_alloc(arena, size, 1);
}

static void do_not_free(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

void *compat_unpack(mesh_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                    ProtobufCBinaryData bytes)
{
    ProtobufCAllocator allocator = {
        .alloc = allocate, .free = do_not_free, .allocator_data = arena};
    void *message = protobuf_c_message_unpack(descriptor, &allocator, bytes.len, bytes.data);

    if (message == NULL)
        compat_die("this is no %s", descriptor->name);
    return message;
}

compat_any *compat_pack(mesh_arena *arena, const void *message)
{
    compat_any *any = compat_new(arena, &google__protobuf__any__descriptor);

    any->type_url = mesh_arena_printf(arena, "type.googleapis.com/%s",
                                      ((const ProtobufCMessage *)message)->descriptor->name);
    any->value = compat_bytes(arena, message);
    return any;
}

const char *compat_type(const compat_any *any)
{
    const char *slash = strrchr(any->type_url, '/');

    return slash != NULL ? slash + 1 : any->type_url;
}

/* --- metadata --------------------------------------------------------------------------------- */

static bool is_binary(const char *key)
{
    size_t size = strlen(key);

    return size >= 4 && strcmp(key + size - 4, "-bin") == 0;
}

static size_t count_of(const mesh_metadata *metadata, size_t count, const char *key)
{
    size_t same = 0;

    for (size_t i = 0; i < count; i++)
        same += strcmp(metadata[i].key, key) == 0;
    return same;
}

size_t compat_headers(mesh_arena *arena, const mesh_metadata *metadata, size_t count,
                      compat_header ***headers)
{
    size_t header_count = 0;

    *headers = compat_alloc(arena, count, sizeof **headers);
    for (size_t i = 0; i < count; i++) {
        const char *key = metadata[i].key;
        compat_header *header;

        /* a key is dealt with where it comes first */
        if (is_binary(key) || count_of(metadata, i, key) > 0)
            continue;
        header = compat_new(arena, &connectrpc__conformance__v1__header__descriptor);
        header->name = mesh_arena_strdup(arena, key);
        header->value = compat_alloc(arena, count_of(metadata, count, key), sizeof(char *));
        for (size_t j = i; j < count; j++)
            if (strcmp(metadata[j].key, key) == 0)
                header->value[header->n_value++] = mesh_arena_strndup(arena, metadata[j].value,
                                                                      metadata[j].size);
        (*headers)[header_count++] = header;
    }
    return header_count;
}

const char *compat_key(mesh_arena *arena, const compat_header *header)
{
    char *key = mesh_arena_strdup(arena, header->name);

    for (char *at = key; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return key;
}

/* --- the rest --------------------------------------------------------------------------------- */

void compat_sleep(uint32_t ms)
{
    const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&pause, NULL);
}

void compat_pem_open(compat_pem *pem, ProtobufCBinaryData text)
{
    *pem = (compat_pem){.fd = -1};
    if (text.len == 0)
        return;
    pem->fd = memfd_create("pem", MFD_CLOEXEC);
    if (pem->fd < 0 || write(pem->fd, text.data, text.len) != (ssize_t)text.len)
        compat_die("a file of %zu bytes cannot be made", text.len);
    (void)snprintf(pem->name, sizeof pem->name, "/proc/self/fd/%d", pem->fd);
    pem->path = pem->name;
}

void compat_pem_close(compat_pem *pem)
{
    if (pem->fd >= 0)
        (void)close(pem->fd);
}
