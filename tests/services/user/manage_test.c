/* What staff changes about users, and what other services hear of it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "services/user/session_store.h"
#include "tests/fixtures/wait.h"
#include "tests/services/user/office.h"
#include "tests/services/violations.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define CHANNEL the_office.channel
#define ERR (&the_office.err)

/* --- calls ------------------------------------------------------------------------------------ */

static mesh_code change_role(const char *id, User__V1__Role role, User__V1__User **user)
{
    User__V1__ChangeRoleRequest request = USER__V1__CHANGE_ROLE_REQUEST__INIT;
    request.user_id = (char *)id;
    request.role = role;
    return RPC(change_role)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code change_level(const char *id, User__V1__Role level, User__V1__User **user)
{
    User__V1__ChangeLevelRequest request = USER__V1__CHANGE_LEVEL_REQUEST__INIT;
    request.user_id = (char *)id;
    request.level = level;
    return RPC(change_level)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code change_groups(const char *id, const char *const *groups, size_t count,
                               User__V1__User **user)
{
    User__V1__ChangeGroupsRequest request = USER__V1__CHANGE_GROUPS_REQUEST__INIT;
    request.user_id = (char *)id;
    request.groups = (char **)groups;
    request.n_groups = count;
    return RPC(change_groups)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code confirm(const char *id, User__V1__User **user)
{
    User__V1__ConfirmEmployeeRequest request = USER__V1__CONFIRM_EMPLOYEE_REQUEST__INIT;
    request.user_id = (char *)id;
    return RPC(confirm_employee)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code ban(const char *id, User__V1__User **user)
{
    User__V1__BanUserRequest request = USER__V1__BAN_USER_REQUEST__INIT;
    request.user_id = (char *)id;
    return RPC(ban_user)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code unban(const char *id, User__V1__User **user)
{
    User__V1__UnbanUserRequest request = USER__V1__UNBAN_USER_REQUEST__INIT;
    request.user_id = (char *)id;
    return RPC(unban_user)(CHANNEL, &request, user, office_call(), ERR);
}

static mesh_code remove_user(const char *id)
{
    User__V1__DeleteUserRequest request = USER__V1__DELETE_USER_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    request.user_id = (char *)id;
    return RPC(delete_user)(CHANNEL, &request, &empty, office_call(), ERR);
}

static bool allowed(const char *id, const char *permission)
{
    User__V1__CheckPermissionRequest request = USER__V1__CHECK_PERMISSION_REQUEST__INIT;
    User__V1__CheckPermissionResponse *response;
    request.user_id = (char *)id;
    request.permission = (char *)permission;
    assert_int_equal(RPC(check_permission)(CHANNEL, &request, &response, office_call(), ERR),
                     MESH_OK);
    return response->allowed;
}

static User__V1__SignUpStaffRequest staff_request(const char *username)
{
    User__V1__SignUpStaffRequest request = USER__V1__SIGN_UP_STAFF_REQUEST__INIT;
    request.username = (char *)username;
    request.email = mesh_arena_printf(the_office.arena, "%s@b.example", username);
    request.password = (char *)OFFICE_PASSWORD;
    request.first_name = (char *)"Grace";
    request.last_name = (char *)"Hopper";
    return request;
}

/* --- what must be found ----------------------------------------------------------------------- */

static void expect_reason(const char *reason)
{
    assert_string_equal(ERR->reason, reason);
    assert_string_equal(ERR->domain, "user.v1");
}

static void expect_metadata(const char *key, const char *value)
{
    char found[64];
    assert_true(mesh_error_metadata_get(ERR, key, found, sizeof found));
    assert_string_equal(found, value);
}

static void expect_mismatch(mesh_code code, const char *kind)
{
    assert_int_equal(code, MESH_FAILED_PRECONDITION);
    expect_reason("KIND_MISMATCH");
    expect_metadata("kind", kind);
}

static void expect_last_admin(mesh_code code)
{
    assert_int_equal(code, MESH_FAILED_PRECONDITION);
    expect_reason("LAST_ADMIN");
}

static void expect_role(const User__V1__User *user, User__V1__Role last, int version)
{
    assert_int_equal(user->roles[user->n_roles - 1], last);
    assert_int_equal(user->version, version);
}

static const char *sessions(void)
{
    return office_value("SELECT count(*) FROM session");
}

/* A session of the user, which has a token. */
static mesh_code begin_session(const char *id)
{
    const user_scope scope = {
        .db = the_office.service.db, .arena = the_office.arena, .deadline_ns = MESH_NO_DEADLINE};
    char session_id[MESH_UUID_TEXT_BYTES], text[USER_REFRESH_TEXT_BYTES];
    user_refresh refresh;
    user_refresh_create(&refresh, text);
    return user_session_add(&scope, id, 1, &refresh, mesh_clock_add_ms(mesh_clock_wall_ns(), 60000),
                            session_id, ERR);
}

/* --- staff that is made ----------------------------------------------------------------------- */

/* S0.1, S0.2 */
static void staff_is_signed_up_at_level_1_in_no_group(void **state)
{
    (void)state;
    User__V1__User *user;
    const User__V1__SignUpStaffRequest request = staff_request("Grace");
    assert_int_equal(RPC(sign_up_staff)(CHANNEL, &request, &user, office_call(), ERR), MESH_OK);
    assert_int_equal(user->kind, KIND(STAFF));
    assert_int_equal(user->n_roles, 2);
    assert_int_equal(user->roles[0], ROLE(STAFF));
    assert_int_equal(user->roles[1], ROLE(LEVEL1));
    assert_int_equal(user->n_groups, 0);
    assert_true(user->confirmed);
    assert_string_equal(user->profile->first_name, "Grace");
    assert_string_equal(office_history(user->id), "created 1 level1");

    User__V1__SignInRequest credentials = USER__V1__SIGN_IN_REQUEST__INIT;
    User__V1__SignInResponse *signed_in;
    credentials.login = (char *)"grace@B.example";
    credentials.password = (char *)OFFICE_PASSWORD;
    assert_int_equal(RPC(sign_in_staff)(CHANNEL, &credentials, &signed_in, office_call(), ERR),
                     MESH_OK);
    assert_string_equal(signed_in->user->id, user->id);
}

/* S0.1: what can be written into the sign-up of staff is this, and nothing else. */
static void the_sign_up_of_staff_has_no_field_for_a_level_or_group(void **state)
{
    (void)state;
    static const char *const fields[] = {"username", "email", "password", "first_name",
                                         "last_name"};
    const ProtobufCMessageDescriptor *message = &user__v1__sign_up_staff_request__descriptor;
    assert_int_equal(message->n_fields, COUNT(fields));
    for (size_t i = 0; i < message->n_fields; i++)
        assert_string_equal(message->fields[i].name, fields[i]);
}

/* S0.1, S4.1, S4.11 */
static void staff_is_not_signed_up_with_a_mistake_or_somebody_elses_name(void **state)
{
    (void)state;
    User__V1__User *user;
    User__V1__SignUpStaffRequest request = USER__V1__SIGN_UP_STAFF_REQUEST__INIT;
    assert_int_equal(RPC(sign_up_staff)(CHANNEL, &request, &user, office_call(), ERR),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "username, email, password, first_name, last_name");
    office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    request = staff_request("ADA");
    assert_int_equal(RPC(sign_up_staff)(CHANNEL, &request, &user, office_call(), ERR),
                     MESH_ALREADY_EXISTS);
    expect_reason("USERNAME_TAKEN");
    request = staff_request("grace");
    request.email = (char *)"Ada@A.example";
    assert_int_equal(RPC(sign_up_staff)(CHANNEL, &request, &user, office_call(), ERR),
                     MESH_ALREADY_EXISTS);
    expect_reason("EMAIL_TAKEN");
    assert_string_equal(office_value("SELECT count(*) FROM users"), "1");
}

enum {
    SIGN_UPS = 4 /* one turn, which the test has, and two that wait for it */
};

static atomic_size_t sent_away;

static void *sign_up(void *context)
{
    mesh_arena *arena = mesh_arena_create(1024, 0);
    User__V1__User *user;
    mesh_error err;
    mesh_error_clear(&err);
    mesh_code code = RPC(sign_up_staff)(CHANNEL, context, &user,
                                        &(mesh_call_options){.arena = arena}, &err);
    if (code == MESH_RESOURCE_EXHAUSTED && strcmp(err.reason, "TOO_MANY_PASSWORDS") == 0)
        atomic_fetch_add(&sent_away, 1);
    mesh_arena_destroy(arena);
    return NULL;
}

/* S4.1: the same turns as everybody's. */
static void staff_that_signs_up_waits_for_its_turn_to_hash(void **state)
{
    (void)state;
    user_passwords *passwords = the_office.service.passwords;
    pthread_t threads[SIGN_UPS];
    User__V1__SignUpStaffRequest requests[SIGN_UPS];
    user_waiter me = {.login = NULL};
    atomic_store(&sent_away, 0);
    assert_int_equal(user_password_turn_take(passwords, USER_HASH_NEW, NULL, &me, ERR), MESH_OK);
    for (size_t i = 0; i < SIGN_UPS; i++) {
        requests[i] = staff_request(mesh_arena_printf(the_office.arena, "grace%zu", i));
        assert_int_equal(pthread_create(&threads[i], NULL, sign_up, &requests[i]), 0);
    }
    WAIT_FOR(atomic_load(&sent_away) == SIGN_UPS - 2);
    user_turn_end(&me);
    for (size_t i = 0; i < SIGN_UPS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_string_equal(office_value("SELECT count(*) FROM users"), "2");
}

/* --- roles and levels ------------------------------------------------------------------------- */

/* S0.1, S0.5, S0.8 */
static void a_consumer_becomes_a_pro_and_a_consumer_again(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    assert_int_equal(change_role(id, ROLE(PRO), &user), MESH_OK);
    expect_role(user, ROLE(PRO), 2);
    assert_int_equal(user->n_roles, 3);
    assert_string_equal(user->username, "ada");
    assert_true(user->update_time->seconds > user->create_time->seconds ||
                user->update_time->nanos > user->create_time->nanos);
    assert_int_equal(change_role(id, ROLE(PRO), &user), MESH_OK);
    expect_role(user, ROLE(PRO), 2); /* nothing changed */
    assert_int_equal(change_role(id, ROLE(CONSUMER), &user), MESH_OK);
    expect_role(user, ROLE(CONSUMER), 3);
    assert_string_equal(office_history(id), "created 1 consumer, updated 2 pro, "
                                            "updated 3 consumer");
}

/* S0.1, S0.8 */
static void staff_gets_and_loses_levels(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *id = office_add("grace", KIND(STAFF), ROLE(LEVEL1));
    office_add("root", KIND(STAFF), ROLE(ADMIN));
    assert_int_equal(change_level(id, ROLE(LEVEL2), &user), MESH_OK);
    expect_role(user, ROLE(LEVEL2), 2);
    assert_int_equal(change_level(id, ROLE(ADMIN), &user), MESH_OK);
    expect_role(user, ROLE(ADMIN), 3);
    assert_int_equal(change_level(id, ROLE(ADMIN), &user), MESH_OK);
    expect_role(user, ROLE(ADMIN), 3);
    assert_int_equal(change_level(id, ROLE(LEVEL1), &user), MESH_OK);
    expect_role(user, ROLE(LEVEL1), 4);
    assert_string_equal(office_history(id), "created 1 level1, updated 2 level2, "
                                            "updated 3 admin, updated 4 level1");
}

/* S0.1 */
static void a_role_is_given_to_the_kind_that_it_is_of_alone(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *customer = office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    const char *staff = office_add("grace", KIND(STAFF), ROLE(LEVEL1));
    const char *consumer = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    expect_mismatch(change_role(customer, ROLE(PRO), &user), "CUSTOMER");
    expect_mismatch(change_role(staff, ROLE(CONSUMER), &user), "STAFF");
    expect_mismatch(change_level(consumer, ROLE(ADMIN), &user), "CONSUMER");
    expect_mismatch(change_level(customer, ROLE(LEVEL1), &user), "CUSTOMER");
    expect_mismatch(confirm(customer, &user), "CUSTOMER");
    assert_string_equal(office_value("SELECT string_agg(role || ' ' || version, ', ' ORDER BY role)"
                                     " FROM users"),
                        "2 1, 4 1, 9 1");

    for (int role = -1; role <= ROLE(LEVEL1) + 1; role++) {
        const bool of_consumers = role == ROLE(CONSUMER) || role == ROLE(PRO);
        const bool level = role == ROLE(ADMIN) || role == ROLE(LEVEL2) || role == ROLE(LEVEL1);
        if (!of_consumers) {
            assert_int_equal(change_role(consumer, (User__V1__Role)role, &user),
                             MESH_INVALID_ARGUMENT);
            assert_string_equal(violated_fields(ERR), "role");
        }
        if (!level) {
            assert_int_equal(change_level(staff, (User__V1__Role)role, &user),
                             MESH_INVALID_ARGUMENT);
            assert_string_equal(violated_fields(ERR), "level");
        }
    }
}

/* S0.1, S0.5: rights by level are not kept by who loses the level. */
static void what_a_level_brings_goes_with_it(void **state)
{
    (void)state;
    static const struct {
        const char *permission;
        bool admin, level2;
    } cases[] = {
        {"user.manage", true, false},      {"user.read", true, false},
        {"notification.send", true, true}, {"notification.read_any", true, true},
        {"product.write", true, false},    {"order.read_any", true, false},
        {"order.cancel_any", true, false}, {"event.read", true, false},
        {"event.operate", true, false},
    };
    User__V1__User *user;
    const char *id = office_add("grace", KIND(STAFF), ROLE(LEVEL1));
    office_add("root", KIND(STAFF), ROLE(ADMIN));
    assert_int_equal(COUNT(cases) + 1, user__v1__permission__descriptor.n_values);
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_false(allowed(id, cases[i].permission));
        assert_int_equal(change_level(id, ROLE(ADMIN), &user), MESH_OK);
        assert_int_equal(user->n_groups, 0); /* nothing to be forgotten later */
        assert_int_equal(allowed(id, cases[i].permission), cases[i].admin);
        assert_int_equal(change_level(id, ROLE(LEVEL2), &user), MESH_OK);
        assert_int_equal(allowed(id, cases[i].permission), cases[i].level2);
        assert_int_equal(change_level(id, ROLE(LEVEL1), &user), MESH_OK);
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

static void expect_groups(const User__V1__User *user, const char *expected)
{
    char text[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < user->n_groups; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", i == 0 ? "" : " ",
                                 user->groups[i]);
    assert_string_equal(text, expected);
}

/* S0.5, S0.8 */
static void a_user_is_in_exactly_the_groups_that_were_given(void **state)
{
    (void)state;
    static const char *const both[] = {"support", "merchants", "support"};
    static const char *const one[] = {"merchants"};
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    assert_false(allowed(id, "product.write"));
    assert_int_equal(change_groups(id, both, COUNT(both), &user), MESH_OK);
    expect_groups(user, "merchants support");
    assert_true(allowed(id, "product.write"));
    assert_true(allowed(id, "order.read_any"));
    assert_int_equal(change_groups(id, both + 1, COUNT(both) - 1, &user), MESH_OK);
    assert_int_equal(user->version, 2); /* nothing changed */
    assert_int_equal(change_groups(id, one, 1, &user), MESH_OK);
    expect_groups(user, "merchants");
    assert_true(allowed(id, "product.write"));
    assert_false(allowed(id, "order.read_any"));
    assert_int_equal(change_role(id, ROLE(PRO), &user), MESH_OK);
    expect_groups(user, "merchants"); /* whatever else is changed, an event has them */
    assert_int_equal(change_groups(id, NULL, 0, &user), MESH_OK);
    expect_groups(user, "");
    assert_false(allowed(id, "product.write"));
    assert_string_equal(office_history(id),
                        "created 1 consumer, updated 2 consumer in merchants in support, "
                        "updated 3 consumer in merchants, updated 4 pro in merchants, "
                        "updated 5 pro");
}

typedef struct giver {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *id;
    const char *group;
    mesh_code code;
} giver;

static void *give_group(void *context)
{
    giver *me = context;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    User__V1__ChangeGroupsRequest request = USER__V1__CHANGE_GROUPS_REQUEST__INIT;
    User__V1__User *user;
    request.user_id = (char *)me->id;
    request.groups = (char **)&me->group;
    request.n_groups = 1;
    pthread_barrier_wait(me->start);
    me->code = RPC(change_groups)(CHANNEL, &request, &user, &(mesh_call_options){.arena = arena},
                                  NULL);
    mesh_arena_destroy(arena);
    return NULL;
}

/* S0.5: who comes second takes what the first one gave. */
static void groups_given_at_once_are_those_of_one_of_them(void **state)
{
    (void)state;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (size_t round = 0; round < 20; round++) {
        giver givers[2] = {{.group = "support"}, {.group = "merchants"}};
        office_value("DELETE FROM user_group");
        for (size_t i = 0; i < 2; i++) {
            givers[i].id = id;
            givers[i].start = &start;
            assert_int_equal(pthread_create(&givers[i].thread, NULL, give_group, &givers[i]), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(givers[i].thread, NULL), 0);
            assert_int_equal(givers[i].code, MESH_OK);
        }
        assert_string_equal(office_value("SELECT count(*) FROM user_group"), "1");
    }
    pthread_barrier_destroy(&start);
}

/* S0.5 */
static void a_group_that_is_not_there_changes_nothing(void **state)
{
    (void)state;
    static const char *const groups[] = {"support", "no'; DROP TABLE groups; --"};
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    assert_int_equal(change_groups(id, groups, COUNT(groups), &user), MESH_INVALID_ARGUMENT);
    expect_reason("GROUP_UNKNOWN");
    expect_metadata("group", groups[1]);
    assert_string_equal(office_value("SELECT count(*) FROM user_group"), "0");
    assert_string_equal(office_value("SELECT version FROM users"), "1");
}

/* S0.5, S4.11 */
static void too_many_groups_or_names_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *names[17];
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    for (size_t i = 0; i < COUNT(names); i++)
        names[i] = "support";
    assert_int_equal(change_groups(id, names, COUNT(names), &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "groups");
    assert_int_equal(change_groups(id, names, COUNT(names) - 1, &user), MESH_OK);
    names[1] = "";
    names[3] = "0123456789012345678901234567890123456789012345678901234567890123x";
    assert_int_equal(change_groups(id, names, 5, &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(ERR), "groups[1], groups[3]");
}

/* --- employees -------------------------------------------------------------------------------- */

/* S2.1 */
static void an_employee_is_confirmed_once(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *id = office_add("emma", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    assert_int_equal(confirm(id, &user), MESH_OK);
    assert_true(user->confirmed);
    assert_int_equal(user->version, 2);
    assert_int_equal(confirm(id, &user), MESH_OK);
    assert_int_equal(user->version, 2);
    assert_int_equal(ban(id, &user), MESH_OK);
    assert_string_equal(office_history(id), "created 1 employee unconfirmed, updated 2 employee, "
                                            "banned 3 employee banned");
}

/* S2.1: the table itself refuses one whom nobody could be shown. */
static void an_employee_or_customer_never_is_without_names(void **state)
{
    (void)state;
    office_add("emma", KIND(EMPLOYEE), ROLE(EMPLOYEE));
    office_add("carl", KIND(CUSTOMER), ROLE(CUSTOMER));
    office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    assert_string_equal(office_value("UPDATE profile SET first_name = '' WHERE kind = 1"
                                     " RETURNING kind"),
                        "1");
    mesh_db *db = the_office.service.db;
    for (int kind = KIND(CUSTOMER); kind <= KIND(EMPLOYEE); kind++) {
        assert_int_equal(mesh_db_exec(db, 0, "UPDATE profile SET first_name = '' WHERE kind = $1",
                                      MESH_SQL_PARAMS(MESH_SQL_INT(kind)), NULL, ERR),
                         MESH_FAILED_PRECONDITION);
        assert_int_equal(mesh_db_exec(db, 0, "UPDATE profile SET last_name = '' WHERE kind = $1",
                                      MESH_SQL_PARAMS(MESH_SQL_INT(kind)), NULL, ERR),
                         MESH_FAILED_PRECONDITION);
    }
}

/* --- bans ------------------------------------------------------------------------------------- */

/* S4.2, S0.5 */
static void a_ban_ends_sessions_and_rights_until_it_ends(void **state)
{
    (void)state;
    static const char *const groups[] = {"support"};
    User__V1__User *user;
    const char *id = office_add("grace", KIND(STAFF), ROLE(LEVEL2));
    const char *other = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    assert_int_equal(change_groups(id, groups, 1, &user), MESH_OK);
    assert_int_equal(begin_session(id), MESH_OK);
    assert_int_equal(begin_session(id), MESH_OK);
    assert_int_equal(begin_session(other), MESH_OK);

    assert_int_equal(ban(id, &user), MESH_OK);
    assert_true(user->banned);
    assert_string_equal(sessions(), "1");
    assert_int_equal(begin_session(id), MESH_PERMISSION_DENIED);
    expect_reason("USER_BANNED");
    assert_false(allowed(id, "notification.send")); /* by the role */
    assert_false(allowed(id, "order.read_any"));    /* by the group */
    assert_int_equal(ban(id, &user), MESH_OK);
    assert_true(user->banned);
    assert_int_equal(user->version, 3);
    expect_groups(user, "support");

    assert_int_equal(unban(id, &user), MESH_OK);
    assert_false(user->banned);
    assert_int_equal(unban(id, &user), MESH_OK);
    assert_int_equal(user->version, 4);
    assert_true(allowed(id, "notification.send"));
    assert_true(allowed(id, "order.read_any"));
    assert_string_equal(sessions(), "1");
    assert_int_equal(begin_session(id), MESH_OK);
    assert_string_equal(office_history(id),
                        "created 1 level2, updated 2 level2 in support, "
                        "banned 3 level2 in support banned, unbanned 4 level2 in support");
}

static void *sign_in_meanwhile(void *id)
{
    return begin_session(id) == MESH_PERMISSION_DENIED ? id : NULL;
}

/* S4.2: a session that begins while its user is being banned would outlive the ban. */
static void who_signs_in_during_a_ban_gets_no_session(void **state)
{
    (void)state;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    pthread_t thread;
    mesh_tx *tx;
    void *refused;
    assert_int_equal(mesh_tx_begin(the_office.service.db, NULL, &tx, ERR), MESH_OK);
    assert_int_equal(
        mesh_tx_query(tx, "UPDATE users SET banned = true", MESH_SQL_NO_PARAMS, NULL, NULL, ERR),
        MESH_OK);
    assert_int_equal(pthread_create(&thread, NULL, sign_in_meanwhile, (void *)id), 0);
    WAIT_FOR(strcmp(office_value("SELECT count(*) FROM pg_stat_activity"
                                 " WHERE wait_event_type = 'Lock'"),
                    "1") == 0);
    assert_int_equal(mesh_tx_commit(tx, ERR), MESH_OK);
    assert_int_equal(pthread_join(thread, &refused), 0);
    assert_non_null(refused);
    assert_string_equal(sessions(), "0");
}

/* --- the end ---------------------------------------------------------------------------------- */

/* S0.2, S0.8 */
static void a_user_goes_with_all_that_was_the_users(void **state)
{
    (void)state;
    static const char *const groups[] = {"support"};
    User__V1__User *user;
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    const char *other = office_add("bob", KIND(CONSUMER), ROLE(CONSUMER));
    assert_int_equal(change_groups(id, groups, 1, &user), MESH_OK);
    assert_int_equal(begin_session(id), MESH_OK);
    assert_int_equal(begin_session(other), MESH_OK);
    assert_int_equal(remove_user(id), MESH_OK);
    assert_string_equal(office_value("SELECT (SELECT count(*) FROM users) || ' ' ||"
                                     " (SELECT count(*) FROM profile) || ' ' ||"
                                     " (SELECT count(*) FROM session) || ' ' ||"
                                     " (SELECT count(*) FROM user_group)"),
                        "1 1 1 0");
    assert_string_equal(office_history(id), "created 1 consumer, updated 2 consumer in support, "
                                            "deleted 3");
    assert_int_equal(remove_user(id), MESH_NOT_FOUND);
    expect_reason("USER_NOT_FOUND");
    expect_metadata("user_id", id);
    assert_false(allowed(id, "order.read_any"));
    office_add("ada", KIND(CONSUMER), ROLE(CONSUMER)); /* the name is free again */
}

/* --- the last admin --------------------------------------------------------------------------- */

static mesh_code demote(const char *id)
{
    User__V1__User *user;
    return change_level(id, ROLE(LEVEL2), &user);
}

static mesh_code lock_out(const char *id)
{
    User__V1__User *user;
    return ban(id, &user);
}

static mesh_code (*const ways[])(const char *id) = {demote, lock_out, remove_user};

/* S0.1 */
static void the_last_admin_stays_one(void **state)
{
    (void)state;
    User__V1__User *user;
    const char *last = office_add("root", KIND(STAFF), ROLE(ADMIN));
    const char *banned = office_add("old", KIND(STAFF), ROLE(ADMIN));
    office_add("grace", KIND(STAFF), ROLE(LEVEL2));
    assert_int_equal(ban(banned, &user), MESH_OK);
    for (size_t i = 0; i < COUNT(ways); i++)
        expect_last_admin(ways[i](last));
    assert_int_equal(change_level(last, ROLE(ADMIN), &user), MESH_OK);
    expect_role(user, ROLE(ADMIN), 1);

    /* One who is banned is none of them, whatever happens to that one. */
    assert_int_equal(demote(banned), MESH_OK);
    assert_int_equal(remove_user(banned), MESH_OK);
    expect_last_admin(demote(last));
    assert_string_equal(office_history(last), "created 1 admin");

    /* With another one anybody may go. */
    for (size_t i = 0; i < COUNT(ways); i++) {
        const char *other = office_add(mesh_arena_printf(the_office.arena, "root%zu", i),
                                       KIND(STAFF), ROLE(ADMIN));
        assert_int_equal(ways[i](last), MESH_OK);
        last = other;
        expect_last_admin(demote(last));
    }

    /* Who is banned is none, also where that was done by hand and nobody else is left. */
    office_value("UPDATE users SET banned = true");
    assert_int_equal(remove_user(last), MESH_OK);
}

typedef struct rival {
    pthread_t thread;
    pthread_barrier_t *start;
    const char *victim;
    size_t way;
    mesh_code code;
    mesh_error err;
} rival;

static void *take_away(void *context)
{
    rival *me = context;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    const mesh_call_options options = {.arena = arena};
    User__V1__ChangeLevelRequest level = USER__V1__CHANGE_LEVEL_REQUEST__INIT;
    User__V1__BanUserRequest ban_request = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__DeleteUserRequest deletion = USER__V1__DELETE_USER_REQUEST__INIT;
    User__V1__User *user;
    Google__Protobuf__Empty *empty;
    level.user_id = ban_request.user_id = deletion.user_id = (char *)me->victim;
    level.level = ROLE(LEVEL1);
    mesh_error_clear(&me->err);
    pthread_barrier_wait(me->start);
    me->code = me->way == 0   ? RPC(change_level)(CHANNEL, &level, &user, &options, &me->err)
               : me->way == 1 ? RPC(ban_user)(CHANNEL, &ban_request, &user, &options, &me->err)
                              : RPC(delete_user)(CHANNEL, &deletion, &empty, &options, &me->err);
    mesh_arena_destroy(arena);
    return NULL;
}

/* S0.1 */
static void two_admins_who_take_each_other_away_leave_one(void **state)
{
    (void)state;
    pthread_barrier_t start;
    assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
    for (size_t round = 0; round < 36; round++) {
        rival rivals[2] = {{.way = round % 3}, {.way = round / 3 % 3}};
        office_value("TRUNCATE users, profile, session, user_group");
        for (size_t i = 0; i < 2; i++) {
            rivals[i].victim = office_add(i == 0 ? "one" : "two", KIND(STAFF), ROLE(ADMIN));
            rivals[i].start = &start;
            assert_int_equal(pthread_create(&rivals[i].thread, NULL, take_away, &rivals[i]), 0);
        }
        for (size_t i = 0; i < 2; i++)
            assert_int_equal(pthread_join(rivals[i].thread, NULL), 0);
        const rival *loser = &rivals[rivals[0].code == MESH_OK];
        assert_int_equal(rivals[loser == &rivals[0]].code, MESH_OK);
        assert_int_equal(loser->code, MESH_FAILED_PRECONDITION);
        assert_string_equal(loser->err.reason, "LAST_ADMIN");
        assert_string_equal(
            office_value("SELECT count(*) FROM users WHERE role = 7 AND NOT banned"), "1");
    }
    pthread_barrier_destroy(&start);
}

/* --- all of them ------------------------------------------------------------------------------ */

enum {
    WRITERS = 4,
    ROUNDS = 10
};

typedef struct writer {
    pthread_t thread;
    const char *id;
    int number;
    size_t failed;
} writer;

/* Each of them changes something else to and fro. */
static void *change_to_and_fro(void *context)
{
    static const char *const groups[] = {"support"};
    writer *me = context;
    mesh_arena *arena = mesh_arena_create(1024, 0);
    const mesh_call_options options = {.arena = arena};
    User__V1__ChangeRoleRequest role = USER__V1__CHANGE_ROLE_REQUEST__INIT;
    User__V1__ChangeGroupsRequest membership = USER__V1__CHANGE_GROUPS_REQUEST__INIT;
    User__V1__BanUserRequest on = USER__V1__BAN_USER_REQUEST__INIT;
    User__V1__UnbanUserRequest off = USER__V1__UNBAN_USER_REQUEST__INIT;
    role.user_id = membership.user_id = on.user_id = off.user_id = (char *)me->id;
    membership.groups = (char **)groups;
    for (int i = 0; i < ROUNDS; i++) {
        User__V1__User *user;
        mesh_code code;
        role.role = i % 2 == 0 ? ROLE(PRO) : ROLE(CONSUMER);
        membership.n_groups = i % 2 == 0;
        if (me->number == 0)
            code = RPC(change_role)(CHANNEL, &role, &user, &options, NULL);
        else if (me->number == 1)
            code = RPC(change_groups)(CHANNEL, &membership, &user, &options, NULL);
        else if (i % 2 == 0)
            code = RPC(ban_user)(CHANNEL, &on, &user, &options, NULL);
        else
            code = RPC(unban_user)(CHANNEL, &off, &user, &options, NULL);
        me->failed += code != MESH_OK;
    }
    mesh_arena_destroy(arena);
    return NULL;
}

/* S0.3, S0.6, S0.8: versions follow each other, and each has an event. */
static void changes_at_once_have_versions_without_a_gap(void **state)
{
    (void)state;
    writer writers[WRITERS] = {0};
    const char *id = office_add("ada", KIND(CONSUMER), ROLE(CONSUMER));
    for (int i = 0; i < WRITERS; i++) {
        writers[i].id = id;
        writers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, change_to_and_fro, &writers[i]),
                         0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].failed, 0);
    }
    int last = 0, version = 0, expected = 0;
    assert_int_equal(sscanf(office_value("SELECT version FROM users"), "%d", &last), 1);
    assert_true(last > 2 * ROUNDS); /* roles and groups, of which each call changed something */
    const char *event = office_history(id);
    while (event != NULL) {
        assert_int_equal(sscanf(event, "%*s %d", &version), 1);
        assert_int_equal(version, ++expected);
        event = strstr(event, ", ");
        event = event != NULL ? event + 2 : NULL;
    }
    assert_int_equal(expected, last);
}

/* S4.11 */
static void a_user_who_is_not_there_is_not_found(void **state)
{
    (void)state;
    static const char *const ids[] = {OFFICE_NOBODY, "nobody", "1' OR '1'='1", "{}", "%s%n"};
    static const char long_id[] =
        "0123456789012345678901234567890123456789012345678901234567890123x";
    User__V1__User *user;
    for (size_t i = 0; i < COUNT(ids); i++) {
        const mesh_code codes[] = {change_role(ids[i], ROLE(PRO), &user),
                                   change_level(ids[i], ROLE(ADMIN), &user),
                                   change_groups(ids[i], NULL, 0, &user),
                                   confirm(ids[i], &user),
                                   ban(ids[i], &user),
                                   unban(ids[i], &user),
                                   remove_user(ids[i])};
        for (size_t j = 0; j < COUNT(codes); j++)
            assert_int_equal(codes[j], MESH_NOT_FOUND);
        expect_reason("USER_NOT_FOUND");
        expect_metadata("user_id", ids[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        const char *id = i == 0 ? "" : long_id;
        const mesh_code codes[] = {change_role(id, ROLE(PRO), &user),
                                   change_level(id, ROLE(ADMIN), &user),
                                   change_groups(id, NULL, 0, &user),
                                   confirm(id, &user),
                                   ban(id, &user),
                                   unban(id, &user),
                                   remove_user(id)};
        for (size_t j = 0; j < COUNT(codes); j++)
            assert_int_equal(codes[j], MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(ERR), "user_id");
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, office_begin, office_end)
    const struct CMUnitTest tests[] = {
        TEST(staff_is_signed_up_at_level_1_in_no_group),
        TEST(the_sign_up_of_staff_has_no_field_for_a_level_or_group),
        TEST(staff_is_not_signed_up_with_a_mistake_or_somebody_elses_name),
        TEST(staff_that_signs_up_waits_for_its_turn_to_hash),
        TEST(a_consumer_becomes_a_pro_and_a_consumer_again),
        TEST(staff_gets_and_loses_levels),
        TEST(a_role_is_given_to_the_kind_that_it_is_of_alone),
        TEST(what_a_level_brings_goes_with_it),
        TEST(a_user_is_in_exactly_the_groups_that_were_given),
        TEST(groups_given_at_once_are_those_of_one_of_them),
        TEST(a_group_that_is_not_there_changes_nothing),
        TEST(too_many_groups_or_names_that_are_none_are_refused),
        TEST(an_employee_is_confirmed_once),
        TEST(an_employee_or_customer_never_is_without_names),
        TEST(a_ban_ends_sessions_and_rights_until_it_ends),
        TEST(who_signs_in_during_a_ban_gets_no_session),
        TEST(a_user_goes_with_all_that_was_the_users),
        TEST(the_last_admin_stays_one),
        TEST(two_admins_who_take_each_other_away_leave_one),
        TEST(changes_at_once_have_versions_without_a_gap),
        TEST(a_user_who_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, office_setup, office_teardown);
}
