#include "mesh/base/random.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mesh/base/uuid.h"

enum {
    BATCH_BYTES = 1024
};

static atomic_uint forks = 1; /* counts the forks that led to this process */
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;

static _Thread_local struct {
    uint8_t bytes[BATCH_BYTES];
    size_t left;
    unsigned forks; /* value of `forks` when the batch was fetched; 0: never */
} batch;

static void count_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, count_fork) != 0) {
        fputs("meshc: out of memory when preparing identifiers\n", stderr);
        abort();
    }
}

void mesh_random_bytes(void *data, size_t size)
{
    uint8_t *bytes = data;

    while (size > 0) {
        ssize_t got = getrandom(bytes, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fprintf(stderr, "meshc: getrandom: %s\n", strerror(errno));
            abort();
        }
        bytes += got;
        size -= (size_t)got;
    }
}

void mesh_random_id(void *data, size_t size)
{
    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);

    assert(size <= BATCH_BYTES / 16);
    if (__builtin_expect(batch.left < size || batch.forks != now, 0)) {
        pthread_once(&watch_once, watch_forks);
        mesh_random_bytes(batch.bytes, sizeof batch.bytes);
        batch.left = sizeof batch.bytes;
        batch.forks = now;
    }
    batch.left -= size;
    memcpy(data, batch.bytes + batch.left, size);
    memset(batch.bytes + batch.left, 0, size);
}
