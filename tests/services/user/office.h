/*
 * The user service in the test's own process, with a server that lets everybody call everything, a
 * real PostgreSQL and a real NATS; and another service that hears of users.
 */
#ifndef TESTS_SERVICES_USER_OFFICE_H
#define TESTS_SERVICES_USER_OFFICE_H

#include "mesh/rpc/channel.h"
#include "services/user/user.h"

#define KIND(name) USER__V1__USER__KIND__##name
#define ROLE(name) USER__V1__ROLE__##name
#define RPC(name) user__v1__user_service__##name

#define OFFICE_PASSWORD "Correct-Horse-Battery-7"
#define OFFICE_NOBODY "019385a0-0000-7000-8000-000000000000" /* an id as users have them */

typedef struct office {
    user_service service;
    mesh_channel *channel;
    mesh_arena *arena; /* of the test that runs */
    mesh_error err;    /* of the last call */
} office;

extern office the_office;

/* Group set-up and tear-down of cmocka; set-up and tear-down of each test, which begins without
 * users. */
int office_setup(void **state);
int office_teardown(void **state);
int office_begin(void **state);
int office_end(void **state);

/* Options of a call, which makes `err` clear. */
const mesh_call_options *office_call(void);

/* Makes an account, whose password nobody knows; the id. */
const char *office_add(const char *username, User__V1__User__Kind kind, User__V1__Role role);

/* What a statement gives, see postgres_value. */
const char *office_value(const char *sql);

/*
 * What the other service has heard of a user, once that are all events that were added so far, in
 * the order of the versions: "created 1 consumer, updated 2 pro, banned 3 pro banned", with the
 * last of the roles and then "in GROUP" for each group, "banned" and "unconfirmed"; in the arena.
 */
const char *office_history(const char *user_id);

#endif
