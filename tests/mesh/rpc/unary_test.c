/* Unary calls from end to end: every way to handle one, everything that can go wrong with one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/mesh/rpc/service.h"

enum {
    INTERRUPTED_MS = 500 /* for which a thread may be, on a machine that does other things */
};

static testing_service service;

static int start(void **state)
{
    testing_service_start(&service, testing_style_of(state), NULL, NULL);
    /* so that it is no part of a deadline */
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

static Testing__V1__EchoResponse *call(const Testing__V1__EchoRequest *request, mesh_code wanted,
                                       mesh_error *err)
{
    Testing__V1__EchoResponse *response = NULL;
    mesh_error own;
    mesh_code code;

    mesh_error_clear(&own);
    code = testing__v1__testing__echo(service.channel, request, &response,
                                      &(mesh_call_options){.arena = service.arena}, &own);
    if (code != wanted)
        fail_msg("got %s (%s), wanted %s", mesh_code_name(code), own.message,
                 mesh_code_name(wanted));
    if (err != NULL)
        *err = own;
    return response;
}

static void the_answer_is_the_handlers(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;

    (void)state;
    request.text = "good morning";
    response = call(&request, MESH_OK, NULL);
    assert_string_equal(response->text, "good morning");
    assert_int_equal(response->left_ms, 0);
}

static void an_empty_message_is_a_message(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    assert_string_equal(call(&request, MESH_OK, NULL)->text, "");
}

static void large_messages_travel(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    char *text = malloc(1 << 20);

    (void)state;
    assert_non_null(text);
    memset(text, 'y', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    request.text = text;
    assert_string_equal(call(&request, MESH_OK, NULL)->text, text);
    free(text);
}

static void an_error_arrives_with_its_details(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    char value[64];
    int64_t delay_ms;
    mesh_error err;

    (void)state;
    request.text = "why";
    for (int code = MESH_CANCELLED; code <= MESH_UNAUTHENTICATED; code++) {
        request.code = code;
        (void)call(&request, (mesh_code)code, &err);
        assert_string_equal(err.message, "wanted");
        assert_string_equal(err.reason, "WANTED");
        assert_string_equal(err.domain, "testing.v1");
        assert_true(mesh_error_metadata_get(&err, "text", value, sizeof value));
        assert_string_equal(value, "why");
        assert_true(mesh_error_retry_delay(&err, &delay_ms));
        assert_int_equal(delay_ms, 1500);
    }
}

static void a_handler_may_answer_later_from_another_thread(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    request.defer = true;
    for (int i = 0; i < 50; i++)
        assert_string_equal(call(&request, MESH_OK, NULL)->text, "deferred");
}

static void an_empty_slot_answers_unimplemented(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__testing__missing(service.channel, &request, &response,
                                                   &(mesh_call_options){.arena = service.arena},
                                                   &err),
                     MESH_UNIMPLEMENTED);
    assert_string_equal(err.message, "/testing.v1.Testing/Missing is not implemented");
    assert_null(response);
}

static void an_unknown_service_answers_unimplemented(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__guarded__secret(service.channel, &request, &response,
                                                  &(mesh_call_options){.arena = service.arena},
                                                  &err),
                     MESH_UNIMPLEMENTED);
    assert_string_equal(err.message, "there is no method /testing.v1.Guarded/Secret here");
}

static void an_answer_beyond_the_arena_is_resource_exhausted(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_error err;

    (void)state;
    request.answer_size = 64 << 20; /* the call's arena is limited to 16 MiB */
    (void)call(&request, MESH_RESOURCE_EXHAUSTED, &err);
    assert_string_equal(err.reason, "CALL_MEMORY_EXCEEDED");
    assert_string_equal(err.domain, "mesh.v1");
}

static void an_answer_beyond_the_receivers_limit_is_resource_exhausted(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    request.answer_size = 5 << 20; /* the channel takes 4 MiB */
    (void)call(&request, MESH_RESOURCE_EXHAUSTED, NULL);
}

static void a_request_beyond_the_servers_limit_is_resource_exhausted(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    (void)state;
    request.data.len = 5 << 20;
    request.data.data = calloc(1, request.data.len);
    assert_non_null(request.data.data);
    (void)call(&request, MESH_RESOURCE_EXHAUSTED, NULL);
    free(request.data.data);
}

static void a_bad_string_is_refused_naming_the_field(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoRequest nested = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_error_violation violation;
    mesh_error err;

    (void)state;
    nested.text = "\xff\xfe";
    request.nested = &nested;
    (void)call(&request, MESH_INVALID_ARGUMENT, &err);
    assert_true(mesh_error_violation_at(&err, 0, &violation));
    assert_int_equal(violation.field_size, strlen("nested.text"));
    assert_memory_equal(violation.field, "nested.text", violation.field_size);
}

