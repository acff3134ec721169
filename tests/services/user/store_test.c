#include "services/user/store.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/alloc.h"
#include "mesh/base/clock.h"
#include "mesh/db/migrate.h"
#include "mesh/events/events.h"
#include "services/user/lookup_store.h"
#include "services/user/manage_store.h"
#include "services/user/session_store.h"
#include "services/user/user_migrations.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"

#define KIND(name) USER__V1__USER__KIND__##name
#define ROLE(name) USER__V1__ROLE__##name

static mesh_db *db;
static mesh_events *events; /* take what is added, and publish it nowhere */
static user_scope scope;
static mesh_error err;

static int open_store(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    db = postgres_open("user_store_test", &(mesh_db_options){.pool_max = 8});
    assert_int_equal(mesh_migrate(db, "mesh_events", mesh_events_migrations(), &err), MESH_OK);
    assert_int_equal(mesh_migrate(db, "user", user_migrations, &err), MESH_OK);
    return 0;
}

static int close_store(void **state)
{
    mesh_db_destroy(db);
    return postgres_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(db, "TRUNCATE users, profile, session, user_group");
    assert_int_equal(
        mesh_events_create(
            &(mesh_events_options){.url = "nats://127.0.0.1:1", .service = "user", .db = db},
            &events, &err),
        MESH_OK);
    scope = (user_scope){
        .db = db, .arena = mesh_arena_create(4096, 0), .deadline_ns = MESH_NO_DEADLINE};
    return scope.arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(scope.arena);
    mesh_events_destroy(events);
    events = NULL;
    return 0;
}

static mesh_code add(const char *username, const char *email, User__V1__User__Kind kind,
                     User__V1__Role role, User__V1__User *user)
{
    const user_account account = {.username = username,
                                  .email = email,
                                  .password_hash = "$argon2id$...",
                                  .kind = kind,
                                  .role = role,
                                  .first_name = "Ada",
                                  .last_name = "Lovelace"};
    user__v1__user__init(user);
    return user_store_add(&scope, &account, user, &err);
}

static mesh_code add_consumer(const char *username, const char *email)
{
    User__V1__User user;
    return add(username, email, KIND(CONSUMER), ROLE(CONSUMER), &user);
}

static const char *count_of_users_and_profiles(void)
{
    return postgres_value(db, "SELECT (SELECT count(*) FROM users) || ' ' ||"
                              " (SELECT count(*) FROM profile)");
}

/* S0.1 */
static void a_user_has_all_the_roles_that_one_implies(void **state)
{
    (void)state;
    static const struct {
        User__V1__User__Kind kind;
        User__V1__Role roles[3]; /* the last one is kept */
        size_t count;
        bool confirmed;
    } cases[] = {
        {KIND(CONSUMER), {ROLE(REGULAR), ROLE(CONSUMER)}, 2, true},
        {KIND(CONSUMER), {ROLE(REGULAR), ROLE(CONSUMER), ROLE(PRO)}, 3, true},
        {KIND(CUSTOMER), {ROLE(REGULAR), ROLE(CUSTOMER)}, 2, true},
        {KIND(EMPLOYEE), {ROLE(REGULAR), ROLE(EMPLOYEE)}, 2, false},
        {KIND(STAFF), {ROLE(STAFF), ROLE(ADMIN)}, 2, true},
        {KIND(STAFF), {ROLE(STAFF), ROLE(LEVEL2)}, 2, true},
        {KIND(STAFF), {ROLE(STAFF), ROLE(LEVEL1)}, 2, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__User user;
        char username[16];
        snprintf(username, sizeof username, "user%zu", i);
        assert_int_equal(
            add(username, "", cases[i].kind, cases[i].roles[cases[i].count - 1], &user), MESH_OK);
        assert_int_equal(user.kind, cases[i].kind);
        assert_int_equal(user.n_roles, cases[i].count);
        assert_memory_equal(user.roles, cases[i].roles, cases[i].count * sizeof user.roles[0]);
        assert_int_equal(user.confirmed, cases[i].confirmed);
        assert_false(user.banned);
        assert_int_equal(user.version, 1);
        assert_string_equal(user.username, username);
        assert_string_equal(user.email, "");
        assert_string_equal(user.profile->first_name, "Ada");
        assert_string_equal(user.profile->last_name, "Lovelace");
        assert_non_null(user.create_time);
        assert_int_equal(user.update_time->nanos, user.create_time->nanos);
    }
}

/* S0.5: what groups hold are permissions of the contract. */
static void every_permission_of_a_group_is_one_of_the_contract(void **state)
{
    (void)state;
    const ProtobufCEnumDescriptor *known = &user__v1__permission__descriptor;
    char names[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < known->n_values; i++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s'%s'", i == 0 ? "" : ", ",
                                 known->values[i].name);
        assert_true(used < sizeof names);
    }
    char sql[2048];
    snprintf(sql, sizeof sql,
             "SELECT count(*) || ' ' || count(*) FILTER"
             " (WHERE upper(replace(permission, '.', '_')) IN (%s)) FROM group_permission",
             names);
    assert_string_equal(postgres_value(db, sql), "10 10");
}

