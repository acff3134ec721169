#include "mesh/rpc/wire_check.h"

#include <stdio.h>
#include <string.h>

#include "mesh/base/utf8.h"
#include "mesh/base/wire.h"
#include "mesh/rpc/pool.h"

enum {
    PATH_BYTES = 256,
    RUN_BYTES = 16 << 10 /* checked before a worker lets other threads go first */
};

/* A message that is being checked. All but the innermost one stand at a field with the next one. */
typedef struct frame {
    const ProtobufCMessageDescriptor *descriptor;
    const uint8_t *begin, *end;
    const ProtobufCFieldDescriptor *field; /* the one we are at; NULL: an unknown one */
    const uint8_t *at;                     /* where its tag begins */
    size_t count;                          /* of its fields so far */
    uint64_t seen; /* a bit for each message that is not repeated; some share one */
} frame;

static const uint8_t wire_types[] = {
    [PROTOBUF_C_TYPE_INT32] = MESH_WIRE_VARINT,     [PROTOBUF_C_TYPE_SINT32] = MESH_WIRE_VARINT,
    [PROTOBUF_C_TYPE_SFIXED32] = MESH_WIRE_FIXED32, [PROTOBUF_C_TYPE_INT64] = MESH_WIRE_VARINT,
    [PROTOBUF_C_TYPE_SINT64] = MESH_WIRE_VARINT,    [PROTOBUF_C_TYPE_SFIXED64] = MESH_WIRE_FIXED64,
    [PROTOBUF_C_TYPE_UINT32] = MESH_WIRE_VARINT,    [PROTOBUF_C_TYPE_FIXED32] = MESH_WIRE_FIXED32,
    [PROTOBUF_C_TYPE_UINT64] = MESH_WIRE_VARINT,    [PROTOBUF_C_TYPE_FIXED64] = MESH_WIRE_FIXED64,
    [PROTOBUF_C_TYPE_FLOAT] = MESH_WIRE_FIXED32,    [PROTOBUF_C_TYPE_DOUBLE] = MESH_WIRE_FIXED64,
    [PROTOBUF_C_TYPE_BOOL] = MESH_WIRE_VARINT,      [PROTOBUF_C_TYPE_ENUM] = MESH_WIRE_VARINT,
    [PROTOBUF_C_TYPE_STRING] = MESH_WIRE_BYTES,     [PROTOBUF_C_TYPE_BYTES] = MESH_WIRE_BYTES,
    [PROTOBUF_C_TYPE_MESSAGE] = MESH_WIRE_BYTES,
};

const ProtobufCFieldDescriptor *mesh_wire_find_field(const ProtobufCMessageDescriptor *descriptor,
                                                     uint32_t number)
{
    const ProtobufCIntRange *ranges = descriptor->field_ranges;
    unsigned low = 0, high = descriptor->n_field_ranges; /* the range is in [low, high) */

    if (high == 0 || number < (uint32_t)ranges[0].start_value)
        return NULL;
    while (high - low > 1) {
        unsigned middle = low + (high - low) / 2;

        if (number < (uint32_t)ranges[middle].start_value)
            high = middle;
        else
            low = middle;
    }
    /* A last, empty range marks the end, so that the next index is always there. */
    number -= (uint32_t)ranges[low].start_value;
    if (number >= ranges[low + 1].orig_index - ranges[low].orig_index)
        return NULL;
    return &descriptor->fields[ranges[low].orig_index + number];
}

/* The field with that number, which mostly is the one that stands after `last`; NULL: none. */
static const ProtobufCFieldDescriptor *next_field(const ProtobufCMessageDescriptor *descriptor,
                                                  const ProtobufCFieldDescriptor *last,
                                                  uint32_t number)
{
    size_t next = last == NULL ? 0 : (size_t)(last - descriptor->fields) + 1;

    if (last != NULL && last->id == number)
        return last;
    if (next < descriptor->n_fields && descriptor->fields[next].id == number)
        return &descriptor->fields[next];
    return mesh_wire_find_field(descriptor, number);
}

