/*
 * Compressed messages of handlers that have no worker of their own, inline and with events: they
 * are inflated by one all the same, since a thread of the transport serves everybody.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    STREAMS = 5, /* at once, with a worker for one, and a place for another */
    REFUSED = STREAMS - 2,
    NUMBERS = 200,
    PADDING_BYTES = 5000,
    FLOODS = 50,
    FLOOD = 12,    /* answers that a stream has room for, at least, behind one on its way */
    ANSWERS = 100, /* to one number at most, where the client keeps up with them */
    YIELDS = 200   /* so long a callback takes */
};

static testing_service service;

/* The threads that did something, last. */
static atomic_uintptr_t inflated_by, uncompressed_by, opened_by;

static atomic_int inside; /* callbacks of the one stream that run */
static atomic_int at_once;
static atomic_int writable;
static sem_t entered, leave;
static uint8_t padding[PADDING_BYTES];

int __real_inflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);

int __wrap_inflate(z_streamp stream, int flush)
{
    atomic_store(&inflated_by, (uintptr_t)pthread_self());
    return __real_inflate(stream, flush);
}

/* --- handlers --------------------------------------------------------------------------------- */

/* A callback takes its time, for others to come in between. */
static void enter(void)
{
    if (atomic_fetch_add(&inside, 1) > 0)
        atomic_fetch_add(&at_once, 1);
}

static void exit_again(void)
{
    for (int i = 0; i < YIELDS; i++)
        (void)sched_yield();
    atomic_fetch_sub(&inside, 1);
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    if (!mesh_call_was_compressed(call))
        atomic_store(&uncompressed_by, (uintptr_t)pthread_self());
    return testing_handle_echo(self, call, request, response, err);
}

static mesh_code double_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                                mesh_error *err)
{
    Testing__V1__Number doubled = *number;
    int left = number->value == 0 ? ANSWERS : 1;
    mesh_code code;

    (void)self;
    (void)err;
    enter();
    if (!mesh_stream_was_compressed(stream))
        atomic_store(&uncompressed_by, (uintptr_t)pthread_self());
    if (number->value < 0) {
        sem_post(&entered);
        while (sem_wait(&leave) != 0)
            continue;
    }
    doubled.value *= 2;
    do /* a zero is answered until there is no room */
        code = testing__v1__testing__double__try_reply(stream, &doubled);
    while (code == MESH_OK && --left > 0);
    exit_again();
    return code == MESH_RESOURCE_EXHAUSTED ? MESH_OK : code;
}

static void double_end(void *self, mesh_stream *stream)
{
    (void)self;
    enter();
    mesh_stream_end(stream, MESH_OK, NULL);
    exit_again();
}

static void close_stream(void *self, mesh_stream *stream, mesh_code code)
{
    testing_service *here = self;

    (void)stream;
    enter();
    here->close_code = code;
    exit_again();
    sem_post(&here->closed);
}

static void double_writable(void *self, mesh_stream *stream)
{
    (void)self;
    (void)stream;
    enter();
    atomic_fetch_add(&writable, 1);
    exit_again();
}

static mesh_code count_open(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    atomic_store(&opened_by, (uintptr_t)pthread_self());
    mesh_stream_end(stream, MESH_OK, NULL);
    return MESH_OK;
}

static const testing__v1__testing__count__events count_events = {.on_open = count_open,
                                                                 .on_close = close_stream};
static const testing__v1__testing__double__events double_events = {.on_message = double_message,
                                                                   .on_end = double_end,
                                                                   .on_writable = double_writable,
                                                                   .on_close = close_stream};
static const testing__v1__testing__handlers handlers = {
    .echo__inline = echo, .count__events = &count_events, .double__events = &double_events};

/* One thread of the transport, and one worker. */
static int start(void **state)
{
    (void)state;
    atomic_store(&inflated_by, 0);
    atomic_store(&at_once, 0);
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    testing_service_serve(&service, testing__v1__testing__api(&handlers, &service),
                          MESH_OPTIONS(mesh_server_options, .poller_count = 1, .worker_count = 1,
                                       .worker_queue = 1, .connection_share_percent = 100),
                          NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < STREAMS; i++)
        sem_post(&leave); /* for whoever hangs after a failure */
    testing_service_stop(&service);
    sem_destroy(&entered);
    sem_destroy(&leave);
    return 0;
}

/* --- clients ---------------------------------------------------------------------------------- */

static mesh_code ask(bool compress)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.data = (ProtobufCBinaryData){sizeof padding, padding};
    return testing__v1__testing__echo(
        service.channel, &request, &response,
        &(mesh_call_options){.arena = service.arena, .compress = compress}, NULL);
}

static mesh_stream *open_double(void)
{
    const mesh_call_options options = {.compress = true, .timeout_ms = 30000};
    mesh_stream *stream;

    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, NULL),
                     MESH_OK);
    return stream;
}

