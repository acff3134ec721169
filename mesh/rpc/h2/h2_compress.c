/* Messages that go out, in their frames: compressed where the call and the message say so. */
#include <string.h>
#include <zlib.h>

#include "mesh/base/alloc.h"
#include "mesh/rpc/h2/h2.h"

enum {
    WINDOW_BITS = 15,
    GZIP_WINDOW_BITS = WINDOW_BITS + 16, /* deflateInit2: with gzip's header */
    MEMORY_LEVEL = 8
};

static void write_prefix(h2_buffer *frame, bool compressed, size_t size)
{
    frame->bytes[0] = compressed;
    frame->bytes[1] = (uint8_t)(size >> 24);
    frame->bytes[2] = (uint8_t)(size >> 16);
    frame->bytes[3] = (uint8_t)(size >> 8);
    frame->bytes[4] = (uint8_t)size;
    frame->view = (mesh_slice){.data = frame->bytes, .size = size + H2_PREFIX_BYTES};
}

static voidpf zlib_alloc(voidpf context, uInt count, uInt size)
{
    (void)context;
    return mesh_calloc(count, size);
}

static void zlib_free(voidpf context, voidpf memory)
{
    (void)context;
    mesh_free(memory);
}

/* NULL: it does not get smaller, or there is no memory. */
static h2_buffer *shrink(const uint8_t *data, size_t size, h2_encoding encoding)
{
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free};
    h2_buffer *frame = NULL;

    if (size < 2 || size > UINT32_MAX ||
        deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                     encoding == H2_GZIP ? GZIP_WINDOW_BITS : WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    frame = h2_buffer_take(h2_this_cache(), size + H2_PREFIX_BYTES);
    if (frame == NULL)
        goto done;
    stream.next_in = (z_const Bytef *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = frame->bytes + H2_PREFIX_BYTES;
    stream.avail_out = (uInt)size - 1;
    if (deflate(&stream, Z_FINISH) == Z_STREAM_END) {
        write_prefix(frame, true, stream.total_out);
    } else {
        h2_buffer_give(h2_this_cache(), frame);
        frame = NULL;
    }
done:
    (void)deflateEnd(&stream);
    return frame;
}

h2_buffer *h2_frame(const mesh_buffer *message, h2_encoding encoding)
{
    h2_buffer *plain = message->handle;
    h2_buffer *smaller = NULL;

    if (message->compress && encoding != H2_IDENTITY)
        smaller = shrink(message->data, message->size, encoding);
    if (smaller == NULL) {
        write_prefix(plain, false, message->size);
        return plain;
    }
    h2_buffer_give(h2_this_cache(), plain);
    return smaller;
}
