/*
 * What happens to the attacked process and to its other clients meanwhile: one thread looks at its
 * memory and stops the attack in time, one makes a call every few milliseconds on a connection that
 * was there before.
 */
#ifndef TESTS_ATTACK_WATCH_H
#define TESTS_ATTACK_WATCH_H

#include <pthread.h>

#include "tests/attack/attempt.h"
#include "tests/attack/channel.h"

/* A process, from /proc. */
typedef struct process_figures {
    int64_t rss_kib;
    int64_t peak_kib; /* since its start */
    int64_t cpu_ms;
} process_figures;

/* False: it has ended, a zombie included. */
bool process_read(int pid, process_figures *figures);

typedef struct watch {
    attempt *attempt;
    int pid; /* 0: not watched */
    int64_t most_kib;
    atomic_bool over;
    atomic_bool died;
    mesh_channel *others;
    mesh_method method;
    /* of the other client; to be read after watch_stop */
    uint64_t served, failed;
    int64_t slowest_ms;
    pthread_t threads[2];
} watch;

/* Starts both threads. False: the target does not answer, even before the attack. */
bool watch_start(watch *watch);
void watch_stop(watch *watch);

#endif
