/* Streaming calls from end to end, with blocking handlers and with evented ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

static testing_service service;
static mesh_call_options options;

static int start(void **state)
{
    testing_service_start(&service, testing_style_of(state), NULL, NULL);
    options = (mesh_call_options){.arena = service.arena, .timeout_ms = 30000};
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

static void client_streaming_sums_up(void **state)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *sum = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, &err), MESH_OK);
    for (int i = 1; i <= 1000; i++) {
        number.value = i;
        assert_int_equal(testing__v1__testing__sum__send(stream, &number), MESH_OK);
    }
    assert_int_equal(testing__v1__testing__sum__finish(stream, &sum, &err), MESH_OK);
    assert_int_equal(sum->value, 500500);
}

static void an_empty_stream_has_an_answer(void **state)
{
    Testing__V1__Number *sum = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &options, &err), MESH_OK);
    assert_int_equal(testing__v1__testing__sum__finish(stream, &sum, &err), MESH_OK);
    assert_int_equal(sum->value, 0);
}

static void server_streaming_counts(void **state)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream;
    mesh_error err;
    int64_t wanted = 0;

    (void)state;
    request.value = 5000;
    request.padding = 100;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, &err), MESH_OK);
    while (testing__v1__testing__count__next(stream, &number) == MESH_OK) {
        assert_int_equal(number->value, ++wanted);
        assert_int_equal(number->padding.len, 100);
    }
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
    assert_int_equal(wanted, 5000);
}

static void bidi_streaming_answers_each(void **state)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, &err),
                     MESH_OK);
    for (int i = 1; i <= 500; i++) {
        number.value = i;
        assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
        assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_OK);
        assert_int_equal(doubled->value, 2 * i);
    }
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
}

static void an_error_ends_a_stream_with_its_details(void **state)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled = NULL;
    mesh_error_violation violation;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    number.value = -1;
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, &err),
                     MESH_OK);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_INVALID_ARGUMENT);
    assert_true(mesh_error_violation_at(&err, 0, &violation));
    assert_memory_equal(violation.field, "value", violation.field_size);
}

/* What is not read is dropped, and the server is not stopped by it for good. */
static void finishing_without_reading_ends(void **state)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    request.value = 2000;
    request.padding = 1000;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, &err), MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
}

/* The server counts without end: only flow control keeps it from filling the memory. */
static void a_slow_reader_stops_the_sender_and_a_cancel_ends_it(void **state)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    request.value = -1;
    request.padding = 60000;
    assert_int_equal(
        testing__v1__testing__count(service.channel, &request, &stream, &options, &err), MESH_OK);
    for (int i = 1; i <= 20; i++) {
        assert_int_equal(testing__v1__testing__count__next(stream, &number), MESH_OK);
        assert_int_equal(number->value, i);
    }
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_CANCELLED);
}

static void a_blocking_handler_sees_the_cancel(void **state)
{
    a_slow_reader_stops_the_sender_and_a_cancel_ends_it(state);
    testing_wait(&service.cancelled);
    assert_int_equal(service.close_code, MESH_CANCELLED);
}

static void an_evented_handler_sees_the_cancel(void **state)
{
    a_slow_reader_stops_the_sender_and_a_cancel_ends_it(state);
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_CANCELLED);
}

static void an_evented_handler_is_closed_once_with_its_own_code(void **state)
{
    server_streaming_counts(state);
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_OK);
    assert_int_not_equal(sem_trywait(&service.closed), 0);
}

/* Many evented streams stay open at once, on the transport's threads alone. */
static void long_lived_streams_hold_no_thread(void **state)
{
    enum {
        STREAMS = 300
    };
    static mesh_stream *streams[STREAMS];
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    Testing__V1__Number *sum = NULL;
    mesh_error err;

    (void)state;
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(testing__v1__testing__sum(service.channel, &streams[i], &options, &err),
                         MESH_OK);
        testing_wait(&service.opened);
    }
    for (int i = 0; i < STREAMS; i++) {
        number.value = i;
        assert_int_equal(testing__v1__testing__sum__send(streams[i], &number), MESH_OK);
    }
    for (int i = 0; i < STREAMS; i++) {
        assert_int_equal(testing__v1__testing__sum__finish(streams[i], &sum, &err), MESH_OK);
        assert_int_equal(sum->value, i);
    }
}

/* --- messages without content ----------------------------------------------------------------- */

enum {
    UNREAD_MAX = 100000 /* what HTTP/2's first window, the core and the queue hold is less */
};

/* Sends empty messages until there is no room; how many there were. */
static size_t fill(mesh_stream *stream)
{
    const Testing__V1__Number empty = TESTING__V1__NUMBER__INIT;
    size_t sent = 0;

    while (sent < UNREAD_MAX && mesh_stream_try_send(stream, &empty.base) == MESH_OK)
        sent++;
    return sent;
}

