#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdint.h>
#include <string.h>

#include "mesh/base/alloc.h"

/* What lets a limited number of jobs of a kind run, and the lanes with such jobs that wait. */
typedef struct gate {
    size_t most; /* immutable */
    size_t running;
    pthread_cond_t left; /* a thread that waits to enter may look again */
    mesh_lane *first;    /* in the order of their turns */
    mesh_lane *last;
} gate;

struct mesh_pool {
    pthread_mutex_t mu;
    sem_t wakes;                /* one for each thread that shall look again */
    gate gates[MESH_JOB_KINDS]; /* guarded by mu, as all below */
    uint64_t arrivals;          /* of jobs, so far */
    uint64_t turns;             /* that were given to lanes, of whatever kind */
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

/* The first of those that came whose lane has no turn; NULL: none. */
static mesh_job *first_without_turn(const mesh_flow *flow)
{
    mesh_job *first = NULL;

    for (size_t i = 0; i < MESH_JOB_KINDS; i++) {
        mesh_job *job = flow->lanes[i].first;

        if (job != NULL && !flow->lanes[i].has_turn &&
            (first == NULL || job->arrival < first->arrival))
            first = job;
    }
    return first;
}

/* While a flow may run one more, each of its lanes with a job has a turn. */
static void give_turns(mesh_pool *pool, mesh_flow *flow)
{
    mesh_job *job;

    while (flow->running < flow->most_running && (job = first_without_turn(flow)) != NULL) {
        gate *gate = &pool->gates[job->kind];
        mesh_lane *lane = &flow->lanes[job->kind];

        lane->has_turn = true;
        lane->turn = pool->turns++;
        lane->next = NULL;
        if (gate->first == NULL)
            gate->first = lane;
        else
            gate->last->next = lane;
        gate->last = lane;
    }
}

static void put(mesh_pool *pool, mesh_flow *flow, mesh_job *job)
{
    mesh_lane *lane = &flow->lanes[job->kind];

    job->flow = flow;
    job->arrival = pool->arrivals++;
    job->next = NULL;
    if (lane->first == NULL)
        lane->first = job;
    else
        lane->last->next = job;
    lane->last = job;
    flow->waiting++;
    pool->jobs++;
    give_turns(pool, flow);
}

/* The gate with the lane whose turn it is: the first of those that may run. NULL: none may. */
static gate *next_gate(mesh_pool *pool)
{
    gate *next = NULL;

    for (size_t i = 0; i < MESH_JOB_KINDS; i++) {
        gate *gate = &pool->gates[i];

        if (gate->first != NULL && gate->running < gate->most &&
            (next == NULL || gate->first->turn < next->first->turn))
            next = gate;
    }
    return next;
}

/* The job whose turn it is; NULL: none may run. */
static mesh_job *take(mesh_pool *pool)
{
    gate *gate;

    while ((gate = next_gate(pool)) != NULL) {
        mesh_lane *lane = gate->first;
        mesh_job *job = lane->first;
        mesh_flow *flow = job->flow;

        gate->first = lane->next;
        lane->has_turn = false;
        if (flow->running >= flow->most_running) /* of other kinds: a turn when one ends */
            continue;
        lane->first = job->next;
        gate->running++;
        flow->waiting--;
        flow->running++;
        give_turns(pool, flow);
        return job;
    }
    return NULL;
}

static void leave_gate(gate *gate)
{
    gate->running--;
    pthread_cond_signal(&gate->left);
}

static void leave(mesh_pool *pool, const mesh_job *job)
{
    pool->jobs--;
    leave_gate(&pool->gates[job->kind]);
    job->flow->running--;
    give_turns(pool, job->flow);
}

/* --- threads ---------------------------------------------------------------------------------- */

static _Thread_local bool is_worker;

/*
 * Gives the lock back, and wakes a thread if there is something to do. One at a time, and that one
 * wakes the next if there is more to do when it runs: one for each job would cost more than most
 * handlers, since those that run already take the jobs of most. While jobs that may run and idle
 * threads are there, one is on its way, so that a handler that blocks keeps no other job waiting.
 */
static void unlock(mesh_pool *pool)
{
    bool wake = pool->idle > 0 && !pool->waking && next_gate(pool) != NULL;

    pool->waking |= wake;
    pthread_mutex_unlock(&pool->mu);
    if (wake)
        sem_post(&pool->wakes);
}

static void *work(void *argument)
{
    mesh_pool *pool = argument;

    is_worker = true;
    pthread_mutex_lock(&pool->mu);
    for (;;) {
        mesh_job *job;

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
        unlock(pool);
        job->run(job->argument);
        pthread_mutex_lock(&pool->mu);
        leave(pool, job);
        unlock(pool); /* what this job kept waiting does not wait for its end, too */
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
    for (size_t i = 0; i < MESH_JOB_KINDS; i++) {
        pool->gates[i].most = options->most[i] > 0 ? options->most[i] : SIZE_MAX;
        pthread_cond_init(&pool->gates[i].left, NULL);
    }
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

    if (flow == NULL)
        flow = &pool->unlimited;
    pthread_mutex_lock(&pool->mu);
    answer = has_room(pool, flow, job);
    if (answer == MESH_POOL_TAKEN)
        put(pool, flow, job);
    unlock(pool);
    return answer;
}

void mesh_pool_relax(mesh_pool *pool, mesh_job *job)
{
    if (job->kind == MESH_JOB_PLAIN)
        return;
    pthread_mutex_lock(&pool->mu);
    leave_gate(&pool->gates[job->kind]);
    job->kind = MESH_JOB_PLAIN;
    pool->gates[MESH_JOB_PLAIN].running++;
    unlock(pool);
}

void mesh_pool_enter(mesh_pool *pool, mesh_job_kind kind)
{
    gate *gate = &pool->gates[kind];

    pthread_mutex_lock(&pool->mu);
    while (gate->running >= gate->most)
        pthread_cond_wait(&gate->left, &pool->mu);
    gate->running++;
    pthread_mutex_unlock(&pool->mu);
}

void mesh_pool_leave(mesh_pool *pool, mesh_job_kind kind)
{
    pthread_mutex_lock(&pool->mu);
    leave_gate(&pool->gates[kind]);
    unlock(pool);
}

void mesh_pool_yield(void)
{
    if (is_worker)
        (void)sched_yield();
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
    for (size_t i = 0; i < MESH_JOB_KINDS; i++)
        pthread_cond_destroy(&pool->gates[i].left);
    sem_destroy(&pool->wakes);
    pthread_mutex_destroy(&pool->mu);
    mesh_free(pool->threads);
    mesh_free(pool);
}
