#include "mesh/rpc/wire_merge.h"

#include <string.h>

#include "mesh/base/wire.h"
#include "mesh/rpc/wire_check.h"

enum {
    LENGTH_BYTES = 5 /* of any message: a length is written in as many, once it is known */
};

typedef struct part {
    const uint8_t *data, *end;
    struct part *next;
} part;

/* What a message consists of, in order: runs of bytes as they are, and messages in parts. */
typedef struct item {
    const ProtobufCFieldDescriptor *field; /* of the message; NULL: bytes */
    part first;
    part *last;
    struct item *next;
} item;

/*
 * At one depth, for the message that is being read there: the item that further parts of a field
 * belong to, by where the field is in the struct; the members of a oneof are in the same place.
 */
typedef struct level {
    item **open;
    size_t count;
} level;

typedef struct merger {
    mesh_arena *arena;
    level levels[MESH_WIRE_CHECK_DEPTH + 1];
    uint8_t *at; /* where to write; there is room */
} merger;

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static size_t place_of(const ProtobufCFieldDescriptor *field)
{
    return (is_oneof(field) ? field->quantifier_offset : field->offset) / sizeof(uint32_t);
}

/* The level's places for a message, all empty; NULL when the arena overflowed. */
static level *prepare(merger *merger, size_t depth, const ProtobufCMessageDescriptor *descriptor)
{
    level *here = &merger->levels[depth];
    size_t count = descriptor->sizeof_message / sizeof(uint32_t) + 1;

    if (count > here->count) {
        here->open = mesh_arena_calloc(merger->arena, count, sizeof *here->open);
        here->count = count;
    }
    return here->open != NULL ? here : NULL;
}

/* Leaves them empty again. */
static void clear(level *here, const item *items)
{
    for (; items != NULL; items = items->next)
        if (items->field != NULL && items->field->label != PROTOBUF_C_LABEL_REPEATED)
            here->open[place_of(items->field)] = NULL;
}

static item *append(merger *merger, item ***last, const ProtobufCFieldDescriptor *field,
                    const uint8_t *data, const uint8_t *end)
{
    item *added = mesh_arena_alloc(merger->arena, sizeof *added);

    if (added == NULL)
        return NULL;
    *added = (item){.field = field, .first = {data, end, NULL}};
    added->last = &added->first;
    **last = added;
    *last = &added->next;
    return added;
}

static bool append_part(merger *merger, item *to, const uint8_t *data, const uint8_t *end)
{
    part *added = mesh_arena_alloc(merger->arena, sizeof *added);

    if (added == NULL)
        return false;
    *added = (part){data, end, NULL};
    to->last = to->last->next = added;
    return true;
}

typedef struct reading {
    merger *merger;
    level *here;
    item *items;
    item **last;
    item *bytes; /* the newest item, if it is one that may grow */
} reading;

/* A field that is no message, from `begin` to `end`. */
static bool read_bytes(reading *reading, const ProtobufCFieldDescriptor *field,
                       const uint8_t *begin, const uint8_t *end)
{
    if (field != NULL && is_oneof(field))
        reading->here->open[place_of(field)] = NULL;
    if (reading->bytes != NULL && reading->bytes->first.end == begin)
        reading->bytes->first.end = end;
    else
        reading->bytes = append(reading->merger, &reading->last, NULL, begin, end);
    return reading->bytes != NULL;
}

static bool read_message(reading *reading, const ProtobufCFieldDescriptor *field,
                         const uint8_t *begin, const uint8_t *end)
{
    bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
    item **open = repeated ? NULL : &reading->here->open[place_of(field)];
    item *added;

    if (!repeated && *open != NULL && (*open)->field == field)
        return append_part(reading->merger, *open, begin, end);
    reading->bytes = NULL;
    added = append(reading->merger, &reading->last, field, begin, end);
    if (!repeated)
        *open = added;
    return added != NULL;
}

/* Reads the fields of one part. False: the arena overflowed. */
static bool read_part(reading *reading, const ProtobufCMessageDescriptor *descriptor,
                      const part *from)
{
    mesh_wire_reader in = {from->data, from->end};
    mesh_wire_field read;
    bool ok = true;

    for (const uint8_t *begin = in.at; ok && mesh_wire_next(&in, &read); begin = in.at) {
        const ProtobufCFieldDescriptor *field = mesh_wire_find_field(descriptor, read.number);

        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE)
            ok = read_message(reading, field, read.data, read.data + read.size);
        else
            ok = read_bytes(reading, field, begin, in.at);
    }
    return ok;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void put_varint(merger *merger, uint64_t value)
{
    mesh_wire_writer out = {.at = merger->at, .end = merger->at + LENGTH_BYTES};

    mesh_wire_put_varint(&out, value);
    merger->at = out.at;
}

static void put_length(uint8_t at[LENGTH_BYTES], size_t length)
{
    for (size_t i = 0; i < LENGTH_BYTES; i++, length >>= 7)
        at[i] = (uint8_t)((length & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
}

/* Writes a message that comes in these parts, at most MESH_WIRE_CHECK_DEPTH deep. */
static bool write_message(merger *merger, const ProtobufCMessageDescriptor *descriptor,
                          const part *parts, size_t depth)
{
    reading reading = {.merger = merger, .here = prepare(merger, depth, descriptor)};

    reading.last = &reading.items;
    if (reading.here == NULL)
        return false;
    for (; parts != NULL; parts = parts->next)
        if (!read_part(&reading, descriptor, parts))
            return false;
    clear(reading.here, reading.items);
    for (const item *one = reading.items; one != NULL; one = one->next) {
        uint8_t *length;

        if (one->field == NULL) {
            memcpy(merger->at, one->first.data, (size_t)(one->first.end - one->first.data));
            merger->at += one->first.end - one->first.data;
            continue;
        }
        put_varint(merger, (uint64_t)one->field->id << 3 | MESH_WIRE_BYTES);
        length = merger->at;
        merger->at += LENGTH_BYTES;
        if (!write_message(merger, one->field->descriptor, &one->first, depth + 1))
            return false;
        put_length(length, (size_t)(merger->at - length) - LENGTH_BYTES);
    }
    return true;
}

mesh_code mesh_wire_merge(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                          size_t size, size_t messages, mesh_arena *arena, const uint8_t **out,
                          size_t *out_size)
{
    merger merger = {.arena = arena};
    const part whole = {data, data + size, NULL};
    uint8_t *bytes;

    /* a tag may be longer than it needs to be, but is written as it has to */
    bytes = mesh_arena_alloc(arena, size + messages * (LENGTH_BYTES - 1));
    merger.at = bytes;
    if (bytes == NULL || !write_message(&merger, descriptor, &whole, 0))
        return MESH_RESOURCE_EXHAUSTED;
    *out = bytes;
    *out_size = (size_t)(merger.at - bytes);
    return MESH_OK;
}