static void deep_nesting_is_refused(void **state)
{
    static Testing__V1__EchoRequest requests[120];

    (void)state;
    for (int i = 0; i < 120; i++) {
        testing__v1__echo_request__init(&requests[i]);
        if (i > 0)
            requests[i - 1].nested = &requests[i];
    }
    (void)call(&requests[0], MESH_INVALID_ARGUMENT, NULL);
    (void)call(&requests[30], MESH_OK, NULL);
}

static void a_deadline_ends_a_call_on_both_sides(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_error err;

    (void)state;
    request.hang = true;
    assert_int_equal(testing__v1__testing__echo(
                         service.channel, &request, &response,
                         &(mesh_call_options){.arena = service.arena, .timeout_ms = 1000}, &err),
                     MESH_DEADLINE_EXCEEDED);
    testing_wait(&service.hanging);
    testing_wait(&service.cancelled);
}

static void the_contracts_deadline_holds_when_the_caller_gives_none(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_call_options options = {.arena = service.arena};
    const int64_t until_ns = mesh_clock_deadline_ns(30000);
    mesh_error err;
    mesh_code code;

    (void)state;
    do { /* on a busy machine it may be over before the answer */
        code = testing__v1__testing__impatient(service.channel, &request, &response, &options,
                                               &err);
        assert_true(code == MESH_OK || code == MESH_DEADLINE_EXCEEDED);
    } while (code != MESH_OK && mesh_clock_left_ms(until_ns) > 0);
    assert_int_equal(code, MESH_OK);
    assert_in_range(response->left_ms, 1, 200 + INTERRUPTED_MS);
    options.timeout_ms = 60000; /* the caller knows better */
    assert_int_equal(
        testing__v1__testing__impatient(service.channel, &request, &response, &options, &err),
        MESH_OK);
    assert_in_range(response->left_ms, 1000, 61000);
    options.timeout_ms = MESH_NO_TIMEOUT;
    assert_int_equal(
        testing__v1__testing__impatient(service.channel, &request, &response, &options, &err),
        MESH_OK);
    assert_int_equal(response->left_ms, 0);
}

/* How much time a server is given for a call with `timeout_ms`. */
static int64_t time_given(int64_t timeout_ms)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_call_options options = {.arena = service.arena, .timeout_ms = timeout_ms};

    assert_int_equal(
        testing__v1__testing__echo(service.channel, &request, &response, &options, NULL), MESH_OK);
    assert_in_range(response->left_ms, 1, timeout_ms * 103 / 100 + INTERRUPTED_MS);
    return response->left_ms;
}

/*
 * As a rule: the core reckons with the time at which its thread began with what it does, and that
 * may have been interrupted since. Each time-out is longer than those before, since one that was
 * interrupted would be sent again for shorter ones.
 */
static void a_server_is_given_no_more_time_than_the_call_has(void **state)
{
    static const struct {
        int64_t first_ms, step_ms;
    } series[] = {{500, 25}, {2000, 420}, {10000, 2500}};

    (void)state;
    for (size_t i = 0; i < sizeof series / sizeof series[0]; i++) {
        int64_t timeout_ms = series[i].first_ms;
        int kept = 0;

        for (int round = 0; round < 20; round++, timeout_ms += series[i].step_ms)
            kept += time_given(timeout_ms) <= timeout_ms;
        assert_in_range(kept, 15, 20);
    }
}

/* The core sends a time-out that the connection knows again for those that are a little shorter. */
static void a_server_is_given_three_percent_more_at_most_after_a_longer_time_out(void **state)
{
    (void)state;
    for (int64_t timeout_ms = 60000; timeout_ms > 50000; timeout_ms -= 500)
        (void)time_given(timeout_ms);
}

/* Nobody listens, so that only the time ends it. */
static void a_call_is_not_ended_before_its_time(void **state)
{
    static const int64_t timeouts_ms[] = {1, 2, 5, 20};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_call_options options = {.arena = service.arena, .wait_for_ready = true};
    mesh_channel *channel = NULL;

    (void)state;
    assert_int_equal(mesh_channel_create("127.0.0.1:1", NULL, &channel, NULL), MESH_OK);
    for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
        options.timeout_ms = timeouts_ms[i];
        for (int round = 0; round < 20; round++) {
            int64_t started_ns = mesh_clock_monotonic_ns();

            assert_int_equal(
                testing__v1__testing__echo(channel, &request, &response, &options, NULL),
                MESH_DEADLINE_EXCEEDED);
            /* in hundredths of a millisecond: one of a hundred is the core's rounding */
            assert_true((mesh_clock_monotonic_ns() - started_ns) / 10000 >=
                        options.timeout_ms * 99);
        }
    }
    mesh_channel_destroy(channel);
}

