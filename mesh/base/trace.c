#include "mesh/base/trace.h"

#include <string.h>

#include "mesh/base/hex.h"
#include "mesh/base/random.h"

enum {
    VERSION_00_BYTES = 55, /* length of a traceparent of version 00; later ones may be longer */
    TRACE_ID_AT = 3,
    SPAN_ID_AT = 36,
    FLAGS_AT = 53
};

static _Thread_local const mesh_trace *current;

static bool all_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

/* Random bytes that are not all zero, which the specification keeps for "none". */
static void random_nonzero(uint8_t *bytes, size_t size)
{
    do {
        mesh_random_id(bytes, size);
    } while (all_zero(bytes, size));
}

void mesh_trace_start(mesh_trace *trace)
{
    random_nonzero(trace->trace_id, sizeof trace->trace_id);
    random_nonzero(trace->span_id, sizeof trace->span_id);
    trace->flags = 1;
}

void mesh_trace_child(mesh_trace *child, const mesh_trace *parent)
{
    if (parent == NULL || !mesh_trace_valid(parent)) {
        mesh_trace_start(child);
        return;
    }
    *child = *parent;
    random_nonzero(child->span_id, sizeof child->span_id);
}

bool mesh_trace_valid(const mesh_trace *trace)
{
    return !all_zero(trace->trace_id, sizeof trace->trace_id);
}

static bool parse_hex(uint8_t *bytes, size_t size, const char *text)
{
    for (size_t i = 0; i < size; i++) {
        int high = mesh_hex_value(text[2 * i]);
        int low = mesh_hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool mesh_trace_parse(mesh_trace *trace, const char *text, size_t size)
{
    mesh_trace read;
    uint8_t version;

    if (size < VERSION_00_BYTES || !parse_hex(&version, 1, text) || version == 0xff)
        return false;
    if (size > VERSION_00_BYTES && (version == 0 || text[VERSION_00_BYTES] != '-'))
        return false;
    if (text[TRACE_ID_AT - 1] != '-' || text[SPAN_ID_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
        return false;
    if (!parse_hex(read.trace_id, sizeof read.trace_id, text + TRACE_ID_AT) ||
        !parse_hex(read.span_id, sizeof read.span_id, text + SPAN_ID_AT) ||
        !parse_hex(&read.flags, 1, text + FLAGS_AT))
        return false;
    if (!mesh_trace_valid(&read) || all_zero(read.span_id, sizeof read.span_id))
        return false;
    read.flags &= 1; /* of the other flags nothing is known: they must not be handed on */
    *trace = read;
    return true;
}

void mesh_trace_format(const mesh_trace *trace, char *text)
{
    memcpy(text, "00-", 3);
    text = mesh_hex_write(text + 3, trace->trace_id, sizeof trace->trace_id);
    *text++ = '-';
    text = mesh_hex_write(text, trace->span_id, sizeof trace->span_id);
    *text++ = '-';
    text = mesh_hex_write(text, &trace->flags, 1);
    *text = '\0';
}

void mesh_trace_id_format(const mesh_trace *trace, char *text)
{
    *mesh_hex_write(text, trace->trace_id, sizeof trace->trace_id) = '\0';
}

void mesh_span_id_format(const mesh_trace *trace, char *text)
{
    *mesh_hex_write(text, trace->span_id, sizeof trace->span_id) = '\0';
}

const mesh_trace *mesh_trace_current(void)
{
    return current;
}

const mesh_trace *mesh_trace_set_current(const mesh_trace *trace)
{
    const mesh_trace *before = current;

    current = trace;
    return before;
}
