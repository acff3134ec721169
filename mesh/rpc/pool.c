#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>

#include "mesh/base/alloc.h"

/* Flows that wait, in order. */
typedef struct line {
    mesh_flow *first;
    mesh_flow *last;
} line;

/* What lets a limited number of jobs of a kind run. */
typedef struct gate {
    size_t most; /* immutable */
    size_t running;
    line waiting; /* flows whose turn it was, with such a job next */
} gate;

struct mesh_pool {
    pthread_mutex_t mu;
    sem_t wakes; /* one for each thread that shall look again */
    line turn;   /* flows that wait for a thread; guarded by mu, as all below */
    gate gates[MESH_JOB_KINDS];
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

static void append(line *line, mesh_flow *flow)
{
    flow->next = NULL;
    if (line->first == NULL)
        line->first = flow;
    else
        line->last->next = flow;
    line->last = flow;
}

static mesh_flow *take_first(line *line)
{
    mesh_flow *flow = line->first;

    if (flow != NULL)
        line->first = flow->next;
    return flow;
}

/* Its turn was before. */
static void prepend(line *line, mesh_flow *flow)
{
    flow->next = line->first;
    if (line->first == NULL)
        line->last = flow;
    line->first = flow;
}

/* A flow is in one of the lines while it has a job that may run. */
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
        append(&pool->turn, flow);
}

/* The flow whose turn it is; those whose next job has to wait for others of its kind make way. */
static mesh_flow *take_flow(mesh_pool *pool)
{
    mesh_flow *flow;

    while ((flow = take_first(&pool->turn)) != NULL) {
        gate *gate = &pool->gates[flow->first->kind];

        if (gate->running < gate->most)
            return flow;
        append(&gate->waiting, flow);
    }
    return NULL;
}

/* The job whose turn it is; NULL: none may run. */
static mesh_job *take(mesh_pool *pool)
{
    mesh_flow *flow = take_flow(pool);
    mesh_job *job;

    if (flow == NULL)
        return NULL;
    job = flow->first;
    pool->gates[job->kind].running++;
    flow->first = job->next;
    flow->waiting--;
    flow->running++;
    if (flow->waiting > 0 && flow->running < flow->most_running)
        append(&pool->turn, flow);
    return job;
}

static void leave_gate(mesh_pool *pool, gate *gate)
{
    mesh_flow *flow = take_first(&gate->waiting);

    gate->running--;
    if (flow != NULL)
        prepend(&pool->turn, flow);
}

static void leave(mesh_pool *pool, const mesh_job *job)
{
    mesh_flow *flow = job->flow;

    pool->jobs--;
    leave_gate(pool, &pool->gates[job->kind]);
    if (flow->running-- == flow->most_running && flow->waiting > 0)
        append(&pool->turn, flow);
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
    if (pool->turn.first == NULL || pool->idle == 0 || pool->waking)
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
        leave(pool, job);
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
    for (size_t i = 0; i < MESH_JOB_KINDS; i++)
        pool->gates[i].most = options->most[i] > 0 ? options->most[i] : SIZE_MAX;
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
static mesh_pool_answer has_room(const mesh_pool *pool, const mesh_flow *flow, const mesh_job *job)
{
    bool reserve = flow->waiting == 0 && job->kind == MESH_JOB_PLAIN;
    size_t capacity = reserve ? pool->capacity : pool->capacity - pool->reserved;

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
    answer = has_room(pool, flow, job);
    if (answer == MESH_POOL_TAKEN)
        put(pool, flow, job);
    wake = has_to_wake(pool);
    pthread_mutex_unlock(&pool->mu);
    if (wake)
        sem_post(&pool->wakes);
    return answer;
}

void mesh_pool_relax(mesh_pool *pool, mesh_job *job)
{
    bool wake;

    if (job->kind == MESH_JOB_PLAIN)
        return;
    pthread_mutex_lock(&pool->mu);
    leave_gate(pool, &pool->gates[job->kind]);
    job->kind = MESH_JOB_PLAIN;
    pool->gates[MESH_JOB_PLAIN].running++;
    wake = has_to_wake(pool);
    pthread_mutex_unlock(&pool->mu);
    if (wake)
        sem_post(&pool->wakes);
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
