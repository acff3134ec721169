/*
 * People in tests: what an instance of the user service needs to start, and signing up and in. The
 * functions that cannot fail for their purpose fail the test.
 */
#ifndef TESTS_SERVICES_SHOP_PEOPLE_H
#define TESTS_SERVICES_SHOP_PEOPLE_H

#include "tests/services/shop/shop.h"
#include "user/v1/user.mesh.h"

#define PEOPLE_PASSWORD "Correct-Horse-Battery-7"

/* "USER_SIGNING_KEY=...", one of this process, and the cheapest numbers for hashing, so that tests
 * do not hash most of their time; then `more` (ended by NULL, or NULL). In a static buffer. */
const char *const *people_settings(const char *const *more);

/* A request of a consumer with PEOPLE_PASSWORD. */
User__V1__SignUpRegularRequest people_request(const char *username, const char *email);

/* Signs up a consumer, who must be let in; the id, in the arena. */
const char *people_sign_up(mesh_channel *channel, mesh_arena *arena, const char *username,
                           const char *email);

/* Makes an admin with PEOPLE_PASSWORD by the service's command. */
void people_make_admin(const char *username, const char *email);

/* The command, with `input` as the words of printf for its standard input; the exit status. */
int people_create_admin(const char *input, const char *username, const char *email, char *output,
                        size_t size);

#endif
