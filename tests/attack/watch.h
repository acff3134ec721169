/* A thread looks at the attacked process meanwhile: it stops the attack before memory runs out. */
#ifndef TESTS_ATTACK_WATCH_H
#define TESTS_ATTACK_WATCH_H

#include <pthread.h>

#include "tests/attack/attempt.h"

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
    pthread_t thread;
} watch;

void watch_start(watch *watch);
void watch_stop(watch *watch);

#endif
