/*
 * Handlers of streams that send when their call has ended, by whatever cause: they are told so, and
 * wait for nothing any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define COUNT_PATH "/testing.v1.Testing/Count"
#define DOUBLE_PATH "/testing.v1.Testing/Double"

enum {
    PADDING_BYTES = 60000 /* little of it fits into what a client leaves unread */
};

static testing_service service;

/* What a handler saw of the end of its call. */
typedef struct seen {
    mesh_code sent;     /* by the last send */
    mesh_code received; /* by a blocking handler that asks for a message */
    mesh_code closed;   /* by an evented one */
    bool cancelled;
    sem_t over; /* all of that is known */
} seen;

static seen persistent; /* Count: sends without end */
static seen patient;    /* Double: waits for the end, then sends for the first time */

static uint8_t padding[PADDING_BYTES];

static Testing__V1__Number padded_number(void)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    number.padding = (ProtobufCBinaryData){sizeof padding, padding};
    return number;
}

/* --- blocking handlers ------------------------------------------------------------------------ */

static mesh_code tell(seen *here, mesh_call *call, mesh_code sent)
{
    here->sent = sent;
    here->cancelled = mesh_call_cancelled(call);
    sem_post(&here->over);
    return MESH_OK;
}

static mesh_code count(void *self, mesh_call *call, const Testing__V1__CountRequest *request,
                       mesh_stream *stream, mesh_error *err)
{
    Testing__V1__Number number = padded_number();
    mesh_code code;

    (void)self;
    (void)request;
    (void)err;
    sem_post(&service.opened);
    do
        code = testing__v1__testing__count__reply(stream, &number);
    while (code == MESH_OK);
    return tell(&persistent, call, code);
}

static void on_cancel(void *context)
{
    sem_post(context);
}

static mesh_code twice(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    Testing__V1__Number number = padded_number();
    const Testing__V1__Number *received;
    mesh_code code;

    (void)self;
    mesh_call_on_cancel(call, on_cancel, &service.cancelled);
    sem_post(&service.opened);
    testing_wait(&service.cancelled);
    code = testing__v1__testing__double__reply(stream, &number);
    patient.received = testing__v1__testing__double__receive(stream, &received, err);
    return tell(&patient, call, code);
}

static const testing__v1__testing__handlers blocking = {.count = count, .double_ = twice};

/* --- evented handlers ------------------------------------------------------------------------- */

static void close_stream(seen *here, mesh_stream *stream, mesh_code code)
{
    here->closed = code;
    (void)tell(here, mesh_stream_call(stream), here->sent);
}

static void count_on(void *self, mesh_stream *stream)
{
    Testing__V1__Number number = padded_number();

    (void)self;
    do
        persistent.sent = testing__v1__testing__count__try_reply(stream, &number);
    while (persistent.sent == MESH_OK);
}

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    (void)request;
    (void)err;
    count_on(self, stream);
    sem_post(&service.opened);
    return MESH_OK;
}

static void count_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    close_stream(&persistent, stream, code);
}

static const testing__v1__testing__count__events count_events = {
    .on_open = count_open,
    .on_writable = count_on,
    .on_close = count_close,
};

static void send_late(void *stream)
{
    Testing__V1__Number number = padded_number();

    patient.sent = testing__v1__testing__double__try_reply(stream, &number);
}

static mesh_code double_open(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)err;
    mesh_call_on_cancel(mesh_stream_call(stream), send_late, stream);
    sem_post(&service.opened);
    return MESH_OK;
}

static void double_close(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    close_stream(&patient, stream, code);
}

static const testing__v1__testing__double__events double_events = {
    .on_open = double_open,
    .on_close = double_close,
};

static const testing__v1__testing__handlers evented = {.count__events = &count_events,
                                                       .double__events = &double_events};

/* --- the ends --------------------------------------------------------------------------------- */

static int start(void **state)
{
    testing_style style = testing_style_of(state);

    persistent = patient = (seen){.sent = MESH_OK};
    sem_init(&persistent.over, 0, 0);
    sem_init(&patient.over, 0, 0);
    testing_service_serve(
        &service, testing__v1__testing__api(style == TESTING_WORKER ? &blocking : &evented, NULL),
        MESH_OPTIONS(mesh_server_options, .poller_count = 1), NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    sem_destroy(&persistent.over);
    sem_destroy(&patient.over);
    return 0;
}

typedef struct streams {
    raw_client client;
    uint32_t persistent, patient;
} streams;

/* A client's two streams, of which it reads nothing. */
static void open_streams(streams *all, const char *timeout)
{
    const char *key = timeout != NULL ? "grpc-timeout" : NULL;

    raw_connect(&all->client, mesh_server_port(service.server));
    all->persistent = raw_request(&all->client, COUNT_PATH, key, timeout, false);
    raw_message(&all->client, all->persistent, false, NULL, 0, true);
    all->patient = raw_request(&all->client, DOUBLE_PATH, key, timeout, false);
    testing_wait(&service.opened);
    testing_wait(&service.opened);
}

/* An evented handler that sends without end may be told by on_close that nothing is left. */
static void expect_end(void **state, mesh_code code)
{
    bool is_blocking = testing_style_of(state) == TESTING_WORKER;

    testing_wait(&persistent.over);
    testing_wait(&patient.over);
    assert_true(persistent.cancelled);
    assert_true(patient.cancelled);
    assert_int_equal(patient.sent, MESH_CANCELLED);
    if (is_blocking) {
        assert_int_equal(persistent.sent, MESH_CANCELLED);
        assert_int_equal(patient.received, code);
    } else {
        assert_int_equal(persistent.closed, code);
        assert_int_equal(patient.closed, code);
    }
    testing_wait_for_active(&service, 0);
}

static void who_sends_in_a_cancelled_call_is_told(void **state)
{
    streams all;

    open_streams(&all, NULL);
    raw_reset(&all.client, all.persistent);
    raw_reset(&all.client, all.patient);
    expect_end(state, MESH_CANCELLED);
    raw_close(&all.client);
}

static void who_sends_after_the_deadline_is_told(void **state)
{
    streams all;

    open_streams(&all, "2S");
    expect_end(state, MESH_DEADLINE_EXCEEDED);
    raw_close(&all.client);
}

static void who_sends_on_a_closed_connection_is_told(void **state)
{
    streams all;

    open_streams(&all, NULL);
    raw_close(&all.client);
    expect_end(state, MESH_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(who_sends_in_a_cancelled_call_is_told),
        BOTH(who_sends_after_the_deadline_is_told),
        BOTH(who_sends_on_a_closed_connection_is_told),
    };

    return cmocka_run_group_tests_name("late sends", tests, NULL, NULL);
}
