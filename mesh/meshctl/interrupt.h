/*
 * Ctrl-C while a call runs: the first one cancels the call, so that the server hears of it and the
 * trailers are shown; a second one, or one when nothing runs yet, ends the program at once.
 */
#ifndef MESH_MESHCTL_INTERRUPT_H
#define MESH_MESHCTL_INTERRUPT_H

#include "mesh/meshctl/ctl.h"

typedef struct ctl_interrupt ctl_interrupt;

/* Takes SIGINT and SIGTERM over. To be called before other threads exist, which then leave them
 * alone. */
mesh_code ctl_interrupt_start(ctl_interrupt **interrupt, ctl_failure *failure);
void ctl_interrupt_stop(ctl_interrupt *interrupt);

/* What the first signal calls, on another thread; NULL: it ends the program. When this returns the
 * one before is not running and will not be called any more. */
void ctl_interrupt_set(ctl_interrupt *interrupt, void (*cancel)(void *context), void *context);

/* True once a signal was seen. */
bool ctl_interrupted(ctl_interrupt *interrupt);

#endif
