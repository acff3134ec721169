/*
 * Decompression of received messages. The core would do it without a limit on what comes out, so it
 * is told not to (grpc.per_message_decompression = 0), and zlib does it here.
 */
#include <zlib.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/core/core.h"

enum {
    FIRST_OUTPUT_BYTES = 16384,
    WINDOW_BITS_ANY_HEADER = 15 + 32
};

/* Makes room for twice as much output, at most one byte past the limit, which shows an excess. */
static bool grow(uint8_t **out, size_t *capacity, size_t limit)
{
    size_t wanted = *capacity == 0 ? FIRST_OUTPUT_BYTES : *capacity * 2;
    uint8_t *bigger;

    if (wanted > limit + 1)
        wanted = limit + 1;
    if (wanted <= *capacity)
        return false;
    bigger = mesh_realloc(*out, wanted);
    if (bigger == NULL)
        return false;
    *out = bigger;
    *capacity = wanted;
    return true;
}

mesh_code core_inflate(const mesh_slice *slices, size_t slice_count, size_t limit, uint8_t **out,
                       size_t *out_size)
{
    z_stream stream = {0};
    uint8_t *result = NULL;
    size_t capacity = 0;
    size_t read = 0; /* slices that were looked into */
    int state = Z_OK;
    mesh_code code = MESH_INTERNAL;

    if (inflateInit2(&stream, WINDOW_BITS_ANY_HEADER) != Z_OK)
        return MESH_RESOURCE_EXHAUSTED;
    for (; read < slice_count && state == Z_OK; read++) {
        stream.next_in = (Bytef *)(uintptr_t)slices[read].data;
        stream.avail_in = (uInt)slices[read].size;
        while (state == Z_OK && (stream.avail_in > 0 || stream.total_out == capacity)) {
            if (stream.total_out == capacity && !grow(&result, &capacity, limit)) {
                code = MESH_RESOURCE_EXHAUSTED;
                goto done;
            }
            stream.next_out = result + stream.total_out;
            stream.avail_out = (uInt)(capacity - stream.total_out);
            state = inflate(&stream, Z_NO_FLUSH);
            if (state == Z_BUF_ERROR) { /* no progress: needs more input */
                state = Z_OK;
                if (stream.avail_in == 0)
                    break;
            }
        }
    }
    while (read < slice_count && slices[read].size == 0)
        read++; /* the core makes a slice of the empty frame that ends a stream, too */
    /* cut, broken, or followed by more */
    if (state != Z_STREAM_END || stream.avail_in > 0 || read < slice_count)
        goto done;
    if (stream.total_out > limit) {
        code = MESH_RESOURCE_EXHAUSTED;
        goto done;
    }
    *out = result;
    *out_size = stream.total_out;
    result = NULL;
    code = MESH_OK;
done:
    mesh_free(result);
    (void)inflateEnd(&stream);
    return code;
}
