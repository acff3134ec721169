/* Waiting inside of a handler, until the time is over or the call is cancelled. */
#ifndef TESTS_INTEROP_PAUSE_H
#define TESTS_INTEROP_PAUSE_H

#include "mesh/rpc/call.h"

typedef struct pause_timer pause_timer;

/* In the call's arena; NULL when that is full. One for each call, since it takes its on_cancel. */
pause_timer *pause_timer_create(mesh_call *call);

/* Waits. False at once when the call is cancelled, or the timer is NULL. */
bool pause_for(pause_timer *timer, int64_t microseconds);

#endif
