#include "mesh/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mesh/base/alloc.h"
#include "mesh/base/arena_budget.h"

/* AddressSanitizer sees the use of what a reset gave back, and of what was never handed out. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(memory, size) ((void)(memory), (void)(size))
#endif

enum {
    ALIGNMENT = 16,
    MIN_BLOCK_BYTES = 4096,
    MAX_BLOCK_BYTES = 1024 * 1024, /* blocks double up to this; larger ones hold one allocation */
    PRINTF_BYTES = 512             /* texts up to this are formatted once, longer ones twice */
};

typedef struct block {
    struct block *next;
    alignas(ALIGNMENT) char bytes[];
} block;

struct mesh_arena {
    char *cursor;          /* next free byte of the current block, aligned */
    char *end;             /* of the current block; end - cursor is a multiple of ALIGNMENT */
    char *start;           /* of the current block */
    block *blocks;         /* all but the first, newest first */
    size_t used_elsewhere; /* bytes handed out of blocks that are not the current one */
    size_t reserved;       /* bytes of all blocks, at most limit */
    size_t limit;
    size_t first_bytes;  /* immutable */
    size_t next_bytes;   /* size of the next block */
    mesh_budget *budget; /* NULL: none */
    bool overflowed;
    bool over_budget;
    bool over_limit;
    alignas(ALIGNMENT) char first[];
};

static char nothing[1]; /* what string functions return on overflow; always "" */

static size_t round_up(size_t size)
{
    return (size + (ALIGNMENT - 1)) & ~(size_t)(ALIGNMENT - 1);
}

/* Makes the first block the only one, unused. */
static void rewind_to_first(mesh_arena *arena)
{
    arena->cursor = arena->start = arena->first;
    arena->end = arena->first + arena->first_bytes;
    arena->blocks = NULL;
    arena->used_elsewhere = 0;
    arena->reserved = arena->first_bytes;
    arena->next_bytes = 2 * arena->first_bytes;
    arena->overflowed = arena->over_budget = arena->over_limit = false;
    ASAN_POISON_MEMORY_REGION(arena->first, arena->first_bytes);
}

static void free_blocks(mesh_arena *arena)
{
    block *next;

    if (arena->budget != NULL && arena->blocks != NULL)
        mesh_budget_give(arena->budget, arena->reserved - arena->first_bytes);
    for (block *one = arena->blocks; one != NULL; one = next) {
        next = one->next;
        mesh_free(one);
    }
}

mesh_arena *mesh_arena_create(size_t first_bytes, size_t limit_bytes)
{
    mesh_arena *arena;
    size_t limit = limit_bytes == 0 ? SIZE_MAX / 4 : limit_bytes;

    if (limit > SIZE_MAX / 4)
        limit = SIZE_MAX / 4;
    limit &= ~(size_t)(ALIGNMENT - 1);
    first_bytes = first_bytes >= limit ? limit : round_up(first_bytes);

    arena = mesh_malloc(sizeof *arena + first_bytes);
    if (arena == NULL)
        return NULL;
    arena->limit = limit;
    arena->first_bytes = first_bytes;
    arena->budget = NULL;
    rewind_to_first(arena);
    return arena;
}

void mesh_arena_destroy(mesh_arena *arena)
{
    if (arena == NULL)
        return;
    free_blocks(arena);
    ASAN_UNPOISON_MEMORY_REGION(arena->first, arena->first_bytes);
    mesh_free(arena);
}

void mesh_arena_reset(mesh_arena *arena)
{
    if (arena->blocks != NULL)
        free_blocks(arena);
    rewind_to_first(arena);
}

static block *add_block(mesh_arena *arena, size_t bytes)
{
    block *added;

    if (arena->budget != NULL && !mesh_budget_take(arena->budget, bytes)) {
        arena->over_budget = true;
        return NULL;
    }
    added = mesh_malloc(sizeof *added + bytes);
    if (added == NULL) {
        mesh_budget_give(arena->budget, bytes);
        return NULL;
    }
    added->next = arena->blocks;
    arena->blocks = added;
    arena->reserved += bytes;
    return added;
}