/* S0.13: 0004 takes a membership away that the level has brought since, and nobody else's. */
static void admins_of_before_are_admins_by_their_level(void **state)
{
    (void)state;
    mesh_migration before[4] = {user_migrations[0], user_migrations[1], user_migrations[2]};
    const user_scope own = scope;
    mesh_db *old = postgres_open("user_store_before", &(mesh_db_options){.pool_max = 2});
    bool allowed = false;
    assert_int_equal(mesh_migrate(old, "user", before, &err), MESH_OK);
    postgres_value(
        old, "WITH u AS (INSERT INTO users (id, username, password_hash, kind, role, confirmed)"
             "  VALUES (gen_random_uuid(), 'root', '', 4, 7, true),"
             "         (gen_random_uuid(), 'grace', '', 4, 9, true) RETURNING id, kind),"
             " p AS (INSERT INTO profile SELECT id, kind, '', '' FROM u)"
             " INSERT INTO user_group SELECT id, unnest(ARRAY['admins', 'support']) FROM u");
    assert_int_equal(mesh_migrate(old, "user", user_migrations, &err), MESH_OK);
    assert_string_equal(postgres_value(old, "SELECT string_agg(username || ' ' || group_name, ', '"
                                            "  ORDER BY username, group_name)"
                                            " FROM user_group JOIN users ON id = user_id"),
                        "grace admins, grace support, root support");
    scope.db = old;
    assert_int_equal(user_store_has_permission(
                         &scope, postgres_value(old, "SELECT id FROM users WHERE role = 7"),
                         "user.manage", &allowed, &err),
                     MESH_OK);
    assert_true(allowed);
    scope = own;
    mesh_db_destroy(old);
}

