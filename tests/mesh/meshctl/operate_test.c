/*
 * What operators do with meshctl about events and sagas that did not go well, with a service whose
 * handlers and steps fail as the test says.
 */
#include "tests/fixtures/postgres.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/base/test.h"
#include "tests/mesh/meshctl/desk.h"
#include "tests/services/shop/people.h"

#define OPERATED "tests/mesh/meshctl/operated"
#define TYPES "tests/mesh/service/demo_v1.protoset"

static instance operated;
static mesh_db *db;
static char services[512];

/* --- help ------------------------------------------------------------------------------------- */

static void begin(void)
{
    desk_make_mesh(services);
    desk_sign_in("--staff ada");
}

/* An event of this name. */
static void tell(const char *name)
{
    desk_expect(NULL, 0, "demo.v1.Added ",
                "events publish notification demo.v1.Added '{\"name\":\"%s\"}' --protoset " TYPES,
                name);
}

static void mend(const char *name)
{
    assert_int_equal(mesh_db_exec(db, 0, "INSERT INTO mended VALUES ($1)",
                                  MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), NULL, NULL),
                     MESH_OK);
}

static bool is_heard(const char *name)
{
    mesh_rows *rows;
    assert_int_equal(mesh_db_query(db, 0, "SELECT 1 FROM heard WHERE name = $1",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), &rows, NULL),
                     MESH_OK);
    bool heard = mesh_rows_count(rows) == 1;
    mesh_rows_end(rows);
    return heard;
}

/* Runs until meshctl prints the text. */
static bool says(const char *words, const char *text)
{
    (void)desk_run(NULL, words);
    return strstr(desk_output, text) != NULL;
}

/* --- sagas ------------------------------------------------------------------------------------ */

#define IS(name, status) says("saga show notification journey " name, status)

/* S2.14: what went on too often in vain waits for an operator, who sees why, and has it retried. */
static void a_parked_saga_is_retried(void **state)
{
    (void)state;
    begin();
    tell("saga-1");
    WAIT_FOR(IS("saga-1", "PARKED"));
    assert_non_null(strstr(desk_output, "INTERNAL: saga-1 is not mended"));
    assert_non_null(strstr(desk_output, "meshctl saga retry notification journey saga-1\n"));
    assert_non_null(strstr(desk_output, "meshctl saga resolve notification journey saga-1 --step "
                                        "leave --as done\n"));
    desk_expect(NULL, 0, "notification  journey  saga-1  leave  1/1", "saga list --status parked");
    desk_expect(NULL, 0, "\"definition\":\"journey\",\"id\":\"saga-1\",\"step\":\"leave\"",
                "saga list notification --json");
    desk_expect(NULL, 0, "\"context_base64\":\"bHVnZ2FnZQ==\",\"history\":[{\"time\":\"",
                "saga show notification journey saga-1 --json");
    mend("saga-1");
    desk_expect(NULL, 0, "journey",
                "saga retry notification journey saga-1 --reason 'it is mended'");
    WAIT_FOR(IS("saga-1", "COMPLETED"));
    assert_non_null(strstr(desk_output, ": it is mended"));
    assert_true(is_heard("saga-1"));
    desk_expect(NULL, 64 + 9, "meshctl saga show notification journey saga-1 tells where it stands",
                "saga retry notification journey saga-1");
}

/* S2.14 */
static void a_parked_saga_is_resolved(void **state)
{
    static const struct {
        const char *name, *as, *shows, *status;
    } cases[] = {
        {"saga-done", "done", "saga show notification journey saga-done", "COMPLETED"},
        {"saga-back", "back", "saga show notification journey saga-back", "COMPENSATED"},
        {"saga-undone", "undone", "saga show notification journey saga-undone", "COMPENSATED"},
    };
    (void)state;
    begin();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tell(cases[i].name);
        WAIT_FOR(says(cases[i].shows, "PARKED"));
        desk_expect(NULL, 0, cases[i].name,
                    "saga resolve notification journey %s --step leave --as %s --reason 'by hand'",
                    cases[i].name, cases[i].as);
        WAIT_FOR(says(cases[i].shows, cases[i].status));
        assert_non_null(strstr(desk_output, ": by hand"));
        assert_false(is_heard(cases[i].name));
    }
}

/* S2.14: an operator who repeats the command, or who means what another one has moved on. */
static void a_step_that_is_not_at_hand_is_not_resolved(void **state)
{
    (void)state;
    begin();
    tell("saga-twice");
    WAIT_FOR(IS("saga-twice", "PARKED"));
    desk_expect(NULL, 64 + 9, "the step at hand is leave, not pack",
                "saga resolve notification journey saga-twice --step pack --as done");
    assert_non_null(strstr(desk_output, "meshctl saga show notification journey saga-twice tells"));
    desk_expect(NULL, 64 + 9, "the step at hand is leave, not the compensation of leave",
                "saga resolve notification journey saga-twice --step 'undo leave' --as done");
    desk_expect(NULL, 0, "saga-twice",
                "saga resolve notification journey saga-twice --step leave --as done");
    desk_expect(NULL, 64 + 9, "the saga is over: it is completed",
                "saga resolve notification journey saga-twice --step leave --as done");
}

