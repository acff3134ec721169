/* What staff, users and services learn of users and groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/resource/page.h"
#include "mesh/resource/timestamp.h"
#include "tests/services/user/office.h"
#include "tests/services/violations.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define CHANNEL the_office.channel
#define ERR (&the_office.err)

/* --- calls ------------------------------------------------------------------------------------ */

static mesh_code list_users(int32_t size, const char *token, int kind,
                            User__V1__ListUsersResponse **list)
{
    User__V1__ListUsersRequest request = USER__V1__LIST_USERS_REQUEST__INIT;
    request.page_size = size;
    request.page_token = (char *)token;
    request.kind = (User__V1__User__Kind)kind;
    return RPC(list_users)(CHANNEL, &request, list, office_call(), ERR);
}

static mesh_code list_employees(int32_t size, const char *token,
                                User__V1__ListEmployeesResponse **list)
{
    User__V1__ListEmployeesRequest request = USER__V1__LIST_EMPLOYEES_REQUEST__INIT;
    request.page_size = size;
    request.page_token = (char *)token;
    return RPC(list_employees)(CHANNEL, &request, list, office_call(), ERR);
}

static mesh_code snapshot(int32_t size, const char *token, User__V1__SnapshotUsersResponse **list)
{
    User__V1__SnapshotUsersRequest request = USER__V1__SNAPSHOT_USERS_REQUEST__INIT;
    request.page_size = size;
    request.page_token = (char *)token;
    return RPC(snapshot_users)(CHANNEL, &request, list, office_call(), ERR);
}

static mesh_code list_changed(int64_t since_ns, int32_t size, const char *token,
                              User__V1__ListChangedUsersResponse **list)
{
    User__V1__ListChangedUsersRequest request = USER__V1__LIST_CHANGED_USERS_REQUEST__INIT;
    request.since = mesh_timestamp(the_office.arena, since_ns);
    request.page_size = size;
    request.page_token = (char *)token;
    return RPC(list_changed_users)(CHANNEL, &request, list, office_call(), ERR);
}

