/*
 * W3C trace context (https://www.w3.org/TR/trace-context/): which trace, and which span of it, a
 * piece of work belongs to. It arrives as `traceparent` with a call or an event, is the current
 * trace of the thread while a handler runs, and leaves with every call made and event added
 * meanwhile. `tracestate`, the vendors' part, is not carried on.
 */
#ifndef MESH_BASE_TRACE_H
#define MESH_BASE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/api.h"

MESH_BEGIN_DECLS

typedef struct mesh_trace {
    uint8_t trace_id[16]; /* all zero: no trace */
    uint8_t span_id[8];
    uint8_t flags; /* bit 0: sampled */
} mesh_trace;

enum {
    MESH_TRACEPARENT_BYTES = 56, /* "00-<32 hex>-<16 hex>-<2 hex>" and the NUL */
    MESH_TRACE_ID_TEXT_BYTES = 33,
    MESH_SPAN_ID_TEXT_BYTES = 17
};

/* Starts a new trace with a first span. */
MESH_API void mesh_trace_start(mesh_trace *trace);

/* A new span in the parent's trace; a new trace when the parent has none or is NULL. */
MESH_API void mesh_trace_child(mesh_trace *child, const mesh_trace *parent);

/* True when there is a trace. */
MESH_API bool mesh_trace_valid(const mesh_trace *trace);

/* Reads a traceparent; false (and `trace` unchanged) when it is malformed, as the specification
 * defines it. */
MESH_API bool mesh_trace_parse(mesh_trace *trace, const char *text, size_t size);

/* Writes the traceparent; the id alone. The buffers have the sizes above. */
MESH_API void mesh_trace_format(const mesh_trace *trace, char *text);
MESH_API void mesh_trace_id_format(const mesh_trace *trace, char *text);
MESH_API void mesh_span_id_format(const mesh_trace *trace, char *text);

/*
 * The trace that this thread works in; NULL: none. Set returns the one before, to put back. The
 * pointer is borrowed until the next set.
 */
MESH_API const mesh_trace *mesh_trace_current(void);
MESH_API const mesh_trace *mesh_trace_set_current(const mesh_trace *trace);

MESH_END_DECLS

#endif
