/* Which job of a pool is next, and that no thread sleeps while one may run. */
#include "mesh/rpc/pool.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "tests/mesh/base/test.h"

enum {
    JOBS = 4
};

/* A job that tells that it began, waits if it shall, and may wait at its end, too. */
typedef struct task {
    mesh_job job;
    sem_t *leave;     /* NULL: it does not wait */
    sem_t *leave_end; /* the same */
    size_t place;     /* among those that began */
    sem_t began, ended;
} task;

static atomic_size_t begun;

static void wait_for(sem_t *semaphore)
{
    struct timespec limit;

    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    assert_int_equal(sem_timedwait(semaphore, &limit), 0);
}

static void run(void *argument)
{
    task *one = argument;

    one->place = atomic_fetch_add(&begun, 1);
    sem_post(&one->began);
    if (one->leave != NULL)
        (void)sem_wait(one->leave);
}

static void end(void *argument)
{
    task *one = argument;

    if (one->leave_end != NULL)
        (void)sem_wait(one->leave_end);
    sem_post(&one->ended);
}

static mesh_pool *create(size_t threads, size_t most_streams)
{
    mesh_pool_options options = {
        .threads = threads, .queue = JOBS, .most = {[MESH_JOB_STREAM] = most_streams}};
    mesh_pool *pool;

    atomic_store(&begun, 0);
    assert_int_equal(mesh_pool_create(&options, &pool, NULL), MESH_OK);
    return pool;
}

static void submit(mesh_pool *pool, mesh_flow *flow, mesh_job_kind kind, task *one)
{
    sem_init(&one->began, 0, 0);
    sem_init(&one->ended, 0, 0);
    one->job = (mesh_job){.run = run, .end = end, .argument = one, .kind = kind};
    assert_int_equal(mesh_pool_submit(pool, flow, &one->job), MESH_POOL_TAKEN);
}

static void destroy(mesh_pool *pool, task *tasks, size_t count)
{
    mesh_pool_destroy(pool);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(sem_trywait(&tasks[i].ended), 0);
        sem_destroy(&tasks[i].began);
        sem_destroy(&tasks[i].ended);
    }
}

/*
 * Runs a flow's jobs of these kinds, of which one stream at a time, and the first until `awaited`
 * has begun, too. Says in which order they began.
 */
static void run_jobs(size_t most_running, const mesh_job_kind kinds[JOBS], size_t awaited,
                     size_t places[JOBS])
{
    mesh_flow flow = {.most_running = most_running, .most_jobs = JOBS};
    mesh_pool *pool = create(2, 1);
    task tasks[JOBS] = {{.leave = NULL}};
    sem_t leave;

    sem_init(&leave, 0, 0);
    tasks[0].leave = &leave;
    submit(pool, &flow, kinds[0], &tasks[0]);
    wait_for(&tasks[0].began);
    for (size_t i = 1; i < JOBS; i++)
        submit(pool, &flow, kinds[i], &tasks[i]);
    if (awaited > 0)
        wait_for(&tasks[awaited].began);
    sem_post(&leave);
    destroy(pool, tasks, JOBS);
    for (size_t i = 0; i < JOBS; i++)
        places[i] = tasks[i].place;
    sem_destroy(&leave);
}

static void jobs_of_a_flow_that_had_its_most_go_on_as_they_came(void **state)
{
    static const mesh_job_kind kinds[JOBS] = {MESH_JOB_PLAIN, MESH_JOB_STREAM, MESH_JOB_PLAIN,
                                              MESH_JOB_DECODE};
    size_t places[JOBS];

    (void)state;
    run_jobs(1, kinds, 0, places);
    for (size_t i = 0; i < JOBS; i++)
        assert_int_equal(places[i], i);
}

static void a_job_passes_those_of_its_flow_that_wait_for_others_of_their_kind(void **state)
{
    static const mesh_job_kind kinds[JOBS] = {MESH_JOB_STREAM, MESH_JOB_STREAM, MESH_JOB_STREAM,
                                              MESH_JOB_PLAIN};
    size_t places[JOBS];

    (void)state;
    run_jobs(2, kinds, JOBS - 1, places);
    assert_int_equal(places[0], 0);
    assert_int_equal(places[1], 2);
    assert_int_equal(places[2], 3);
}