static mesh_code get_user(const char *id, User__V1__User **user)
{
    User__V1__GetUserRequest request = USER__V1__GET_USER_REQUEST__INIT;
    request.user_id = (char *)id;
    return RPC(get_user)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code check_user(const char *id, User__V1__CheckUserResponse **response)
{
    User__V1__CheckUserRequest request = USER__V1__CHECK_USER_REQUEST__INIT;
    request.user_id = (char *)id;
    return RPC(check_user)(CHANNEL, &request, response, office_call(), ERR);
}

static mesh_code check_permission(const char *id, const char *permission, bool *allowed)
{
    User__V1__CheckPermissionRequest request = USER__V1__CHECK_PERMISSION_REQUEST__INIT;
    User__V1__CheckPermissionResponse *response;
    request.user_id = (char *)id;
    request.permission = (char *)permission;
    mesh_code code = RPC(check_permission)(CHANNEL, &request, &response, office_call(), ERR);
    if (code == MESH_OK)
        *allowed = response->allowed;
    return code;
}

static bool allowed(const char *id, const char *permission)
{
    bool answer = false;
    assert_int_equal(check_permission(id, permission, &answer), MESH_OK);
    return answer;
}

static void enter(const char *id, const char *group)
{
    office_value(mesh_arena_printf(the_office.arena, "INSERT INTO user_group VALUES ('%s', '%s')",
                                   id, group));
}

/* Consumers, with ids that ascend. */
static void add_many(int count)
{
    office_value(mesh_arena_printf(
        the_office.arena,
        "WITH u AS (INSERT INTO users (id, username, password_hash, kind, role, confirmed)"
        "  SELECT lpad(i::text, 32, '0')::uuid, 'user' || i, '', 1, 2, true"
        "  FROM generate_series(1, %d) i RETURNING id, kind)"
        " INSERT INTO profile SELECT id, kind, '', '' FROM u",
        count));
}

/* --- users ------------------------------------------------------------------------------------ */

/* S0.1 */
static void a_user_is_shown_whole(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(PRO));
    enter(id, "support");
    enter(id, "merchants");
    assert_int_equal(get_user(id, &user), MESH_OK);
    assert_string_equal(user->id, id);
    assert_string_equal(user->username, "ada");
    assert_string_equal(user->email, "ada@a.example");
    assert_int_equal(user->kind, KIND(CONSUMER));
    assert_int_equal(user->n_roles, 3);
    assert_int_equal(user->n_groups, 2);
    assert_string_equal(user->groups[0], "merchants");
    assert_string_equal(user->groups[1], "support");
    assert_string_equal(user->profile->last_name, "Lovelace");
    assert_int_equal(user->version, 1);
    assert_int_equal(get_user(OFFICE_NOBODY, &user), MESH_NOT_FOUND);
    assert_string_equal(ERR->reason, "USER_NOT_FOUND");
    assert_int_equal(get_user("", &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "user_id");
}

/* S0.1 */
static void users_are_listed_page_by_page_each_once(void **state)
{
    (void)state;
    User__V1__ListUsersResponse *list;
    const char *token = "";
    size_t seen = 0;
    add_many(7);
    do {
        assert_int_equal(list_users(3, token, 0, &list), MESH_OK);
        for (size_t i = 0; i < list->n_users; i++) {
            char username[16];
            snprintf(username, sizeof username, "user%zu", ++seen);
            assert_string_equal(list->users[i]->username, username);
        }
        /* One who goes does not move the others. */
        if (seen == 3)
            office_value("DELETE FROM users WHERE username = 'user3'");
        token = list->next_page_token;
    } while (token[0] != '\0');
    assert_int_equal(seen, 7);
    assert_int_equal(list_users(6, "", 0, &list), MESH_OK);
    assert_int_equal(list->n_users, 6);
    assert_string_equal(list->next_page_token, "");
}

/* S0.1 */
static void users_of_a_kind_are_listed_alone(void **state)
{
    (void)state;
    User__V1__ListUsersResponse *list;
    office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    office_add("grace", KIND(STAFF), ROLE(LEVEL1));
    office_add("cleo", KIND(CUSTOMER), ROLE(CUSTOMER));
    const char *banned = office_add("root", KIND(STAFF), ROLE(ADMIN));
    office_value("UPDATE users SET banned = true WHERE username = 'root'");
    assert_int_equal(list_users(1, "", KIND(STAFF), &list), MESH_OK);
    assert_string_equal(list->users[0]->username, "grace");
    const char *token = list->next_page_token;
    assert_int_equal(list_users(1, token, KIND(STAFF), &list), MESH_OK);
    assert_int_equal(list->n_users, 1);
    assert_string_equal(list->users[0]->id, banned); /* nobody is left out */
    assert_string_equal(list->next_page_token, "");
    assert_int_equal(list_users(0, "", KIND(EMPLOYEE), &list), MESH_OK);
    assert_int_equal(list->n_users, 0);
    assert_int_equal(list_users(1, token, KIND(CUSTOMER), &list), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "page_token");
    for (int kind = -1; kind <= KIND(STAFF) + 1; kind += KIND(STAFF) + 2) {
        assert_int_equal(list_users(1, "", kind, &list), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "kind");
    }
}

/* S0.1, S4.11 */
static void pages_have_limits(void **state)
{
    (void)state;
    User__V1__ListUsersResponse *list;
    User__V1__ListEmployeesResponse *employees;
    User__V1__SnapshotUsersResponse *all;
    static const struct {
        int32_t size;
        size_t users, in_snapshot;
    } cases[] = {{0, 50, 500}, {1, 1, 1}, {101, 100, 101}, {INT32_MAX, 100, 1000}};
    add_many(1001);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(list_users(cases[i].size, "", 0, &list), MESH_OK);
        assert_int_equal(list->n_users, cases[i].users);
        assert_int_equal(snapshot(cases[i].size, "", &all), MESH_OK);
        assert_int_equal(all->n_users, cases[i].in_snapshot);
    }
    assert_int_equal(snapshot(1000, all->next_page_token, &all), MESH_OK);
    assert_int_equal(all->n_users, 1);
    assert_string_equal(all->users[0]->username, "user1001");
    assert_string_equal(all->next_page_token, "");

    const char *const foreign = mesh_page_token(the_office.arena, "user.v1.UserService/ListUsers",
                                                "'; DROP TABLE");
    const char *const tokens[] = {"x", "no page", foreign};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        assert_int_equal(list_users(-1, tokens[i], 0, &list), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "page_size, page_token");
        assert_int_equal(list_employees(-1, tokens[i], &employees), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "page_size, page_token");
        assert_int_equal(snapshot(INT32_MIN, tokens[i], &all), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "page_size, page_token");
    }
}

