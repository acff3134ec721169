/*
 * The frame of the tests of one service: in the shop, two instances of it, a look into its
 * database, and memory for the test that runs. A program has one such frame, and its tests say
 * `here` and `there` in nearly every line: hence the short names.
 */
#ifndef TESTS_SERVICES_SHOP_PAIR_H
#define TESTS_SERVICES_SHOP_PAIR_H

#include "tests/services/shop/people.h"

extern instance here, there;
extern mesh_db *db;       /* the service's */
extern mesh_arena *arena; /* of the test that runs */
extern mesh_error err;    /* of its last call */

/* After shop_setup: starts both, with settings as of instance_start, and opens the database. */
void pair_start(const char *service, const char *products, const char *const *settings);

/* Before shop_teardown. */
void pair_stop(void);

/* Set-up and tear-down of each test. Nobody calls at first. */
int pair_begin(void **state);
int pair_end(void **state);

/* One of some who send the same request at once, to either instance. */
typedef struct pair_racer {
    mesh_channel *channel;
    mesh_arena *arena;      /* of its own */
    const char *request_id; /* of all of them */
    mesh_code code;         /* what it was answered, as the next */
    char id[64];            /* of what was made */
} pair_racer;

/* Sends a request several times at once: `send` does it, gets a pair_racer, and returns NULL. All
 * must be answered the same id. */
void pair_race(void *(*send)(void *racer));

/* Options of a call whose answer lives in the arena. Clears the error. */
const mesh_call_options *in_arena(void);

/* True when the call that ended with `code` was refused by the guard, for this reason. */
bool is_refused(mesh_code code, const char *reason);

#endif
