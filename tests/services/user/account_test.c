/* Users and their own accounts, by the rpcs and a guard in this process. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/base/uuid.h"
#include "mesh/db/migrate.h"
#include "mesh/events/events.h"
#include "services/user/store.h"
#include "services/user/turns.h"
#include "services/user/user_migrations.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/auth/gate.h"
#include "tests/services/key_file.h"
#include "tests/services/serve.h"
#include "tests/services/violations.h"
#include "user/v1/events.mesh.h"

#define KIND(name) USER__V1__USER__KIND__##name
#define ROLE(name) USER__V1__ROLE__##name
#define PASSWORD "Correct-Horse-Battery-7"

enum {
    FAILURES = 3, /* that a login may have */
    SIGN_UPS = 4, /* of an address */
    CHANGES = 40, /* by a user */
    AT_ONCE = 2   /* hashes */
};

static user_service service = {.limits = {.login_max = FAILURES,
                                          .address_max = 100000,
                                          .sign_up_max = SIGN_UPS,
                                          .change_max = CHANGES,
                                          .window_ms = 900000},
                               .session_ms = 3600000};
static mesh_events *events; /* take what is added, and publish it nowhere */
static gate door;
static serve here;
static mesh_arena *arena;
static mesh_error err;

/* --- around the tests ------------------------------------------------------------------------- */

static void start_service(void)
{
    static char path[KEY_FILE_PATH_BYTES];
    const key_text key = key_file_key();
    const user_signer_options signing = {.keys_file = path, .lifetime_ms = 900000};
    const user_passwords_options hashing = {
        .memory_bytes = USER_HASH_MEMORY_MIN, .passes = USER_HASH_PASSES_MIN, .concurrency = 2};
    key_file_path("user.keys", path);
    key_file_write(path, &key, 1);
    assert_int_equal(user_signer_create(&signing, &service.signer, &err), MESH_OK);
    assert_int_equal(user_passwords_create(&hashing, &service.passwords, &err), MESH_OK);
}

static int open_all(void **state)
{
    if (postgres_setup(state) != 0)
        return -1;
    service.db = postgres_open("user_account_test", &(mesh_db_options){.pool_max = 8});
    assert_int_equal(mesh_migrate(service.db, "mesh_events", mesh_events_migrations(), &err),
                     MESH_OK);
    assert_int_equal(mesh_migrate(service.db, "user", user_migrations, &err), MESH_OK);
    assert_int_equal(mesh_events_create(&(mesh_events_options){.url = "nats://127.0.0.1:1",
                                                               .service = "user",
                                                               .db = service.db},
                                        &events, &err),
                     MESH_OK);
    start_service();
    mesh_arena *own = mesh_arena_create(4096, 0);
    gate_create(&door, NULL, NULL);
    gate_believe(&door, user_signer_jwks(service.signer, own));
    mesh_guard_open(door.guard);
    mesh_arena_destroy(own);
    const mesh_interceptor guard = gate_interceptor(&door);
    serve_start_with(&here, user__v1__user_service__api(&user_handlers, &service), &guard);
    return 0;
}

static int close_all(void **state)
{
    serve_stop(&here);
    gate_destroy(&door);
    user_passwords_destroy(service.passwords);
    user_signer_destroy(service.signer);
    mesh_events_destroy(events);
    mesh_db_destroy(service.db);
    return postgres_teardown(state);
}

static int begin_test(void **state)
{
    (void)state;
    mesh_error_clear(&err);
    postgres_value(service.db, "TRUNCATE users, profile, session, user_group, attempt");
    arena = mesh_arena_create(4096, 0);
    return arena == NULL;
}

static int end_test(void **state)
{
    (void)state;
    mesh_arena_destroy(arena);
    return 0;
}

/* --- events ----------------------------------------------------------------------------------- */

static struct {
    char user_id[MESH_UUID_TEXT_BYTES], first_name[32], email[64];
    int64_t version;
} updated; /* the last one */
static size_t added_before;

mesh_code __real_user__v1__user_updated__add(mesh_tx *tx, const User__V1__UserUpdated *event,
                                             mesh_error *why);
mesh_code __wrap_user__v1__user_updated__add(mesh_tx *tx, const User__V1__UserUpdated *event,
                                             mesh_error *why);