/* S2.14: what undoes a step is another thing than the step. */
static void a_parked_compensation_is_resolved(void **state)
{
    (void)state;
    begin();
    tell("saga-stuck");
    WAIT_FOR(IS("saga-stuck", "PARKED"));
    desk_expect(NULL, 0, "undo leave",
                "saga resolve notification journey saga-stuck --step leave --as back");
    WAIT_FOR(IS("saga-stuck", "PARKED"));
    assert_non_null(strstr(desk_output, "meshctl saga resolve notification journey saga-stuck "
                                        "--step 'undo leave' --as done\n"));
    assert_null(strstr(desk_output, "--as back"));
    desk_expect(NULL, 64 + 9, "the step at hand is the compensation of leave, not leave",
                "saga resolve notification journey saga-stuck --step leave --as done");
    desk_expect(NULL, 0, "saga-stuck",
                "saga resolve notification journey saga-stuck --step 'undo leave' --as done");
    WAIT_FOR(IS("saga-stuck", "COMPENSATED"));
}

/* S2.14: also programs made before that was so. */
static void a_step_has_to_be_named(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 64 + 3, "step: must have 1 to 63 characters",
                "call notification mesh.events.v1.EventsService.ResolveSaga "
                "'{\"definition\":\"journey\",\"id\":\"x\",\"resolution\":\"STEP_DONE\"}'");
    desk_expect(NULL, 2, "saga show notification journey x shows the one at hand",
                "saga resolve notification journey x --as done");
    desk_expect(NULL, 2, "which step is meant",
                "saga resolve notification journey x --step 'undo ' --as done");
}

static void sagas_that_are_none_are_told(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 64 + 5, "meshctl saga list notification shows those that are there",
                "saga show notification journey nobody");
    assert_null(strstr(desk_output, "it has"));
    desk_expect(NULL, 64 + 5, "there is no saga nobody of jorney; it has journey",
                "saga retry notification jorney nobody");
    desk_expect(NULL, 64 + 9, "user has no sagas", "saga list user");
    desk_expect(NULL, 64 + 9, "user has no sagas", "saga show user journey nobody");
    assert_null(strstr(desk_output, "saga show"));
    desk_expect(NULL, 2, "--status lost: it is running, waiting", "saga list --status lost");
    desk_expect(NULL, 2, "saga show needs a service", "saga show notification");
    desk_expect(NULL, 2, "saga needs to know what", "saga");
    desk_expect(NULL, 0, "list\nresolve\nretry\nshow\n", "complete -- saga ''");
    desk_expect(NULL, 0, "notification\nuser\n", "complete -- saga list ''");
    desk_expect(NULL, 0, "list\npause\nresume\nnotification\nuser\n", "complete -- consumers ''");
    desk_expect(NULL, 0, "notification\nuser\n", "complete -- consumers list ''");
}

/* --- dead letters ----------------------------------------------------------------------------- */

/* The number of the letter about this event, which has to be there. */
static unsigned long letter_of(const char *name)
{
    desk_expect(NULL, 0, name, "dlq list notification --json");
    const char *at = strstr(desk_output, name), *found = NULL;
    for (const char *n = desk_output; n != NULL && n < at; n = strstr(n + 1, "\"number\":"))
        found = n;
    return strtoul(found + strlen("\"number\":"), NULL, 10);
}

static bool is_dead(const char *name)
{
    (void)desk_run(NULL, "dlq list notification");
    return strstr(desk_output, name) != NULL;
}

/* S0.6: what cannot be handled is kept, with what was the matter, until it can. */
static void a_dead_letter_is_shown_and_handled(void **state)
{
    (void)state;
    begin();
    tell("bad-1");
    tell("good-1");
    WAIT_FOR(is_dead("bad-1"));
    assert_non_null(strstr(desk_output, "demo.v1.Added"));
    assert_non_null(strstr(desk_output, "INTERNAL: bad-1 is not mended"));
    WAIT_FOR(is_heard("good-1"));
    const unsigned long number = letter_of("bad-1");
    desk_expect(NULL, 0, "\"name\": \"bad-1\"", "dlq show notification %lu --protoset " TYPES,
                number);
    assert_non_null(strstr(desk_output, "deliveries  2\n"));
    desk_expect(NULL, 0, "\"payload\":{\"name\":\"bad-1\"}",
                "dlq show notification %lu --protoset " TYPES " --json", number);
    desk_expect(NULL, 64 + 13, "the letter is still there", "dlq replay notification %lu", number);
    assert_false(is_heard("bad-1"));
    mend("bad-1");
    desk_expect(NULL, 0, "is handled", "dlq replay notification %lu", number);
    assert_true(is_heard("bad-1"));
    assert_false(is_dead("bad-1"));
    desk_expect(NULL, 64 + 5, "meshctl dlq list notification shows those that are there",
                "dlq replay notification %lu", number);
}

