/*
 * One attempt at the step of a saga. Internal.
 */
#ifndef MESH_EVENTS_SAGA_ATTEMPT_H
#define MESH_EVENTS_SAGA_ATTEMPT_H

#include "mesh/events/saga_parts.h"

/* Which attempt: it was noted in the saga's row before it begins, with the time of the next one. So
 * one that its process does not survive is counted, and another process goes on then. */
typedef struct mesh_saga_attempt {
    char definition[MESH_SAGA_NAME_BYTES];
    char id[MESH_SAGA_ID_BYTES];
    char step[MESH_SAGA_NAME_BYTES];
    bool compensating;
    int number; /* 1 for the first */
} mesh_saga_attempt;

/* The pause after the attempt of that number. */
int64_t mesh_saga_pause_ms(const mesh_sagas *sagas, int number);

/* Makes it: runs the action, moves the saga on. What goes wrong is in the saga and in the log. */
void mesh_saga_attempt_make(mesh_sagas *sagas, const mesh_saga_attempt *attempt);

#endif