mesh_code __wrap_user__v1__user_updated__add(mesh_tx *tx, const User__V1__UserUpdated *event,
                                             mesh_error *why)
{
    updated.version = event->version;
    assert_true(event->user->version == event->version);
    snprintf(updated.user_id, sizeof updated.user_id, "%s", event->user_id);
    snprintf(updated.first_name, sizeof updated.first_name, "%s", event->user->profile->first_name);
    snprintf(updated.email, sizeof updated.email, "%s", event->user->email);
    return __real_user__v1__user_updated__add(tx, event, why);
}

static size_t added_now(void)
{
    return (size_t)atoll(postgres_value(service.db, "SELECT count(*) FROM mesh_outbox"));
}

/* Events of transactions that committed, since the last person came. */
static size_t events_added(void)
{
    return added_now() - added_before;
}

/* --- people ----------------------------------------------------------------------------------- */

typedef struct person {
    const char *id;
    bool staff;
    const char *bearer;  /* "Bearer TOKEN" */
    const char *refresh; /* of the same session */
} person;

static mesh_code try_sign_in_at(mesh_channel *channel, bool staff, const char *login,
                                const char *password, User__V1__SignInResponse **response)
{
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    const mesh_call_options options = {.arena = arena};
    request.login = (char *)login;
    request.password = (char *)password;
    mesh_error_clear(&err);
    return staff
               ? user__v1__user_service__sign_in_staff(channel, &request, response, &options, &err)
               : user__v1__user_service__sign_in_regular(channel, &request, response, &options,
                                                         &err);
}

static mesh_code try_sign_in(bool staff, const char *login, const char *password,
                             User__V1__SignInResponse **response)
{
    return try_sign_in_at(here.channel, staff, login, password, response);
}

static void sign_in(person *who, const char *login, const char *password)
{
    User__V1__SignInResponse *response;
    if (try_sign_in(who->staff, login, password, &response) != MESH_OK)
        fail_msg("%s cannot sign in: %s", login, err.message);
    who->bearer = mesh_arena_printf(arena, "Bearer %s", response->tokens->access_token);
    who->refresh = response->tokens->refresh_token;
}

/* Somebody who has signed up and in. */
static person somebody(const char *username, User__V1__User__Kind kind, User__V1__Role role)
{
    const user_scope scope = {.db = service.db, .arena = arena, .deadline_ns = MESH_NO_DEADLINE};
    User__V1__User user = USER__V1__USER__INIT;
    char hash[USER_HASH_BYTES];
    assert_int_equal(user_password_hash(service.passwords, PASSWORD, hash, &err), MESH_OK);
    const user_account account = {.username = username,
                                  .email = mesh_arena_printf(arena, "%s@example.com", username),
                                  .password_hash = hash,
                                  .kind = kind,
                                  .role = role,
                                  .first_name = "Ada",
                                  .last_name = "Lovelace"};
    assert_int_equal(user_store_add(&scope, &account, &user, &err), MESH_OK);
    person who = {.id = user.id, .staff = kind == KIND(STAFF)};
    sign_in(&who, username, PASSWORD);
    added_before = added_now();
    return who;
}

static person ada(void)
{
    return somebody("ada", KIND(CONSUMER), ROLE(CONSUMER));
}

/* --- calls ------------------------------------------------------------------------------------ */

/* With the person's token; NULL: without any. */
static const mesh_call_options *as(const person *who)
{
    static mesh_metadata metadata;
    static mesh_call_options options;
    options = (mesh_call_options){.arena = arena};
    mesh_error_clear(&err);
    if (who != NULL) {
        metadata = (mesh_metadata){"authorization", who->bearer, strlen(who->bearer)};
        options.metadata = &metadata;
        options.metadata_count = 1;
    }
    return &options;
}

static mesh_code get_current(const person *who, User__V1__User **user)
{
    const User__V1__GetCurrentUserRequest request = USER__V1__GET_CURRENT_USER_REQUEST__INIT;
    return user__v1__user_service__get_current_user(here.channel, &request, user, as(who), &err);
}

/* NULL: not set. */
static User__V1__UpdateUserRequest update_request(const char *email, const char *first_name,
                                                  const char *last_name)
{
    User__V1__UpdateUserRequest request = USER__V1__UPDATE_USER_REQUEST__INIT;
    if (email != NULL)
        request._email_case = USER__V1__UPDATE_USER_REQUEST___EMAIL_EMAIL;
    if (first_name != NULL)
        request._first_name_case = USER__V1__UPDATE_USER_REQUEST___FIRST_NAME_FIRST_NAME;
    if (last_name != NULL)
        request._last_name_case = USER__V1__UPDATE_USER_REQUEST___LAST_NAME_LAST_NAME;
    request.email = (char *)email;
    request.first_name = (char *)first_name;
    request.last_name = (char *)last_name;
    return request;
}

