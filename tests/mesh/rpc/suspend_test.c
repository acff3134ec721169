/* Calls that an interceptor suspends: they wait without a thread until somebody resumes them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/kinds.h"
#include "tests/mesh/rpc/raw_client.h"

enum {
    JUDGES = 2,
    LATE_MS = 1500,
    MANY = 100 /* more than workers, and less than a connection may have wait for one */
};

/* How an interceptor decides. */
typedef enum how {
    NOT_AT_ALL,
    AT_ONCE,   /* suspended and resumed within on_open */
    AFTER_ALL, /* suspended, and that taken back */
    ELSEWHERE  /* by who takes it from `waiting` */
} how;

static testing_service service;
static _Atomic how judges[JUDGES];
static atomic_size_t opened[JUDGES], closed[JUDGES];

static struct {
    pthread_mutex_t mu;
    sem_t count;
    mesh_call *calls[MANY];
    size_t first, last;
} waiting = {.mu = PTHREAD_MUTEX_INITIALIZER};

static void put(mesh_call *call)
{
    pthread_mutex_lock(&waiting.mu);
    waiting.calls[waiting.last++ % MANY] = call;
    pthread_mutex_unlock(&waiting.mu);
    sem_post(&waiting.count);
}

static mesh_call *take(void)
{
    mesh_call *call;

    testing_wait(&waiting.count);
    pthread_mutex_lock(&waiting.mu);
    call = waiting.calls[waiting.first++ % MANY];
    pthread_mutex_unlock(&waiting.mu);
    return call;
}

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    size_t number = (size_t)((_Atomic how *)self - judges);
    how decides = atomic_load(&judges[number]);

    (void)err;
    atomic_fetch_add(&opened[number], 1);
    if (decides == NOT_AT_ALL || mesh_call_metadata(call, "x-passes", 0) != NULL)
        return MESH_OK;
    mesh_call_suspend(call);
    if (decides == AT_ONCE)
        mesh_call_resume(call, MESH_OK, NULL);
    else if (decides == AFTER_ALL)
        mesh_call_unsuspend(call);
    else
        put(call);
    return MESH_OK;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    (void)call;
    (void)code;
    atomic_fetch_add(&closed[(_Atomic how *)self - judges], 1);
}

static int start(void **state)
{
    mesh_interceptor chain[JUDGES];

    sem_init(&waiting.count, 0, 0);
    for (int i = 0; i < JUDGES; i++) {
        atomic_store(&judges[i], NOT_AT_ALL);
        atomic_store(&opened[i], 0);
        atomic_store(&closed[i], 0);
        chain[i] = (mesh_interceptor){
            .name = "judge", .on_open = on_open, .on_close = on_close, .self = &judges[i]};
    }
    testing_service_start(&service, testing_style_of(state),
                          &(mesh_server_options){.poller_count = 1,
                                                 .worker_count = 2,
                                                 .interceptors = chain,
                                                 .interceptor_count = JUDGES},
                          NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    for (int i = 0; i < JUDGES; i++)
        assert_int_equal(atomic_load(&closed[i]), atomic_load(&opened[i]));
    sem_destroy(&waiting.count);
    return 0;
}

/* --- deciding --------------------------------------------------------------------------------- */

static mesh_error refusal; /* MESH_OK: lets calls go on */

static void *decide(void *count)
{
    for (size_t i = 0; i < *(const size_t *)count; i++)
        mesh_call_resume(take(), refusal.code, &refusal);
    return NULL;
}

/* Makes a call of each kind, each of which is resumed `resumed` times by another thread. */
static void call_each(size_t resumed, mesh_code expected)
{
    size_t count = resumed * TESTING_KINDS;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, decide, &count), 0);
    for (size_t i = 0; i < TESTING_KINDS; i++) {
        mesh_error err;
        mesh_code code = testing_kinds[i].call(&service, &err);

        if (code != (expected == MESH_OK ? testing_kinds[i].code : expected))
            fail_msg("%s: %s", testing_kinds[i].name, mesh_code_name(code));
        if (expected != MESH_OK) {
            assert_string_equal(err.message, "you may not");
            assert_string_equal(err.reason, "NOT_YOU");
        }
    }
    pthread_join(thread, NULL);
}

static void each_kind_of_call_goes_on_when_it_is_resumed(void **state)
{
    (void)state;
    mesh_error_clear(&refusal);
    atomic_store(&judges[0], ELSEWHERE);
    call_each(1, MESH_OK);
}

static void it_may_be_resumed_before_its_interceptor_returns(void **state)
{
    (void)state;
    atomic_store(&judges[0], AT_ONCE);
    call_each(0, MESH_OK);
}

static void a_suspension_can_be_taken_back(void **state)
{
    (void)state;
    atomic_store(&judges[0], AFTER_ALL);
    call_each(0, MESH_OK);
}

static void each_interceptor_may_suspend_it_one_after_the_other(void **state)
{
    (void)state;
    mesh_error_clear(&refusal);
    atomic_store(&judges[0], ELSEWHERE);
    atomic_store(&judges[1], ELSEWHERE);
    call_each(2, MESH_OK);
    atomic_store(&judges[1], AT_ONCE);
    call_each(1, MESH_OK);
}

