#include "mesh/rpc/h2/h2_memory.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"

/* --- buffers ---------------------------------------------------------------------------------- */

enum {
    SMALLEST_BYTES = 256,
    BLOCK_STEP = 64
};

static struct {
    pthread_mutex_t mu;
    h2_cache cache; /* guarded by mu, as `users` */
    size_t users;
    atomic_size_t counts[H2_BUFFER_SIZES]; /* so that an empty list is seen without a lock */
} depot = {.mu = PTHREAD_MUTEX_INITIALIZER};

/* Even ones are powers of two, odd ones three quarters of the next of these. */
static size_t size_of(uint8_t size_class)
{
    size_t power = (size_t)SMALLEST_BYTES << (size_class + 1) / 2;

    return size_class % 2 == 0 ? power : power / 4 * 3;
}

/* The smallest class that has room for as many bytes, head included. */
static uint8_t class_of(size_t bytes)
{
    int size_class = 0;

    if (bytes > SMALLEST_BYTES) {
        size_class = 2 * (64 - __builtin_clzll((bytes - 1) / SMALLEST_BYTES));
        if (bytes <= size_of((uint8_t)(size_class - 1)))
            size_class--;
    }
    return size_class < H2_BUFFER_SIZES ? (uint8_t)size_class : H2_BUFFER_SIZES;
}

static size_t bytes_of(const h2_buffer *buffer)
{
    return sizeof *buffer + buffer->capacity;
}

static h2_buffer *pop(h2_cache *cache, uint8_t size_class)
{
    h2_buffer *buffer = cache->free[size_class];

    if (buffer == NULL)
        return NULL;
    cache->free[size_class] = buffer->next;
    cache->bytes -= bytes_of(buffer);
    return buffer;
}

static bool push(h2_cache *cache, h2_buffer *buffer, size_t bytes_max)
{
    if (cache->bytes + bytes_of(buffer) > bytes_max)
        return false;
    cache->bytes += bytes_of(buffer);
    buffer->next = cache->free[buffer->size_class];
    cache->free[buffer->size_class] = buffer;
    return true;
}

static h2_buffer *pop_shared(uint8_t size_class)
{
    h2_buffer *buffer;

    if (atomic_load_explicit(&depot.counts[size_class], memory_order_relaxed) == 0)
        return NULL;
    pthread_mutex_lock(&depot.mu);
    buffer = pop(&depot.cache, size_class);
    if (buffer != NULL)
        atomic_fetch_sub_explicit(&depot.counts[size_class], 1, memory_order_relaxed);
    pthread_mutex_unlock(&depot.mu);
    return buffer;
}

static bool push_shared(h2_buffer *buffer)
{
    bool taken;

    pthread_mutex_lock(&depot.mu);
    taken = depot.users > 0 && push(&depot.cache, buffer, H2_DEPOT_BYTES_MAX);
    if (taken)
        atomic_fetch_add_explicit(&depot.counts[buffer->size_class], 1, memory_order_relaxed);
    pthread_mutex_unlock(&depot.mu);
    return taken;
}

h2_buffer *h2_buffer_take(h2_cache *cache, size_t capacity)
{
    uint8_t size_class = class_of(sizeof(h2_buffer) + capacity);
    h2_buffer *buffer = NULL;

    if (size_class < H2_BUFFER_SIZES) {
        capacity = size_of(size_class) - sizeof *buffer;
        if (cache != NULL)
            buffer = pop(cache, size_class);
        if (buffer == NULL)
            buffer = pop_shared(size_class);
    }
    if (buffer == NULL) {
        buffer = mesh_malloc(sizeof *buffer + capacity);
        if (buffer == NULL)
            return NULL;
        buffer->capacity = capacity;
        buffer->size_class = size_class;
        buffer->shared = cache == NULL;
    }
    buffer->next = NULL;
    buffer->view = (mesh_slice){.data = buffer->bytes};
    return buffer;
}

