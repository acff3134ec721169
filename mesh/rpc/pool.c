#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "mesh/base/alloc.h"

typedef struct job {
    void (*fn)(void *argument);
    void *argument;
} job;

struct mesh_pool {
    pthread_mutex_t mu;
    sem_t wakes;     /* one for each thread that shall look again */
    job *jobs;       /* ring; guarded by mu, as all below */
    size_t capacity; /* immutable: those that may wait and one for each thread */
    size_t first;
    size_t count;
    size_t busy; /* threads that run a job */
    size_t idle; /* threads that wait, one that is being woken among them */
    bool waking; /* one was woken and does not run yet */
    bool ending;
    pthread_t *threads; /* immutable once created */
    size_t thread_count;
};

/*
 * Whether who gives the lock back has to wake a thread. One at a time, and that one wakes the next
 * if there is more to do when it runs: one for each job would cost more than most handlers, since
 * those that run already take the jobs of most. While jobs and idle threads are there, one is on
 * its way, so that a handler that blocks keeps no other job waiting.
 */
static bool has_to_wake(mesh_pool *pool)
{
    if (pool->count == 0 || pool->idle == 0 || pool->waking)
        return false;
    pool->waking = true;
    return true;
}

static void *work(void *argument)
{
    mesh_pool *pool = argument;

    pthread_mutex_lock(&pool->mu);
    for (;;) {
        job next;
        bool wake;

        while (pool->count == 0 && !pool->ending) {
            pool->idle++;
            pthread_mutex_unlock(&pool->mu);
            (void)sem_wait(&pool->wakes); /* interrupted: looks in vain */
            pthread_mutex_lock(&pool->mu);
            pool->idle--;
            pool->waking = false;
        }
        if (pool->count == 0)
            break;
        next = pool->jobs[pool->first];
        pool->first = (pool->first + 1) % pool->capacity;
        pool->count--;
        pool->busy++;
        wake = has_to_wake(pool);
        pthread_mutex_unlock(&pool->mu);
        if (wake)
            sem_post(&pool->wakes);
        next.fn(next.argument);
        pthread_mutex_lock(&pool->mu);
        pool->busy--;
    }
    pthread_mutex_unlock(&pool->mu);
    return NULL;
}

mesh_code mesh_pool_create(size_t threads, size_t queue, mesh_pool **out, mesh_error *err)
{
    mesh_pool *pool = mesh_calloc(1, sizeof *pool);

    if (pool == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&pool->mu, NULL);
    sem_init(&pool->wakes, 0, 0);
    pool->capacity = queue + threads;
    pool->jobs = mesh_calloc(pool->capacity, sizeof *pool->jobs);
    pool->threads = mesh_calloc(threads, sizeof *pool->threads);
    if (pool->jobs == NULL || pool->threads == NULL) {
        mesh_pool_destroy(pool);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (; pool->thread_count < threads; pool->thread_count++) {
        int error = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);

        if (error != 0) {
            mesh_pool_destroy(pool);
            return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "cannot start a worker thread: %s",
                                  strerror(error));
        }
    }
    *out = pool;
    return MESH_OK;
}

bool mesh_pool_submit(mesh_pool *pool, void (*fn)(void *argument), void *argument)
{
    bool taken;
    bool wake;

    pthread_mutex_lock(&pool->mu);
    taken = !pool->ending && pool->count + pool->busy < pool->capacity;
    if (taken) {
        pool->jobs[(pool->first + pool->count) % pool->capacity] = (job){fn, argument};
        pool->count++;
    }
    wake = has_to_wake(pool);
    pthread_mutex_unlock(&pool->mu);
    if (wake)
        sem_post(&pool->wakes);
    return taken;
}

void mesh_pool_destroy(mesh_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mu);
    pool->ending = true;
    pthread_mutex_unlock(&pool->mu);
    for (size_t i = 0; i < pool->thread_count; i++)
        sem_post(&pool->wakes);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    sem_destroy(&pool->wakes);
    pthread_mutex_destroy(&pool->mu);
    mesh_free(pool->threads);
    mesh_free(pool->jobs);
    mesh_free(pool);
}
