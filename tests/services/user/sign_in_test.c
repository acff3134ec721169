/* Signing in, refreshing and signing out, as callers know it; what tokens say, as services do. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/auth/verifier.h"
#include "mesh/base/clock.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/key_file.h"
#include "tests/services/shop/pair.h"
#include "tests/services/violations.h"

static int open_all(void **state)
{
    /* Tests fail on purpose, all from one address and for users of the same names. */
    static const char *const patient[] = {"USER_ADDRESS_FAILURES=100000",
                                          "USER_LOGIN_FAILURES=100000", NULL};
    if (shop_setup(state) != 0)
        return -1;
    pair_start("user", NULL, people_settings(patient));
    return 0;
}

static int close_all(void **state)
{
    pair_stop();
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    postgres_value(db, "TRUNCATE users, profile, session, user_group, attempt");
    return pair_begin(state);
}

static mesh_code sign_in_at(mesh_channel *channel, bool staff, const char *login,
                            const char *password, User__V1__SignInResponse **response)
{
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    request.login = (char *)login;
    request.password = (char *)password;
    return staff ? user__v1__user_service__sign_in_staff(channel, &request, response, in_arena(),
                                                         &err)
                 : user__v1__user_service__sign_in_regular(channel, &request, response, in_arena(),
                                                           &err);
}

static mesh_code sign_in(const char *login, const char *password)
{
    User__V1__SignInResponse *response;
    return sign_in_at(here.channel, false, login, password, &response);
}

/* Signs up and in; the tokens. */
static const User__V1__Tokens *tokens_of_ada(void)
{
    User__V1__SignInResponse *response;
    people_sign_up(here.channel, arena, "Ada", "ada@example.com");
    assert_int_equal(sign_in_at(here.channel, false, "ada", PEOPLE_PASSWORD, &response), MESH_OK);
    return response->tokens;
}

static mesh_code refresh(mesh_channel *channel, const char *token, User__V1__Tokens **tokens)
{
    User__V1__RefreshRequest request = USER__V1__REFRESH_REQUEST__INIT;
    request.refresh_token = (char *)token;
    return user__v1__user_service__refresh(channel, &request, tokens, in_arena(), &err);
}

static void expect_ended(const char *token)
{
    User__V1__Tokens *tokens;
    assert_int_equal(refresh(here.channel, token, &tokens), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "SESSION_ENDED");
    assert_string_equal(err.domain, "user.v1");
}

static mesh_code sign_out(const char *token)
{
    User__V1__SignOutRequest request = USER__V1__SIGN_OUT_REQUEST__INIT;
    Google__Protobuf__Empty *empty;
    request.refresh_token = (char *)token;
    return user__v1__user_service__sign_out(there.channel, &request, &empty, in_arena(), &err);
}

static const char *key_set(mesh_channel *channel)
{
    const User__V1__GetKeySetRequest request = USER__V1__GET_KEY_SET_REQUEST__INIT;
    User__V1__KeySet *set;
    assert_int_equal(user__v1__user_service__get_key_set(channel, &request, &set, in_arena(), &err),
                     MESH_OK);
    return set->jwks;
}

/* What a service that has the key set makes of a token. */
static mesh_code verify(const char *jwks, const char *token, const mesh_claims **claims)
{
    mesh_keys *keys = NULL;
    mesh_verifier *verifier = NULL;
    mesh_error_clear(&err);
    assert_int_equal(mesh_keys_create(&keys, &err), MESH_OK);
    assert_int_equal(mesh_keys_replace(keys, jwks, strlen(jwks), &err), MESH_OK);
    assert_int_equal(
        mesh_verifier_create(
            &(mesh_verifier_options){.keys = keys, .issuer = "user", .audience = "mesh"}, &verifier,
            &err),
        MESH_OK);
    mesh_code code = mesh_verifier_check(verifier, token, strlen(token), arena, claims, &err);
    mesh_verifier_destroy(verifier);
    mesh_keys_destroy(keys);
    return code;
}