/* An allocation that the current block has no room for. `size` is not 0. */
static __attribute__((noinline)) void *alloc_slowly(mesh_arena *arena, size_t size)
{
    size_t room = arena->limit - arena->reserved;
    size_t bytes = arena->next_bytes;
    block *added;

    if (size > room) { /* room is a multiple of ALIGNMENT, so rounding up keeps within it */
        arena->overflowed = arena->over_limit = true;
        return NULL;
    }
    size = round_up(size);
    if (bytes < MIN_BLOCK_BYTES)
        bytes = MIN_BLOCK_BYTES;
    if (bytes > MAX_BLOCK_BYTES)
        bytes = MAX_BLOCK_BYTES;
    if (bytes > room)
        bytes = room;

    /* What would fill most of a block gets its own, so that the rest of the current one is used. */
    if (size > bytes / 2) {
        added = add_block(arena, size);
        if (added == NULL) {
            arena->overflowed = true;
            return NULL;
        }
        arena->used_elsewhere += size;
        return added->bytes;
    }

    added = add_block(arena, bytes);
    if (added == NULL) {
        arena->overflowed = true;
        return NULL;
    }
    arena->used_elsewhere += (size_t)(arena->cursor - arena->start);
    arena->start = added->bytes;
    arena->cursor = added->bytes + size;
    arena->end = added->bytes + bytes;
    arena->next_bytes = 2 * bytes;
    ASAN_POISON_MEMORY_REGION(arena->cursor, bytes - size);
    return added->bytes;
}

static inline void *alloc(mesh_arena *arena, size_t size)
{
    char *memory = arena->cursor;

    if (__builtin_expect(size > (size_t)(arena->end - memory), 0))
        return alloc_slowly(arena, size);
    arena->cursor = memory + round_up(size);
    ASAN_UNPOISON_MEMORY_REGION(memory, size);
    return memory;
}

void *mesh_arena_alloc(mesh_arena *arena, size_t size)
{
    return alloc(arena, size);
}

void *mesh_arena_calloc(mesh_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    void *memory;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        arena->overflowed = arena->over_limit = true;
        return NULL;
    }
    memory = alloc(arena, bytes);
    return memory == NULL ? NULL : memset(memory, 0, bytes);
}

void *mesh_arena_memdup(mesh_arena *arena, const void *data, size_t size)
{
    void *memory = alloc(arena, size);

    if (memory != NULL && size != 0)
        memcpy(memory, data, size);
    return memory;
}

/* A string of `size` bytes of `text`, which holds no NUL in them. */
static char *copy_text(mesh_arena *arena, const char *text, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : alloc(arena, size + 1);

    if (copy == NULL)
        return nothing;
    memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

char *mesh_arena_strdup(mesh_arena *arena, const char *text)
{
    return copy_text(arena, text, strlen(text));
}

char *mesh_arena_strndup(mesh_arena *arena, const char *text, size_t size)
{
    return size == 0 ? copy_text(arena, "", 0) : copy_text(arena, text, strnlen(text, size));
}

char *mesh_arena_printf(mesh_arena *arena, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = mesh_arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}

char *mesh_arena_vprintf(mesh_arena *arena, const char *format, va_list args)
{
    char buffer[PRINTF_BYTES];
    va_list again;
    char *text;
    int size;

    va_copy(again, args);
    size = vsnprintf(buffer, sizeof buffer, format, args);
    if (size < 0) {
        text = nothing;
    } else if ((size_t)size < sizeof buffer) {
        text = copy_text(arena, buffer, (size_t)size);
    } else {
        text = alloc(arena, (size_t)size + 1);
        if (text == NULL)
            text = nothing;
        else
            vsnprintf(text, (size_t)size + 1, format, again);
    }
    va_end(again);
    return text;
}

void mesh_arena_set_budget(mesh_arena *arena, mesh_budget *budget)
{
    assert(arena->blocks == NULL);
    arena->budget = budget;
}

bool mesh_arena_over_budget(const mesh_arena *arena)
{
    return arena->over_budget;
}

bool mesh_arena_over_limit(const mesh_arena *arena)
{
    return arena->over_limit;
}

mesh_arena *mesh_arena_create_beside(const mesh_arena *arena)
{
    mesh_arena *made = mesh_arena_create(0, arena->limit);

    if (made != NULL)
        made->budget = arena->budget;
    return made;
}

bool mesh_arena_may_fit(const mesh_arena *arena, size_t bytes)
{
    return bytes <= arena->limit - arena->reserved + (size_t)(arena->end - arena->cursor);
}

bool mesh_arena_overflowed(const mesh_arena *arena)
{
    return arena->overflowed;
}

size_t mesh_arena_used(const mesh_arena *arena)
{
    return arena->used_elsewhere + (size_t)(arena->cursor - arena->start);
}