static mesh_code fill_and_end(void *self, mesh_call *call, const Testing__V1__CountRequest *request,
                              mesh_stream *stream, mesh_error *err)
{
    (void)call;
    (void)request;
    (void)err;
    *(size_t *)self = fill(stream);
    sem_post(&service.opened);
    return MESH_CANCELLED;
}

static void empty_answers_that_nobody_reads_have_a_limit(void **state)
{
    static const testing__v1__testing__handlers handlers = {.count = fill_and_end};
    raw_client client;
    uint32_t call;
    size_t sent = 0;

    (void)state;
    testing_service_serve(&service, testing__v1__testing__api(&handlers, &sent), NULL, NULL);
    raw_connect(&client, mesh_server_port(service.server));
    call = raw_request(&client, "/testing.v1.Testing/Count", NULL, NULL, false);
    raw_message(&client, call, false, NULL, 0, true);
    testing_wait(&service.opened);
    assert_in_range(sent, 1, UNREAD_MAX - 1);
    raw_close(&client);
    testing_service_stop(&service);
}

static void empty_requests_that_nobody_reads_have_a_limit(void **state)
{
    mesh_channel *channel;
    mesh_stream *stream;
    raw_client peer;
    char target[32];
    int port, listener = raw_listen(&port);

    (void)state;
    snprintf(target, sizeof target, "127.0.0.1:%d", port);
    assert_int_equal(mesh_channel_create(target, NULL, &channel, NULL), MESH_OK);
    assert_int_equal(testing__v1__testing__double(channel, &stream, NULL, NULL), MESH_OK);
    assert_true(raw_accept(&peer, listener) > 0);
    assert_in_range(fill(stream), 1, UNREAD_MAX - 1);
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
    mesh_channel_destroy(channel);
    raw_close(&peer);
    (void)close(listener);
}

/* --- clients that take nothing, or little ----------------------------------------------------- */

static mesh_stream *count_without_end(void)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    mesh_stream *stream;

    request.value = -1;
    request.padding = 60000;
    assert_int_equal(testing__v1__testing__count(service.channel, &request, &stream, NULL, NULL),
                     MESH_OK);
    return stream;
}

/* The one worker is held up for a while, and then serves others. */
static void a_client_that_takes_nothing_is_cancelled(void **state)
{
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    testing_service_start(
        &service, TESTING_WORKER,
        MESH_OPTIONS(mesh_server_options, .worker_count = 1, .send_timeout_ms = 100), NULL);
    stream = count_without_end();
    testing_wait(&service.cancelled);
    assert_int_equal(service.close_code, MESH_CANCELLED);
    assert_int_equal(testing_echo(&service, "next", NULL), MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_CANCELLED);
    testing_service_stop(&service);
}

static void a_client_that_takes_little_at_a_time_is_not(void **state)
{
    enum {
        LIMIT_MS = 2000 /* longer than a busy machine keeps the client from taking anything */
    };
    const Testing__V1__Number *number;
    mesh_stream *stream;
    int64_t until_ns;

    (void)state;
    testing_service_start(&service, TESTING_WORKER,
                          MESH_OPTIONS(mesh_server_options, .send_timeout_ms = LIMIT_MS), NULL);
    stream = count_without_end();
    until_ns = mesh_clock_deadline_ns(5 * LIMIT_MS / 2);
    while (mesh_clock_monotonic_ns() < until_ns) {
        assert_int_equal(testing__v1__testing__count__next(stream, &number), MESH_OK);
        wait_a_moment();
    }
    mesh_stream_cancel(stream);
    (void)mesh_stream_finish(stream, NULL);
    testing_service_stop(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(client_streaming_sums_up),
        BOTH(an_empty_stream_has_an_answer),
        BOTH(server_streaming_counts),
        BOTH(bidi_streaming_answers_each),
        BOTH(an_error_ends_a_stream_with_its_details),
        BOTH(finishing_without_reading_ends),
        WORKER(a_blocking_handler_sees_the_cancel),
        INLINE(an_evented_handler_sees_the_cancel),
        INLINE(an_evented_handler_is_closed_once_with_its_own_code),
        INLINE(long_lived_streams_hold_no_thread),
        cmocka_unit_test(empty_answers_that_nobody_reads_have_a_limit),
        cmocka_unit_test(a_client_that_takes_nothing_is_cancelled),
        cmocka_unit_test(a_client_that_takes_little_at_a_time_is_not),
        cmocka_unit_test(empty_requests_that_nobody_reads_have_a_limit),
    };

    return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}