/* S0.1: the table itself refuses a role that does not belong to the kind. */
static void a_kind_never_has_anothers_role(void **state)
{
    (void)state;
    static const struct {
        User__V1__User__Kind kind;
        User__V1__Role role;
    } cases[] = {
        {KIND(CONSUMER), ROLE(ADMIN)},  {KIND(CONSUMER), ROLE(STAFF)},
        {KIND(CUSTOMER), ROLE(LEVEL1)}, {KIND(CUSTOMER), ROLE(EMPLOYEE)},
        {KIND(EMPLOYEE), ROLE(LEVEL2)}, {KIND(STAFF), ROLE(CONSUMER)},
        {KIND(STAFF), ROLE(STAFF)},     {KIND(KIND_UNSPECIFIED), ROLE(CONSUMER)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__User user;
        assert_int_equal(add("ada", "", cases[i].kind, cases[i].role, &user),
                         MESH_FAILED_PRECONDITION);
    }
    assert_string_equal(count_of_users_and_profiles(), "0 0");
}

/* S0.1 */
static void names_and_emails_are_taken_once_whatever_their_case(void **state)
{
    (void)state;
    char field[16];
    assert_int_equal(add_consumer("Ada", "Ada@Example.com"), MESH_OK);
    static const struct {
        const char *username, *email, *reason, *field;
    } cases[] = {
        {"Ada", "other@example.com", "USERNAME_TAKEN", "username"},
        {"aDA", "other@example.com", "USERNAME_TAKEN", "username"},
        {"other", "Ada@Example.com", "EMAIL_TAKEN", "email"},
        {"other", "ADA@eXAMPLE.COM", "EMAIL_TAKEN", "email"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mesh_error_clear(&err);
        assert_int_equal(add_consumer(cases[i].username, cases[i].email), MESH_ALREADY_EXISTS);
        assert_string_equal(err.reason, cases[i].reason);
        assert_string_equal(err.domain, "user.v1");
        assert_true(mesh_error_metadata_get(&err, "field", field, sizeof field));
        assert_string_equal(field, cases[i].field);
    }
    assert_string_equal(count_of_users_and_profiles(), "1 1");
    assert_string_equal(postgres_value(db, "SELECT username || ' ' || email FROM users"),
                        "Ada Ada@Example.com"); /* as it was given */
}

static void any_number_of_users_has_no_email(void **state)
{
    (void)state;
    assert_int_equal(add_consumer("ada", ""), MESH_OK);
    assert_int_equal(add_consumer("bob", ""), MESH_OK);
}

/* S0.2 */
static void a_user_never_is_without_a_profile_of_its_kind(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "DELETE FROM profile",
        "UPDATE profile SET kind = 3",
        "UPDATE users SET kind = 2, role = 4",
        "INSERT INTO users (id, username, password_hash, kind, role, confirmed)"
        " VALUES (gen_random_uuid(), 'bob', '', 1, 2, true)",
    };
    assert_int_equal(add_consumer("ada", ""), MESH_OK);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        mesh_tx *tx;
        assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
        assert_int_equal(mesh_tx_query(tx, statements[i], MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                         MESH_FAILED_PRECONDITION);
        mesh_tx_rollback(tx);
    }
    assert_string_equal(count_of_users_and_profiles(), "1 1");
    postgres_value(db, "DELETE FROM users");
    assert_string_equal(count_of_users_and_profiles(), "0 0");
}

/* S0.2, S0.3: without the event there is no user either. */
static void a_user_whose_event_cannot_be_added_is_not_stored(void **state)
{
    (void)state;
    mesh_events_destroy(events);
    events = NULL;
    assert_int_equal(add_consumer("ada", ""), MESH_FAILED_PRECONDITION);
    assert_string_equal(count_of_users_and_profiles(), "0 0");
}

enum {
    RACERS = 8
};

typedef struct racer {
    pthread_t thread;
    char username[16], email[32];
    mesh_code code;
    mesh_error err;
} racer;

static void *race(void *context)
{
    racer *me = context;
    user_scope own = scope;
    User__V1__User user = USER__V1__USER__INIT;
    const user_account account = {.username = me->username,
                                  .email = me->email,
                                  .password_hash = "",
                                  .kind = KIND(CONSUMER),
                                  .role = ROLE(CONSUMER),
                                  .first_name = "",
                                  .last_name = ""};
    mesh_error_clear(&me->err);
    own.arena = mesh_arena_create(1024, 0);
    me->code = user_store_add(&own, &account, &user, &me->err);
    mesh_arena_destroy(own.arena);
    return NULL;
}

/* S0.1: half of them want one username, and the others one e-mail, each in another case. */
static void of_those_who_want_the_same_at_once_exactly_one_gets_it(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        racer racers[RACERS];
        size_t winners[2] = {0, 0};
        postgres_value(db, "TRUNCATE users, profile, session, user_group");
        for (size_t i = 0; i < RACERS; i++) {
            racer *one = &racers[i];
            bool by_email = i % 2 != 0;
            char letter = (char)('a' + i);
            snprintf(one->username, sizeof one->username, by_email ? "user-%c" : "Ada", letter);
            snprintf(one->email, sizeof one->email, by_email ? "bob@b.example" : "%c@a.example",
                     letter);
            one->username[i / 2 % 3] ^= by_email ? 0 : 'a' ^ 'A';
            one->email[i / 2 % 3] ^= by_email ? 'a' ^ 'A' : 0;
            assert_int_equal(pthread_create(&one->thread, NULL, race, one), 0);
        }
        for (size_t i = 0; i < RACERS; i++)
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        for (size_t i = 0; i < RACERS; i++) {
            bool by_email = i % 2 != 0;
            if (racers[i].code == MESH_OK) {
                winners[by_email]++;
                continue;
            }
            assert_int_equal(racers[i].code, MESH_ALREADY_EXISTS);
            assert_string_equal(racers[i].err.reason, by_email ? "EMAIL_TAKEN" : "USERNAME_TAKEN");
        }
        assert_int_equal(winners[0], 1);
        assert_int_equal(winners[1], 1);
        assert_string_equal(count_of_users_and_profiles(), "2 2");
    }
}

