#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>

#include "mesh/base/alloc.h"

struct mesh_pool {
    pthread_mutex_t mu;
    sem_t wakes;     /* one for each thread that shall look again */
    mesh_flow *turn; /* flows that wait for a thread, in order; guarded by mu, as all below */
    mesh_flow *last; /* of these */
    mesh_flow unlimited;
    size_t capacity; /* immutable: those that may wait and one for each thread */
    size_t reserved; /* immutable */
    size_t jobs;     /* running or waiting */
    size_t idle;     /* threads that wait, one that is being woken among them */
    bool waking;     /* one was woken and does not run yet */
    bool ending;
    pthread_t *threads; /* immutable once created */
    size_t thread_count;
};

/* --- flows; mu is held ------------------------------------------------------------------------ */

static void await_turn(mesh_pool *pool, mesh_flow *flow)
{
    flow->next = NULL;
    if (pool->turn == NULL)
        pool->turn = flow;
    else
        pool->last->next = flow;
    pool->last = flow;
}

/* A flow is among those that wait for a thread while it has a job that may run. */
static void put(mesh_pool *pool, mesh_flow *flow, mesh_job *job)
{
    job->flow = flow;
    job->next = NULL;
    if (flow->waiting == 0)
        flow->first = job;
    else
        flow->last->next = job;
    flow->last = job;
    pool->jobs++;
    if (flow->waiting++ == 0 && flow->running < flow->most_running)
        await_turn(pool, flow);
}

/* The job whose turn it is; NULL: none may run. */
static mesh_job *take(mesh_pool *pool)
{
    mesh_flow *flow = pool->turn;
    mesh_job *job;

    if (flow == NULL)
        return NULL;
    pool->turn = flow->next;
    job = flow->first;
    flow->first = job->next;
    flow->waiting--;
    flow->running++;
    if (flow->waiting > 0 && flow->running < flow->most_running)
        await_turn(pool, flow);
    return job;
}

static void leave(mesh_pool *pool, mesh_flow *flow)
{
    pool->jobs--;
    if (flow->running-- == flow->most_running && flow->waiting > 0)
        await_turn(pool, flow);
}

/* --- threads ---------------------------------------------------------------------------------- */

/*
 * Whether who gives the lock back has to wake a thread. One at a time, and that one wakes the next
 * if there is more to do when it runs: one for each job would cost more than most handlers, since
 * those that run already take the jobs of most. While jobs and idle threads are there, one is on
 * its way, so that a handler that blocks keeps no other job waiting.
 */
static bool has_to_wake(mesh_pool *pool)
{
    if (pool->turn == NULL || pool->idle == 0 || pool->waking)
        return false;
    pool->waking = true;
    return true;
}

static void *work(void *argument)
{
    mesh_pool *pool = argument;

    pthread_mutex_lock(&pool->mu);
    for (;;) {
        mesh_job *job;
        bool wake;

        while ((job = take(pool)) == NULL && !pool->ending) {
            pool->idle++;
            pthread_mutex_unlock(&pool->mu);
            (void)sem_wait(&pool->wakes); /* interrupted: looks in vain */
            pthread_mutex_lock(&pool->mu);
            pool->idle--;
            pool->waking = false;
        }
        if (job == NULL) /* jobs that still wait are for those that run others of their flow */
            break;
        wake = has_to_wake(pool);
        pthread_mutex_unlock(&pool->mu);
        if (wake)
            sem_post(&pool->wakes);
        job->run(job->argument);
        pthread_mutex_lock(&pool->mu);
        leave(pool, job->flow);
        pthread_mutex_unlock(&pool->mu);
        job->end(job->argument);
        pthread_mutex_lock(&pool->mu);
    }
    pthread_mutex_unlock(&pool->mu);
    return NULL;
}

mesh_code mesh_pool_create(const mesh_pool_options *options, mesh_pool **out, mesh_error *err)
{
    mesh_pool *pool = mesh_calloc(1, sizeof *pool);

    if (pool == NULL)
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    pthread_mutex_init(&pool->mu, NULL);
    sem_init(&pool->wakes, 0, 0);
    pool->capacity = options->queue + options->threads;
    pool->reserved = options->reserved;
    pool->unlimited = (mesh_flow){.most_running = SIZE_MAX, .most_jobs = SIZE_MAX};
    pool->threads = mesh_calloc(options->threads, sizeof *pool->threads);
    if (pool->threads == NULL) {
        mesh_pool_destroy(pool);
        return mesh_error_set(err, MESH_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (; pool->thread_count < options->threads; pool->thread_count++) {
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

/* mu is held. */
static mesh_pool_answer has_room(const mesh_pool *pool, const mesh_flow *flow)
{
    size_t capacity = flow->waiting == 0 ? pool->capacity : pool->capacity - pool->reserved;

    if (flow->waiting + flow->running >= flow->most_jobs)
        return MESH_POOL_FLOW_FULL;
    return pool->ending || pool->jobs >= capacity ? MESH_POOL_FULL : MESH_POOL_TAKEN;
}

mesh_pool_answer mesh_pool_submit(mesh_pool *pool, mesh_flow *flow, mesh_job *job)
{
    mesh_pool_answer answer;
    bool wake;

    if (flow == NULL)
        flow = &pool->unlimited;
    pthread_mutex_lock(&pool->mu);
    answer = has_room(pool, flow);
    if (answer == MESH_POOL_TAKEN)
        put(pool, flow, job);
    wake = has_to_wake(pool);
    pthread_mutex_unlock(&pool->mu);
    if (wake)
        sem_post(&pool->wakes);
    return answer;
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
    mesh_free(pool);
}
