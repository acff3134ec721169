/* Who may call what of the user service, and how fast a change of that bites: two instances of its
 * program, real PostgreSQL and NATS, people with tokens of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/nats.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/issuer.h"
#include "tests/services/shop/pair.h"

#define RPC(name) user__v1__user_service__##name
#define ROLE(name) USER__V1__ROLE__##name

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static person root, reader, notifier, junior, consumer;

static int open_all(void **state)
{
    static const char *const support[] = {"support", NULL};
    if (shop_setup(state) != 0)
        return -1;
    pair_start("user", NULL, people_settings(NULL));
    person_join_staff(&root, "root", ROLE(ADMIN));
    person_join_staff(&notifier, "notifier", ROLE(LEVEL2));
    person_join_staff(&junior, "junior", ROLE(LEVEL1));
    person_join(&reader, "reader");
    person_change_groups(&reader, support);
    person_join(&consumer, "consumer");
    return 0;
}

static int close_all(void **state)
{
    pair_stop();
    return shop_teardown(state);
}

/* Options of a call of somebody's; NULL: of nobody's. */
static const mesh_call_options *as(const person *caller)
{
    shop_call_as(caller);
    return in_arena();
}

/* --- who may call what ----------------------------------------------------------------------- */

typedef enum group_of_callers {
    EVERYBODY,
    USERS,    /* who is signed in */
    READERS,  /* who may read users */
    MANAGERS, /* who may change them */
    SERVICES
} group_of_callers;

static const struct {
    const char *method;
    group_of_callers callers;
} policies[] = {
    {"SignUpRegular", EVERYBODY},  {"SignInRegular", EVERYBODY},  {"SignInStaff", EVERYBODY},
    {"Refresh", EVERYBODY},        {"SignOut", EVERYBODY},        {"GetCurrentUser", USERS},
    {"UpdateUser", USERS},         {"ChangePassword", USERS},     {"ListEmployees", USERS},
    {"GetUser", READERS},          {"ListUsers", READERS},        {"SignUpStaff", MANAGERS},
    {"ChangeRole", MANAGERS},      {"ChangeLevel", MANAGERS},     {"ChangeGroups", MANAGERS},
    {"ListGroups", MANAGERS},      {"ConfirmEmployee", MANAGERS}, {"BanUser", MANAGERS},
    {"UnbanUser", MANAGERS},       {"DeleteUser", MANAGERS},      {"CheckUser", SERVICES},
    {"CheckPermission", SERVICES}, {"SnapshotUsers", SERVICES},   {"ListChangedUsers", SERVICES},
    {"GetKeySet", EVERYBODY},
};

static group_of_callers callers_of(const char *method)
{
    for (size_t i = 0; i < COUNT(policies); i++)
        if (strcmp(policies[i].method, method) == 0)
            return policies[i].callers;
    fail_msg("who may call %s?", method);
    return SERVICES;
}

/* The reason why an empty request of somebody's is refused before a handler sees it; "": none. */
static const char *refusal(const mesh_method *method, const person *caller)
{
    ProtobufCMessage *request = calloc(1, method->request->sizeof_message);
    ProtobufCMessage *response;
    assert_non_null(request);
    protobuf_c_message_init(method->request, request);
    (void)mesh_unary_call(here.channel, method, request, &response, as(caller), &err);
    free(request);
    return strcmp(err.domain, "mesh.v1") == 0 ? err.reason : "";
}

/* S0.1, S0.5, S2.1 */
static void only_who_may_call_a_method_comes_through(void **state)
{
    (void)state;
    const struct {
        const person *caller;
        group_of_callers may;
    } callers[] = {{NULL, EVERYBODY},  {&consumer, USERS}, {&junior, USERS},
                   {&notifier, USERS}, {&reader, READERS}, {&root, MANAGERS}};
    const mesh_api_descriptor *api = &user__v1__user_service__descriptor;
    assert_int_equal(api->method_count, COUNT(policies));
    for (size_t i = 0; i < api->method_count; i++)
        for (size_t j = 0; j < COUNT(callers); j++) {
            const group_of_callers wanted = callers_of(api->methods[i].name);
            const char *expected = callers[j].may >= wanted    ? ""
                                   : wanted == SERVICES        ? "SERVICE_REQUIRED"
                                   : callers[j].caller == NULL ? "TOKEN_MISSING"
                                                               : "PERMISSION_MISSING";
            const char *found = refusal(&api->methods[i], callers[j].caller);
            if (strcmp(found, expected) != 0)
                fail_msg("%s, caller %zu: '%s' and not '%s': %s", api->methods[i].name, j, found,
                         expected, err.message);
        }
}

