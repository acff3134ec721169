/* Signals: how a service ends. */
#include "tests/mesh/service/demo_program.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>

static void signal_lets_running_calls_end(void **state)
{
    static const struct {
        int signal;
        const char *database;
    } cases[] = {{SIGTERM, "terminated"}, {SIGINT, "interrupted"}, {SIGHUP, "hung_up"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        demo demo = demo_serve(cases[i].database, demo_defaults);
        demo_nap nap;
        demo_start_nap(&demo, &nap, 300, false);
        program_signal(demo.program, cases[i].signal);
        program_wait_log(demo.program, "draining");
        program_wait_log(demo.program, "on_drain");
        program_wait_log(demo.program, "on_stop");
        program_wait_log(demo.program, "stopped");
        demo_end(&demo, 0); /* joins the channel's threads, too */
        assert_int_equal(nap.code, MESH_OK);
    }
}

static void calls_are_cancelled_when_the_drain_takes_too_long(void **state)
{
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=100ms", NULL};
    (void)state;
    demo demo = demo_serve("impatient", more);
    demo_nap nap;
    demo_start_nap(&demo, &nap, CALL_LIMIT_MS, false);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "sleep cancelled");
    demo_end(&demo, 0);
    assert_int_not_equal(nap.code, MESH_OK);
    assert_int_not_equal(nap.code, -1);
}

/* Inserts a row that the handler of the event `name` waits for, until the transaction ends. */
static mesh_tx *hold_up(mesh_db *db, const char *name)
{
    mesh_tx *tx = NULL;
    mesh_error err = {0};
    assert_int_equal(mesh_tx_begin(db, NULL, &tx, &err), MESH_OK);
    assert_int_equal(mesh_tx_query(tx, "INSERT INTO heard VALUES ($1)",
                                   MESH_SQL_PARAMS(MESH_SQL_TEXT(name)), NULL, NULL, &err),
                     MESH_OK);
    return tx;
}

static void on_stop_comes_when_no_handler_of_events_runs_any_more(void **state)
{
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=100ms", NULL};
    mesh_db *db = NULL;
    (void)state;
    demo demo = demo_serve("handling", more);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = demo.database_url}, &db, NULL),
                     MESH_OK);
    mesh_tx *tx = hold_up(db, "late");
    assert_int_equal(demo_add(&demo, "late"), MESH_OK);
    program_wait_log(demo.program, "hearing");
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "handlers of events still run after the drain");
    mesh_tx_rollback(tx);
    program_wait_log(demo.program, "stopped");
    const char *output = program_output(demo.program);
    const char *heard = strstr(output, "\"message\":\"heard\"");
    assert_non_null(heard);
    assert_true(heard < strstr(output, "\"message\":\"on_stop\""));
    mesh_db_destroy(db);
    demo_end(&demo, 0);
}

/* Of the processor, since the program began. */
static int64_t time_used_ns(const program *program)
{
    clockid_t clock;
    struct timespec used;
    assert_int_equal(clock_getcpuclockid(program_pid(program), &clock), 0);
    assert_return_code(clock_gettime(clock, &used), errno);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static int count_of(const char *text, const char *what)
{
    int count = 0;
    while ((text = strstr(text, what)) != NULL) {
        text += strlen(what);
        count++;
    }
    return count;
}

static void a_handler_that_outlives_the_drain_is_waited_for_at_rest(void **state)
{
    static const char late[] = "handlers of events still run after the drain";
    const char *const more[] = {"MESH_DRAIN_TIMEOUT=100ms", NULL};
    mesh_db *db = NULL;
    (void)state;
    demo demo = demo_serve("resting", more);
    assert_int_equal(mesh_db_create(&(mesh_db_options){.url = demo.database_url}, &db, NULL),
                     MESH_OK);
    mesh_tx *tx = hold_up(db, "late");
    assert_int_equal(demo_add(&demo, "late"), MESH_OK);
    program_wait_log(demo.program, "hearing");
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, late);
    int64_t used_ns = time_used_ns(demo.program);
    assert_int_equal(mesh_tx_query(tx, "SELECT pg_sleep(2)", MESH_SQL_NO_PARAMS, NULL, NULL, NULL),
                     MESH_OK);
    used_ns = time_used_ns(demo.program) - used_ns;
    mesh_tx_rollback(tx);
    program_wait_log(demo.program, "stopped");
    assert_true(used_ns < (int64_t)500 * 1000000);
    assert_int_equal(count_of(program_output(demo.program), late), 1);
    mesh_db_destroy(db);
    demo_end(&demo, 0);
}