/* Every allocation fails in turn. */
static void failing_memory_is_an_error_and_passes(void **state)
{
    (void)state;
    mesh_arena *whole = scope.arena;
    bool failed = true;
    size_t n = 0;
    while (failed) {
        postgres_value(db, "TRUNCATE users, profile, session, user_group");
        mesh_error_clear(&err);
        mesh_alloc_fail_at(++n);
        scope.arena = mesh_arena_create(64, 0);
        mesh_code code = MESH_RESOURCE_EXHAUSTED;
        if (scope.arena != NULL)
            code = add_consumer("ada", "ada@example.com");
        failed = mesh_alloc_failed();
        mesh_alloc_fail_at(0);
        mesh_arena_destroy(scope.arena);
        scope.arena = whole;
        if (code != MESH_OK && code != MESH_RESOURCE_EXHAUSTED)
            fail_msg("allocation %zu: %s %s", n, mesh_code_name(code), err.message);
        assert_true(failed || code == MESH_OK);
        /* All of a user or nothing, and nothing when the caller was told so. */
        assert_string_equal(count_of_users_and_profiles(), code == MESH_OK ? "1 1" : "0 0");
    }
    assert_true(n > 3); /* the arena and what it grows by */
}

/* Finds a login, begins a session, renews and ends it, with a fresh arena. */
static mesh_code use_session(void)
{
    char session_id[MESH_UUID_TEXT_BYTES], renewed_id[MESH_UUID_TEXT_BYTES];
    char text[USER_REFRESH_TEXT_BYTES];
    User__V1__User user = USER__V1__USER__INIT;
    user_refresh first, next;
    user_secret secret = {.hash = NULL};
    const int64_t expire_ns = mesh_clock_add_ms(mesh_clock_wall_ns(), 60000);
    user_refresh_create(&first, text);
    user_refresh_renew(&first, &next, text);
    scope.arena = mesh_arena_create(64, 0);
    if (scope.arena == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    mesh_code code = user_store_find_login(&scope, "ada", false, &user, &secret, &err);
    if (code == MESH_OK) {
        assert_string_equal(secret.hash, "$argon2id$...");
        code = user_session_add(&scope, user.id, secret.serial, &first, expire_ns, session_id,
                                &err);
    }
    if (code == MESH_OK)
        code = user_session_renew(&scope, &first, &next, expire_ns, &user, renewed_id, &err);
    if (code == MESH_OK) {
        assert_string_equal(renewed_id, session_id);
        code = user_session_end(&scope, &next, &err);
    }
    /* The runtime answers RESOURCE_EXHAUSTED for a call whose arena overflowed. */
    if (mesh_arena_overflowed(scope.arena))
        code = MESH_RESOURCE_EXHAUSTED;
    mesh_arena_destroy(scope.arena);
    return code;
}

/* Every allocation fails in turn. */
static void failing_memory_fails_a_session_and_passes(void **state)
{
    (void)state;
    mesh_arena *whole = scope.arena;
    bool failed = true;
    size_t n = 0;
    assert_int_equal(add_consumer("ada", "ada@example.com"), MESH_OK);
    while (failed) {
        mesh_error_clear(&err);
        mesh_alloc_fail_at(++n);
        mesh_code code = use_session();
        failed = mesh_alloc_failed();
        mesh_alloc_fail_at(0);
        scope.arena = whole;
        if (code != (failed ? MESH_RESOURCE_EXHAUSTED : MESH_OK))
            fail_msg("allocation %zu: %s %s", n, mesh_code_name(code), err.message);
    }
    assert_true(n > 3); /* the arena and what it grows by */
}

/* Changes a user in every way and back, and looks, with a fresh arena. */
static mesh_code manage(const char *id)
{
    static const char *const groups[] = {"support", "merchants"};
    const mesh_page page = {.size = 10, .after = "00000000-0000-0000-0000-000000000000"};
    User__V1__User user = USER__V1__USER__INIT, **users;
    User__V1__Employee **employees;
    User__V1__Group **all;
    bool allowed = false;
    size_t count = 0;
    scope.arena = mesh_arena_create(64, 0);
    if (scope.arena == NULL)
        return MESH_RESOURCE_EXHAUSTED;
    mesh_code code = user_store_unban(&scope, id, &user, &err); /* of a run that failed */
    if (code == MESH_OK)
        code = user_store_change_role(&scope, id, ROLE(PRO), &user, &err);
    if (code == MESH_OK)
        code = user_store_change_role(&scope, id, ROLE(CONSUMER), &user, &err);
    if (code == MESH_OK)
        code = user_store_change_groups(&scope, id, groups, 2, &user, &err);
    if (code == MESH_OK)
        code = user_store_has_permission(&scope, id, "product.write", &allowed, &err);
    if (code == MESH_OK)
        code = user_store_list(&scope, KIND(CONSUMER), &page, &users, &count, &err);
    assert_true(code != MESH_OK || (allowed && count == 1 && users[0]->n_groups == 2));
    if (code == MESH_OK)
        code = user_store_change_groups(&scope, id, NULL, 0, &user, &err);
    if (code == MESH_OK)
        code = user_store_ban(&scope, id, &user, &err);
    if (code == MESH_OK)
        code = user_store_list_employees(&scope, &page, &employees, &count, &err);
    if (code == MESH_OK)
        code = user_store_list_groups(&scope, &all, &count, &err);
    assert_true(code != MESH_OK || (count == 5 && all[0]->n_permissions == 2));
    if (mesh_arena_overflowed(scope.arena))
        code = MESH_RESOURCE_EXHAUSTED;
    mesh_arena_destroy(scope.arena);
    return code;
}

/* Every allocation fails in turn. */
static void failing_memory_fails_a_change_and_passes(void **state)
{
    (void)state;
    mesh_arena *whole = scope.arena;
    bool failed = true;
    size_t n = 0;
    assert_int_equal(add_consumer("ada", "ada@example.com"), MESH_OK);
    const char *id = mesh_arena_strdup(whole, postgres_value(db, "SELECT id FROM users"));
    while (failed) {
        mesh_error_clear(&err);
        mesh_alloc_fail_at(++n);
        mesh_code code = manage(id);
        failed = mesh_alloc_failed();
        mesh_alloc_fail_at(0);
        scope.arena = whole;
        /* What fails after the commit costs the event, and is told the operator, not the caller. */
        if (code != MESH_OK && (code != MESH_RESOURCE_EXHAUSTED || !failed))
            fail_msg("allocation %zu: %s %s", n, mesh_code_name(code), err.message);
    }
    assert_true(n > 10); /* the arena and what it grows by, transactions, events */
}

typedef struct beginner {
    pthread_t thread;
    mesh_arena *arena;
    const char *user_id;
    mesh_code code;
    mesh_error err;
} beginner;

static void *begin_session(void *context)
{
    beginner *me = context;
    const user_scope own = {.db = db, .arena = me->arena, .deadline_ns = MESH_NO_DEADLINE};
    char session_id[MESH_UUID_TEXT_BYTES], text[USER_REFRESH_TEXT_BYTES];
    user_refresh refresh;
    user_refresh_create(&refresh, text);
    me->code = user_session_add(&own, me->user_id, 1, &refresh,
                                mesh_clock_add_ms(mesh_clock_wall_ns(), 60000), session_id,
                                &me->err);
    return NULL;
}

/* S4.1, S4.2: of a password that is just being changed, and of a user who is just being banned. */
static void a_session_that_begins_meanwhile_does_not_survive_its_end(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *reason;
        mesh_code code;
    } cases[] = {
        {"UPDATE users SET password_serial = 2", "WRONG_CREDENTIALS", MESH_UNAUTHENTICATED},
        {"UPDATE users SET banned = true", "USER_BANNED", MESH_PERMISSION_DENIED},
        {"DELETE FROM users", "WRONG_CREDENTIALS", MESH_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__User user;
        mesh_tx *tx;
        postgres_value(db, "TRUNCATE users, profile, session, user_group");
        assert_int_equal(add("ada", "", KIND(CUSTOMER), ROLE(CUSTOMER), &user), MESH_OK);
        beginner one = {.arena = mesh_arena_create(1024, 0), .user_id = user.id};
        assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
        assert_int_equal(mesh_tx_query(tx, cases[i].sql, MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                         MESH_OK);
        assert_int_equal(pthread_create(&one.thread, NULL, begin_session, &one), 0);
        WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                           " WHERE wait_event_type = 'Lock'"),
                        "1") == 0);
        assert_int_equal(mesh_tx_commit(tx, &err), MESH_OK);
        assert_int_equal(pthread_join(one.thread, NULL), 0);
        assert_int_equal(one.code, cases[i].code);
        assert_string_equal(one.err.reason, cases[i].reason);
        assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "0");
        mesh_arena_destroy(one.arena);
    }
}