/* Returns when both threads of the pool have run and are about to sleep. */
static void start_both(mesh_pool *pool)
{
    static task tasks[2]; /* sem_post may look at it after the wait */
    static sem_t leave;

    sem_init(&leave, 0, 0);
    for (size_t i = 0; i < 2; i++) {
        tasks[i].leave = &leave;
        submit(pool, NULL, MESH_JOB_PLAIN, &tasks[i]);
    }
    for (size_t i = 0; i < 2; i++)
        wait_for(&tasks[i].began);
    for (size_t i = 0; i < 2; i++)
        sem_post(&leave);
    for (size_t i = 0; i < 2; i++)
        wait_for(&tasks[i].ended);
}

/* The first one's thread is held at its end, and another one is there. */
static void a_job_that_another_one_kept_waiting_does_not_wait_for_its_end(void **state)
{
    static const mesh_job_kind kinds[] = {MESH_JOB_PLAIN, MESH_JOB_STREAM};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        mesh_flow flow = {.most_running = kinds[i] == MESH_JOB_PLAIN ? 1 : 2, .most_jobs = JOBS};
        mesh_pool *pool = create(2, 1);
        task tasks[2] = {{.leave = NULL}};
        sem_t leave, leave_end;

        sem_init(&leave, 0, 0);
        sem_init(&leave_end, 0, 0);
        tasks[0].leave = &leave;
        tasks[0].leave_end = &leave_end;
        start_both(pool);
        submit(pool, &flow, kinds[i], &tasks[0]);
        submit(pool, &flow, kinds[i], &tasks[1]);
        wait_for(&tasks[0].began);
        sem_post(&leave);
        wait_for(&tasks[1].began);
        sem_post(&leave_end);
        destroy(pool, tasks, 2);
        sem_destroy(&leave);
        sem_destroy(&leave_end);
    }
}

typedef struct entrant {
    mesh_pool *pool;
    sem_t in;
} entrant;

static void *enter(void *argument)
{
    entrant *one = argument;

    mesh_pool_enter(one->pool, MESH_JOB_STREAM);
    sem_post(&one->in);
    mesh_pool_leave(one->pool, MESH_JOB_STREAM);
    return NULL;
}

/* One of their kind at a time, in whatever way. */
static void a_job_and_who_enters_as_one_wait_for_each_other(void **state)
{
    entrant one = {.pool = create(2, 1)};
    task tasks[2] = {{.leave = NULL}};
    pthread_t thread;
    sem_t leave;

    (void)state;
    sem_init(&leave, 0, 0);
    sem_init(&one.in, 0, 0);
    tasks[0].leave = &leave;
    mesh_pool_enter(one.pool, MESH_JOB_STREAM);
    submit(one.pool, NULL, MESH_JOB_STREAM, &tasks[0]);
    submit(one.pool, NULL, MESH_JOB_PLAIN, &tasks[1]);
    wait_for(&tasks[1].began);
    assert_int_equal(sem_trywait(&tasks[0].began), -1);
    mesh_pool_leave(one.pool, MESH_JOB_STREAM);
    wait_for(&tasks[0].began);
    assert_int_equal(pthread_create(&thread, NULL, enter, &one), 0);
    assert_int_equal(sem_trywait(&one.in), -1);
    sem_post(&leave);
    wait_for(&one.in);
    assert_int_equal(pthread_join(thread, NULL), 0);
    destroy(one.pool, tasks, 2);
    sem_destroy(&one.in);
    sem_destroy(&leave);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_of_a_flow_that_had_its_most_go_on_as_they_came),
        cmocka_unit_test(a_job_passes_those_of_its_flow_that_wait_for_others_of_their_kind),
        cmocka_unit_test(a_job_that_another_one_kept_waiting_does_not_wait_for_its_end),
        cmocka_unit_test(a_job_and_who_enters_as_one_wait_for_each_other),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
