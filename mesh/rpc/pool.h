/*
 * The bounded worker pool of a server: threads for handlers that may block. Internal, thread-safe.
 *
 * Jobs belong to flows, a connection's each, and flows are served in turn (fair queueing): one with
 * a thousand jobs waits as long for its next one as one with two. A flow also runs a limited number
 * at a time, since a job that blocks cannot be taken back; and of some kinds of jobs a limited
 * number runs in all, so that there is always a thread, and a processor, for the others. Jobs of a
 * kind with its most running wait for one of these to end, and others of their flow pass them: it
 * takes turns with its jobs of each kind, which stay in order.
 */
#ifndef MESH_RPC_POOL_H
#define MESH_RPC_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mesh/base/error.h"

typedef struct mesh_pool mesh_pool;

typedef enum mesh_job_kind {
    MESH_JOB_PLAIN,
    MESH_JOB_STREAM, /* may wait for its client */
    MESH_JOB_DECODE, /* takes a processor for some time */
    MESH_JOB_KINDS
} mesh_job_kind;

/* What one job needs. Memory of whoever submits it, until `end` is called. */
typedef struct mesh_job {
    void (*run)(void *argument);
    void (*end)(void *argument); /* it is not counted any more; the last touch of it and its flow */
    void *argument;
    mesh_job_kind kind;

    /* the pool's */
    struct mesh_flow *flow;
    uint64_t arrival; /* less: earlier */
    struct mesh_job *next;
} mesh_job;

/* A flow's jobs of one kind that wait, in order. */
typedef struct mesh_lane {
    mesh_job *first;
    mesh_job *last;
    bool has_turn; /* is among the lanes of its kind that wait for a thread, as the next say */
    uint64_t turn; /* less: earlier */
    struct mesh_lane *next;
} mesh_lane;

/* Jobs that take turns with those of others. All else than its limits is the pool's, zeroed. */
typedef struct mesh_flow {
    size_t most_running; /* immutable, as the next: jobs at a time */
    size_t most_jobs;    /* running or waiting */

    mesh_lane lanes[MESH_JOB_KINDS];
    size_t waiting; /* in these */
    size_t running;
} mesh_flow;

typedef struct mesh_pool_options {
    size_t threads;
    size_t queue;                /* jobs that may wait */
    size_t reserved;             /* of `queue`, for plain jobs of flows with none waiting */
    size_t most[MESH_JOB_KINDS]; /* jobs of a kind at a time; 0: no less than threads */
} mesh_pool_options;

typedef enum mesh_pool_answer {
    MESH_POOL_TAKEN,
    MESH_POOL_FLOW_FULL, /* the flow has its most */
    MESH_POOL_FULL       /* all threads are busy, and what the flow may use of the queue is full */
} mesh_pool_answer;

mesh_code mesh_pool_create(const mesh_pool_options *options, mesh_pool **pool, mesh_error *err);

/*
 * Runs the job on a thread of the pool, and ends it there. NULL: a flow without limits, of all that
 * have no other. Never blocks. The pool has to live until it returns, not only until the job ran.
 */
mesh_pool_answer mesh_pool_submit(mesh_pool *pool, mesh_flow *flow, mesh_job *job);

/* By a job that runs: the rest of it is of the plain kind. */
void mesh_pool_relax(mesh_pool *pool, mesh_job *job);

/*
 * Waits until one more of a kind may run, in no order with the jobs that do, and counts as one
 * until it leaves. For a part of a job of another kind, or of what runs on no worker; in between
 * it waits for nothing.
 */
void mesh_pool_enter(mesh_pool *pool, mesh_job_kind kind);
void mesh_pool_leave(mesh_pool *pool, mesh_job_kind kind);

/* Lets other threads go first, where a job runs; does nothing on a thread that is no pool's. */
void mesh_pool_yield(void);

/* Runs what is queued, then ends the threads. NULL is accepted. */
void mesh_pool_destroy(mesh_pool *pool);

#endif
