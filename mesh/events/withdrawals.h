/*
 * Attempts that are to be withdrawn: they were noted as begun, and were none that counts, but there
 * was no database to tell. Kept until there is; what is lost with the process counts. Thread-safe.
 */
#ifndef MESH_EVENTS_WITHDRAWALS_H
#define MESH_EVENTS_WITHDRAWALS_H

#include <pthread.h>

#include "mesh/events/attempt.h"

enum {
    MESH_WITHDRAWALS_MAX = 1024, /* more than that count */
    MESH_EVENT_KEY_BYTES = 48    /* of an attempt's `event` */
};

typedef struct mesh_withdrawals {
    pthread_mutex_t mu;
    /* Guarded by mu. */
    struct {
        char event[MESH_EVENT_KEY_BYTES];
        int64_t delivery;
    } attempts[MESH_WITHDRAWALS_MAX];
    size_t count;
} mesh_withdrawals;

void mesh_withdrawals_init(mesh_withdrawals *self);
void mesh_withdrawals_end(mesh_withdrawals *self);

void mesh_withdrawals_add(mesh_withdrawals *self, const mesh_attempts_begun *begun);

/* Withdraws what there is, as far as the database can be told. */
void mesh_withdrawals_settle(mesh_withdrawals *self, mesh_db *db, const char *consumer);

#endif