/* "regular consumer" */
static const char *roles_of(const char *token)
{
    static char roles[128];
    const mesh_claims *claims;
    size_t used = 0;
    assert_int_equal(verify(key_set(there.channel), token, &claims), MESH_OK);
    for (size_t i = 0; i < claims->role_count; i++)
        used += (size_t)snprintf(roles + used, sizeof roles - used, "%s%s", i == 0 ? "" : " ",
                                 claims->roles[i]);
    return roles;
}

/* S0.1, S4.1 */
static void one_signs_in_with_username_or_email_whatever_its_case(void **state)
{
    (void)state;
    static const char *const logins[] = {"Ada", "ada", "ADA", "Ada@Example.com", "aDA@eXAMPLE.COM"};
    const char *id = people_sign_up(here.channel, arena, "Ada", "Ada@Example.com");
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        User__V1__SignInResponse *response;
        assert_int_equal(sign_in_at(i % 2 == 0 ? here.channel : there.channel, false, logins[i],
                                    PEOPLE_PASSWORD, &response),
                         MESH_OK);
        assert_string_equal(response->user->id, id);
        assert_string_equal(response->user->username, "Ada");
        assert_string_equal(response->user->profile->first_name, "Ada");
    }
}

/* S0.4: by any service alone, once it has the keys. */
static void an_access_token_says_who_the_user_is_and_what(void **state)
{
    (void)state;
    User__V1__SignInResponse *response;
    const mesh_claims *claims;
    const char *id = people_sign_up(here.channel, arena, "Ada", "ada@example.com");
    const char *jwks = key_set(there.channel);
    int64_t before_s = mesh_clock_wall_ns() / 1000000000;
    assert_int_equal(sign_in_at(here.channel, false, "ada", PEOPLE_PASSWORD, &response), MESH_OK);
    const User__V1__Tokens *tokens = response->tokens;
    assert_int_equal(verify(jwks, tokens->access_token, &claims), MESH_OK);
    assert_string_equal(claims->subject, id);
    assert_int_equal(claims->role_count, 2);
    assert_string_equal(claims->roles[0], "regular");
    assert_string_equal(claims->roles[1], "consumer");
    assert_true(claims->issued_s >= before_s);
    assert_int_equal(claims->expires_s - claims->issued_s, 15 * 60);
    assert_int_equal(claims->expires_s, tokens->access_expire_time->seconds);
    assert_true(tokens->refresh_expire_time->seconds >= before_s + INT64_C(720) * 3600);
    assert_string_equal(claims->session_id, postgres_value(db, "SELECT id FROM session"));
    assert_null(strstr(jwks, "\"d\""));
}

/* S0.1, S4.1: nobody learns who has an account, or of what kind, without the password. */
static void every_failure_to_sign_in_is_answered_alike(void **state)
{
    (void)state;
    static const struct {
        bool staff;
        const char *login, *password;
    } cases[] = {
        {false, "nobody", PEOPLE_PASSWORD},
        {false, "nobody@example.com", PEOPLE_PASSWORD},
        {false, "ada", "another password"},
        {false, "ada@example.com", "another password"},
        {false, "root", PEOPLE_PASSWORD}, /* of staff */
        {true, "ada", PEOPLE_PASSWORD},   /* no staff */
        {true, "nobody", PEOPLE_PASSWORD},
        {true, "root", "another password"},
        {false, "ad\xc3\xa4", PEOPLE_PASSWORD},
        {false, "' OR '1'='1", PEOPLE_PASSWORD},
        {false, "ada'; DROP TABLE users; --", "'; DROP TABLE users; --"},
        {true, "root' --", "x"},
        {false, "%", "%"},
    };
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    people_make_admin("root", "root@example.com");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__SignInResponse *response;
        assert_int_equal(
            sign_in_at(here.channel, cases[i].staff, cases[i].login, cases[i].password, &response),
            MESH_UNAUTHENTICATED);
        assert_string_equal(err.reason, "WRONG_CREDENTIALS");
        assert_string_equal(err.domain, "user.v1");
        assert_string_equal(err.message, "no such user, or another password");
    }
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "0");
}

