#include "mesh/rpc/inflate.h"

#include <zlib.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/pool.h"

enum {
    WINDOW_BITS_ANY_HEADER = 15 + 32,
    RUN_BYTES = 64 << 10, /* inflated before other threads are let go first */
    RATIO_MAX = 1032,     /* of deflate: 258 bytes in two bits (zlib_tech.html) */
    GZIP_BYTES_MIN = 18,  /* header and trailer, RFC 1952, section 2.3 */
    GZIP_MAGIC = 0x1f     /* its first byte; no zlib header begins so */
};

static size_t size_of(const mesh_slice *slices, size_t slice_count)
{
    size_t size = 0;

    for (size_t i = 0; i < slice_count; i++)
        size += slices[i].size;
    return size;
}

static uint8_t byte_at(const mesh_slice *slices, size_t at)
{
    while (at >= slices->size)
        at -= slices++->size;
    return slices->data[at];
}

/*
 * What the content can be at most: a gzip message ends with the number of its bytes (ISIZE, modulo
 * 2^32, which no limit reaches). MESH_INTERNAL: so few bytes do not become what they say.
 */
static mesh_code bound(const mesh_slice *slices, size_t slice_count, size_t limit, size_t *most)
{
    size_t size = size_of(slices, slice_count);
    size_t said = 0;

    if (size < GZIP_BYTES_MIN || byte_at(slices, 0) != GZIP_MAGIC) {
        *most = size < limit / RATIO_MAX ? size * RATIO_MAX : limit;
        return MESH_OK;
    }
    for (size_t i = 1; i <= 4; i++)
        said = said << 8 | byte_at(slices, size - i);
    if (said / RATIO_MAX > size)
        return MESH_INTERNAL;
    if (said > limit)
        return MESH_OUT_OF_RANGE;
    *most = said;
    return MESH_OK;
}

size_t mesh_inflate_most(const mesh_slice *slices, size_t slice_count, size_t limit)
{
    size_t most;

    return bound(slices, slice_count, limit, &most) == MESH_OK ? most : 0;
}

static void *allocate(void *context, uInt count, uInt size)
{
    (void)context;
    return mesh_malloc((size_t)count * size);
}

static void release(void *context, void *memory)
{
    (void)context;
    mesh_free(memory);
}

/* Some more of what `stream` has to read, to the end of its input or its output. */
static int inflate_on(z_stream *stream, size_t room)
{
    int state;

    for (;;) {
        size_t run = room < RUN_BYTES ? room : RUN_BYTES;

        stream->avail_out = (uInt)run;
        state = inflate(stream, Z_NO_FLUSH);
        room -= run - stream->avail_out;
        if (state == Z_BUF_ERROR && stream->avail_in == 0)
            return Z_OK; /* the run before had ended with the input */
        if (state != Z_OK || stream->avail_out > 0 || room == 0)
            return state;
        /* it is nobody's turn so much that others should wait for all of it */
        mesh_pool_yield();
    }
}

mesh_code mesh_inflate(const mesh_slice *slices, size_t slice_count, size_t limit,
                       mesh_arena *arena, const uint8_t **out, size_t *out_size)
{
    z_stream stream = {.zalloc = allocate, .zfree = release};
    uint8_t *result;
    size_t most;
    size_t read = 0; /* slices that were looked into */
    int state;
    mesh_code code = bound(slices, slice_count, limit, &most);

    if (code != MESH_OK)
        return code;
    code = MESH_RESOURCE_EXHAUSTED;
    result = mesh_arena_alloc(arena, most + 1); /* the one byte more shows an excess */
    if (result == NULL)
        goto done;
    state = inflateInit2(&stream, WINDOW_BITS_ANY_HEADER);
    stream.next_out = result;
    for (; read < slice_count && state == Z_OK && stream.total_out <= most; read++) {
        stream.next_in = (Bytef *)(uintptr_t)slices[read].data;
        stream.avail_in = (uInt)slices[read].size;
        if (stream.avail_in > 0)
            state = inflate_on(&stream, most + 1 - stream.total_out);
    }
    if (state == Z_MEM_ERROR)
        goto done;
    while (read < slice_count && slices[read].size == 0)
        read++; /* the core makes a slice of the empty frame that ends a stream, too */
    code = MESH_OUT_OF_RANGE;
    if (stream.total_out > limit)
        goto done;
    /* cut, broken, more than it says, or followed by more */
    code = MESH_INTERNAL;
    if (state != Z_STREAM_END || stream.avail_in > 0 || read < slice_count)
        goto done;
    *out = result;
    *out_size = stream.total_out;
    code = MESH_OK;
done:
    (void)inflateEnd(&stream);
    return code;
}
