#include "tests/services/shop/people.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/services/key_file.h"

enum {
    SETTINGS = 16,
    NAME_BYTES = 32,
    CALL_LIMIT_MS = 20000
};

/* Made once, since instances of one service share it. */
static const char *signing_keys(void)
{
    static char setting[KEY_FILE_PATH_BYTES + NAME_BYTES];
    char path[KEY_FILE_PATH_BYTES];
    if (setting[0] == '\0') {
        const key_text key = key_file_key();
        key_file_path("people.keys", path);
        key_file_write(path, &key, 1);
        snprintf(setting, sizeof setting, "USER_SIGNING_KEYS_FILE=%s", path);
    }
    return setting;
}

const char *const *people_settings(const char *const *more)
{
    static const char *all[SETTINGS];
    size_t count = 0;
    all[count++] = signing_keys();
    all[count++] = "USER_HASH_MEMORY=19MiB";
    shop_mesh_settings("user", all + count);
    count += SHOP_MESH_SETTINGS;
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

/* A call of somebody's (NULL: nobody's) that must succeed; it waits for a service that restarts. */
typedef struct errand {
    mesh_arena *arena;
    mesh_metadata authorization;
    mesh_call_options options;
    mesh_error err;
} errand;

static void begin(errand *one, const person *caller)
{
    *one = (errand){.arena = mesh_arena_create(4096, 0)};
    assert_non_null(one->arena);
    mesh_error_clear(&one->err);
    one->options = (mesh_call_options){
        .arena = one->arena, .timeout_ms = CALL_LIMIT_MS, .wait_for_ready = true};
    if (caller != NULL) {
        one->authorization = (mesh_metadata){.key = "authorization",
                                             .value = caller->authorization,
                                             .size = strlen(caller->authorization)};
        one->options.metadata = &one->authorization;
        one->options.metadata_count = 1;
    }
}

static void end(errand *one, const char *what, mesh_code code)
{
    if (code != MESH_OK)
        fail_msg("%s: %s %s", what, mesh_code_name(code), one->err.message);
    mesh_arena_destroy(one->arena);
}

void person_sign_in(person *one, const char *username, bool staff)
{
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    User__V1__SignInResponse *response = NULL;
    errand errand;
    begin(&errand, NULL);
    request.login = (char *)username;
    request.password = (char *)PEOPLE_PASSWORD;
    mesh_code code = staff ? user__v1__user_service__sign_in_staff(
                                 shop_users(), &request, &response, &errand.options, &errand.err)
                           : user__v1__user_service__sign_in_regular(
                                 shop_users(), &request, &response, &errand.options, &errand.err);
    if (code == MESH_OK) {
        snprintf(one->id, sizeof one->id, "%s", response->user->id);
        snprintf(one->authorization, sizeof one->authorization, "Bearer %s",
                 response->tokens->access_token);
    }
    end(&errand, "signing in", code);
}

/* Who does what takes an admin. */
static const person *admin(void)
{
    static person one;
    if (one.id[0] == '\0') {
        people_make_admin("shop-admin", "shop-admin@example.com");
        person_sign_in(&one, "shop-admin", true);
    }
    return &one;
}

void person_join(person *one, const char *username)
{
    char email[NAME_BYTES + 16];
    User__V1__User *user;
    errand errand;
    snprintf(email, sizeof email, "%s@example.com", username);
    const User__V1__SignUpRegularRequest request = people_request(username, email);
    begin(&errand, NULL);
    end(&errand, "signing up",
        user__v1__user_service__sign_up_regular(shop_users(), &request, &user, &errand.options,
                                                &errand.err));
    person_sign_in(one, username, false);
}

void person_join_staff(person *one, const char *username, User__V1__Role level)
{
    char email[NAME_BYTES + 16];
    User__V1__SignUpStaffRequest request = USER__V1__SIGN_UP_STAFF_REQUEST__INIT;
    User__V1__ChangeLevelRequest change = USER__V1__CHANGE_LEVEL_REQUEST__INIT;
    User__V1__User *user;
    errand errand;
    snprintf(email, sizeof email, "%s@example.com", username);
    request.username = (char *)username;
    request.email = email;
    request.password = (char *)PEOPLE_PASSWORD;
    request.first_name = (char *)"Grace";
    request.last_name = (char *)"Hopper";
    begin(&errand, admin());
    mesh_code code = user__v1__user_service__sign_up_staff(shop_users(), &request, &user,
                                                           &errand.options, &errand.err);
    if (code == MESH_OK) {
        change.user_id = user->id;
        change.level = level;
        code = user__v1__user_service__change_level(shop_users(), &change, &user, &errand.options,
                                                    &errand.err);
    }
    end(&errand, "making staff", code);
    person_sign_in(one, username, true);
}

void person_change_groups(const person *one, const char *const *groups)
{
    User__V1__ChangeGroupsRequest request = USER__V1__CHANGE_GROUPS_REQUEST__INIT;
    User__V1__User *user;
    errand errand;
    request.user_id = (char *)one->id;
    request.groups = (char **)groups;
    while (groups[request.n_groups] != NULL)
        request.n_groups++;
    begin(&errand, admin());
    end(&errand, "changing groups",
        user__v1__user_service__change_groups(shop_users(), &request, &user, &errand.options,
                                              &errand.err));
}

void person_ban(const person *one)
{
    User__V1__BanUserRequest request = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__User *user;
    errand errand;
    request.user_id = (char *)one->id;
    begin(&errand, admin());
    end(&errand, "banning",
        user__v1__user_service__ban_user(shop_users(), &request, &user, &errand.options,
                                         &errand.err));
}

void person_unban(const person *one)
{
    User__V1__UnbanUserRequest request = USER__V1__UNBAN_USER_REQUEST__INIT;
    User__V1__User *user;
    errand errand;
    request.user_id = (char *)one->id;
    begin(&errand, admin());
    end(&errand, "ending a ban",
        user__v1__user_service__unban_user(shop_users(), &request, &user, &errand.options,
                                           &errand.err));
}