/* --- how fast -------------------------------------------------------------------------------- */

static mesh_code change_level(const person *who, User__V1__Role level, User__V1__User **user)
{
    User__V1__ChangeLevelRequest request = USER__V1__CHANGE_LEVEL_REQUEST__INIT;
    request.user_id = (char *)who->id;
    request.level = level;
    return RPC(change_level)(here.channel, &request, user, as(&root), &err);
}

static mesh_code get_user(mesh_channel *channel, const person *caller, const char *id)
{
    User__V1__GetUserRequest request = USER__V1__GET_USER_REQUEST__INIT;
    User__V1__User *user;
    request.user_id = (char *)id;
    return RPC(get_user)(channel, &request, &user, as(caller), &err);
}

static mesh_code ban_nobody(mesh_channel *channel, const person *caller)
{
    User__V1__BanUserRequest request = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__User *user;
    request.user_id = (char *)"nobody";
    return RPC(ban_user)(channel, &request, &user, as(caller), &err);
}

static mesh_code get_current(mesh_channel *channel, const person *caller, User__V1__User **user)
{
    const User__V1__GetCurrentUserRequest request = USER__V1__GET_CURRENT_USER_REQUEST__INIT;
    return RPC(get_current_user)(channel, &request, user, as(caller), &err);
}

/* S0.1, S0.5: with the token of before, at both instances; what may be remembered of a permission
 * is forgotten when the event comes. */
static void a_level_counts_at_once_whatever_the_token_says(void **state)
{
    (void)state;
    User__V1__User *user;
    person grace;
    person_join_staff(&grace, "grace", ROLE(LEVEL1));
    assert_int_equal(ban_nobody(there.channel, &grace), MESH_PERMISSION_DENIED);
    assert_int_equal(get_user(there.channel, &grace, root.id), MESH_PERMISSION_DENIED);

    assert_int_equal(change_level(&grace, ROLE(ADMIN), &user), MESH_OK);
    assert_int_equal(ban_nobody(there.channel, &grace), MESH_NOT_FOUND);
    WAIT_FOR(get_user(there.channel, &grace, root.id) == MESH_OK);
    WAIT_FOR(get_user(here.channel, &grace, root.id) == MESH_OK);

    assert_int_equal(change_level(&grace, ROLE(LEVEL2), &user), MESH_OK);
    assert_int_equal(ban_nobody(there.channel, &grace), MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "PERMISSION_MISSING");
    WAIT_FOR(get_user(there.channel, &grace, root.id) == MESH_PERMISSION_DENIED);
    WAIT_FOR(get_user(here.channel, &grace, root.id) == MESH_PERMISSION_DENIED);
}