static void a_dead_letter_is_dropped(void **state)
{
    (void)state;
    begin();
    tell("bad-2");
    WAIT_FOR(is_dead("bad-2"));
    const unsigned long number = letter_of("bad-2");
    desk_expect(NULL, 0, "{\"number\":", "dlq drop notification %lu --json", number);
    assert_false(is_dead("bad-2"));
    assert_false(is_heard("bad-2"));
    desk_expect(NULL, 64 + 5, "meshctl dlq list", "dlq show notification %lu", number);
    desk_expect(NULL, 2, "dlq drop needs a service and a number", "dlq drop notification two");
    desk_expect(NULL, 2, "dlq: there is no lst, but drop, list, replay or show; did you mean list?",
                "dlq lst");
    desk_expect(NULL, 1, "did you mean notification?", "dlq show notifcation 1");
    assert_non_null(strstr(desk_output, "meshctl list shows the services of the mesh"));
    desk_expect(NULL, 64 + 9, "user: this service consumes no events", "dlq replay user 1");
    assert_null(strstr(desk_output, "--force"));
    desk_expect(NULL, 0, "no dead letters", "dlq list");
    desk_expect(NULL, 64 + 9, "consumes no events", "dlq list user");
}

/* A process that leaves the events to others looks after them, too. */
static void a_server_alone_can_be_asked(void **state)
{
    instance server = {.program = NULL};
    char more[640];
    (void)state;
    begin();
    instance_start_program(&server, OPERATED, "notification", NULL,
                           (const char *const[]){"MESH_RUN=server", NULL});
    snprintf(more, sizeof more, "notification %s\n%s", server.address, services);
    desk_list_services(more);
    tell("bad-3");
    WAIT_FOR(is_dead("bad-3"));
    const unsigned long number = letter_of("bad-3");
    desk_expect(NULL, 0, "RUNNING", "consumers %s", server.address);
    mend("bad-3");
    desk_expect(NULL, 0, "is handled", "dlq replay %s %lu", server.address, number);
    assert_true(is_heard("bad-3"));
    instance_stop(&server);
}

/* --- outboxes --------------------------------------------------------------------------------- */

static void run_sql(const char *sql)
{
    assert_int_equal(mesh_db_exec(db, 0, sql, MESH_SQL_NO_PARAMS, NULL, NULL), MESH_OK);
}

/* S0.6: what the broker does not take waits, and is seen. */
static void what_waits_to_be_published_is_shown(void **state)
{
    (void)state;
    begin();
    tell("published");
    WAIT_FOR(says("outbox --json", "{\"service\":\"notification\",\"pending\":0,"
                                   "\"oldest_pending_time\":null,\"kept\":"));
    assert_non_null(strstr(desk_output, "{\"service\":\"user\""));
    desk_expect(NULL, 0, "SERVICE       PENDING  OLDEST", "outbox");
    /* Longer than the stream takes; mesh_event_add would have refused it. */
    run_sql("INSERT INTO mesh_outbox (event_id, subject, type, aggregate_type, aggregate_id,"
            "  version, time, traceparent, payload) VALUES (gen_random_uuid(), 'demo.v1.Added',"
            "  'demo.v1.Added', 'demo', 'giant', 0, now(), '',"
            "  convert_to(repeat('x', 600000), 'UTF8'))");
    WAIT_FOR(says("outbox notification", "Refused by the broker"));
    assert_non_null(strstr(desk_output, "notification  demo giant  demo.v1.Added"));
    desk_expect(NULL, 0, "\"pending\":1,\"oldest_pending_time\":\"2", "outbox notification --json");
    assert_non_null(
        strstr(desk_output, "\"aggregate_id\":\"giant\",\"subject\":\"demo.v1.Added\""));
    /* It is held back when it is read next. */
    WAIT_FOR((run_sql("DELETE FROM mesh_outbox_held"),
              says("outbox notification --json", "\"pending\":0")));
    WAIT_FOR(says("outbox notification --json", "\"refused\":[]"));
}

/* --- consumers -------------------------------------------------------------------------------- */

/* One waits, and goes on to wait: who is not paused takes it in no time. */
static bool stays_waiting(void)
{
    for (int i = 0; i < 5; i++)
        if (!says("consumers notification --json", "\"waiting\":1"))
            return false;
    return true;
}

