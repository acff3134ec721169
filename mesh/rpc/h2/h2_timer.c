#include "mesh/rpc/h2/h2_timer.h"

#include <stddef.h>

/* The earlier of two heaps takes the other one as its first child. */
static h2_timer *join(h2_timer *one, h2_timer *other)
{
    if (one == NULL)
        return other;
    if (other == NULL)
        return one;
    if (other->due_ns < one->due_ns) {
        h2_timer *later = one;

        one = other;
        other = later;
    }
    other->next = one->child;
    if (one->child != NULL)
        one->child->previous = other;
    other->previous = one;
    one->child = other;
    return one;
}

/* Joins siblings in pairs from the first on, then all of these from the last on. */
static h2_timer *join_all(h2_timer *first)
{
    h2_timer *pairs = NULL;
    h2_timer *all = NULL;

    while (first != NULL) {
        h2_timer *second = first->next;
        h2_timer *rest = second != NULL ? second->next : NULL;
        h2_timer *pair;

        first->next = first->previous = NULL;
        if (second != NULL)
            second->next = second->previous = NULL;
        pair = join(first, second);
        pair->next = pairs;
        pairs = pair;
        first = rest;
    }
    while (pairs != NULL) {
        h2_timer *next = pairs->next;

        pairs->next = NULL;
        all = join(all, pairs);
        pairs = next;
    }
    return all;
}

void h2_timer_clear(h2_timer **timers, h2_timer *timer)
{
    h2_timer *rest;

    if (!timer->is_set)
        return;
    timer->is_set = false;
    rest = join_all(timer->child);
    timer->child = NULL;
    if (*timers == timer) {
        *timers = rest;
        return;
    }
    if (timer->previous->child == timer)
        timer->previous->child = timer->next;
    else
        timer->previous->next = timer->next;
    if (timer->next != NULL)
        timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
    *timers = join(*timers, rest);
}

void h2_timer_set(h2_timer **timers, h2_timer *timer, int64_t due_ns)
{
    h2_timer_clear(timers, timer);
    timer->due_ns = due_ns;
    timer->is_set = true;
    timer->child = timer->next = timer->previous = NULL;
    *timers = join(*timers, timer);
}

void h2_timers_fire(h2_timer **timers, int64_t now_ns)
{
    while (*timers != NULL && (*timers)->due_ns <= now_ns) {
        h2_timer *timer = *timers;

        h2_timer_clear(timers, timer);
        timer->fire(timer);
    }
}
