/* The user service as its callers and the other services know it: two instances of its program,
 * real PostgreSQL and NATS. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "mesh/events/events.h"
#include "tests/fixtures/nats.h"
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/services/shop/pair.h"
#include "tests/services/violations.h"
#include "user/v1/events.mesh.h"

#define KIND(name) USER__V1__USER__KIND__##name

#define PASSWORD PEOPLE_PASSWORD

/* What another service has heard, in the order of the stream. */
enum {
    HEARD_MAX = 64,
    HEARD_BYTES = 1024
};

typedef struct heard {
    char user_id[64];
    int64_t version;
    User__V1__User__Kind kind;
    char username[64];
    uint8_t bytes[HEARD_BYTES]; /* the event as a whole */
    size_t size;
} heard;

static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static heard all_heard[HEARD_MAX]; /* guarded by mu, as is the next one */
static size_t heard_count;
static mesh_db *listener_db;
static mesh_events *listener;

static mesh_code on_created(void *self, mesh_tx *tx, const mesh_event *meta,
                            const User__V1__UserCreated *event, mesh_error *why)
{
    (void)self;
    (void)tx;
    (void)meta;
    (void)why;
    pthread_mutex_lock(&mu);
    if (heard_count < HEARD_MAX) {
        heard *one = &all_heard[heard_count++];
        snprintf(one->user_id, sizeof one->user_id, "%s", event->user_id);
        snprintf(one->username, sizeof one->username, "%s", event->user->username);
        one->version = event->version;
        one->kind = event->user->kind;
        one->size = user__v1__user_created__get_packed_size(event);
        if (one->size <= HEARD_BYTES)
            user__v1__user_created__pack(event, one->bytes);
    }
    pthread_mutex_unlock(&mu);
    return MESH_OK;
}

/* The event of a user, copied; false when it has not come yet. */
static bool find_heard(const char *user_id, heard *found)
{
    bool there_is = false;
    pthread_mutex_lock(&mu);
    for (size_t i = 0; i < heard_count && !there_is; i++) {
        there_is = strcmp(all_heard[i].user_id, user_id) == 0;
        if (there_is)
            *found = all_heard[i];
    }
    pthread_mutex_unlock(&mu);
    return there_is;
}

static size_t count_heard(void)
{
    pthread_mutex_lock(&mu);
    size_t count = heard_count;
    pthread_mutex_unlock(&mu);
    return count;
}

static void start_listener(void)
{
    static const mesh_consumer none = {0};
    char url[POSTGRES_URL_BYTES];
    const mesh_consumer consumers[] = {user__v1__user_created__consumer(on_created, NULL), none};
    postgres_create_database("listener_db", url);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = url}, &listener_db, &err), MESH_OK);
    assert_int_equal(mesh_migrate(listener_db, "mesh_events", mesh_events_migrations(), &err),
                     MESH_OK);
    assert_int_equal(mesh_events_create(&(mesh_events_options){.url = nats_url(),
                                                               .service = "listener",
                                                               .db = listener_db,
                                                               .consumers = consumers},
                                        &listener, &err),
                     MESH_OK);
    assert_int_equal(mesh_events_start(listener, &err), MESH_OK);
    WAIT_FOR(mesh_events_ready(listener, &err) == MESH_OK);
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    pair_start("user", NULL, people_settings(NULL));
    start_listener();
    return 0;
}

static int close_all(void **state)
{
    while (!mesh_events_drain(listener, 1000))
        continue;
    mesh_events_destroy(listener);
    mesh_db_destroy(listener_db);
    pair_stop();
    return shop_teardown(state);
}

static int begin_test(void **state)
{
    postgres_value(db, "TRUNCATE users, profile, session, user_group, attempt");
    return pair_begin(state);
}

