/* Waiting for a condition until a deadline. Private to this tree. */
#ifndef MESH_BASE_COND_H
#define MESH_BASE_COND_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * As pthread_cond_wait, but no longer than until `deadline_ns` on the monotonic clock
 * (mesh_clock_monotonic_ns; MESH_NO_DEADLINE: without end). False when that has passed. True
 * promises nothing, since a wake-up may be spurious: wait in a loop.
 *
 *   while (!queue->some && mesh_cond_wait_until(&queue->changed, &queue->mu, deadline_ns))
 *       continue;
 *
 * The condition is any that pthread_cond_init or PTHREAD_COND_INITIALIZER made: the clock belongs
 * to the wait. The mutex is held by the caller.
 */
bool mesh_cond_wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t deadline_ns);

/*
 * Rests for `ms`, unless `*stop`, which the mutex guards, is or becomes true; who sets it signals
 * the condition. For a thread that does something every now and then. Takes the mutex and gives it
 * back. True: it goes on; false: it is to stop.
 */
bool mesh_cond_rest(pthread_cond_t *condition, pthread_mutex_t *mutex, const bool *stop,
                    int64_t ms);

#endif
