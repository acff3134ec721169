#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <string.h>

#include "mesh/base/alloc.h"

typedef struct job {
    void (*fn)(void *argument);
    void *argument;
} job;

struct mesh_pool {
    pthread_mutex_t mu;
    pthread_cond_t wanted; /* a job was added, or the pool ends */
    job *jobs;             /* ring; guarded by mu, as all below */
    size_t capacity;       /* immutable: those that may wait and one for each thread */
    size_t first;
    size_t count;
    size_t busy; /* threads that run a job */
    bool ending;
    pthread_t *threads; /* immutable once created */
    size_t thread_count;
};

static void *work(void *argument)
{
    mesh_pool *pool = argument;

    pthread_mutex_lock(&pool->mu);
    for (;;) {
        job next;

        while (pool->count == 0 && !pool->ending)
            pthread_cond_wait(&pool->wanted, &pool->mu);
        if (pool->count == 0)
            break;
        next = pool->jobs[pool->first];
        pool->first = (pool->first + 1) % pool->capacity;
        pool->count--;
        pool->busy++;
        pthread_mutex_unlock(&pool->mu);
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
    pthread_cond_init(&pool->wanted, NULL);
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

    pthread_mutex_lock(&pool->mu);
    taken = !pool->ending && pool->count + pool->busy < pool->capacity;
    if (taken) {
        pool->jobs[(pool->first + pool->count) % pool->capacity] = (job){fn, argument};
        pool->count++;
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->mu);
    return taken;
}

void mesh_pool_destroy(mesh_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mu);
    pool->ending = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->mu);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->mu);
    mesh_free(pool->threads);
    mesh_free(pool->jobs);
    mesh_free(pool);
}