static mesh_code send_sign_up(mesh_channel *channel, const User__V1__SignUpRegularRequest *request,
                              User__V1__User **user)
{
    mesh_error_clear(&err);
    return user__v1__user_service__sign_up_regular(channel, request, user,
                                                   &(mesh_call_options){.arena = arena}, &err);
}

static mesh_code sign_up(mesh_channel *channel, const char *username, const char *email,
                         User__V1__User **user)
{
    const User__V1__SignUpRegularRequest request = people_request(username, email);
    return send_sign_up(channel, &request, user);
}

static bool holds(const void *bytes, size_t size, const char *text)
{
    return memmem(bytes, size, text, strlen(text)) != NULL;
}

static const char *count_of_users_and_profiles(void)
{
    return postgres_value(db, "SELECT (SELECT count(*) FROM users) || ' ' ||"
                              " (SELECT count(*) FROM profile)");
}

/* S0.1, S0.2, S0.3, S2.1 */
static void signing_up_makes_a_user_a_profile_and_an_event(void **state)
{
    (void)state;
    static const struct {
        int kind, made;
        User__V1__Role role;
        bool confirmed;
    } cases[] = {
        {KIND(KIND_UNSPECIFIED), KIND(CONSUMER), USER__V1__ROLE__CONSUMER, true},
        {KIND(CONSUMER), KIND(CONSUMER), USER__V1__ROLE__CONSUMER, true},
        {KIND(CUSTOMER), KIND(CUSTOMER), USER__V1__ROLE__CUSTOMER, true},
        {KIND(EMPLOYEE), KIND(EMPLOYEE), USER__V1__ROLE__EMPLOYEE, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        User__V1__User *user;
        heard event;
        char username[16], email[32], sql[160], expected[32];
        snprintf(username, sizeof username, "Ada-%zu", i);
        snprintf(email, sizeof email, "Ada.%zu@Example.com", i);
        User__V1__SignUpRegularRequest request = people_request(username, email);
        request.kind = (User__V1__User__Kind)cases[i].kind;
        assert_int_equal(send_sign_up(i % 2 == 0 ? here.channel : there.channel, &request, &user),
                         MESH_OK);
        assert_string_equal(user->username, username);
        assert_string_equal(user->email, email);
        assert_int_equal(user->kind, cases[i].made);
        assert_int_equal(user->n_roles, 2);
        assert_int_equal(user->roles[0], USER__V1__ROLE__REGULAR);
        assert_int_equal(user->roles[1], cases[i].role);
        assert_int_equal(user->confirmed, cases[i].confirmed);
        assert_false(user->banned);
        assert_string_equal(user->profile->first_name, "Ada");
        assert_string_equal(user->profile->last_name, "Lovelace");
        assert_int_equal(user->version, 1);

        snprintf(sql, sizeof sql,
                 "SELECT kind || ' ' || first_name FROM profile"
                 " WHERE user_id = '%s'",
                 user->id);
        snprintf(expected, sizeof expected, "%d Ada", cases[i].made);
        assert_string_equal(postgres_value(db, sql), expected);

        WAIT_FOR(find_heard(user->id, &event));
        assert_int_equal(event.version, 1);
        assert_int_equal(event.kind, cases[i].made);
        assert_string_equal(event.username, username);
    }
}

/* S0.1: whichever instance is asked. */
static void a_username_or_email_is_taken_whatever_its_case(void **state)
{
    (void)state;
    User__V1__User *user;
    assert_int_equal(sign_up(here.channel, "Ada", "ada@example.com", &user), MESH_OK);
    assert_int_equal(sign_up(there.channel, "aDa", "other@example.com", &user),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "USERNAME_TAKEN");
    assert_int_equal(sign_up(there.channel, "other", "ADA@EXAMPLE.COM", &user),
                     MESH_ALREADY_EXISTS);
    assert_string_equal(err.reason, "EMAIL_TAKEN");
    char field[16];
    assert_true(mesh_error_metadata_get(&err, "field", field, sizeof field));
    assert_string_equal(field, "email");
    assert_string_equal(count_of_users_and_profiles(), "1 1");
}

/* S0.1, S2.1, S4.1 */
static void every_mistake_reaches_the_caller_and_nothing_is_stored(void **state)
{
    (void)state;
    User__V1__User *user;
    User__V1__SignUpRegularRequest request = people_request("", "not an e-mail");
    request.kind = KIND(STAFF);
    request.password = (char *)"short";
    assert_int_equal(send_sign_up(here.channel, &request, &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "username, email, password, kind");
    assert_string_equal(count_of_users_and_profiles(), "0 0");
}

/* S4.1 */
static void a_password_of_a_megabyte_is_refused_before_it_is_hashed(void **state)
{
    (void)state;
    enum {
        SIZE = 1024 * 1024
    };
    User__V1__User *user;
    User__V1__SignUpRegularRequest request = people_request("ada", "ada@example.com");
    request.password = malloc(SIZE + 1);
    assert_non_null(request.password);
    memset(request.password, 'x', SIZE);
    request.password[SIZE] = '\0';
    assert_int_equal(send_sign_up(here.channel, &request, &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "password");
    free(request.password);
}

/* S4.1: not in the answer, the event, the tables, or the log. */
static void a_password_is_seen_nowhere_and_its_hash_in_the_table_alone(void **state)
{
    (void)state;
    User__V1__User *user;
    heard event;
    uint8_t bytes[HEARD_BYTES];
    instance talkative = {0};
    instance_start(&talkative, "user", NULL,
                   people_settings((const char *const[]){"MESH_LOG_LEVEL=debug", NULL}));
    assert_int_equal(sign_up(talkative.channel, "ada", "ada@example.com", &user), MESH_OK);
    size_t size = user__v1__user__get_packed_size(user);
    assert_true(size <= sizeof bytes);
    user__v1__user__pack(user, bytes);
    assert_true(holds(bytes, size, "ada@example.com"));
    assert_false(holds(bytes, size, PASSWORD));
    assert_false(holds(bytes, size, "argon2"));

    WAIT_FOR(find_heard(user->id, &event));
    assert_true(event.size <= HEARD_BYTES);
    assert_true(holds(event.bytes, event.size, "ada@example.com"));
    assert_false(holds(event.bytes, event.size, PASSWORD));
    assert_false(holds(event.bytes, event.size, "argon2"));

    const char *row = postgres_value(db, "SELECT users::text || profile::text FROM users, profile");
    assert_non_null(strstr(row, "$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_null(strstr(row, PASSWORD));

    /* Also when it fails, which is logged. */
    assert_int_equal(sign_up(talkative.channel, "ada", "ada@example.com", &user),
                     MESH_ALREADY_EXISTS);
    assert_null(strstr(err.message, PASSWORD));
    postgres_value(db, "ALTER TABLE profile RENAME TO hidden");
    assert_int_not_equal(sign_up(talkative.channel, "bob", "bob@example.com", &user), MESH_OK);
    postgres_value(db, "ALTER TABLE hidden RENAME TO profile");
    program_signal(talkative.program, SIGTERM);
    assert_int_equal(program_wait(talkative.program), 0);
    assert_null(strstr(program_output(talkative.program), PASSWORD));
    assert_null(strstr(program_output(talkative.program), "argon2id$"));
    instance_gone(&talkative);
}

/* S4.1: what means something to SQL is text like any other. */
static void text_that_means_something_to_sql_is_kept_as_it_is(void **state)
{
    (void)state;
    static const char NAME[] = "Robert'); DROP TABLE users; -- \\ \" $1 %s {}";
    User__V1__User *user;
    heard event;
    User__V1__SignUpRegularRequest request = people_request("bobby", "o'neill$1@example.com");
    request.password = (char *)"'); DROP TABLE users; --";
    request.first_name = request.last_name = (char *)NAME;
    assert_int_equal(send_sign_up(here.channel, &request, &user), MESH_OK);
    assert_string_equal(user->email, "o'neill$1@example.com");
    assert_string_equal(user->profile->first_name, NAME);
    assert_string_equal(user->profile->last_name, NAME);
    assert_string_equal(postgres_value(db, "SELECT last_name FROM profile"), NAME);
    WAIT_FOR(find_heard(user->id, &event));
    assert_string_equal(event.username, "bobby");

    request = people_request("bobby'; DROP TABLE users; --", "x' OR '1'='1@example.com");
    assert_int_equal(send_sign_up(here.channel, &request, &user), MESH_INVALID_ARGUMENT);
    assert_string_equal(violated_fields(&err), "username, email");
    assert_string_equal(count_of_users_and_profiles(), "1 1");
}

typedef struct caller {
    pthread_t thread;
    mesh_channel *channel;
    char username[32], email[32];
    mesh_code code;
    mesh_error err;
} caller;

static void *call(void *context)
{
    caller *me = context;
    User__V1__User *user;
    const User__V1__SignUpRegularRequest request = people_request(me->username, me->email);
    mesh_arena *own = mesh_arena_create(1024, 0);
    mesh_error_clear(&me->err);
    me->code = user__v1__user_service__sign_up_regular(
        me->channel, &request, &user, &(mesh_call_options){.arena = own}, &me->err);
    mesh_arena_destroy(own);
    return NULL;
}

static void start_call(caller *one, mesh_channel *channel, const char *username, int number)
{
    one->channel = channel;
    snprintf(one->username, sizeof one->username, "%s", username);
    snprintf(one->email, sizeof one->email, "mail%d@example.com", number);
    assert_int_equal(pthread_create(&one->thread, NULL, call, one), 0);
}

/* S0.2, S0.3: the statement waits for a lock when the process dies. */
static void a_process_that_dies_leaves_all_of_a_user_or_nothing(void **state)
{
    (void)state;
    instance doomed = {0};
    caller one = {0};
    mesh_tx *tx;
    size_t before = count_heard();
    instance_start(&doomed, "user", NULL, people_settings(NULL));
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "LOCK TABLE profile", MESH_SQL_NO_PARAMS, NULL, NULL, &err),
                     MESH_OK);
    start_call(&one, doomed.channel, "ada", 1);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                       " WHERE wait_event_type = 'Lock'"),
                    "1") == 0);
    program_signal(doomed.program, SIGKILL);
    program_wait(doomed.program);
    assert_int_equal(pthread_join(one.thread, NULL), 0);
    assert_int_not_equal(one.code, MESH_OK);
    mesh_tx_rollback(tx);
    instance_gone(&doomed);
    WAIT_FOR(strcmp(postgres_value(db, "SELECT count(*) FROM pg_stat_activity"
                                       " WHERE wait_event_type = 'Lock'"),
                    "0") == 0);

    /* The name is free, and the first event heard is that of the one who got it. */
    User__V1__User *user;
    heard event;
    assert_string_equal(count_of_users_and_profiles(), "0 0");
    assert_int_equal(sign_up(here.channel, "ada", "ada@example.com", &user), MESH_OK);
    WAIT_FOR(find_heard(user->id, &event));
    assert_int_equal(count_heard(), before + 1);
}

