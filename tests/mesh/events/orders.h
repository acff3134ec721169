/*
 * What the tests of sagas share: the saga "order" of three steps (lock, pay, ship), each with a
 * compensation. What they do is a row of the table `act`, in the transaction of the step; how they
 * end is as planned.
 */
#ifndef TESTS_MESH_EVENTS_ORDERS_H
#define TESTS_MESH_EVENTS_ORDERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mesh/events/saga.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"

/* How an action or compensation ends. */
typedef struct ending {
    _Atomic int failures; /* so many attempts fail, of any saga, then all are right */
    mesh_code code;       /* as this */
    bool wait;            /* what is right waits */
    void (*meanwhile)(const mesh_saga_run *run); /* called when the row is written; NULL: nothing */
} ending;

/* Of a step, and of its compensation. */
typedef struct plan {
    ending lock, pay, ship;
    ending unlock, refund, unship;
    const char *context; /* what `lock` leaves to the others; NULL: nothing */
} plan;

/* Makes a database with the tables, and writes its URL. */
void orders_database(const char *name, char *url);

/* Leaves nothing of the test before. */
void orders_empty(mesh_db *db);

/* Sagas with the actions of the plan; start also runs them. */
typedef struct orders_options {
    mesh_db *db;
    plan *plan;
    int attempts;           /* of each step, default 3 */
    int64_t pay_timeout_ms; /* of the step; 0: none */
    int64_t retry_ms;       /* the first pause, default 1; the longest is five times as long */
    int64_t takeover_ms;
    int64_t attempt_timeout_ms;
    int64_t retention_ms;
} orders_options;
mesh_sagas *orders_create(const orders_options *options);
mesh_sagas *orders_start(const orders_options *options);

/* Begins a saga in a transaction of its own; false when there was one. */
bool orders_begin(mesh_sagas *sagas, mesh_db *db, const char *id);

/* Tells the step `pay`; false when that did not count. */
bool orders_tell(mesh_sagas *sagas, mesh_db *db, const char *id, mesh_code code);

/* What happened, as far as it was committed: "lock pay -pay -lock". */
const char *orders_trail(mesh_db *db, const char *id);

/* The same of the history: "begun done:lock failed:pay". */
const char *orders_history(mesh_db *db, const char *id);

/* Status of a saga. */
const char *orders_status(mesh_db *db, const char *id);

/* Waits for the status. */
#define ORDERS_WAIT(db, id, status) WAIT_FOR(strcmp(orders_status(db, id), status) == 0)

#endif