void h2_buffer_give(h2_cache *cache, h2_buffer *buffer)
{
    if (buffer == NULL)
        return;
    if (buffer->size_class < H2_BUFFER_SIZES) {
        if (cache != NULL && !buffer->shared && push(cache, buffer, H2_CACHE_BYTES_MAX))
            return;
        if (push_shared(buffer))
            return;
    }
    mesh_free(buffer);
}

void h2_cache_clear(h2_cache *cache)
{
    for (uint8_t i = 0; i < H2_BUFFER_SIZES; i++) {
        h2_buffer *buffer;

        while ((buffer = pop(cache, i)) != NULL)
            mesh_free(buffer);
    }
}

void h2_depot_enter(void)
{
    pthread_mutex_lock(&depot.mu);
    depot.users++;
    pthread_mutex_unlock(&depot.mu);
}

void h2_depot_leave(void)
{
    pthread_mutex_lock(&depot.mu);
    if (--depot.users == 0) {
        h2_cache_clear(&depot.cache);
        for (size_t i = 0; i < H2_BUFFER_SIZES; i++)
            atomic_store_explicit(&depot.counts[i], 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&depot.mu);
}

/* --- nghttp2's blocks ------------------------------------------------------------------------- */

/* In front of each block: nghttp2 does not say how large the one is that it gives back. */
struct h2_block_head {
    alignas(max_align_t) size_t size;
    h2_block_head *next;
};

static size_t block_class(size_t size)
{
    return size == 0 ? 0 : (size - 1) / BLOCK_STEP;
}

void *h2_blocks_malloc(size_t size, void *context)
{
    h2_blocks *blocks = context;
    size_t size_class = block_class(size);
    h2_block_head *head = NULL;

    if (size_class < H2_BLOCK_SIZES) {
        size = (size_class + 1) * BLOCK_STEP;
        head = blocks->free[size_class];
    }
    if (head != NULL) {
        blocks->free[size_class] = head->next;
        blocks->bytes -= size;
        return head + 1;
    }
    if (size > SIZE_MAX - sizeof *head)
        return NULL;
    head = mesh_malloc(sizeof *head + size);
    if (head == NULL)
        return NULL;
    head->size = size;
    return head + 1;
}

void h2_blocks_free(void *memory, void *context)
{
    h2_blocks *blocks = context;
    h2_block_head *head;
    size_t size_class;

    if (memory == NULL)
        return;
    head = (h2_block_head *)memory - 1;
    size_class = block_class(head->size);
    if (size_class >= H2_BLOCK_SIZES || blocks->bytes + head->size > H2_BLOCKS_BYTES_MAX) {
        mesh_free(head);
        return;
    }
    blocks->bytes += head->size;
    head->next = blocks->free[size_class];
    blocks->free[size_class] = head;
}

void *h2_blocks_calloc(size_t count, size_t size, void *blocks)
{
    void *memory;

    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    memory = h2_blocks_malloc(count * size, blocks);
    if (memory != NULL)
        memset(memory, 0, count * size);
    return memory;
}

void *h2_blocks_realloc(void *memory, size_t size, void *blocks)
{
    h2_block_head *head;
    void *grown;

    if (memory == NULL)
        return h2_blocks_malloc(size, blocks);
    head = (h2_block_head *)memory - 1;
    if (size <= head->size)
        return memory;
    grown = h2_blocks_malloc(size, blocks);
    if (grown == NULL)
        return NULL;
    memcpy(grown, memory, head->size);
    h2_blocks_free(memory, blocks);
    return grown;
}

void h2_blocks_clear(h2_blocks *blocks)
{
    for (size_t i = 0; i < H2_BLOCK_SIZES; i++)
        while (blocks->free[i] != NULL) {
            h2_block_head *head = blocks->free[i];

            blocks->free[i] = head->next;
            mesh_free(head);
        }
    blocks->bytes = 0;
}