enum {
    CALLERS = 16
};

/* S0.1 */
static void of_those_who_sign_up_at_once_with_one_name_one_gets_it(void **state)
{
    (void)state;
    caller callers[3] = {0}; /* as many as an instance with one hash at a time lets wait */
    size_t winners = 0;
    static const char *const names[] = {"Ada", "aDa", "adA"};
    for (int i = 0; i < 3; i++)
        start_call(&callers[i], i % 2 == 0 ? here.channel : there.channel, names[i], i);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        if (callers[i].code == MESH_OK) {
            winners++;
        } else {
            assert_int_equal(callers[i].code, MESH_ALREADY_EXISTS);
            assert_string_equal(callers[i].err.reason, "USERNAME_TAKEN");
        }
    }
    assert_int_equal(winners, 1);
    assert_string_equal(count_of_users_and_profiles(), "1 1");
}

static int64_t now_ms(void)
{
    return mesh_clock_monotonic_ns() / 1000000;
}

/* S4.1: other calls have workers, however many passwords come. */
static void people_who_sign_up_do_not_starve_other_calls(void **state)
{
    (void)state;
    static const char *const busy_settings[] = {"USER_HASH_PASSES=24", "USER_HASH_CONCURRENCY=1",
                                                "MESH_WORKERS=7", "MESH_CONNECTION_SHARE=100",
                                                NULL};
    instance busy = {0};
    caller callers[CALLERS] = {0};
    size_t made = 0, refused = 0;
    User__V1__User *user;
    instance_start(&busy, "user", NULL, people_settings(busy_settings));
    int64_t from_ms = now_ms();
    assert_int_equal(sign_up(busy.channel, "first", "first@example.com", &user), MESH_OK);
    int64_t one_ms = now_ms() - from_ms;

    /* Were all workers hashing, this would wait for most of the others. */
    for (int i = 0; i < CALLERS; i++) {
        char username[16];
        snprintf(username, sizeof username, "user%d", i);
        start_call(&callers[i], busy.channel, username, i);
    }
    from_ms = now_ms();
    assert_int_equal(sign_up(busy.channel, "", "", &user), MESH_INVALID_ARGUMENT);
    assert_true(now_ms() - from_ms < CALLERS / 4 * one_ms);

    for (size_t i = 0; i < CALLERS; i++) {
        int64_t delay_ms = 0;
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        if (callers[i].code == MESH_OK) {
            made++;
            continue;
        }
        refused++;
        assert_int_equal(callers[i].code, MESH_RESOURCE_EXHAUSTED);
        assert_string_equal(callers[i].err.reason, "TOO_MANY_PASSWORDS");
        assert_true(mesh_error_retry_delay(&callers[i].err, &delay_ms));
        assert_true(delay_ms > 0);
    }
    assert_true(made >= 1);
    assert_true(refused >= 1);
    instance_stop(&busy);
}