static void a_timeout_in_the_past_is_over_at_once(void **state)
{
    static const int64_t timeouts_ms[] = {-1, -7, INT64_MIN};
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_call_options options = {.arena = service.arena};

    (void)state;
    for (size_t i = 0; i < sizeof timeouts_ms / sizeof timeouts_ms[0]; i++) {
        options.timeout_ms = timeouts_ms[i];
        assert_int_equal(
            testing__v1__testing__echo(service.channel, &request, &response, &options, NULL),
            MESH_DEADLINE_EXCEEDED);
    }
}

static void a_deadline_that_has_passed_leaves_no_time(void **state)
{
    int64_t now_ns = mesh_clock_monotonic_ns();

    (void)state;
    assert_true(mesh_timeout_left(mesh_clock_left_ms(now_ns)) < 0);
    assert_in_range(mesh_timeout_left(mesh_clock_left_ms(mesh_clock_add_ms(now_ns, 60000))), 1,
                    60000);
    assert_int_equal(mesh_timeout_left(mesh_clock_left_ms(MESH_NO_DEADLINE)), MESH_NO_TIMEOUT);
}

static void deadline_and_trace_travel_to_calls_made_for_a_call(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    char trace_id[MESH_TRACE_ID_TEXT_BYTES];
    mesh_trace trace;
    mesh_error err;

    (void)state;
    mesh_trace_start(&trace);
    mesh_trace_id_format(&trace, trace_id);
    request.forward = 3;
    request.text = "far";
    (void)mesh_trace_set_current(&trace);
    assert_int_equal(testing__v1__testing__echo(
                         service.channel, &request, &response,
                         &(mesh_call_options){.arena = service.arena, .timeout_ms = 20000}, &err),
                     MESH_OK);
    (void)mesh_trace_set_current(NULL);
    assert_string_equal(response->text, "far");
    assert_string_equal(response->trace_id, trace_id);
    assert_in_range(response->left_ms, 1, 20500);
}

static void on_cancelled(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                         const mesh_error *err)
{
    (void)response;
    (void)err;
    *(mesh_code *)context = code;
}

static void cancellation_travels_to_calls_made_for_a_call(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_channel *channel = NULL;
    mesh_code code = MESH_OK;
    uint8_t mark = 1;

    (void)state;
    assert_int_equal(
        mesh_channel_create(mesh_channel_target(service.channel), NULL, &channel, NULL), MESH_OK);
    request.forward = 2;
    request.data = (ProtobufCBinaryData){.len = 1, .data = &mark}; /* the last one hangs */
    assert_int_equal(testing__v1__testing__echo__async(channel, &request,
                                                       &(mesh_call_options){.timeout_ms = 60000},
                                                       on_cancelled, &code),
                     MESH_OK);
    testing_wait(&service.hanging);
    mesh_channel_destroy(channel); /* cancels it */
    assert_int_equal(code, MESH_CANCELLED);
    testing_wait(&service.cancelled);
}

/* --- asynchronous ----------------------------------------------------------------------------- */

typedef struct results {
    sem_t done;
    atomic_int good;
} results;

static void on_echo(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    results *all = context;

    if (code == MESH_OK && err == NULL && strcmp(response->text, "async") == 0)
        atomic_fetch_add(&all->good, 1);
    sem_post(&all->done);
}

static void asynchronous_calls_run_at_once(void **state)
{
    enum {
        CALLS = 136 /* half of the workers and their queue: what one connection may take */
    };
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    static results all; /* sem_post may look at it after the wait */

    (void)state;
    atomic_store(&all.good, 0);
    sem_init(&all.done, 0, 0);
    request.text = "async";
    testing_wait_for_active(&service, 0); /* its place among the workers is free again */
    for (int i = 0; i < CALLS; i++)
        assert_int_equal(
            testing__v1__testing__echo__async(service.channel, &request, NULL, on_echo, &all),
            MESH_OK);
    for (int i = 0; i < CALLS; i++)
        testing_wait(&all.done);
    assert_int_equal(atomic_load(&all.good), CALLS);
    sem_destroy(&all.done);
}