/* S4.2 */
static void a_ban_bites_while_the_token_is_valid_and_ends(void **state)
{
    (void)state;
    User__V1__BanUserRequest ban = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__UnbanUserRequest unban = USER__V1__UNBAN_USER_REQUEST__INIT;
    User__V1__SignInRequest credentials = USER__V1__SIGN_IN_REQUEST__INIT;
    User__V1__SignInResponse *signed_in;
    User__V1__User *user;
    person ada;
    person_join(&ada, "ada");
    ban.user_id = unban.user_id = ada.id;
    credentials.login = (char *)"ada";
    credentials.password = (char *)PEOPLE_PASSWORD;
    assert_int_equal(get_current(there.channel, &ada, &user), MESH_OK);

    assert_int_equal(RPC(ban_user)(here.channel, &ban, &user, as(&root), &err), MESH_OK);
    assert_true(user->banned);
    WAIT_FOR(get_current(there.channel, &ada, &user) == MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_REFUSED");
    WAIT_FOR(get_current(here.channel, &ada, &user) == MESH_PERMISSION_DENIED);
    assert_int_equal(RPC(sign_in_regular)(there.channel, &credentials, &signed_in, as(NULL), &err),
                     MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_BANNED");

    assert_int_equal(RPC(unban_user)(there.channel, &unban, &user, as(&root), &err), MESH_OK);
    WAIT_FOR(get_current(there.channel, &ada, &user) == MESH_OK);
    WAIT_FOR(get_current(here.channel, &ada, &user) == MESH_OK);
    assert_false(user->banned);
}

/* Lets an instance ask for keys, and with them for who has changed, before it is time: shows it a
 * token with a key that it does not know. */
static void let_it_ask(mesh_channel *channel)
{
    mesh_key *key = issuer_generate();
    const mesh_claims claims = issuer_claims(mesh_clock_wall_ns() / 1000000000);
    const char *token;
    User__V1__User *user;
    person stranger;
    assert_int_equal(mesh_token_sign(key, &claims, arena, &token, NULL), MESH_OK);
    snprintf(stranger.authorization, sizeof stranger.authorization, "Bearer %s", token);
    assert_int_equal(get_current(channel, &stranger, &user), MESH_UNAUTHENTICATED);
    mesh_key_destroy(key);
}

/* S4.2: the event waits, so the others have to ask. */
static void a_ban_bites_while_the_broker_is_away(void **state)
{
    (void)state;
    User__V1__BanUserRequest ban = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__User *user;
    person eve;
    person_join(&eve, "eve");
    ban.user_id = eve.id;
    assert_int_equal(get_current(there.channel, &eve, &user), MESH_OK);
    nats_stop();
    assert_int_equal(RPC(ban_user)(here.channel, &ban, &user, as(&root), &err), MESH_OK);
    let_it_ask(there.channel);
    WAIT_FOR(get_current(there.channel, &eve, &user) == MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_REFUSED");
    assert_int_equal(get_current(there.channel, &consumer, &user), MESH_OK);
    nats_restart();
    WAIT_FOR(get_current(here.channel, &eve, &user) == MESH_PERMISSION_DENIED);
}

/* S0.1, S4.2 */
static void a_user_who_was_deleted_is_refused_while_the_token_is_valid(void **state)
{
    (void)state;
    User__V1__DeleteUserRequest request = USER__V1__DELETE_USER_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    User__V1__User *user;
    person bob;
    person_join(&bob, "bob");
    request.user_id = bob.id;
    assert_int_equal(RPC(delete_user)(here.channel, &request, &empty, as(&root), &err), MESH_OK);
    WAIT_FOR(get_current(there.channel, &bob, &user) == MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_REFUSED");
    assert_int_equal(get_user(here.channel, &root, bob.id), MESH_NOT_FOUND);
}

/* S2.1 */
static void an_employee_is_shown_to_customers_once_confirmed(void **state)
{
    (void)state;
    const User__V1__ListEmployeesRequest request = USER__V1__LIST_EMPLOYEES_REQUEST__INIT;
    User__V1__SignUpRegularRequest sign_up = people_request("emma", "");
    User__V1__ConfirmEmployeeRequest confirm = USER__V1__CONFIRM_EMPLOYEE_REQUEST__INIT;
    User__V1__ListEmployeesResponse *list;
    User__V1__User *emma, *confirmed;
    sign_up.kind = USER__V1__USER__KIND__EMPLOYEE;
    assert_int_equal(RPC(sign_up_regular)(here.channel, &sign_up, &emma, as(NULL), &err), MESH_OK);
    assert_int_equal(RPC(list_employees)(there.channel, &request, &list, as(&consumer), &err),
                     MESH_OK);
    assert_int_equal(list->n_employees, 0);
    confirm.user_id = emma->id;
    assert_int_equal(RPC(confirm_employee)(there.channel, &confirm, &confirmed, as(&root), &err),
                     MESH_OK);
    assert_int_equal(RPC(list_employees)(here.channel, &request, &list, as(&consumer), &err),
                     MESH_OK);
    assert_int_equal(list->n_employees, 1);
    assert_string_equal(list->employees[0]->id, emma->id);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_begin, pair_end)
    const struct CMUnitTest tests[] = {
        TEST(only_who_may_call_a_method_comes_through),
        TEST(a_level_counts_at_once_whatever_the_token_says),
        TEST(a_ban_bites_while_the_token_is_valid_and_ends),
        TEST(a_ban_bites_while_the_broker_is_away),
        TEST(a_user_who_was_deleted_is_refused_while_the_token_is_valid),
        TEST(an_employee_is_shown_to_customers_once_confirmed),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