/* S4.10: paused, a service takes nothing, and when it goes on it misses nothing. */
static void a_consumer_is_paused(void **state)
{
    (void)state;
    begin();
    desk_expect(NULL, 0, "RUNNING", "consumers");
    assert_non_null(strstr(desk_output, "notification"));
    assert_null(strstr(desk_output, "user")); /* which consumes nothing */
    desk_expect(NULL, 0, "RUNNING", "consumers list");
    desk_expect(NULL, 0, "RUNNING", "consumers list notification");
    desk_expect(NULL, 0, "PAUSED", "consumers pause notification");
    WAIT_FOR(says("consumers notification", "PAUSED"));
    desk_expect(NULL, 0, "\"paused\":true,\"pause_time\":\"2", "consumers notification --json");
    /* They are told within a second, and may take some until then. */
    char name[32];
    int count = 0;
    do {
        snprintf(name, sizeof name, "paused-%d", count++);
        tell(name);
    } while (!stays_waiting() && count < 1000);
    assert_false(is_heard(name));
    desk_expect(NULL, 0, "RUNNING", "consumers resume notification");
    WAIT_FOR(is_heard(name));
    WAIT_FOR(says("consumers notification --json", "\"waiting\":0,\"unanswered\":0"));
    desk_expect(NULL, 64 + 9, "consumes no events", "consumers pause user");
    desk_expect(NULL, 2, "pause and resume need one", "consumers pause");
    desk_expect(NULL, 2, "did you mean pause?", "consumers puase notification");
}

/* The others are shown all the same. */
static void a_service_that_is_away_is_told(void **state)
{
    char more[640];
    (void)state;
    snprintf(more, sizeof more, "ghost 127.0.0.1:1\n%s", services);
    desk_make_mesh(more);
    desk_sign_in("--staff ada");
    desk_expect(NULL, 64 + 14, "UNAVAILABLE: ghost: ", "consumers");
    assert_non_null(strstr(desk_output, "RUNNING"));
    desk_expect(NULL, 64 + 14, "UNAVAILABLE: ghost: ", "saga list");
    desk_expect(NULL, 0, "demo.v1.Added", "events tail --from beginning --count 1 --subject demo");
}

/* --- who may ---------------------------------------------------------------------------------- */

/* S0.5: who lacks the permissions sees nothing and changes nothing. */
static void operators_need_permissions(void **state)
{
    static const struct {
        const char *command, *permission;
    } cases[] = {
        {"outbox notification", "event.read"},
        {"consumers notification", "event.read"},
        {"consumers", "event.read"},
        {"consumers pause notification", "event.operate"},
        {"consumers resume notification", "event.operate"},
        {"dlq list notification", "event.read"},
        {"dlq show notification 1", "event.read"},
        {"dlq replay notification 1", "event.operate"},
        {"dlq drop notification 1", "event.operate"},
        {"saga list notification", "event.read"},
        {"saga show notification journey x", "event.read"},
        {"saga retry notification journey x", "event.operate"},
        {"saga resolve notification journey x --step a --as done", "event.operate"},
    };
    person bob;
    (void)state;
    desk_make_mesh(services);
    person_join(&bob, "nosy-bob");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        desk_expect(NULL, 64 + 16, "nobody is signed in", "%s", cases[i].command);
        desk_expect(NULL, 64 + 7, cases[i].permission, "%s -H 'authorization: %s'",
                    cases[i].command, bob.authorization);
    }
}

static int open_all(void **state)
{
    if (shop_setup(state) != 0)
        return -1;
    people_make_admin("ada", "ada@example.com");
    instance_start_program(&operated, OPERATED, "notification", NULL,
                           (const char *const[]){"MESH_EVENT_ATTEMPTS=2", NULL});
    db = shop_open("notification");
    snprintf(services, sizeof services, "notification %s\nuser %s\n", operated.address,
             mesh_channel_target(shop_users()));
    return 0;
}

static int close_all(void **state)
{
    mesh_db_destroy(db);
    instance_stop(&operated);
    return shop_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dead_letter_is_shown_and_handled),
        cmocka_unit_test(a_dead_letter_is_dropped),
        cmocka_unit_test(a_server_alone_can_be_asked),
        cmocka_unit_test(what_waits_to_be_published_is_shown),
        cmocka_unit_test(a_consumer_is_paused),
        cmocka_unit_test(a_service_that_is_away_is_told),
        cmocka_unit_test(a_parked_saga_is_retried),
        cmocka_unit_test(a_parked_saga_is_resolved),
        cmocka_unit_test(a_step_that_is_not_at_hand_is_not_resolved),
        cmocka_unit_test(a_parked_compensation_is_resolved),
        cmocka_unit_test(a_step_has_to_be_named),
        cmocka_unit_test(sagas_that_are_none_are_told),
        cmocka_unit_test(operators_need_permissions),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
