/*
 * Protocol Buffers' wire format (https://protobuf.dev/programming-guides/encoding/), as much as the
 * runtime itself reads and writes without generated code. Private to mesh/. Bounded: a reader never
 * leaves the bytes it was given and a writer never its buffer, whatever they hold.
 */
#ifndef MESH_BASE_WIRE_H
#define MESH_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    MESH_WIRE_VARINT = 0,
    MESH_WIRE_FIXED64 = 1,
    MESH_WIRE_BYTES = 2, /* strings, bytes, messages, packed fields */
    MESH_WIRE_GROUP = 3,
    MESH_WIRE_GROUP_END = 4,
    MESH_WIRE_FIXED32 = 5,

    MESH_WIRE_MAX_DEPTH = 100 /* nested messages and groups; protobuf's own default */
};

typedef struct mesh_wire_reader {
    const uint8_t *at, *end;
} mesh_wire_reader;

typedef struct mesh_wire_field {
    uint32_t number;
    uint32_t type;       /* MESH_WIRE_* without GROUP_END */
    uint64_t value;      /* VARINT, FIXED64, FIXED32 */
    const uint8_t *data; /* BYTES: the content; GROUP: the same and its end tag */
    size_t size;
} mesh_wire_field;

/* Reads a varint; false when it is cut or longer than ten bytes. */
static inline bool mesh_wire_varint(mesh_wire_reader *reader, uint64_t *value)
{
    const uint8_t *at = reader->at;
    uint64_t result = 0;

    if (__builtin_expect(at < reader->end && *at < 0x80, 1)) {
        *value = *at;
        reader->at = at + 1;
        return true;
    }
    for (unsigned shift = 0; shift < 70 && at < reader->end; shift += 7) {
        uint8_t byte = *at++;

        result |= (uint64_t)(byte & 0x7f) << (shift & 63);
        if (byte < 0x80) {
            *value = result;
            reader->at = at;
            return true;
        }
    }
    return false;
}

/* Reads a varint of at most five bytes and 32 bits, as tags and lengths are in every parser. */
static inline bool mesh_wire_varint32(mesh_wire_reader *reader, uint64_t *value)
{
    const uint8_t *begin = reader->at;

    return mesh_wire_varint(reader, value) && reader->at - begin <= 5 && *value <= UINT32_MAX;
}

/* Reads a tag; false when it is malformed: field number 0 or above 2^29 - 1, or no such type. */
static inline bool mesh_wire_tag(mesh_wire_reader *reader, uint32_t *number, uint32_t *type)
{
    uint64_t tag;

    if (!mesh_wire_varint32(reader, &tag) || tag >> 3 == 0 || (tag & 7) > MESH_WIRE_FIXED32)
        return false;
    *number = (uint32_t)tag >> 3;
    *type = (uint32_t)tag & 7;
    return true;
}

/* Reads a length (below 2 GiB) and gives the bytes that it announces; false if there are fewer. */
static inline bool mesh_wire_bytes(mesh_wire_reader *reader, const uint8_t **data, size_t *size)
{
    uint64_t length;

    if (!mesh_wire_varint32(reader, &length) || length > INT32_MAX ||
        length > (size_t)(reader->end - reader->at))
        return false;
    *data = reader->at;
    *size = (size_t)length;
    reader->at += length;
    return true;
}

/* Passes `size` bytes; false when there are fewer. */
static inline bool mesh_wire_skip(mesh_wire_reader *reader, size_t size)
{
    if (size > (size_t)(reader->end - reader->at))
        return false;
    reader->at += size;
    return true;
}

/*
 * Passes a group whose start tag was read, up to and with its end tag; false when it is malformed
 * or holds more than `depth` groups within each other.
 */
bool mesh_wire_skip_group(mesh_wire_reader *reader, uint32_t number, size_t depth);

/*
 * Reads one field. False at the end and on malformed bytes: it ended well exactly if then
 * reader->at == reader->end.
 */
bool mesh_wire_next(mesh_wire_reader *reader, mesh_wire_field *field);

typedef struct mesh_wire_writer {
    uint8_t *at, *end;
    bool full; /* something did not fit, and nothing was written since */
} mesh_wire_writer;

/* Bytes that a varint, or a BYTES field with `size` bytes of content, takes. */
static inline size_t mesh_wire_varint_size(uint64_t value)
{
    size_t size = 1;

    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

static inline size_t mesh_wire_bytes_size(uint32_t number, size_t size)
{
    return mesh_wire_varint_size((uint64_t)number << 3) + mesh_wire_varint_size(size) + size;
}

static inline void mesh_wire_put_raw(mesh_wire_writer *writer, const void *data, size_t size)
{
    if (writer->full || size > (size_t)(writer->end - writer->at)) {
        writer->full = true;
        return;
    }
    if (size != 0)
        memcpy(writer->at, data, size);
    writer->at += size;
}

static inline void mesh_wire_put_varint(mesh_wire_writer *writer, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;

    for (; value >= 0x80; value >>= 7)
        bytes[size++] = (uint8_t)(value | 0x80);
    bytes[size++] = (uint8_t)value;
    mesh_wire_put_raw(writer, bytes, size);
}

/* The tag and length of a BYTES field; its content of `size` bytes is put next. */
static inline void mesh_wire_put_header(mesh_wire_writer *writer, uint32_t number, size_t size)
{
    mesh_wire_put_varint(writer, (uint64_t)number << 3 | MESH_WIRE_BYTES);
    mesh_wire_put_varint(writer, size);
}

static inline void mesh_wire_put_bytes(mesh_wire_writer *writer, uint32_t number, const void *data,
                                       size_t size)
{
    mesh_wire_put_header(writer, number, size);
    mesh_wire_put_raw(writer, data, size);
}

static inline void mesh_wire_put_uint(mesh_wire_writer *writer, uint32_t number, uint64_t value)
{
    mesh_wire_put_varint(writer, (uint64_t)number << 3 | MESH_WIRE_VARINT);
    mesh_wire_put_varint(writer, value);
}

#endif