static void destroying_a_channel_ends_its_calls(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    static results all; /* sem_post may look at it after the wait */
    mesh_channel *channel;

    (void)state;
    atomic_store(&all.good, 0);
    sem_init(&all.done, 0, 0);
    assert_int_equal(mesh_channel_create(service.address, NULL, &channel, NULL), MESH_OK);
    request.hang = true;
    assert_int_equal(testing__v1__testing__echo__async(channel, &request, NULL, on_echo, &all),
                     MESH_OK);
    testing_wait(&service.hanging);
    mesh_channel_destroy(channel);
    assert_int_equal(sem_trywait(&all.done), 0);
    assert_int_equal(atomic_load(&all.good), 0);
    testing_wait(&service.cancelled);
    sem_destroy(&all.done);
}

/* --- trouble ---------------------------------------------------------------------------------- */

static void nobody_listening_is_unavailable(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_channel *channel;
    mesh_error err;

    (void)state;
    assert_int_equal(mesh_channel_create("127.0.0.1:1", NULL, &channel, NULL), MESH_OK);
    assert_int_equal(testing__v1__testing__echo(channel, &request, &response,
                                                &(mesh_call_options){.arena = service.arena}, &err),
                     MESH_UNAVAILABLE);
    mesh_channel_destroy(channel);
}

static void a_call_needs_a_place_for_its_answer(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__testing__echo(service.channel, &request, &response, NULL, &err),
                     MESH_INVALID_ARGUMENT);
}

/* --- programmer errors ------------------------------------------------------------------------ */

#ifndef NDEBUG

enum {
    ALARM_SECONDS = 3
};

static void call_without_a_request(const mesh_call_options *options)
{
    Testing__V1__EchoResponse *response;

    (void)testing__v1__testing__echo(service.channel, NULL, &response, options, NULL);
}

static void call_later_without_a_request(const mesh_call_options *options)
{
    (void)testing__v1__testing__echo__async(service.channel, NULL, options, NULL, NULL);
}

static void open_a_stream_of_a_unary_method(const mesh_call_options *options)
{
    const Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    mesh_method method = testing__v1__testing__methods[0];
    mesh_stream *stream;

    method.kind = MESH_UNARY;
    (void)mesh_stream_open(service.channel, &method, &request.base, options, &stream, NULL);
}

static void calls_that_make_no_sense_stop_at_an_assertion(void **state)
{
    static void (*const calls[])(const mesh_call_options *options) = {
        call_without_a_request,
        call_later_without_a_request,
        open_a_stream_of_a_unary_method,
    };

    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int status = 0;
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0) {
            const struct rlimit no_core = {0};

            (void)setrlimit(RLIMIT_CORE, &no_core);
            (void)close(STDERR_FILENO);
            (void)alarm(ALARM_SECONDS);
            calls[i](&(mesh_call_options){.arena = service.arena});
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(the_answer_is_the_handlers),
        BOTH(an_empty_message_is_a_message),
        BOTH(large_messages_travel),
        BOTH(an_error_arrives_with_its_details),
        BOTH(a_handler_may_answer_later_from_another_thread),
        BOTH(an_empty_slot_answers_unimplemented),
        BOTH(an_unknown_service_answers_unimplemented),
        BOTH(an_answer_beyond_the_arena_is_resource_exhausted),
        BOTH(an_answer_beyond_the_receivers_limit_is_resource_exhausted),
        BOTH(a_request_beyond_the_servers_limit_is_resource_exhausted),
        BOTH(a_bad_string_is_refused_naming_the_field),
        BOTH(deep_nesting_is_refused),
        WORKER(a_deadline_ends_a_call_on_both_sides),
        BOTH(the_contracts_deadline_holds_when_the_caller_gives_none),
        BOTH(a_server_is_given_no_more_time_than_the_call_has),
        WORKER(a_server_is_given_three_percent_more_at_most_after_a_longer_time_out),
        WORKER(a_call_is_not_ended_before_its_time),
        BOTH(a_timeout_in_the_past_is_over_at_once),
        cmocka_unit_test(a_deadline_that_has_passed_leaves_no_time),
        WORKER(deadline_and_trace_travel_to_calls_made_for_a_call),
        WORKER(cancellation_travels_to_calls_made_for_a_call),
        BOTH(asynchronous_calls_run_at_once),
        WORKER(destroying_a_channel_ends_its_calls),
        BOTH(nobody_listening_is_unavailable),
        BOTH(a_call_needs_a_place_for_its_answer),
#ifndef NDEBUG
        WORKER(calls_that_make_no_sense_stop_at_an_assertion),
#endif
    };

    return cmocka_run_group_tests_name("unary calls", tests, NULL, NULL);
}