static void lame_duck_says_not_serving_and_still_answers(void **state)
{
    const char *const more[] = {"MESH_DRAIN_DELAY=20s", NULL};
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    const Grpc__Health__V1__HealthCheckResponse *message = NULL;
    mesh_stream *watch = NULL;
    mesh_error err = {0};
    (void)state;
    demo demo = demo_serve("duck", more);
    request.service = "demo.v1.Demo";
    assert_int_equal(
        grpc__health__v1__health__watch(demo.channel, &request, &watch,
                                        &(mesh_call_options){.timeout_ms = CALL_LIMIT_MS}, &err),
        MESH_OK);
    assert_int_equal(grpc__health__v1__health__watch__next(watch, &message), MESH_OK);
    assert_int_equal(message->status, SERVING);

    program_signal(demo.program, SIGTERM);
    assert_int_equal(grpc__health__v1__health__watch__next(watch, &message), MESH_OK);
    assert_int_equal(message->status, NOT_SERVING);
    assert_int_equal(demo_add(&demo, "quack"), MESH_OK);

    program_signal(demo.program, SIGTERM); /* the second one: at once */
    mesh_stream_finish(watch, &err);
    demo_end(&demo, 1);
}

static void second_signal_ends_it_at_once(void **state)
{
    (void)state;
    demo demo = demo_serve("hurry", demo_defaults);
    demo_nap nap;
    demo_start_nap(&demo, &nap, CALL_LIMIT_MS, false);
    program_signal(demo.program, SIGTERM);
    program_wait_log(demo.program, "draining");
    program_signal(demo.program, SIGINT);
    demo_end(&demo, 1);
}

/* Ctrl-C under gdb: SIGINT stops the program for its tracer, who may hold it back. */
static void debugger_gets_sigint_before_the_service(void **state)
{
    int status;
    (void)state;
    demo demo = demo_serve("traced", demo_defaults);
    pid_t pid = program_pid(demo.program);
    assert_return_code(ptrace(PTRACE_SEIZE, pid, NULL, NULL), errno);
    program_signal(demo.program, SIGINT);
    assert_int_equal(waitpid(pid, &status, __WALL), pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(WSTOPSIG(status), SIGINT);
    assert_return_code(ptrace(PTRACE_DETACH, pid, NULL, NULL), errno);
    assert_int_equal(demo_add(&demo, "still here"), MESH_OK);
    demo_stop(&demo);
}

static void signal_while_waiting_for_the_database_ends_it(void **state)
{
    (void)state;
    demo demo = demo_start("postgresql://demo@127.0.0.1:1/demo", demo_defaults);
    program_wait_log(demo.program, "waiting");
    demo_stop(&demo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signal_lets_running_calls_end),
        cmocka_unit_test(calls_are_cancelled_when_the_drain_takes_too_long),
        cmocka_unit_test(on_stop_comes_when_no_handler_of_events_runs_any_more),
        cmocka_unit_test(a_handler_that_outlives_the_drain_is_waited_for_at_rest),
        cmocka_unit_test(lame_duck_says_not_serving_and_still_answers),
        cmocka_unit_test(second_signal_ends_it_at_once),
        cmocka_unit_test(debugger_gets_sigint_before_the_service),
        cmocka_unit_test(signal_while_waiting_for_the_database_ends_it),
    };
    return cmocka_run_group_tests(tests, servers_setup, servers_teardown);
}