/* ---- needs, as protobuf-c 1.4 allocates in an arena, which takes nothing back ---- */

enum {
    ALIGNMENT = 16,
    SCANNED_FREE = 16,             /* fields of a message that it notes on its stack */
    SCANNED_BYTES = 4 + 4 + 3 * 8, /* of each further one */
    UNKNOWN_BYTES = 4 + 4 + 2 * 8, /* of an unknown field, beside its content */
    ELEMENT_BYTES = sizeof(void *) /* in the array of a repeated message, string or bytes */
};

static size_t round_up(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

/* What a field of type BYTES takes whose content is in no message of its own. */
static size_t content_bytes(const ProtobufCFieldDescriptor *field, size_t size)
{
    if (field == NULL)
        return UNKNOWN_BYTES + size;
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return round_up(size + 1);
    return field->type == PROTOBUF_C_TYPE_BYTES ? round_up(size) : 0;
}

/* A message in it begins. */
static void note_message(frame *around, const ProtobufCFieldDescriptor *field,
                         mesh_wire_needs *needs)
{
    const ProtobufCMessageDescriptor *inner = field->descriptor;
    uint64_t bit = UINT64_C(1) << ((size_t)(field - around->descriptor->fields) % 64);

    needs->messages++;
    needs->memory += round_up(inner->sizeof_message);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        needs->memory += ELEMENT_BYTES;
    } else {
        needs->in_parts |= (around->seen & bit) != 0;
        around->seen |= bit;
    }
}

/* ---- failures ---- */

/* How many elements of the field stand before the one that the frame is at. */
static size_t element_index(const frame *one)
{
    mesh_wire_reader in = {one->begin, one->at};
    mesh_wire_field field;
    size_t index = 0;

    while (mesh_wire_next(&in, &field))
        index += field.number == one->field->id;
    return index;
}

/* Appends the name of the field that the frame is at, with its index. */
static void append_name(char path[PATH_BYTES], const frame *one)
{
    size_t size = strlen(path);
    const char *dot = size == 0 ? "" : ".";

    if (one->field->label == PROTOBUF_C_LABEL_REPEATED)
        snprintf(path + size, PATH_BYTES - size, "%s%s[%zu]", dot, one->field->name,
                 element_index(one));
    else
        snprintf(path + size, PATH_BYTES - size, "%s%s", dot, one->field->name);
}

static mesh_code fail(const frame *frames, const frame *last, const char *problem, mesh_error *err)
{
    char path[PATH_BYTES] = "";

    if (err == NULL)
        return MESH_INVALID_ARGUMENT;
    for (const frame *one = frames; one <= last; one++) {
        if (one->field != NULL)
            append_name(path, one);
    }
    mesh_error_clear(err);
    if (path[0] == '\0')
        return mesh_error_set(err, MESH_INVALID_ARGUMENT, "%s: %s", frames->descriptor->name,
                              problem);
    return mesh_error_field(err, path, "%s", problem);
}

/* ---- checks ---- */

static bool varints_are_whole(const uint8_t *data, size_t size)
{
    mesh_wire_reader in = {data, data + size};
    uint64_t value;

    while (in.at < in.end) {
        if (!mesh_wire_varint(&in, &value))
            return false;
    }
    return true;
}

/* What is wrong with a packed field; NULL: nothing. */
static const char *check_packed(ProtobufCType type, const uint8_t *data, size_t size)
{
    switch (wire_types[type]) {
    case MESH_WIRE_FIXED32:
        return size % 4 == 0 ? NULL : "is cut in the middle of a number";
    case MESH_WIRE_FIXED64:
        return size % 8 == 0 ? NULL : "is cut in the middle of a number";
    }
    if (type != PROTOBUF_C_TYPE_BOOL)
        return varints_are_whole(data, size) ? NULL : "holds a malformed number";
    for (size_t i = 0; i < size; i++) {
        if (data[i] > 1)
            return "holds a bool that is neither 0 nor 1";
    }
    return NULL;
}