static mesh_code update(const person *who, const char *email, const char *first_name,
                        const char *last_name, User__V1__User **user)
{
    const User__V1__UpdateUserRequest request = update_request(email, first_name, last_name);
    return user__v1__user_service__update_user(here.channel, &request, user, as(who), &err);
}

/* --- the own account -------------------------------------------------------------------------- */

/* S4.1, S0.4 */
static void users_see_their_own_account_as_it_is_now(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada(), other = somebody("bob", KIND(CUSTOMER), ROLE(CUSTOMER));
    assert_int_equal(get_current(&one, &user), MESH_OK);
    assert_string_equal(user->id, one.id);
    assert_string_equal(user->username, "ada");
    assert_string_equal(user->email, "ada@example.com");
    assert_string_equal(user->profile->first_name, "Ada");
    assert_int_equal(user->n_roles, 2);
    assert_int_equal(user->version, 1);
    postgres_value(service.db, "UPDATE users SET role = 3 WHERE username = 'ada'");
    assert_int_equal(get_current(&one, &user), MESH_OK);
    assert_int_equal(user->n_roles, 3);
    assert_int_equal(get_current(&other, &user), MESH_OK);
    assert_string_equal(user->id, other.id);
    assert_int_equal(get_current(NULL, &user), MESH_UNAUTHENTICATED);
}

static void a_user_who_was_deleted_has_no_account(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada();
    postgres_value(service.db, "TRUNCATE users, profile, session, user_group");
    assert_int_equal(get_current(&one, &user), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "USER_NOT_FOUND");
    assert_string_equal(err.domain, "user.v1");
    assert_int_equal(update(&one, NULL, "Augusta", NULL, &user), MESH_NOT_FOUND);
    assert_string_equal(err.reason, "USER_NOT_FOUND");
}

/* S4.1 */
static void users_change_their_names_and_email(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada();
    assert_int_equal(update(&one, "Augusta@Example.com", "Augusta", "King", &user), MESH_OK);
    assert_string_equal(user->email, "Augusta@Example.com");
    assert_string_equal(user->profile->first_name, "Augusta");
    assert_string_equal(user->profile->last_name, "King");
    assert_int_equal(user->version, 2);
    assert_int_equal(events_added(), 1);
    assert_string_equal(updated.user_id, one.id);
    assert_int_equal(updated.version, 2);
    assert_string_equal(updated.first_name, "Augusta");
    assert_string_equal(updated.email, "Augusta@Example.com");

    /* What is not set stays. */
    assert_int_equal(update(&one, NULL, NULL, "Noel", &user), MESH_OK);
    assert_string_equal(user->email, "Augusta@Example.com");
    assert_string_equal(user->profile->first_name, "Augusta");
    assert_string_equal(user->profile->last_name, "Noel");
    assert_int_equal(user->version, 3);
    assert_int_equal(events_added(), 2);
    User__V1__User *now;
    assert_int_equal(get_current(&one, &now), MESH_OK);
    assert_int_equal(now->version, 3);
    assert_string_equal(now->profile->last_name, "Noel");
    assert_true(now->update_time->seconds > now->create_time->seconds ||
                now->update_time->nanos > now->create_time->nanos);
    person again = one;
    sign_in(&again, "augusta@example.com", PASSWORD);
}

static void a_change_of_nothing_is_no_event(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada();
    assert_int_equal(update(&one, NULL, NULL, NULL, &user), MESH_OK);
    assert_int_equal(user->version, 1);
    assert_int_equal(update(&one, "ada@example.com", "Ada", "Lovelace", &user), MESH_OK);
    assert_int_equal(user->version, 1);
    assert_string_equal(user->username, "ada");
    assert_int_equal(events_added(), 0);
    assert_string_equal(postgres_value(service.db, "SELECT version FROM users"), "1");
}