/* S0.1: the first of the staff, with a password that the operator chose. */
static void an_admin_is_made_by_a_command_alone(void **state)
{
    (void)state;
    char output[4096], id[64] = "";
    heard event;
    assert_int_equal(people_create_admin("Correct-Horse\nmore\n", "Root", "root@example.com",
                                         output, sizeof output),
                     0);
    assert_null(strstr(output, "Correct-Horse"));
    const char *said = strstr(output, "admin Root ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "admin Root %63s", id), 1);
    assert_string_equal(postgres_value(db, "SELECT u.kind || ' ' || u.role || ' ' || p.kind"
                                           " FROM users u JOIN profile p ON p.user_id = u.id"),
                        "4 7 4");
    WAIT_FOR(find_heard(id, &event));
    assert_int_equal(event.kind, KIND(STAFF));
    assert_false(holds(event.bytes, event.size, "Correct-Horse"));

    /* Who has signed up with the name before keeps it. */
    assert_int_equal(
        people_create_admin("Correct-Horse", "rOOt", "other@example.com", output, sizeof output),
        1);
    assert_non_null(strstr(output, "another user has this username"));
}

/* S4.1, S4.16: there is no default password. */
static void an_admin_without_a_proper_password_is_not_made(void **state)
{
    (void)state;
    static const struct {
        const char *input, *username, *email, *said;
    } cases[] = {
        {"", "root", "root@example.com", "password"},
        {"\n", "root", "root@example.com", "password"},
        {"short\n", "root", "root@example.com", "password"},
        {"%0129d", "root", "root@example.com", "password"},
        {"Correct\\000-Horse-Battery\n", "root", "root@example.com", "without a NUL"},
        {"Correct-Horse\\377\n", "root", "root@example.com", "must be UTF-8"},
        {"Correct-Horse", "root@example.com", "root@example.com", "username"},
        {"Correct-Horse", "root", "root", "email"},
        {"Correct-Horse", "root", "", "email"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[4096];
        assert_int_equal(people_create_admin(cases[i].input, cases[i].username, cases[i].email,
                                             output, sizeof output),
                         1);
        assert_non_null(strstr(output, cases[i].said));
    }
    assert_string_equal(count_of_users_and_profiles(), "0 0");
}

/* S4.16 */
static void numbers_for_hashing_that_are_too_small_stop_the_start(void **state)
{
    (void)state;
    static const char *const wrong[] = {"USER_HASH_MEMORY=18MiB", "USER_HASH_PASSES=1",
                                        "USER_HASH_CONCURRENCY=0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char output[2048];
        const char *const more[] = {"MESH_DATABASE_URL=postgresql://u@h/d",
                                    "MESH_NATS_URL=nats://h:1", wrong[i], NULL};
        assert_int_equal(program_run((const char *[]){"services/user/user", "--check", NULL},
                                     people_settings(more), output, sizeof output),
                         2);
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(wrong[i], "="), wrong[i]);
        assert_non_null(strstr(output, name));
    }
}

/* S4.1, S4.16: or they would have no worker left for other calls. */
static void more_passwords_at_once_than_workers_stop_the_start(void **state)
{
    (void)state;
    static const struct {
        const char *concurrency, *workers, *said;
    } cases[] = {
        {"USER_HASH_CONCURRENCY=6", "MESH_WORKERS=27", "give MESH_WORKERS 28 or more"},
        {"USER_HASH_CONCURRENCY=1", "MESH_WORKERS=6", "give MESH_WORKERS 7 or more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char output[8192];
        const char *const more[] = {"MESH_LISTEN=127.0.0.1:0",
                                    "MESH_DATABASE_URL=postgresql://u@127.0.0.1:1/d",
                                    "MESH_NATS_URL=nats://127.0.0.1:1",
                                    "MESH_STARTUP_TIMEOUT=100ms",
                                    cases[i].concurrency,
                                    cases[i].workers,
                                    NULL};
        assert_int_equal(program_run((const char *[]){"services/user/user", "--check", NULL},
                                     people_settings(more), output, sizeof output),
                         2);
        assert_non_null(strstr(output, cases[i].said));
        assert_non_null(strstr(output, "USER_HASH_CONCURRENCY"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(signing_up_makes_a_user_a_profile_and_an_event, begin_test,
                                        pair_end),
        cmocka_unit_test_setup_teardown(a_username_or_email_is_taken_whatever_its_case, begin_test,
                                        pair_end),
        cmocka_unit_test_setup_teardown(every_mistake_reaches_the_caller_and_nothing_is_stored,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(a_password_of_a_megabyte_is_refused_before_it_is_hashed,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(a_password_is_seen_nowhere_and_its_hash_in_the_table_alone,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(text_that_means_something_to_sql_is_kept_as_it_is,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(a_process_that_dies_leaves_all_of_a_user_or_nothing,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(of_those_who_sign_up_at_once_with_one_name_one_gets_it,
                                        begin_test, pair_end),
        cmocka_unit_test_setup_teardown(people_who_sign_up_do_not_starve_other_calls, begin_test,
                                        pair_end),
        cmocka_unit_test_setup_teardown(an_admin_is_made_by_a_command_alone, begin_test, pair_end),
        cmocka_unit_test_setup_teardown(an_admin_without_a_proper_password_is_not_made, begin_test,
                                        pair_end),
        cmocka_unit_test(numbers_for_hashing_that_are_too_small_stop_the_start),
        cmocka_unit_test(more_passwords_at_once_than_workers_stop_the_start),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