/* S4.1: of two who change it at once, one has shown a password that is none any more. */
static void a_password_that_was_changed_meanwhile_changes_nothing(void **state)
{
    (void)state;
    User__V1__User user;
    user_secret secret;
    assert_int_equal(add("ada", "", KIND(CUSTOMER), ROLE(CUSTOMER), &user), MESH_OK);
    assert_int_equal(user_store_find_secret(&scope, user.id, &secret, &err), MESH_OK);
    assert_int_equal(user_store_change_password(&scope, user.id, secret.serial, "first", "", &err),
                     MESH_OK);
    assert_int_equal(user_store_change_password(&scope, user.id, secret.serial, "second", "", &err),
                     MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "WRONG_CREDENTIALS");
    assert_string_equal(postgres_value(db, "SELECT password_hash FROM users"), "first");

    /* Another hash of the same password is the same password. */
    assert_int_equal(user_store_find_secret(&scope, user.id, &secret, &err), MESH_OK);
    assert_int_equal(user_store_rehash(&scope, user.id, "first", "renewed", &err), MESH_OK);
    assert_int_equal(user_store_change_password(&scope, user.id, secret.serial, "third", "", &err),
                     MESH_OK);
}

/* 30 of the one user there is, of which 25 have expired. */
#define EXPIRED_SESSIONS                                                      \
    "INSERT INTO session (id, user_id, selector, secret_hash, expire_time)"   \
    " SELECT gen_random_uuid(), u.id, decode(lpad(n::text, 32, '0'), 'hex')," \
    "  decode('00', 'hex'), now() + (n - 25) * interval '1 minute'"           \
    " FROM users u, generate_series(1, 30) n"

