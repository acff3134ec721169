#include "mesh/base/alloc.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/*
 * ThreadSanitizer on Linux takes no program for an instrumented one, so with
 * ignore_noninstrumented_modules (.bazelrc) it looks at no call of free: tell it.
 */
#ifdef __SANITIZE_THREAD__
void __tsan_write_range(void *address, unsigned long size);
#define TELL_FREED(memory) __tsan_write_range(memory, malloc_usable_size(memory))
#else
#define TELL_FREED(memory) ((void)(memory))
#endif

static atomic_bool counting;    /* a test chose an allocation to fail */
static atomic_size_t countdown; /* allocations up to and including that one */
static atomic_bool failed;
static atomic_long live; /* made and not freed since the test chose */

/* Counts one allocation of a test down; true when it is the one to fail. */
static __attribute__((noinline)) bool count_down(void)
{
    size_t left = atomic_load(&countdown);

    while (left != 0 && !atomic_compare_exchange_weak(&countdown, &left, left - 1))
        ;
    if (left != 1)
        return false;
    atomic_store(&failed, true);
    errno = ENOMEM;
    return true;
}

static inline bool is_counting(void)
{
    return __builtin_expect(atomic_load_explicit(&counting, memory_order_relaxed), 0);
}

static inline bool must_fail(void)
{
    return is_counting() && count_down();
}

static inline void *count_made(void *memory)
{
    if (is_counting() && memory != NULL)
        atomic_fetch_add(&live, 1);
    return memory;
}

void *mesh_malloc(size_t size)
{
    return must_fail() ? NULL : count_made(malloc(size));
}

void *mesh_calloc(size_t count, size_t size)
{
    return must_fail() ? NULL : count_made(calloc(count, size));
}

void *mesh_realloc(void *memory, size_t size)
{
    if (memory == NULL)
        return mesh_malloc(size);
    return must_fail() ? NULL : realloc(memory, size);
}

void mesh_free(void *memory)
{
    if (is_counting() && memory != NULL)
        atomic_fetch_sub(&live, 1);
    TELL_FREED(memory);
    free(memory);
}

char *mesh_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = mesh_malloc(size);

    return copy == NULL ? NULL : memcpy(copy, text, size);
}

void mesh_alloc_fail_at(size_t n)
{
    atomic_store(&failed, false);
    atomic_store(&live, 0);
    atomic_store(&countdown, n);
    atomic_store(&counting, n != 0);
}

bool mesh_alloc_failed(void)
{
    return atomic_load(&failed);
}

long mesh_alloc_live(void)
{
    return atomic_load(&live);
}
