/*
 * The load of the comparison of events: what is sold by whom, and what is noted of it. The service
 * on mesh/events and the plain program make the same rows with the same statements.
 */
#ifndef TESTS_BENCH_EVENT_LOAD_H
#define TESTS_BENCH_EVENT_LOAD_H

#include <protobuf-c/protobuf-c.h>

#include "bench/v1/event.mesh.h"

enum {
    ITEM_ID_BYTES = 32,
    SELLERS_MAX = 16
};

typedef struct event_load {
    int64_t count;   /* events in all */
    int64_t batch;   /* of them in a transaction */
    int64_t rate;    /* events/s in all; 0: as fast as they go */
    int64_t sellers; /* threads */
} event_load;

/* One of the threads that sell. */
typedef struct seller {
    const event_load *load;
    mesh_db *db;
    /* Called in the transaction, or after its commit, with all its events; either may be NULL. */
    mesh_code (*in_transaction)(void *self, mesh_tx *tx, const Bench__V1__Sold *sold, int64_t count,
                                mesh_error *err);
    mesh_code (*committed)(void *self, const Bench__V1__Sold *sold, int64_t count);
    void *self;
    int number;
} seller;

/* Sells everything with `load.sellers` threads. Ends the program when something fails. */
void sell_all(const seller *seller);

/* Notes what was sold, by one statement. */
mesh_code note_rows(mesh_tx *tx, const char *const *ids, const int64_t *versions,
                    const char *const *notes, size_t count, mesh_error *err);

/* Counts what is handled, and how long after its commit. Thread-safe. */
void handled_one(int64_t committed_ns);

/* Waits until `count` were handled, and prints what was counted: a JSON object in a line. False:
 * nothing came for a minute. */
bool wait_until_handled(int64_t count);

/* Opens the pool of the URL; ends the program when it cannot. */
mesh_db *open_pool(const char *url, size_t connections);

/* Ends the program, with what happened, unless `code` is MESH_OK. */
void must(const char *what, mesh_code code, const mesh_error *err);

#endif
