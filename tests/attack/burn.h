/*
 * Takes processor time as an attack does, and does nothing with it: what other clients keep beside
 * an attack is compared with what they keep beside this.
 */
#ifndef TESTS_ATTACK_BURN_H
#define TESTS_ATTACK_BURN_H

#include <stdint.h>

/* `percent` of one core, 200: two cores, for `ms`, in as many threads as that needs. */
void burn(int percent, int64_t ms);

/* Processor time that this process has had, in milliseconds. */
int64_t burnt_ms(void);

#endif