static const char *check_text(const uint8_t *data, size_t size)
{
    if (__builtin_expect(mesh_utf8_is_text(data, size), 1))
        return NULL;
    return memchr(data, '\0', size) != NULL ? "must not hold a NUL character" : "must be UTF-8";
}

/* Passes a field's number of a fixed size, or varint. */
static bool pass_number(mesh_wire_reader *in, uint32_t type)
{
    uint64_t value;

    if (type == MESH_WIRE_VARINT)
        return mesh_wire_varint(in, &value);
    return mesh_wire_skip(in, type == MESH_WIRE_FIXED32 ? 4 : 8);
}

mesh_code mesh_wire_check(const ProtobufCMessageDescriptor *descriptor, const uint8_t *data,
                          size_t size, mesh_wire_needs *needs, mesh_error *err)
{
    frame frames[MESH_WIRE_CHECK_DEPTH + 1];
    frame *now = frames;
    mesh_wire_needs found = {.memory = round_up(descriptor->sizeof_message)};
    mesh_wire_reader in;
    const uint8_t *pause;
    const char *problem = NULL;

    *needs = found;
    if (size == 0)
        return MESH_OK;
    *now = (frame){.descriptor = descriptor, .begin = data, .end = data + size};
    in = (mesh_wire_reader){data, now->end};
    pause = data + (size < RUN_BYTES ? size : RUN_BYTES);

    for (;;) {
        const ProtobufCFieldDescriptor *field;
        uint32_t number, type;
        const uint8_t *content;
        size_t content_size;

        while (in.at == now->end) { /* a message ends: on with the one around it */
            if (now == frames) {
                *needs = found;
                return MESH_OK;
            }
            now--;
            in.end = now->end;
        }

        if (in.at > pause) { /* it is nobody's turn so much that others should wait for all of it */
            pause = data + size - in.at < RUN_BYTES ? data + size : in.at + RUN_BYTES;
            mesh_pool_yield();
        }
        now->at = in.at;
        if (!mesh_wire_tag(&in, &number, &type)) {
            now->field = NULL;
            problem = "is malformed";
            break;
        }
        field = next_field(now->descriptor, now->field, number);
        now->field = field;
        if (++now->count > SCANNED_FREE)
            found.memory += SCANNED_BYTES;
        if (type == MESH_WIRE_GROUP || type == MESH_WIRE_GROUP_END) {
            problem = "holds a group, which is not supported";
            break;
        }

        if (type != MESH_WIRE_BYTES) {
            if (field != NULL && wire_types[field->type] != type) {
                problem = "is encoded as another type";
                break;
            }
            if (!pass_number(&in, type)) {
                problem = "is malformed";
                break;
            }
            continue;
        }

        if (!mesh_wire_bytes(&in, &content, &content_size)) {
            problem = "is longer than the message around it";
            break;
        }
        found.memory += content_bytes(field, content_size);
        if (field == NULL)
            continue;
        switch (field->type) {
        case PROTOBUF_C_TYPE_STRING:
            problem = check_text(content, content_size);
            break;
        case PROTOBUF_C_TYPE_BYTES:
            break;
        case PROTOBUF_C_TYPE_MESSAGE:
            if (now == &frames[MESH_WIRE_CHECK_DEPTH]) {
                problem = "is nested too deep";
                break;
            }
            note_message(now, field, &found);
            now++;
            *now = (frame){
                .descriptor = field->descriptor, .begin = content, .end = content + content_size};
            in = (mesh_wire_reader){content, now->end};
            break;
        default:
            problem = field->label == PROTOBUF_C_LABEL_REPEATED
                          ? check_packed(field->type, content, content_size)
                          : "is encoded as another type";
            break;
        }
        if (problem != NULL)
            break;
    }
    return fail(frames, now, problem, err);
}
