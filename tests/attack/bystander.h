/*
 * Another client of the attacked server, in a process of its own (bystander.c), so that what the
 * attacker does with its own threads does not slow it down.
 *
 * When both its call and its stream have been answered once, and then for each newline on its
 * standard input, it says in a line how it fared since the last one:
 *
 *   SERVED FAILED SLOWEST_MS ANSWERED RATE
 *
 * ANSWERED: 1 when what it said on its stream then was answered within five seconds, or when it has
 * none. RATE: calls served a second. It ends with its standard input.
 */
#ifndef TESTS_ATTACK_BYSTANDER_H
#define TESTS_ATTACK_BYSTANDER_H

#include <stdio.h>
#include <sys/types.h>

#include "tests/attack/attempt.h"

typedef struct bystander {
    pid_t pid;
    FILE *to, *from;
} bystander;

typedef struct bystander_figures {
    unsigned long served, failed, rate;
    long slowest_ms;
    bool answered;
} bystander_figures;

/* Starts it: the program beside this one. False, and said on stderr: it cannot be started, or the
 * target does not answer, even unattacked. */
bool bystander_start(bystander *bystander, const attempt *attempt, int pause_ms);

/* How it fared since it was asked last. False: it has ended. */
bool bystander_ask(bystander *bystander, bystander_figures *figures);

/* Its exit status. */
int bystander_stop(bystander *bystander);

#endif