static void send_number(mesh_stream *stream, int64_t value, bool compress)
{
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    number.value = value;
    number.padding = (ProtobufCBinaryData){sizeof padding, padding};
    mesh_stream_compress(stream, compress);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
}

/* --- what is promised ------------------------------------------------------------------------- */

static void no_thread_of_the_transport_inflates_an_inline_handlers_request(void **state)
{
    (void)state;
    assert_int_equal(ask(false), MESH_OK);
    assert_int_equal(ask(true), MESH_OK);
    assert_int_not_equal(atomic_load(&inflated_by), 0);
    assert_int_not_equal(atomic_load(&inflated_by), atomic_load(&uncompressed_by));
}

static void no_thread_of_the_transport_inflates_a_message_of_an_evented_stream(void **state)
{
    mesh_stream *stream = open_double();

    (void)state;
    send_number(stream, 1, false);
    send_number(stream, 2, true);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_OK);
    assert_int_not_equal(atomic_load(&inflated_by), 0);
    assert_int_not_equal(atomic_load(&inflated_by), atomic_load(&uncompressed_by));
}

static void messages_stay_in_order(void **state)
{
    const Testing__V1__Number *doubled = NULL;
    mesh_stream *stream = open_double();

    (void)state;
    for (int i = 1; i <= NUMBERS; i++) {
        send_number(stream, i, i % 3 != 0);
        assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_OK);
        assert_int_equal(doubled->value, 2 * i);
    }
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_OK);
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_OK);
    assert_int_equal(atomic_load(&at_once), 0);
}

static void a_worker_opens_the_stream_of_a_compressed_request(void **state)
{
    static const uint8_t empty[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, /* RFC 1952 */
                                    3,    0,    0, 0, 0, 0, 0, 0, 0, 0};
    raw_client client;
    uint32_t call;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    call = raw_request(&client, "/testing.v1.Testing/Count", "grpc-encoding", "gzip", false);
    raw_message(&client, call, true, empty, sizeof empty, true);
    assert_true(raw_wait(&client, call));
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_OK);
    assert_int_not_equal(atomic_load(&opened_by), 0);
    assert_int_equal(atomic_load(&opened_by), atomic_load(&inflated_by));
    raw_close(&client);
}

/* While the worker has the stream, what it sent goes out, so that there is room again. */
static void callbacks_never_run_at_once(void **state)
{
    const Testing__V1__Number *number = NULL;
    mesh_stream *stream = open_double();

    (void)state;
    for (int i = 0; i < FLOODS; i++) {
        send_number(stream, 0, true);
        for (int j = 0; j < FLOOD; j++)
            assert_int_equal(testing__v1__testing__double__next(stream, &number), MESH_OK);
    }
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_OK);
    testing_wait(&service.closed);
    assert_true(atomic_load(&writable) > 0);
    assert_int_equal(atomic_load(&at_once), 0);
}

static void a_stream_is_closed_when_the_worker_has_left_it(void **state)
{
    mesh_stream *stream = open_double();

    (void)state;
    send_number(stream, -1, true);
    testing_wait(&entered);
    mesh_stream_cancel(stream);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_CANCELLED);
    /* the transport tells of the cancel before it brings another call */
    assert_int_equal(ask(false), MESH_OK);
    assert_int_not_equal(sem_trywait(&service.closed), 0);
    sem_post(&leave);
    testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_CANCELLED);
    assert_int_equal(atomic_load(&at_once), 0);
}

/* One hangs on the worker, one waits for it, whichever comes first: the others are refused. */
static void without_a_worker_the_call_is_refused(void **state)
{
    mesh_stream *streams[STREAMS];
    int refused = 0;

    (void)state;
    for (int i = 0; i < STREAMS; i++) {
        streams[i] = open_double();
        send_number(streams[i], -1, true);
        if (i == 0)
            testing_wait(&entered);
    }
    for (int i = 0; i < REFUSED; i++)
        testing_wait(&service.closed);
    assert_int_equal(service.close_code, MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(ask(true), MESH_RESOURCE_EXHAUSTED);
    assert_int_equal(ask(false), MESH_OK);
    for (int i = 0; i < STREAMS - REFUSED; i++)
        sem_post(&leave);
    for (int i = 0; i < STREAMS; i++)
        refused += mesh_stream_finish(streams[i], NULL) == MESH_RESOURCE_EXHAUSTED;
    assert_int_equal(refused, REFUSED);
    assert_int_equal(ask(true), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORKER(no_thread_of_the_transport_inflates_an_inline_handlers_request),
        WORKER(no_thread_of_the_transport_inflates_a_message_of_an_evented_stream),
        WORKER(messages_stay_in_order),
        WORKER(a_worker_opens_the_stream_of_a_compressed_request),
        WORKER(callbacks_never_run_at_once),
        WORKER(a_stream_is_closed_when_the_worker_has_left_it),
        WORKER(without_a_worker_the_call_is_refused),
    };

    return cmocka_run_group_tests_name("inflating", tests, NULL, NULL);
}