static void a_refusal_ends_each_kind_of_call_with_its_error(void **state)
{
    (void)state;
    mesh_error_clear(&refusal);
    (void)mesh_error_reason(&refusal, MESH_PERMISSION_DENIED, "testing.v1", "NOT_YOU",
                            "you may not");
    atomic_store(&judges[0], ELSEWHERE);
    call_each(1, MESH_PERMISSION_DENIED);
    assert_int_equal(atomic_load(&opened[1]), 0); /* who comes behind it was not asked */
}

/* --- while it waits --------------------------------------------------------------------------- */

static void ask(testing_asked *one, const mesh_call_options *options)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    char text[] = "suspended";

    request.text = text;
    testing_ask(service.channel, &request, options, one);
}

static void calls_that_wait_hold_no_thread(void **state)
{
    static testing_asked asked[MANY], other;
    const mesh_metadata passes = {"x-passes", "1", 1};

    (void)state;
    atomic_store(&judges[0], ELSEWHERE);
    for (int i = 0; i < MANY; i++)
        ask(&asked[i], NULL);
    testing_wait_for_active(&service, MANY);
    ask(&other, &(mesh_call_options){.metadata = &passes, .metadata_count = 1});
    assert_int_equal(testing_answer_of(&other), MESH_OK);
    assert_int_equal(atomic_load(&opened[1]), 1);
    for (int i = 0; i < MANY; i++)
        mesh_call_resume(take(), MESH_OK, NULL);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(testing_answer_of(&asked[i]), MESH_OK);
}

static void a_call_whose_deadline_passes_meanwhile_goes_no_further(void **state)
{
    static testing_asked late;
    mesh_call *call;

    (void)state;
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    atomic_store(&judges[0], ELSEWHERE);
    ask(&late, &(mesh_call_options){.timeout_ms = 1000});
    call = take();
    assert_int_equal(testing_answer_of(&late), MESH_DEADLINE_EXCEEDED);
    WAIT_FOR(mesh_clock_left_ms(mesh_call_deadline_ns(call)) <= 0);
    mesh_call_resume(call, MESH_OK, NULL);
    testing_wait_for_active(&service, 0);
    assert_int_equal(atomic_load(&opened[1]), 1); /* of who connected */
}

static const uint8_t echo_frame[] = {0, 0, 0, 0, 4, 0x0a, 2, 'h', 'i'};

/* Begins a call by hand, which is suspended then. */
static mesh_call *begin(raw_client *client, const char *path, uint32_t *stream, bool whole)
{
    raw_connect(client, mesh_server_port(service.server));
    atomic_store(&judges[0], ELSEWHERE);
    *stream = raw_request(client, path, NULL, NULL, false);
    if (whole)
        raw_data(client, *stream, echo_frame, sizeof echo_frame, true);
    return take();
}

/* No interceptor behind it is asked, and no handler runs. */
static void a_call_that_is_given_up_meanwhile_goes_no_further(void **state)
{
    static const struct {
        const char *path;
        bool whole;
    } kinds[] = {{"/testing.v1.Testing/Echo", true},
                 {"/testing.v1.Testing/Sum", false},
                 {"/testing.v1.Testing/Count", true},
                 {"/testing.v1.Testing/Double", false}};

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        raw_client client;
        uint32_t stream;
        mesh_call *call = begin(&client, kinds[i].path, &stream, kinds[i].whole);

        raw_reset(&client, stream);
        assert_true(raw_settle(&client));
        WAIT_FOR(mesh_call_cancelled(call));
        mesh_call_resume(call, MESH_OK, NULL);
        testing_wait_for_active(&service, 0);
        raw_close(&client);
    }
    assert_int_equal(atomic_load(&opened[1]), 0);
}

static atomic_bool drained;

static void *drain(void *graceful)
{
    *(bool *)graceful = mesh_server_drain(service.server, 20000);
    atomic_store(&drained, true);
    return NULL;
}

static void a_drain_waits_for_it(void **state)
{
    static testing_asked asked;
    pthread_t thread;
    bool graceful = false;
    mesh_call *call;
    int64_t late_ns;

    (void)state;
    atomic_store(&drained, false);
    atomic_store(&judges[0], ELSEWHERE);
    ask(&asked, NULL);
    call = take();
    atomic_store(&judges[0], NOT_AT_ALL);
    assert_int_equal(pthread_create(&thread, NULL, drain, &graceful), 0);
    WAIT_FOR(testing_echo(&service, "refused", NULL) == MESH_UNAVAILABLE);
    /* more than it waits for calls that are late */
    late_ns = mesh_clock_deadline_ns(LATE_MS);
    WAIT_FOR(mesh_clock_left_ms(late_ns) == 0);
    assert_false(atomic_load(&drained));
    mesh_call_resume(call, MESH_OK, NULL);
    assert_int_equal(testing_answer_of(&asked), MESH_OK);
    pthread_join(thread, NULL);
    assert_true(graceful);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(each_kind_of_call_goes_on_when_it_is_resumed),
        BOTH(it_may_be_resumed_before_its_interceptor_returns),
        BOTH(a_suspension_can_be_taken_back),
        BOTH(each_interceptor_may_suspend_it_one_after_the_other),
        BOTH(a_refusal_ends_each_kind_of_call_with_its_error),
        BOTH(calls_that_wait_hold_no_thread),
        BOTH(a_call_whose_deadline_passes_meanwhile_goes_no_further),
        BOTH(a_call_that_is_given_up_meanwhile_goes_no_further),
        BOTH(a_drain_waits_for_it),
    };

    return cmocka_run_group_tests_name("suspended calls", tests, NULL, NULL);
}