/* S2.1 */
static void confirmed_employees_are_listed_who_are_not_banned(void **state)
{
    (void)state;
    User__V1__ListEmployeesResponse *list;
    office_add("emma", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    office_add("erik", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    office_add("new", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    office_add("banned", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    office_add("grace", KIND(STAFF), ROLE(LEVEL1));
    assert_int_equal(list_employees(0, "", &list), MESH_OK);
    assert_int_equal(list->n_employees, 0); /* nobody is confirmed at first */
    office_value("UPDATE users SET confirmed = true WHERE username <> 'new'");
    office_value("UPDATE users SET banned = true WHERE username = 'banned'");
    office_value("UPDATE profile SET first_name = 'Erik', last_name = 'Noe' WHERE user_id ="
                 " (SELECT id FROM users WHERE username = 'erik')");
    assert_int_equal(list_employees(1, "", &list), MESH_OK);
    assert_int_equal(list->n_employees, 1);
    assert_string_equal(list->employees[0]->id,
                        office_value("SELECT id FROM users WHERE username = 'emma'"));
    assert_int_equal(list_employees(1, list->next_page_token, &list), MESH_OK);
    assert_int_equal(list->n_employees, 1);
    assert_string_equal(list->employees[0]->first_name, "Erik");
    assert_string_equal(list->employees[0]->last_name, "Noe");
    assert_string_equal(list->next_page_token, "");
}

/* S2.1: what an employee has besides is nobody's business. */
static void of_an_employee_the_id_and_the_name_are_shown(void **state)
{
    (void)state;
    static const char *const fields[] = {"id", "first_name", "last_name"};
    const ProtobufCMessageDescriptor *message = &user__v1__employee__descriptor;
    assert_int_equal(message->n_fields, COUNT(fields));
    for (size_t i = 0; i < message->n_fields; i++)
        assert_string_equal(message->fields[i].name, fields[i]);
}

/* S0.8 */
static void a_snapshot_has_every_user_whole(void **state)
{
    (void)state;
    User__V1__SnapshotUsersResponse *list;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(PRO));
    office_add("root", KIND(STAFF), ROLE(ADMIN));
    office_value("UPDATE users SET banned = true, version = 7 WHERE username = 'ada'");
    enter(id, "support");
    assert_int_equal(snapshot(0, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 2);
    const User__V1__User *user = list->users[0];
    assert_string_equal(user->id, id);
    assert_int_equal(user->version, 7);
    assert_true(user->banned);
    assert_int_equal(user->n_roles, 3);
    assert_int_equal(user->n_groups, 1);
    assert_string_equal(user->groups[0], "support");
    assert_string_equal(user->email, "ada@a.example");
    assert_string_equal(user->profile->first_name, "Ada");
}

/* --- who has changed ------------------------------------------------------------------------- */

static void ban(const char *id)
{
    User__V1__BanUserRequest request = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__User *user;
    request.user_id = (char *)id;
    assert_int_equal(RPC(ban_user)(CHANNEL, &request, &user, office_call(), ERR), MESH_OK);
}

static void delete (const char *id)
{
    User__V1__DeleteUserRequest request = USER__V1__DELETE_USER_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    request.user_id = (char *)id;
    assert_int_equal(RPC(delete_user)(CHANNEL, &request, &empty, office_call(), ERR), MESH_OK);
}

static int64_t hour_ago(void)
{
    return mesh_clock_add_ms(mesh_clock_wall_ns(), -3600 * 1000);
}

/* S4.2, S0.9: whoever lost the events knows the same. */
static void who_has_changed_lately_or_is_gone_is_listed(void **state)
{
    (void)state;
    User__V1__ListChangedUsersResponse *list;
    const char *ada = office_add("ada", KIND(CONSUMER), ROLE(PRO));
    const char *bob = office_add("bob", KIND(CONSUMER), ROLE(CONSUMER));
    const char *carl = office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    office_add("new", KIND(CONSUMER), ROLE(CONSUMER)); /* has not changed */
    const char *dave = office_add("dave", KIND(CUSTOMER), ROLE(CUSTOMER));
    ban(dave);
    office_value("UPDATE users SET update_time = now() - interval '61 minutes'"
                 " WHERE username = 'dave'");
    ban(bob);
    office_value("UPDATE users SET version = 5, update_time = now() WHERE username = 'ada'");
    ban(carl);
    delete (carl);

    assert_int_equal(list_changed(hour_ago(), 0, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 3);
    assert_string_equal(list->users[0]->user_id, ada);
    assert_int_equal(list->users[0]->version, 5);
    assert_false(list->users[0]->refused);
    assert_int_equal(list->users[0]->n_roles, 3);
    assert_int_equal(list->users[0]->roles[0], ROLE(REGULAR));
    assert_int_equal(list->users[0]->roles[2], ROLE(PRO));
    assert_string_equal(list->users[1]->user_id, bob);
    assert_int_equal(list->users[1]->version, 2);
    assert_true(list->users[1]->refused);
    assert_int_equal(list->users[1]->n_roles, 2);
    assert_string_equal(list->users[2]->user_id, carl);
    assert_int_equal(list->users[2]->version, 3);
    assert_true(list->users[2]->refused);
    assert_int_equal(list->users[2]->n_roles, 0);

    assert_int_equal(list_changed(hour_ago(), 2, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 2);
    assert_int_equal(list_changed(hour_ago(), 2, list->next_page_token, &list), MESH_OK);
    assert_int_equal(list->n_users, 1);
    assert_string_equal(list->users[0]->user_id, carl);
    assert_string_equal(list->next_page_token, "");
    assert_int_equal(list_changed(mesh_clock_wall_ns() + 3600000000000, 0, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 0);
}

static void deletions_are_forgotten_after_two_hours(void **state)
{
    (void)state;
    delete (office_add("ada", KIND(CONSUMER), ROLE(PRO)));
    delete (office_add("bob", KIND(CONSUMER), ROLE(PRO)));
    office_value("UPDATE deleted_user SET delete_time = now() - interval '119 minutes'");
    delete (office_add("carl", KIND(CONSUMER), ROLE(PRO)));
    assert_string_equal(office_value("SELECT count(*) FROM deleted_user"), "3");
    office_value("UPDATE deleted_user SET delete_time = now() - interval '121 minutes'");
    delete (office_add("dave", KIND(CONSUMER), ROLE(PRO)));
    assert_string_equal(office_value("SELECT count(*) FROM deleted_user"), "1");
}

/* S4.11 */
static void pages_of_changes_have_limits(void **state)
{
    (void)state;
    User__V1__ListChangedUsersRequest request = USER__V1__LIST_CHANGED_USERS_REQUEST__INIT;
    User__V1__ListChangedUsersResponse *list;
    Google__Protobuf__Timestamp since = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    add_many(1001);
    office_value("UPDATE users SET version = 2");
    assert_int_equal(list_changed(hour_ago(), 0, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 500);
    assert_int_equal(list_changed(hour_ago(), INT32_MAX, "", &list), MESH_OK);
    assert_int_equal(list->n_users, 1000);
    assert_int_equal(list_changed(hour_ago(), 0, list->next_page_token, &list), MESH_OK);
    assert_int_equal(list->n_users, 1);

    assert_int_equal(list_changed(hour_ago(), -1, "x", &list), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "page_size, page_token");
    const struct {
        int64_t seconds;
        int32_t nanos;
    } times[] = {{-1, 0}, {INT64_MAX, 0}, {INT64_MAX / 1000000000, 0}, {0, -1}, {0, 1000000000}};
    for (size_t i = 0; i <= COUNT(times); i++) {
        if (i > 0) {
            since.seconds = times[i - 1].seconds;
            since.nanos = times[i - 1].nanos;
            request.since = &since;
        }
        assert_int_equal(RPC(list_changed_users)(CHANNEL, &request, &list, office_call(), ERR),
                         MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "since");
    }
}

/* --- for services ----------------------------------------------------------------------------- */

/* S2.1 */
static void services_learn_whether_there_is_a_user_and_the_name(void **state)
{
    (void)state;
    static const char *const nobody[] = {OFFICE_NOBODY, "nobody", "1' OR '1'='1"};
    User__V1__CheckUserResponse *response;
    const char *id = office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    assert_int_equal(check_user(id, &response), MESH_OK);
    assert_true(response->exists);
    assert_string_equal(response->first_name, "Ada");
    assert_string_equal(response->last_name, "Lovelace");
    for (size_t i = 0; i < COUNT(nobody); i++) {
        assert_int_equal(check_user(nobody[i], &response), MESH_OK);
        assert_false(response->exists);
        assert_string_equal(response->first_name, "");
        assert_string_equal(response->last_name, "");
    }
    assert_int_equal(check_user("", &response), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "user_id");
}

/* S0.5: the seeded groups, for a member of one alone. */
static void a_member_has_what_the_group_holds(void **state)
{
    (void)state;
    static const struct {
        const char *group, *holds[4];
    } cases[] = {
        {"admins", {"user.manage", "user.read"}},
        {"merchants", {"product.write"}},
        {"notifiers", {"notification.read_any", "notification.send"}},
        {"operators", {"event.operate", "event.read"}},
        {"support", {"order.cancel_any", "order.read_any", "user.read"}},
    };
    const ProtobufCEnumDescriptor *all = &user__v1__permission__descriptor;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *id = office_add(cases[i].group, KIND(CONSUMER), ROLE(CONSUMER));
        enter(id, cases[i].group);
        for (size_t j = 1; j < all->n_values; j++) {
            const char *permission = user__v1__permission__name(
                (User__V1__Permission)all->values[j].value);
            bool holds = false;
            for (size_t k = 0; k < COUNT(cases[i].holds) && cases[i].holds[k] != NULL; k++)
                holds |= strcmp(permission, cases[i].holds[k]) == 0;
            if (allowed(id, permission) != holds)
                fail_msg("%s: %s", cases[i].group, permission);
        }
        office_value("UPDATE users SET banned = true");
        assert_false(allowed(id, cases[i].holds[0]));
    }
}

/* S0.5: who is none of the staff has no role that brings a group. */
static void roles_that_bring_no_group_bring_no_permission(void **state)
{
    (void)state;
    static const struct {
        User__V1__User__Kind kind;
        User__V1__Role role;
    } cases[] = {{KIND(CONSUMER), ROLE(CONSUMER)},
                 {KIND(CONSUMER), ROLE(PRO)},
                 {KIND(CUSTOMER), ROLE(CUSTOMER)},
                 {KIND(EMPLOYEE), ROLE(EMPLOYEE)},
                 {KIND(STAFF), ROLE(LEVEL1)}};
    const ProtobufCEnumDescriptor *all = &user__v1__permission__descriptor;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *id = office_add(mesh_arena_printf(the_office.arena, "user%zu", i),
                                    cases[i].kind, cases[i].role);
        for (size_t j = 1; j < all->n_values; j++)
            assert_false(allowed(
                id, user__v1__permission__name((User__V1__Permission)all->values[j].value)));
    }
}

/* S0.5, S4.11 */
static void what_is_no_permission_is_a_mistake(void **state)
{
    (void)state;
    static const char *const unknown[] = {
        "", "product", "product.write ", "PRODUCT_WRITE", "Product.Write", "' OR '1'='1"};
    bool answer;
    const char *id = office_add("root", KIND(STAFF), ROLE(ADMIN));
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_int_equal(check_permission(id, unknown[i], &answer), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "permission");
    }
    assert_int_equal(check_permission("", "", &answer), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "user_id, permission");
    assert_false(allowed(OFFICE_NOBODY, "user.read"));
    assert_false(allowed("root", "user.read"));
}

/* S0.5 */
static void groups_are_shown_with_what_they_hold_and_which_roles_bring_them(void **state)
{
    (void)state;
    const User__V1__ListGroupsRequest request = USER__V1__LIST_GROUPS_REQUEST__INIT;
    User__V1__ListGroupsResponse *list;
    const char *text = "";
    office_value("INSERT INTO groups VALUES ('empty')");
    assert_int_equal(RPC(list_groups)(CHANNEL, &request, &list, office_call(), ERR), MESH_OK);
    office_value("DELETE FROM groups WHERE name = 'empty'");
    for (size_t i = 0; i < list->n_groups; i++) {
        const User__V1__Group *group = list->groups[i];
        text = mesh_arena_printf(the_office.arena, "%s%s:", text, group->name);
        for (size_t j = 0; j < group->n_permissions; j++)
            text = mesh_arena_printf(the_office.arena, "%s %s", text, group->permissions[j]);
        for (size_t j = 0; j < group->n_roles; j++)
            text = mesh_arena_printf(the_office.arena, "%s %s", text,
                                     user__v1__role__name(group->roles[j]));
        text = mesh_arena_printf(the_office.arena, "%s\n", text);
    }
    assert_string_equal(text, "admins: user.manage user.read admin\n"
                              "empty:\n"
                              "merchants: product.write admin\n"
                              "notifiers: notification.read_any notification.send admin level2\n"
                              "operators: event.operate event.read admin\n"
                              "support: order.cancel_any order.read_any user.read admin\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, office_begin, office_end)
    const struct CMUnitTest tests[] = {
        TEST(a_user_is_shown_whole),
        TEST(users_are_listed_page_by_page_each_once),
        TEST(users_of_a_kind_are_listed_alone),
        TEST(pages_have_limits),
        TEST(confirmed_employees_are_listed_who_are_not_banned),
        TEST(of_an_employee_the_id_and_the_name_are_shown),
        TEST(a_snapshot_has_every_user_whole),
        TEST(who_has_changed_lately_or_is_gone_is_listed),
        TEST(deletions_are_forgotten_after_two_hours),
        TEST(pages_of_changes_have_limits),
        TEST(services_learn_whether_there_is_a_user_and_the_name),
        TEST(a_member_has_what_the_group_holds),
        TEST(roles_that_bring_no_group_bring_no_permission),
        TEST(what_is_no_permission_is_a_mistake),
        TEST(groups_are_shown_with_what_they_hold_and_which_roles_bring_them),
    };
    return cmocka_run_group_tests(tests, office_setup, office_teardown);
}
