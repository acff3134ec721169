/*
 * People in tests: what an instance of the user service needs to start, signing up and in, and what
 * an admin does with them. The functions that cannot fail for their purpose fail the test.
 */
#ifndef TESTS_SERVICES_SHOP_PEOPLE_H
#define TESTS_SERVICES_SHOP_PEOPLE_H

#include "tests/services/shop/shop.h"
#include "user/v1/user.mesh.h"

#define PEOPLE_PASSWORD "Correct-Horse-Battery-7"

/* What a program of the user service needs of the shop, a file with a signing key of this process,
 * and the cheapest numbers for hashing, so that tests do not hash most of their time; then `more`
 * (ended by NULL, or NULL). In a static buffer. */
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

/*
 * Somebody with an account, signed in: what shop_call_as takes. Those below are made at the shop's
 * own user service, and what is done with them is done there, by an admin whom the first of it
 * makes. The shop's caller stays who it was.
 */
struct person {
    char id[64];
    char authorization[2048]; /* "Bearer TOKEN" */
};

/* Signs up a consumer, and in. */
void person_join(person *one, const char *username);

/* The same of staff: ADMIN, LEVEL2 or LEVEL1. */
void person_join_staff(person *one, const char *username, User__V1__Role level);

/* Signs in, which fills the person. */
void person_sign_in(person *one, const char *username, bool staff);

/* Makes the person a member of exactly these groups (ended by NULL). */
void person_change_groups(const person *one, const char *const *groups);

void person_ban(const person *one);
void person_unban(const person *one);

#endif