/* A few at a time, whoever they were of, and no other. */
static void expired_sessions_are_swept(void **state)
{
    (void)state;
    User__V1__User user;
    assert_int_equal(add("ada", "", KIND(CUSTOMER), ROLE(CUSTOMER), &user), MESH_OK);
    postgres_value(db, EXPIRED_SESSIONS);
    static const char *const left[] = {"20", "10", "5", "5"};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        assert_int_equal(user_store_sweep(&scope, &err), MESH_OK);
        assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), left[i]);
    }
    assert_string_equal(
        postgres_value(db, "SELECT count(*) FROM session WHERE expire_time <= now()"), "0");
}

/* A plan may run a subquery once for each row, and then LIMIT holds for none of them. */
static void a_sweep_takes_a_few_whatever_the_plan(void **state)
{
    (void)state;
    static const char *const slow[] = {"hashjoin", "mergejoin", "hashagg",
                                       "sort",     "material",  "memoize"};
    mesh_db *own = postgres_open("user_store_plan", &(mesh_db_options){.pool_max = 1});
    const user_scope there = {.db = own, .arena = scope.arena, .deadline_ns = MESH_NO_DEADLINE};
    assert_int_equal(mesh_migrate(own, "user", user_migrations, &err), MESH_OK);
    for (size_t i = 0; i < sizeof slow / sizeof slow[0]; i++)
        postgres_value(own, mesh_arena_printf(scope.arena, "SET enable_%s = off", slow[i]));
    postgres_value(own, "WITH u AS (INSERT INTO users (id, username, password_hash, kind, role,"
                        "  confirmed) VALUES (gen_random_uuid(), 'ada', '', 1, 2, true)"
                        "  RETURNING id, kind)"
                        " INSERT INTO profile (user_id, kind, first_name, last_name)"
                        " SELECT id, kind, '', '' FROM u");
    postgres_value(own, EXPIRED_SESSIONS);
    assert_int_equal(user_store_sweep(&there, &err), MESH_OK);
    assert_string_equal(postgres_value(own, "SELECT count(*) FROM session"), "20");
    mesh_db_destroy(own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_user_has_all_the_roles_that_one_implies, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(every_permission_of_a_group_is_one_of_the_contract,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(admins_of_before_are_admins_by_their_level, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_kind_never_has_anothers_role, begin_test, end_test),
        cmocka_unit_test_setup_teardown(names_and_emails_are_taken_once_whatever_their_case,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(any_number_of_users_has_no_email, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_user_never_is_without_a_profile_of_its_kind, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(a_user_whose_event_cannot_be_added_is_not_stored,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(of_those_who_want_the_same_at_once_exactly_one_gets_it,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_session_that_begins_meanwhile_does_not_survive_its_end,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_password_that_was_changed_meanwhile_changes_nothing,
                                        begin_test, end_test),
        cmocka_unit_test_setup_teardown(expired_sessions_are_swept, begin_test, end_test),
        cmocka_unit_test_setup_teardown(a_sweep_takes_a_few_whatever_the_plan, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(failing_memory_is_an_error_and_passes, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(failing_memory_fails_a_session_and_passes, begin_test,
                                        end_test),
        cmocka_unit_test_setup_teardown(failing_memory_fails_a_change_and_passes, begin_test,
                                        end_test),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}