/* S4.1, S2.1 */
static void what_may_be_emptied_depends_on_the_kind(void **state)
{
    (void)state;
    static const struct {
        User__V1__User__Kind kind;
        User__V1__Role role;
        const char *refused; /* when all are emptied */
    } cases[] = {
        {KIND(CONSUMER), ROLE(CONSUMER), "email"},
        {KIND(CONSUMER), ROLE(PRO), "email"},
        {KIND(CUSTOMER), ROLE(CUSTOMER), "first_name, last_name"},
        {KIND(EMPLOYEE), ROLE(EMPLOYEE), "first_name, last_name"},
        {KIND(STAFF), ROLE(LEVEL1), "email, first_name, last_name"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__User *user;
        const char *refused = cases[i].refused;
        const person one = somebody(mesh_arena_printf(arena, "user%zu", i), cases[i].kind,
                                    cases[i].role);
        assert_int_equal(update(&one, "", "", "", &user), MESH_INVALID_ARGUMENT);
        assert_string_equal(violated_fields(&err), refused);
        assert_int_equal(update(&one, "", NULL, NULL, &user),
                         strstr(refused, "email") != NULL ? MESH_INVALID_ARGUMENT : MESH_OK);
        assert_int_equal(update(&one, NULL, "", "", &user),
                         strstr(refused, "name") != NULL ? MESH_INVALID_ARGUMENT : MESH_OK);
    }
    assert_string_equal(
        postgres_value(service.db, "SELECT count(*) FROM users WHERE email IS NULL"), "2");
}

/* S4.1 */
static void every_mistake_of_an_update_reaches_the_caller(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada();
    assert_int_equal(update(&one, "no e-mail", "a\nb", "'; DROP TABLE users; --\x01", &user),
                     MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "email, first_name, last_name");
    assert_int_equal(update(&one, NULL, "'; DROP TABLE users; --", NULL, &user), MESH_OK);
    assert_string_equal(user->profile->first_name, "'; DROP TABLE users; --");
}

static void an_email_is_somebody_elses_whatever_its_case(void **state)
{
    (void)state;
    User__V1__User *user;
    const person one = ada();
    char field[16];
    (void)somebody("bob", KIND(CONSUMER), ROLE(CONSUMER));
    assert_int_equal(update(&one, "BOB@example.com", "Augusta", NULL, &user), MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "EMAIL_TAKEN");
    assert_true(mesh_error_metadata_get(&err, "field", field, sizeof field));
    assert_string_equal(field, "email");
    assert_int_equal(events_added(), 0);
    assert_int_equal(get_current(&one, &user), MESH_OK);
    assert_string_equal(user->profile->first_name, "Ada");
    assert_int_equal(user->version, 1);
    assert_int_equal(update(&one, "ADA@example.com", NULL, NULL, &user), MESH_OK);
}

enum {
    WRITERS = 4,
    ROUNDS = 10
};

typedef struct writer {
    pthread_t thread;
    const char *bearer;
    int number;
    size_t done;
} writer;

static void *write_names(void *context)
{
    writer *me = context;
    const mesh_metadata metadata = {"authorization", me->bearer, strlen(me->bearer)};
    for (int i = 0; i < ROUNDS; i++) {
        User__V1__User *user;
        char name[16];
        mesh_arena *own = mesh_arena_create(1024, 0);
        snprintf(name, sizeof name, "%d-%d", me->number, i);
        const User__V1__UpdateUserRequest request = update_request(NULL, name, NULL);
        me->done += user__v1__user_service__update_user(here.channel, &request, &user,
                                                        &(mesh_call_options){.arena = own,
                                                                             .metadata = &metadata,
                                                                             .metadata_count = 1},
                                                        NULL) == MESH_OK;
        mesh_arena_destroy(own);
    }
    return NULL;
}

/* Events of one user have versions without a gap. */
static void changes_at_once_follow_each_other(void **state)
{
    (void)state;
    User__V1__User *user;
    writer writers[WRITERS] = {0};
    const person one = ada();
    for (int i = 0; i < WRITERS; i++) {
        writers[i].bearer = one.bearer;
        writers[i].number = i;
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_names, &writers[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        assert_int_equal(writers[i].done, ROUNDS);
    }
    assert_int_equal(get_current(&one, &user), MESH_OK);
    assert_int_equal(user->version, 1 + WRITERS * ROUNDS);
    assert_int_equal(events_added(), WRITERS * ROUNDS);
    assert_string_equal(updated.first_name, user->profile->first_name);
}

/* --- the password ----------------------------------------------------------------------------- */

static atomic_size_t wiped; /* passwords, since it was set to 0 */

void __real_user_password_wipe(char *password);
void __wrap_user_password_wipe(char *password);

void __wrap_user_password_wipe(char *password)
{
    atomic_fetch_add(&wiped, 1);
    __real_user_password_wipe(password);
}

static mesh_code change_password(const person *who, const char *old_one, const char *new_one)
{
    User__V1__ChangePasswordRequest request = USER__V1__CHANGE_PASSWORD_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    request.old_password = (char *)old_one;
    request.new_password = (char *)new_one;
    atomic_store(&wiped, 0);
    mesh_code code = user__v1__user_service__change_password(here.channel, &request, &empty,
                                                             as(who), &err);
    assert_int_equal(atomic_load(&wiped), who != NULL ? 2 : 0); /* whatever came of it */
    return code;
}

static mesh_code refresh(const char *token)
{
    User__V1__RefreshRequest request = USER__V1__REFRESH_REQUEST__INIT;
    User__V1__Tokens *tokens;
    request.refresh_token = (char *)token;
    return user__v1__user_service__refresh(here.channel, &request, &tokens, as(NULL), &err);
}

/* A guess that is wrong. */
static mesh_code guess(bool staff, const char *login)
{
    User__V1__SignInResponse *response;
    return try_sign_in(staff, login, "a guess", &response);
}

static void expect_blocked(bool staff, const char *login)
{
    User__V1__SignInResponse *response;
    assert_int_equal(try_sign_in(staff, login, PASSWORD, &response), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
}

/* S4.1: each is an event in a stream that all share. */
static void a_user_changes_the_own_account_a_few_times(void **state)
{
    (void)state;
    User__V1__User *user;
    int64_t delay_ms = 0;
    const person one = ada(), other = somebody("bob", KIND(CONSUMER), ROLE(CONSUMER));
    for (int i = 0; i < CHANGES; i++) {
        assert_int_equal(update(&one, NULL, i % 2 == 0 ? "Augusta" : "Ada", NULL, &user), MESH_OK);
        assert_int_equal(update(&one, NULL, user->profile->first_name, NULL, &user), MESH_OK);
    }
    assert_int_equal(update(&one, NULL, "Augusta", NULL, &user), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > 0 && delay_ms <= 900000);
    assert_int_equal(events_added(), CHANGES);
    assert_int_equal(update(&one, NULL, "Ada", NULL, &user), MESH_OK); /* so it is already */
    assert_int_equal(user->version, 1 + CHANGES);

    /* Those to an e-mail that is taken count, too. */
    for (int i = 0; i < CHANGES; i++)
        assert_int_equal(update(&other, "ada@example.com", NULL, NULL, &user), MESH_ALREADY_EXISTS);
    assert_int_equal(update(&other, "ada@example.com", NULL, NULL, &user), MESH_RESOURCE_EXHAUSTED);
}

/* S4.1 */
static void a_changed_password_is_the_only_one(void **state)
{
    (void)state;
    User__V1__SignInResponse *response;
    person one = ada();
    assert_int_equal(change_password(&one, PASSWORD, "Another-Horse-8"), MESH_OK);
    assert_int_equal(try_sign_in(false, "ada", PASSWORD, &response), MESH_UNAUTHENTICATED);
    sign_in(&one, "ada", "Another-Horse-8");
    assert_int_equal(events_added(), 0); /* nothing that others know has changed */
    assert_string_equal(postgres_value(service.db, "SELECT version FROM users"), "1");
    assert_int_equal(change_password(NULL, PASSWORD, "Another-Horse-9"), MESH_UNAUTHENTICATED);
}

/* S4.1, S0.4 */
static void a_changed_password_ends_all_other_sessions(void **state)
{
    (void)state;
    const person one = ada(), other = somebody("bob", KIND(CONSUMER), ROLE(CONSUMER));
    person thief = one;
    sign_in(&thief, "ada", PASSWORD);
    assert_int_equal(change_password(&one, PASSWORD, "Another-Horse-8"), MESH_OK);
    assert_int_equal(refresh(thief.refresh), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "SESSION_ENDED");
    assert_int_equal(refresh(one.refresh), MESH_OK);
    assert_int_equal(refresh(other.refresh), MESH_OK);
}

/* S4.1: who found a device signed in learns no password by it. */
static void an_old_password_is_guessed_at_a_few_times(void **state)
{
    (void)state;
    person one = ada();
    for (int i = 0; i < FAILURES; i++) {
        assert_int_equal(change_password(&one, "a guess", "Another-Horse-8"), MESH_UNAUTHENTICATED);
        assert_string_equal(err.reason, "WRONG_CREDENTIALS");
    }
    assert_int_equal(change_password(&one, PASSWORD, "Another-Horse-8"), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_int_equal(refresh(one.refresh), MESH_OK);
    sign_in(&one, "ada", PASSWORD); /* whoever guessed so does not lock the user out */
}

static void every_mistake_of_a_change_of_password_reaches_the_caller(void **state)
{
    (void)state;
    const person one = ada();
    char large[200];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_int_equal(change_password(&one, "", "short"), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "old_password, new_password");
    assert_int_equal(change_password(&one, large, large), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "old_password, new_password, new_password");
    assert_int_equal(change_password(&one, PASSWORD, PASSWORD), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "new_password");
    assert_null(strstr(err.message, PASSWORD));
}

/* --- who may try ------------------------------------------------------------------------------ */

/* S4.1: a lock-out does not tell which username and e-mail belong together. */
static void guesses_count_for_the_login_as_it_was_written(void **state)
{
    (void)state;
    static const char *const nobody[] = {"stranger", "stranger@example.com"};
    static const char *const somebodys[] = {"Ada", "ada@Example.com"};
    person one = ada();
    for (size_t i = 0; i < 2; i++) { /* whichever comes first */
        for (int j = 0; j < FAILURES; j++) {
            assert_int_equal(guess(false, nobody[i]), MESH_UNAUTHENTICATED);
            assert_int_equal(guess(false, somebodys[i]), MESH_UNAUTHENTICATED);
        }
        expect_blocked(false, nobody[i]);
        expect_blocked(false, i == 0 ? "ada" : "ada@example.com");
    }
    assert_int_equal(change_password(&one, PASSWORD, "Another-Horse-8"), MESH_OK);
    assert_int_equal(refresh(one.refresh), MESH_OK);
}

/* S4.1: so that it does not tell who has an account. */
static void guesses_for_nobody_are_answered_as_those_for_somebody(void **state)
{
    (void)state;
    static const char *const logins[] = {"nobody", "nobody@example.com", "ada"};
    (void)ada();
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        for (int j = 0; j < FAILURES; j++) {
            assert_int_equal(guess(false, logins[i]), MESH_UNAUTHENTICATED);
            assert_string_equal(err.reason, "WRONG_CREDENTIALS");
        }
        expect_blocked(false, logins[i]);
    }
    assert_int_equal(guess(true, "nobody"), MESH_UNAUTHENTICATED); /* as for staff */
}

/* S0.1, S4.1: the door that is open to all does not lock the other one. */
static void guesses_at_one_sign_in_do_not_lock_the_other(void **state)
{
    (void)state;
    person root = somebody("root", KIND(STAFF), ROLE(ADMIN)), one = ada();
    for (int i = 0; i < FAILURES; i++) {
        assert_int_equal(guess(false, "root"), MESH_UNAUTHENTICATED);
        assert_int_equal(guess(true, "ada"), MESH_UNAUTHENTICATED);
    }
    expect_blocked(false, "root");
    expect_blocked(true, "ada");
    sign_in(&root, "root", PASSWORD);
    sign_in(&one, "ada", PASSWORD);
}

static mesh_code sign_up_at(mesh_channel *channel, const char *username)
{
    User__V1__SignUpRegularRequest request = USER__V1__SIGN_UP_REGULAR_REQUEST__INIT;
    User__V1__User *user;
    request.username = (char *)username;
    request.email = mesh_arena_printf(arena, "%s@example.com", username);
    request.password = (char *)PASSWORD;
    return user__v1__user_service__sign_up_regular(channel, &request, &user, as(NULL), &err);
}

static mesh_code sign_up(const char *username)
{
    return sign_up_at(here.channel, username);
}

/* The same service on a Unix socket, whose callers are from another address. */
static void open_side_door(mesh_server **server, mesh_channel **channel)
{
    const mesh_interceptor guard = gate_interceptor(&door);
    char folder[] = "/tmp/account.XXXXXX"; /* a socket's path is short */
    assert_non_null(mkdtemp(folder));
    const char *address = mesh_arena_printf(arena, "unix:%s/socket", folder);
    const mesh_server_options options = {
        .listen = address, .interceptors = &guard, .interceptor_count = 1};
    assert_int_equal(mesh_server_create(&options, server, &err), MESH_OK);
    assert_int_equal(
        mesh_server_add(*server, user__v1__user_service__api(&user_handlers, &service), &err),
        MESH_OK);
    assert_int_equal(mesh_server_start(*server, &err), MESH_OK);
    assert_int_equal(mesh_channel_create(address, NULL, channel, &err), MESH_OK);
}

static mesh_code sign_up_staff(const person *who, const char *username)
{
    User__V1__SignUpStaffRequest request = USER__V1__SIGN_UP_STAFF_REQUEST__INIT;
    User__V1__User *user;
    request.username = (char *)username;
    request.email = mesh_arena_printf(arena, "%s@example.com", username);
    request.password = (char *)PASSWORD;
    request.first_name = request.last_name = (char *)"Root";
    return user__v1__user_service__sign_up_staff(here.channel, &request, &user, as(who), &err);
}

/* S4.1: those that fail as well, or one could look which names are taken. */
static void an_address_makes_a_few_accounts(void **state)
{
    (void)state;
    const person root = somebody("root", KIND(STAFF), ROLE(ADMIN));
    int64_t delay_ms = 0;
    atomic_store(&door.allows, true);
    assert_int_equal(sign_up(""), MESH_INVALID_ARGUMENT); /* has cost nothing */
    assert_int_equal(sign_up("ada"), MESH_OK);
    for (int i = 1; i < SIGN_UPS; i++)
        assert_int_equal(sign_up("ada"), MESH_ALREADY_EXISTS);
    assert_int_equal(sign_up("bob"), MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    assert_true(mesh_error_retry_delay(&err, &delay_ms));
    assert_true(delay_ms > 0 && delay_ms <= 900000);
    assert_int_equal(sign_up_staff(&root, "grace"), MESH_OK); /* an admin has no such limit */
    mesh_server *side = NULL;
    mesh_channel *other = NULL;
    open_side_door(&side, &other);
    assert_int_equal(sign_up_at(other, "bob"), MESH_OK);
    mesh_channel_destroy(other);
    mesh_server_drain(side, 1000);
    mesh_server_destroy(side);
    assert_string_equal(postgres_value(service.db, "SELECT count(*) FROM users"), "4");
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Whoever they were of: users who do not come back leave nothing behind. */
static void signing_in_sweeps_expired_sessions(void **state)
{
    (void)state;
    person one = ada();
    (void)somebody("bob", KIND(CONSUMER), ROLE(CONSUMER));
    postgres_value(service.db, "UPDATE session SET expire_time = now()");
    sign_in(&one, "ada", PASSWORD);
    assert_string_equal(postgres_value(service.db, "SELECT count(*) FROM session"), "1");
    assert_int_equal(refresh(one.refresh), MESH_OK);
}

/* --- who waits -------------------------------------------------------------------------------- */

static atomic_size_t verified;

mesh_code __real_user_password_verify(user_passwords *passwords, const char *password,
                                      const char *hash, bool *right, bool *outdated,
                                      mesh_error *why);
mesh_code __wrap_user_password_verify(user_passwords *passwords, const char *password,
                                      const char *hash, bool *right, bool *outdated,
                                      mesh_error *why);

mesh_code __wrap_user_password_verify(user_passwords *passwords, const char *password,
                                      const char *hash, bool *right, bool *outdated,
                                      mesh_error *why)
{
    atomic_fetch_add(&verified, 1);
    return __real_user_password_verify(passwords, password, hash, right, outdated, why);
}

static atomic_size_t waiting;

mesh_code __real_user_turn_take(user_waiter *me, mesh_error *why);
mesh_code __wrap_user_turn_take(user_waiter *me, mesh_error *why);

mesh_code __wrap_user_turn_take(user_waiter *me, mesh_error *why)
{
    atomic_fetch_add(&waiting, 1);
    mesh_code code = __real_user_turn_take(me, why);
    atomic_fetch_sub(&waiting, 1);
    return code;
}

static void ignore(void *context, mesh_code code, const User__V1__SignInResponse *response,
                   const mesh_error *why)
{
    (void)context;
    (void)code;
    (void)response;
    (void)why;
}

static void begin_sign_in(const char *login, const mesh_call_options *options)
{
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    request.login = (char *)login;
    request.password = (char *)PASSWORD;
    assert_int_equal(user__v1__user_service__sign_in_regular__async(here.channel, &request, options,
                                                                    ignore, NULL),
                     MESH_OK);
}

/* S4.1: a client that goes away frees its place in the queue, and no password of it is hashed. */
static void a_call_that_nobody_waits_for_waits_no_longer(void **state)
{
    (void)state;
    User__V1__SignInResponse *response;
    mesh_cancel *cancel = mesh_cancel_create();
    const mesh_call_options ways[] = {{.cancel = cancel}, {.timeout_ms = 500}};
    static const char *const logins[] = {"ada", "ada@example.com"}; /* each has its share */
    user_waiter held[AT_ONCE] = {{.login = NULL}};
    (void)ada();
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        atomic_store(&verified, 0);
        for (int j = 0; j < AT_ONCE; j++)
            assert_int_equal(
                user_password_turn_take(service.passwords, USER_HASH_KNOWN, NULL, &held[j], &err),
                MESH_OK);
        int64_t from_ns = mesh_clock_monotonic_ns();
        for (int j = 0; j < AT_ONCE * USER_HASH_WAITING; j++)
            begin_sign_in(logins[j % 2], &ways[i]);
        WAIT_FOR(atomic_load(&waiting) == AT_ONCE * USER_HASH_WAITING);
        assert_int_equal(try_sign_in(false, "ada", PASSWORD, &response), MESH_RESOURCE_EXHAUSTED);
        assert_string_equal(err.reason, "TOO_MANY_PASSWORDS");
        if (ways[i].cancel != NULL)
            mesh_cancel_destroy(cancel);
        WAIT_FOR(atomic_load(&waiting) == 0);
        assert_true(mesh_clock_monotonic_ns() - from_ns < INT64_C(1000000) * USER_HASH_WAIT_MS);
        for (int j = 0; j < AT_ONCE; j++)
            user_turn_end(&held[j]);
        assert_int_equal(try_sign_in(false, "ada", PASSWORD, &response), MESH_OK);
        assert_int_equal(atomic_load(&verified), 1);
    }
}

enum {
    FLOOD = 8
};

static atomic_bool flooding;

static void *sign_in_all_the_time(void *context)
{
    (void)context;
    while (atomic_load(&flooding)) {
        User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
        User__V1__SignInResponse *response;
        mesh_arena *own = mesh_arena_create(1024, 0);
        request.login = (char *)"ada";
        request.password = (char *)PASSWORD;
        (void)user__v1__user_service__sign_in_regular(here.channel, &request, &response,
                                                      &(mesh_call_options){.arena = own}, NULL);
        mesh_arena_destroy(own);
    }
    return NULL;
}

/* S4.1: who knows a password, and shows it all the time, keeps nobody else out. */
static void one_login_leaves_turns_to_others_of_any_address(void **state)
{
    (void)state;
    pthread_t threads[FLOOD];
    User__V1__SignInResponse *response;
    mesh_server *side = NULL;
    mesh_channel *other = NULL;
    (void)ada();
    (void)somebody("bob", KIND(CONSUMER), ROLE(CONSUMER));
    open_side_door(&side, &other);
    atomic_store(&flooding, true);
    for (size_t i = 0; i < FLOOD; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_in_all_the_time, NULL), 0);
    WAIT_FOR(try_sign_in(false, "ada", PASSWORD, &response) == MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_PASSWORDS");
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(try_sign_in_at(other, false, "bob", PASSWORD, &response), MESH_OK);
        assert_int_equal(try_sign_in(false, "bob", PASSWORD, &response), MESH_OK);
    }
    atomic_store(&flooding, false);
    for (size_t i = 0; i < FLOOD; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    mesh_channel_destroy(other);
    mesh_server_drain(side, 1000);
    mesh_server_destroy(side);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
    const struct CMUnitTest tests[] = {
        TEST(users_see_their_own_account_as_it_is_now),
        TEST(a_user_who_was_deleted_has_no_account),
        TEST(users_change_their_names_and_email),
        TEST(a_change_of_nothing_is_no_event),
        TEST(what_may_be_emptied_depends_on_the_kind),
        TEST(every_mistake_of_an_update_reaches_the_caller),
        TEST(an_email_is_somebody_elses_whatever_its_case),
        TEST(changes_at_once_follow_each_other),
        TEST(a_user_changes_the_own_account_a_few_times),
        TEST(a_changed_password_is_the_only_one),
        TEST(a_changed_password_ends_all_other_sessions),
        TEST(an_old_password_is_guessed_at_a_few_times),
        TEST(every_mistake_of_a_change_of_password_reaches_the_caller),
        TEST(guesses_count_for_the_login_as_it_was_written),
        TEST(guesses_for_nobody_are_answered_as_those_for_somebody),
        TEST(guesses_at_one_sign_in_do_not_lock_the_other),
        TEST(an_address_makes_a_few_accounts),
        TEST(signing_in_sweeps_expired_sessions),
        TEST(a_call_that_nobody_waits_for_waits_no_longer),
        TEST(one_login_leaves_turns_to_others_of_any_address),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