/* What a failure takes, if it is less than `quickest_ns`. */
static int64_t quicker_ns(const char *login, int64_t quickest_ns)
{
    int64_t from_ns = mesh_clock_monotonic_ns();
    assert_int_equal(sign_in(login, "another password"), MESH_UNAUTHENTICATED);
    int64_t took_ns = mesh_clock_monotonic_ns() - from_ns;
    return took_ns < quickest_ns ? took_ns : quickest_ns;
}

/* S4.1: in turn, as often as it may fail, since others use the machine, too. */
static void a_user_who_does_not_exist_takes_as_long_as_a_wrong_password(void **state)
{
    int64_t wrong_ns = INT64_MAX, unknown_ns = INT64_MAX;
    (void)state;
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    for (int i = 0; i < 9; i++) {
        wrong_ns = quicker_ns("ada", wrong_ns);
        unknown_ns = quicker_ns("nobody-else", unknown_ns);
    }
    assert_true(unknown_ns > wrong_ns / 2 && wrong_ns > unknown_ns / 2);
}

/* S0.1 */
static void staff_signs_in_as_staff(void **state)
{
    (void)state;
    User__V1__SignInResponse *response;
    people_make_admin("Root", "root@example.com");
    assert_int_equal(sign_in_at(here.channel, true, "rOOt", PEOPLE_PASSWORD, &response), MESH_OK);
    assert_int_equal(response->user->kind, USER__V1__USER__KIND__STAFF);
    assert_string_equal(roles_of(response->tokens->access_token), "staff admin");
}

static void every_mistake_of_a_sign_in_reaches_the_caller(void **state)
{
    (void)state;
    char large[300];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    assert_int_equal(sign_in("", ""), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "login, password");
    assert_int_equal(sign_in(large, large), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "login, password");
}

/* S0.4 */
static void a_refresh_gives_a_new_pair_that_says_what_the_user_is_now(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    User__V1__Tokens *second, *third;
    const mesh_claims *before, *after;
    assert_string_equal(roles_of(first->access_token), "regular consumer");
    postgres_value(db, "UPDATE users SET role = 3");
    assert_int_equal(refresh(there.channel, first->refresh_token, &second), MESH_OK);
    assert_string_not_equal(second->refresh_token, first->refresh_token);
    assert_string_equal(roles_of(second->access_token), "regular consumer pro");
    const char *jwks = key_set(here.channel);
    assert_int_equal(verify(jwks, first->access_token, &before), MESH_OK);
    assert_int_equal(verify(jwks, second->access_token, &after), MESH_OK);
    assert_string_equal(after->session_id, before->session_id);
    assert_string_not_equal(after->token_id, before->token_id);
    assert_int_equal(refresh(here.channel, second->refresh_token, &third), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "1");
}

/* S0.4 */
static void a_refresh_token_that_comes_again_ends_the_session(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    User__V1__Tokens *second, *third;
    assert_int_equal(refresh(here.channel, first->refresh_token, &second), MESH_OK);
    assert_int_equal(refresh(here.channel, second->refresh_token, &third), MESH_OK);
    expect_ended(first->refresh_token); /* not only the one before */
    expect_ended(third->refresh_token);
    expect_ended(second->refresh_token);
    assert_int_equal(sign_in("ada", PEOPLE_PASSWORD), MESH_OK);
}

/* S0.4 */
static void a_corrupt_refresh_token_ends_the_session(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    char changed[80];
    expect_ended("");
    expect_ended("'; DROP TABLE session; --");
    expect_ended("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "1");
    snprintf(changed, sizeof changed, "%s", first->refresh_token);
    changed[40] = changed[40] == 'A' ? 'B' : 'A'; /* of the secret */
    expect_ended(changed);
    expect_ended(first->refresh_token);
}

/* S0.4: the sessions of others go on. */
static void signing_out_ends_the_session_and_no_other(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    User__V1__SignInResponse *other;
    User__V1__Tokens *tokens;
    assert_int_equal(sign_in_at(here.channel, false, "ada", PEOPLE_PASSWORD, &other), MESH_OK);
    assert_int_equal(sign_out(first->refresh_token), MESH_OK);
    expect_ended(first->refresh_token);
    assert_int_equal(sign_out(first->refresh_token), MESH_OK);
    assert_int_equal(sign_out("no token"), MESH_OK);
    assert_int_equal(refresh(here.channel, other->tokens->refresh_token, &tokens), MESH_OK);
}

static void a_session_that_is_not_refreshed_in_time_ends(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    postgres_value(db, "UPDATE session SET expire_time = now()");
    expect_ended(first->refresh_token);
}

static void a_session_that_expired_is_reported_as_no_theft(void **state)
{
    (void)state;
    User__V1__Tokens *tokens;
    instance one = {0};
    const User__V1__Tokens *first = tokens_of_ada();
    instance_start(&one, "user", NULL, people_settings(NULL));
    postgres_value(db, "UPDATE session SET expire_time = now()");
    assert_int_equal(refresh(one.channel, first->refresh_token, &tokens), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "SESSION_ENDED");
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "0");
    program_signal(one.program, SIGTERM);
    assert_int_equal(program_wait(one.program), 0);
    assert_null(strstr(program_output(one.program), "that is not the last"));
    instance_gone(&one);
}

