/* A client gives up its calls: those of every kind end, on both sides, and others do not. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/service.h"

static testing_service service;
static mesh_cancel *cancel;
static mesh_call_options options;

static int start(void **state)
{
    testing_service_start(&service, testing_style_of(state), NULL, NULL);
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    cancel = mesh_cancel_create();
    assert_non_null(cancel);
    options = (mesh_call_options){.arena = service.arena, .timeout_ms = 30000, .cancel = cancel};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    mesh_cancel_destroy(cancel);
    testing_service_stop(&service);
    return 0;
}

static mesh_code echo(bool hang)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.hang = hang;
    return testing__v1__testing__echo(service.channel, &request, &response, &options, NULL);
}

static void *call_blocking(void *code)
{
    *(mesh_code *)code = echo(true);
    return NULL;
}

static void on_done(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                    const mesh_error *err)
{
    (void)response;
    (void)err;
    *(mesh_code *)context = code;
}

static void call_async(mesh_code *code)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    request.hang = true;
    assert_int_equal(
        testing__v1__testing__echo__async(service.channel, &request, &options, on_done, code),
        MESH_OK);
    testing_wait(&service.hanging);
}

static mesh_stream *open_sum(void)
{
    mesh_stream *stream = NULL;

    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, NULL), MESH_OK);
    return stream;
}

static void a_blocking_call_is_given_up(void **state)
{
    mesh_code code = MESH_OK;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, call_blocking, &code), 0);
    testing_wait(&service.hanging);
    mesh_cancel_calls(cancel);
    (void)pthread_join(thread, NULL);
    assert_int_equal(code, MESH_CANCELLED);
    testing_wait(&service.cancelled);
}

static void an_asynchronous_call_is_given_up_and_waited_for(void **state)
{
    mesh_code code = MESH_OK;

    (void)state;
    call_async(&code);
    mesh_cancel_destroy(cancel);
    cancel = NULL;
    assert_int_equal(code, MESH_CANCELLED);
    testing_wait(&service.cancelled);
}

static void a_stream_is_given_up(void **state)
{
    mesh_stream *stream = open_sum();
    Testing__V1__Number *sum;

    (void)state;
    mesh_cancel_calls(cancel);
    assert_int_equal(testing__v1__testing__sum__finish(stream, &sum, NULL), MESH_CANCELLED);
}

static void all_calls_are_given_up_together(void **state)
{
    mesh_code codes[] = {MESH_OK, MESH_OK};
    mesh_stream *stream = open_sum();

    (void)state;
    call_async(&codes[0]);
    call_async(&codes[1]);
    mesh_cancel_calls(cancel);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
    mesh_cancel_destroy(cancel);
    cancel = NULL;
    assert_int_equal(codes[0], MESH_CANCELLED);
    assert_int_equal(codes[1], MESH_CANCELLED);
}

static void a_call_that_comes_later_ends_at_once(void **state)
{
    (void)state;
    mesh_cancel_calls(cancel);
    assert_int_equal(echo(false), MESH_CANCELLED);
    assert_int_equal(mesh_stream_finish(open_sum(), NULL), MESH_CANCELLED);
}

static void calls_that_ended_and_calls_of_others_are_untouched(void **state)
{
    mesh_stream *stream;

    (void)state;
    assert_int_equal(echo(false), MESH_OK);
    options.cancel = NULL;
    stream = open_sum();
    mesh_cancel_calls(cancel);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_OK);
    assert_int_equal(testing_echo(&service, "still here", NULL), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER(a_blocking_call_is_given_up),
        WORKER(an_asynchronous_call_is_given_up_and_waited_for),
        BOTH(a_stream_is_given_up),
        WORKER(all_calls_are_given_up_together),
        BOTH(a_call_that_comes_later_ends_at_once),
        BOTH(calls_that_ended_and_calls_of_others_are_untouched),
    };

    return cmocka_run_group_tests_name("cancel", tests, NULL, NULL);
}
