#include "mesh/meshctl/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "mesh/base/alloc.h"

enum {
    EXIT_SIGNAL = 128 /* and its number, as shells have it */
};

struct ctl_interrupt {
    pthread_t thread;
    pthread_mutex_t mu;
    void (*cancel)(void *context); /* guarded by mu, as are the following */
    void *context;
    bool seen;
    bool stopping;
};

static sigset_t signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGUSR1); /* wakes the thread to end */
    return set;
}

static void *wait_for_signals(void *argument)
{
    ctl_interrupt *interrupt = argument;
    const sigset_t set = signals();
    for (;;) {
        int number;
        if (sigwait(&set, &number) != 0)
            continue;
        pthread_mutex_lock(&interrupt->mu);
        bool stopping = interrupt->stopping;
        if (!stopping && number != SIGUSR1) {
            if (interrupt->cancel == NULL || interrupt->seen)
                _exit(EXIT_SIGNAL + number);
            interrupt->seen = true;
            interrupt->cancel(interrupt->context);
        }
        pthread_mutex_unlock(&interrupt->mu);
        if (stopping)
            return NULL;
    }
}

mesh_code ctl_interrupt_start(ctl_interrupt **interrupt, ctl_failure *failure)
{
    ctl_interrupt *made = mesh_calloc(1, sizeof *made);
    if (made == NULL)
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "out of memory");
    pthread_mutex_init(&made->mu, NULL);
    const sigset_t set = signals();
    int problem = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (problem == 0)
        problem = pthread_create(&made->thread, NULL, wait_for_signals, made);
    if (problem != 0) {
        pthread_mutex_destroy(&made->mu);
        mesh_free(made);
        return ctl_fail(failure, MESH_RESOURCE_EXHAUSTED, NULL, "no thread for signals: %s",
                        strerror(problem));
    }
    *interrupt = made;
    return MESH_OK;
}

void ctl_interrupt_stop(ctl_interrupt *interrupt)
{
    if (interrupt == NULL)
        return;
    pthread_mutex_lock(&interrupt->mu);
    interrupt->stopping = true;
    pthread_mutex_unlock(&interrupt->mu);
    pthread_kill(interrupt->thread, SIGUSR1);
    pthread_join(interrupt->thread, NULL);
    pthread_mutex_destroy(&interrupt->mu);
    mesh_free(interrupt);
}

void ctl_interrupt_set(ctl_interrupt *interrupt, void (*cancel)(void *context), void *context)
{
    pthread_mutex_lock(&interrupt->mu);
    interrupt->cancel = cancel;
    interrupt->context = context;
    pthread_mutex_unlock(&interrupt->mu);
}

bool ctl_interrupted(ctl_interrupt *interrupt)
{
    pthread_mutex_lock(&interrupt->mu);
    bool seen = interrupt->seen;
    pthread_mutex_unlock(&interrupt->mu);
    return seen;
}