/* S0.4 */
static void a_refresh_token_is_stored_as_a_hash_alone(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    char sql[512];
    assert_null(
        strstr(postgres_value(db, "SELECT session::text FROM session"), first->refresh_token));
    snprintf(sql, sizeof sql,
             "SELECT position(substring(bytes FROM 1 FOR 16) IN selector) || ' ' ||"
             " position(substring(bytes FROM 17) IN secret_hash || selector)"
             " FROM session, decode(translate('%s', '-_', '+/'), 'base64') bytes",
             first->refresh_token);
    assert_string_equal(postgres_value(db, sql), "1 0");
}

enum {
    RACERS = 4
};

typedef struct racer {
    pthread_t thread;
    mesh_channel *channel;
    const char *token;
    mesh_code code;
} racer;

static void *race(void *context)
{
    racer *me = context;
    User__V1__RefreshRequest request = USER__V1__REFRESH_REQUEST__INIT;
    User__V1__Tokens *tokens;
    mesh_arena *own = mesh_arena_create(1024, 0);
    request.refresh_token = (char *)me->token;
    me->code = user__v1__user_service__refresh(me->channel, &request, &tokens,
                                               &(mesh_call_options){.arena = own}, NULL);
    mesh_arena_destroy(own);
    return NULL;
}

/* S0.4 */
static void a_refresh_token_is_taken_once_whoever_is_faster(void **state)
{
    (void)state;
    racer racers[RACERS];
    const User__V1__Tokens *first = tokens_of_ada();
    size_t taken = 0;
    for (size_t i = 0; i < RACERS; i++) {
        racers[i] = (racer){.channel = i % 2 == 0 ? here.channel : there.channel,
                            .token = first->refresh_token};
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < RACERS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        taken += racers[i].code == MESH_OK;
        assert_true(racers[i].code == MESH_OK || racers[i].code == MESH_UNAUTHENTICATED);
    }
    assert_int_equal(taken, 1);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "0");
}

