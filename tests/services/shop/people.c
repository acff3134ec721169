#include "tests/services/shop/people.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "mesh/auth/key.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"

enum {
    SETTINGS = 16,
    NAME_BYTES = 32
};

/* Made once, since instances of one service share it. */
static const char *signing_key(void)
{
    static char setting[MESH_KEY_TEXT_BYTES + NAME_BYTES];
    char key[MESH_KEY_TEXT_BYTES];
    if (setting[0] == '\0') {
        assert_int_equal(mesh_key_generate(key, NULL), MESH_OK);
        snprintf(setting, sizeof setting, "USER_SIGNING_KEY=%s", key);
    }
    return setting;
}

const char *const *people_settings(const char *const *more)
{
    static const char *all[SETTINGS];
    size_t count = 0;
    all[count++] = signing_key();
    all[count++] = "USER_HASH_MEMORY=19MiB";
    for (; more != NULL && *more != NULL; more++) {
        assert_true(count < SETTINGS - 1);
        all[count++] = *more;
    }
    all[count] = NULL;
    return all;
}

User__V1__SignUpRegularRequest people_request(const char *username, const char *email)
{
    User__V1__SignUpRegularRequest request = USER__V1__SIGN_UP_REGULAR_REQUEST__INIT;
    request.username = (char *)username;
    request.email = (char *)email;
    request.password = (char *)PEOPLE_PASSWORD;
    request.first_name = (char *)"Ada";
    request.last_name = (char *)"Lovelace";
    return request;
}

const char *people_sign_up(mesh_channel *channel, mesh_arena *arena, const char *username,
                           const char *email)
{
    const User__V1__SignUpRegularRequest request = people_request(username, email);
    User__V1__User *user = NULL;
    mesh_error err;
    mesh_error_clear(&err);
    if (user__v1__user_service__sign_up_regular(
            channel, &request, &user, &(mesh_call_options){.arena = arena}, &err) != MESH_OK)
        fail_msg("%s cannot sign up: %s", username, err.message);
    return user->id;
}

int people_create_admin(const char *input, const char *username, const char *email, char *output,
                        size_t size)
{
    char url[POSTGRES_URL_BYTES + NAME_BYTES], nats[256], script[512];
    snprintf(url, sizeof url, "MESH_DATABASE_URL=%s", shop_url("user"));
    snprintf(nats, sizeof nats, "MESH_NATS_URL=%s", nats_url());
    snprintf(script, sizeof script, "printf '%s' | services/user/user create-admin '%s' '%s'",
             input, username, email);
    return program_run((const char *[]){"/bin/sh", "-c", script, NULL},
                       people_settings((const char *const[]){url, nats, NULL}), output, size);
}

void people_make_admin(const char *username, const char *email)
{
    char output[4096];
    if (people_create_admin(PEOPLE_PASSWORD, username, email, output, sizeof output) != 0)
        fail_msg("%s cannot be made an admin: %s", username, output);
}