/* S4.2: with the right password, and not before. */
static void a_banned_user_gets_no_tokens(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    User__V1__Tokens *tokens;
    postgres_value(db, "UPDATE users SET banned = true");
    assert_int_equal(sign_in("ada", "another password"), MESH_UNAUTHENTICATED);
    assert_int_equal(sign_in("ada", PEOPLE_PASSWORD), MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_BANNED");
    assert_int_equal(refresh(here.channel, first->refresh_token, &tokens), MESH_PERMISSION_DENIED);
    assert_string_equal(err.reason, "USER_BANNED");
    postgres_value(db, "UPDATE users SET banned = false");
    expect_ended(first->refresh_token);
    assert_int_equal(sign_in("ada", PEOPLE_PASSWORD), MESH_OK);
}

/* S4.1 */
static void guessing_is_stopped_for_a_login_and_for_an_address(void **state)
{
    (void)state;
    static const char *const strict[] = {"USER_LOGIN_FAILURES=3", "USER_ADDRESS_FAILURES=5", NULL};
    static const char *const logins[] = {"ada", "ADA", "Ada", "bob", "bob"};
    User__V1__SignInResponse *response;
    instance careful = {0};
    int64_t delay_ms = 0;
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    people_sign_up(here.channel, arena, "bob", "bob@example.com");
    people_sign_up(here.channel, arena, "eve", "eve@example.com");
    instance_start(&careful, "user", NULL, people_settings(strict));
    for (size_t i = 0; i < sizeof logins / sizeof logins[0]; i++) {
        if (i == 3) { /* the login has no more, the address has */
            assert_int_equal(sign_in_at(careful.channel, false, "ada", PEOPLE_PASSWORD, &response),
                             MESH_RESOURCE_EXHAUSTED);
            assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
            assert_true(mesh_error_retry_delay(&err, &delay_ms));
            assert_true(delay_ms > 0 && delay_ms <= 15 * 60 * 1000);
            assert_int_equal(sign_in_at(careful.channel, false, "bob", PEOPLE_PASSWORD, &response),
                             MESH_OK);
        }
        assert_int_equal(sign_in_at(careful.channel, false, logins[i], "a guess", &response),
                         MESH_UNAUTHENTICATED);
    }
    assert_int_equal(sign_in_at(careful.channel, false, "eve", PEOPLE_PASSWORD, &response),
                     MESH_RESOURCE_EXHAUSTED);
    instance_stop(&careful);
}

enum {
    GUESSERS = 15
};

typedef struct guesser {
    pthread_t thread;
    mesh_channel *channel;
    const char *password;
    mesh_code code;
    mesh_error err;
} guesser;

static void *guess(void *context)
{
    guesser *me = context;
    User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
    User__V1__SignInResponse *response;
    mesh_arena *own = mesh_arena_create(1024, 0);
    mesh_error_clear(&me->err);
    request.login = (char *)"ada";
    request.password = (char *)me->password;
    me->code = user__v1__user_service__sign_in_regular(
        me->channel, &request, &response, &(mesh_call_options){.arena = own}, &me->err);
    mesh_arena_destroy(own);
    return NULL;
}

/* Tries a password many times at once, by both in turn; how many of those said whether it was
 * right. The others had no place to wait, or the reason `otherwise`. */
static size_t guess_at_once(const instance *one, const instance *other, const char *password,
                            const char *otherwise)
{
    static guesser guessers[GUESSERS];
    size_t told = 0;
    for (size_t i = 0; i < GUESSERS; i++) {
        guessers[i] = (guesser){.channel = (i % 2 == 0 ? one : other)->channel,
                                .password = password};
        assert_int_equal(pthread_create(&guessers[i].thread, NULL, guess, &guessers[i]), 0);
    }
    for (size_t i = 0; i < GUESSERS; i++) {
        assert_int_equal(pthread_join(guessers[i].thread, NULL), 0);
        if (guessers[i].code == MESH_OK || guessers[i].code == MESH_UNAUTHENTICATED) {
            told++;
        } else {
            assert_int_equal(guessers[i].code, MESH_RESOURCE_EXHAUSTED);
            assert_true(strcmp(guessers[i].err.reason, "TOO_MANY_PASSWORDS") == 0 ||
                        strcmp(guessers[i].err.reason, otherwise) == 0);
        }
    }
    return told;
}

/* S4.1: what waits for its turn has not failed. */
static void right_passwords_at_once_are_no_failures(void **state)
{
    (void)state;
    static const char *const strict[] = {"USER_LOGIN_FAILURES=2",     "USER_ADDRESS_FAILURES=2",
                                         "USER_HASH_CONCURRENCY=2",   "USER_HASH_PASSES=8",
                                         "MESH_CONNECTION_SHARE=100", NULL};
    User__V1__SignInResponse *response;
    instance careful = {0};
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    instance_start(&careful, "user", NULL, people_settings(strict));
    for (int i = 0; i < 3; i++)
        assert_true(guess_at_once(&careful, &careful, PEOPLE_PASSWORD, "TOO_MANY_PASSWORDS") >= 1);
    assert_int_equal(sign_in_at(careful.channel, false, "ada", "a guess", &response),
                     MESH_UNAUTHENTICATED);
    assert_int_equal(sign_in_at(careful.channel, false, "ada", PEOPLE_PASSWORD, &response),
                     MESH_OK);
    instance_stop(&careful);
}

/* S4.1: at two instances, and they stay counted when these are gone. */
static void guesses_at_once_are_as_many_as_may_fail(void **state)
{
    (void)state;
    static const char *const strict[] = {"USER_LOGIN_FAILURES=3", "USER_HASH_CONCURRENCY=5",
                                         "MESH_WORKERS=32", "MESH_CONNECTION_SHARE=100", NULL};
    User__V1__SignInResponse *response;
    instance careful = {0}, other = {0}, later = {0};
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    instance_start(&careful, "user", NULL, people_settings(strict));
    instance_start(&other, "user", NULL, people_settings(strict));
    assert_int_equal(guess_at_once(&careful, &other, "a guess", "TOO_MANY_ATTEMPTS"), 3);
    assert_int_equal(sign_in_at(careful.channel, false, "ada", PEOPLE_PASSWORD, &response),
                     MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    instance_stop(&careful);
    instance_stop(&other);
    instance_start(&later, "user", NULL, people_settings(strict));
    assert_int_equal(sign_in_at(later.channel, false, "ada", PEOPLE_PASSWORD, &response),
                     MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err.reason, "TOO_MANY_ATTEMPTS");
    instance_stop(&later);
}

static void a_hash_of_other_numbers_is_renewed_at_the_next_sign_in(void **state)
{
    (void)state;
    static const char *const stronger[] = {"USER_HASH_PASSES=3", NULL};
    static const char SQL[] = "SELECT substring(password_hash FROM 1 FOR 31) FROM users";
    User__V1__SignInResponse *response;
    instance later = {0};
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    assert_string_equal(postgres_value(db, SQL), "$argon2id$v=19$m=19456,t=2,p=1$");
    instance_start(&later, "user", NULL, people_settings(stronger));
    assert_int_equal(sign_in_at(later.channel, false, "ada", PEOPLE_PASSWORD, &response), MESH_OK);
    assert_string_equal(postgres_value(db, SQL), "$argon2id$v=19$m=19456,t=3,p=1$");
    assert_string_equal(postgres_value(db, "SELECT version FROM users"), "1");
    assert_int_equal(sign_in_at(later.channel, false, "ada", PEOPLE_PASSWORD, &response), MESH_OK);
    instance_stop(&later);
}

static void a_user_has_32_sessions_at_most(void **state)
{
    (void)state;
    const User__V1__Tokens *first = tokens_of_ada();
    User__V1__SignInResponse *last = NULL;
    User__V1__Tokens *tokens;
    for (int i = 0; i < 32; i++)
        assert_int_equal(sign_in_at(here.channel, false, "ada", PEOPLE_PASSWORD, &last), MESH_OK);
    assert_string_equal(postgres_value(db, "SELECT count(*) FROM session"), "32");
    expect_ended(first->refresh_token);
    assert_int_equal(refresh(here.channel, last->tokens->refresh_token, &tokens), MESH_OK);
}

/* S4.16 */
static void without_proper_keys_the_service_says_which_and_does_not_start(void **state)
{
    (void)state;
    char path[KEY_FILE_PATH_BYTES], given[KEY_FILE_PATH_BYTES + 32];
    const struct {
        const char *setting;
        int status;
    } cases[] = {
        {"MESH_LOG_LEVEL=info", 2},
        {"USER_SIGNING_KEYS_FILE=", 2},
        {"USER_SIGNING_KEYS_FILE=/nowhere/keys", 1},
        {given, 1},
    };
    key_file_path("wrong.keys", path);
    snprintf(given, sizeof given, "USER_SIGNING_KEYS_FILE=%s", path);
    key_file_write_text(path, "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                              "\"x\":\"secret-nonsense\"}]}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[16384];
        const char *settings[5 + SHOP_MESH_SETTINGS] = {
            "MESH_LISTEN=127.0.0.1:0", "MESH_DATABASE_URL=postgresql://u@127.0.0.1:1/d",
            "MESH_NATS_URL=nats://127.0.0.1:1", cases[i].setting};
        shop_mesh_settings("user", settings + 4);
        assert_int_equal(program_run((const char *[]){"services/user/user", NULL}, settings, output,
                                     sizeof output),
                         cases[i].status);
        assert_non_null(strstr(output, "USER_SIGNING_KEYS_FILE"));
        assert_null(strstr(output, "secret-nonsense"));
        assert_null(strstr(output, "listening"));
    }
}

/* --- other keys, while people sign in --------------------------------------------------------- */

typedef struct visitor {
    pthread_t thread;
    mesh_channel *channel;
    bool stop; /* atomic */
    size_t signed_in, failed;
} visitor;

static void *sign_in_all_the_time(void *context)
{
    visitor *me = context;
    while (!__atomic_load_n(&me->stop, __ATOMIC_SEQ_CST)) {
        User__V1__SignInRequest request = USER__V1__SIGN_IN_REQUEST__INIT;
        User__V1__SignInResponse *response;
        mesh_arena *own = mesh_arena_create(1024, 0);
        request.login = (char *)"ada";
        request.password = (char *)PEOPLE_PASSWORD;
        if (user__v1__user_service__sign_in_regular(me->channel, &request, &response,
                                                    &(mesh_call_options){.arena = own},
                                                    NULL) == MESH_OK)
            me->signed_in++;
        else
            me->failed++;
        mesh_arena_destroy(own);
    }
    return NULL;
}

/* The access token of another sign-in there. */
static const char *token_of(mesh_channel *channel)
{
    User__V1__SignInResponse *response;
    assert_int_equal(sign_in_at(channel, false, "ada", PEOPLE_PASSWORD, &response), MESH_OK);
    return response->tokens->access_token;
}

/* Whether a token is right where only that key is known. */
static bool is_signed_by(const char *token, const key_text *key)
{
    const mesh_claims *claims;
    mesh_key *known = NULL;
    assert_int_equal(mesh_key_load(key->text, strlen(key->text), &known, &err), MESH_OK);
    const char *jwks = mesh_arena_printf(arena, "{\"keys\":[%s]}", mesh_key_public(known));
    mesh_key_destroy(known);
    return verify(jwks, token, &claims) == MESH_OK;
}

static size_t keys_published(mesh_channel *channel)
{
    size_t count = 0;
    for (const char *at = key_set(channel); (at = strstr(at, "\"kid\"")) != NULL; at++)
        count++;
    return count;
}

/* S0.4, S4.16: no restart, and at each step all tokens that are alive are believed. */
static void keys_are_changed_while_people_sign_in(void **state)
{
    (void)state;
    char path[KEY_FILE_PATH_BYTES], setting[KEY_FILE_PATH_BYTES + 32];
    const key_text old = key_file_key(), next = key_file_key();
    const mesh_claims *claims;
    instance changing = {0};
    key_file_path("changing.keys", path);
    snprintf(setting, sizeof setting, "USER_SIGNING_KEYS_FILE=%s", path);
    key_file_write(path, &old, 1);
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    instance_start(&changing, "user", NULL, people_settings((const char *const[]){setting, NULL}));
    visitor one = {.channel = changing.channel};
    assert_int_equal(pthread_create(&one.thread, NULL, sign_in_all_the_time, &one), 0);
    const char *first = token_of(changing.channel);
    assert_true(is_signed_by(first, &old));

    /* A file that is none leaves all as it is, and is told of. */
    key_file_write_text(path, "{\"keys\":[");
    assert_non_null(
        strstr(program_wait_log(changing.program,
                                "the signing keys stay, since the new ones cannot be used"),
               "changing.keys"));
    assert_int_equal(keys_published(changing.channel), 1);
    assert_true(is_signed_by(token_of(changing.channel), &old));

    /* The next one is published, and does not sign. */
    key_file_write(path, (const key_text[]){old, next}, 2);
    WAIT_FOR(keys_published(changing.channel) == 2);
    assert_true(is_signed_by(token_of(changing.channel), &old));

    /* It signs, and the one before is believed. */
    key_file_write(path, (const key_text[]){next, old}, 2);
    WAIT_FOR(is_signed_by(token_of(changing.channel), &next));
    assert_int_equal(verify(key_set(changing.channel), first, &claims), MESH_OK);

    /* The one before is gone. */
    key_file_write(path, &next, 1);
    WAIT_FOR(keys_published(changing.channel) == 1);
    assert_int_equal(verify(key_set(changing.channel), first, &claims), MESH_UNAUTHENTICATED);
    assert_string_equal(err.reason, "TOKEN_KEY_UNKNOWN");
    assert_int_equal(verify(key_set(changing.channel), token_of(changing.channel), &claims),
                     MESH_OK);

    __atomic_store_n(&one.stop, true, __ATOMIC_SEQ_CST);
    assert_int_equal(pthread_join(one.thread, NULL), 0);
    assert_true(one.signed_in > 0);
    assert_int_equal(one.failed, 0);
    program_signal(changing.program, SIGTERM);
    assert_int_equal(program_wait(changing.program), 0);
    assert_null(strstr(program_output(changing.program), strstr(old.text, "\"d\"")));
    instance_gone(&changing);
}

/* S4.1, S4.16 */
static void neither_passwords_nor_tokens_are_logged(void **state)
{
    (void)state;
    User__V1__SignInResponse *response;
    User__V1__Tokens *tokens;
    instance talkative = {0};
    people_sign_up(here.channel, arena, "ada", "ada@example.com");
    instance_start(&talkative, "user", NULL,
                   people_settings((const char *const[]){"MESH_LOG_LEVEL=debug", NULL}));
    assert_int_equal(sign_in_at(talkative.channel, false, "ada", "Wrong-Horse", &response),
                     MESH_UNAUTHENTICATED);
    assert_int_equal(sign_in_at(talkative.channel, false, "ada", PEOPLE_PASSWORD, &response),
                     MESH_OK);
    assert_int_equal(refresh(talkative.channel, response->tokens->refresh_token, &tokens), MESH_OK);
    assert_int_equal(refresh(talkative.channel, response->tokens->refresh_token, &tokens),
                     MESH_UNAUTHENTICATED);
    program_signal(talkative.program, SIGTERM);
    assert_int_equal(program_wait(talkative.program), 0);
    const char *said = program_output(talkative.program);
    assert_non_null(strstr(said, "a refresh token came that is not the last"));
    assert_null(strstr(said, PEOPLE_PASSWORD));
    assert_null(strstr(said, "Wrong-Horse"));
    assert_null(strstr(said, response->tokens->refresh_token));
    assert_null(strstr(said, response->tokens->access_token));
    instance_gone(&talkative);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, pair_end)
    const struct CMUnitTest tests[] = {
        TEST(one_signs_in_with_username_or_email_whatever_its_case),
        TEST(an_access_token_says_who_the_user_is_and_what),
        TEST(every_failure_to_sign_in_is_answered_alike),
        TEST(a_user_who_does_not_exist_takes_as_long_as_a_wrong_password),
        TEST(staff_signs_in_as_staff),
        TEST(every_mistake_of_a_sign_in_reaches_the_caller),
        TEST(a_refresh_gives_a_new_pair_that_says_what_the_user_is_now),
        TEST(a_refresh_token_that_comes_again_ends_the_session),
        TEST(a_corrupt_refresh_token_ends_the_session),
        TEST(signing_out_ends_the_session_and_no_other),
        TEST(a_session_that_is_not_refreshed_in_time_ends),
        TEST(a_session_that_expired_is_reported_as_no_theft),
        TEST(a_refresh_token_is_stored_as_a_hash_alone),
        TEST(a_refresh_token_is_taken_once_whoever_is_faster),
        TEST(a_banned_user_gets_no_tokens),
        TEST(guessing_is_stopped_for_a_login_and_for_an_address),
        TEST(right_passwords_at_once_are_no_failures),
        TEST(guesses_at_once_are_as_many_as_may_fail),
        TEST(a_hash_of_other_numbers_is_renewed_at_the_next_sign_in),
        TEST(a_user_has_32_sessions_at_most),
        TEST(without_proper_keys_the_service_says_which_and_does_not_start),
        TEST(keys_are_changed_while_people_sign_in),
        TEST(neither_passwords_nor_tokens_are_logged),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
