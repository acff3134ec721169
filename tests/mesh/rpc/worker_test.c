/*
 * What takes workers for long, or processors: streams that wait for their clients, and large
 * messages. A limited number of each runs at a time, and others go on.
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/service.h"

enum {
    WORKERS = 4,
    STREAM_WORKERS = 3, /* a quarter is for calls that wait for no client */
    LARGE_BYTES = 1 << 20,
    CORES_MAX = 64
};

static testing_service service;
static sem_t entered, leave; /* streams, and those that decode */
static atomic_int decoding;
static atomic_bool held;         /* who begins to inflate waits */
static atomic_bool check_held;   /* who checks something large waits in the middle of it */
static atomic_bool handler_held; /* who handles a request with data waits */
static uint8_t zeros[LARGE_BYTES];

static void wait_if(atomic_bool *is_held)
{
    if (!atomic_load(is_held))
        return;
    atomic_fetch_add(&decoding, 1);
    sem_post(&entered);
    testing_wait(&leave);
}

int __wrap_sched_yield(void);

int __wrap_sched_yield(void)
{
    wait_if(&check_held);
    return 0;
}

int __real_inflate(z_streamp stream, int flush);
int __wrap_inflate(z_streamp stream, int flush);

int __wrap_inflate(z_streamp stream, int flush)
{
    if (stream->total_out == 0)
        wait_if(&held);
    return __real_inflate(stream, flush);
}

static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    if (request->data.len > 0 && atomic_load(&handler_held)) {
        sem_post(&entered);
        testing_wait(&leave);
    }
    return testing_handle_echo(self, call, request, response, err);
}

static mesh_code hang(void *self, mesh_call *call, mesh_stream *stream, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)stream;
    (void)err;
    sem_post(&entered);
    testing_wait(&leave);
    return MESH_OK;
}

static mesh_code sum_message(void *self, mesh_stream *stream, const Testing__V1__Number *number,
                             mesh_error *err)
{
    (void)self;
    (void)stream;
    (void)number;
    sem_post(&entered);
    testing_wait(&leave);
    return mesh_error_set(err, MESH_ABORTED, "seen");
}

static mesh_code sum(void *self, mesh_call *call, mesh_stream *stream,
                     Testing__V1__Number *response, mesh_error *err)
{
    const Testing__V1__Number *number;
    mesh_code code;

    (void)self;
    (void)call;
    (void)response;
    while ((code = testing__v1__testing__sum__receive(stream, &number, err)) == MESH_OK)
        continue;
    return code == MESH_EOF ? MESH_OK : code;
}

static const testing__v1__testing__sum__events sum_events = {.on_message = sum_message};
static const testing__v1__testing__handlers handlers = {
    .echo = echo, .double_ = hang, .sum__events = &sum_events};
static const testing__v1__testing__handlers blocking = {.echo = echo, .sum = sum};

static void serve(const testing__v1__testing__handlers *with, const mesh_server_options *options)
{
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    atomic_store(&decoding, 0);
    testing_service_serve(&service, testing__v1__testing__api(with, NULL), options, NULL);
}

static void start(const mesh_server_options *options)
{
    serve(&handlers, options);
}

static void stop(void)
{
    testing_service_stop(&service);
    sem_destroy(&entered);
    sem_destroy(&leave);
}

static mesh_channel *connect_again(void)
{
    mesh_channel *channel;

    assert_int_equal(mesh_channel_create(service.address, NULL, &channel, NULL), MESH_OK);
    return channel;
}

static mesh_stream *open_stream(mesh_channel *channel)
{
    mesh_stream *stream;

    assert_int_equal(testing__v1__testing__double(channel, &stream, NULL, NULL), MESH_OK);
    return stream;
}

static void expect_answer(mesh_channel *channel)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;

    request.text = "meanwhile";
    assert_int_equal(testing__v1__testing__echo(
                         channel, &request, &response,
                         &(mesh_call_options){.arena = service.arena, .timeout_ms = 10000}, NULL),
                     MESH_OK);
}

/* --- streams ---------------------------------------------------------------------------------- */

static void streams_that_wait_leave_a_worker_to_calls(void **state)
{
    mesh_stream *streams[WORKERS];
    mesh_channel *second, *third;

    (void)state;
    start(&(mesh_server_options){.worker_count = WORKERS, .poller_count = 1});
    second = connect_again();
    third = connect_again();
    for (size_t i = 0; i < WORKERS; i++)
        streams[i] = open_stream(i % 2 == 0 ? service.channel : second);
    for (size_t i = 0; i < STREAM_WORKERS; i++)
        testing_wait(&entered);
    testing_wait_for_active(&service, WORKERS);
    expect_answer(third);
    assert_int_equal(sem_trywait(&entered), -1);
    sem_post(&leave);
    testing_wait(&entered); /* the one that waited for another one */
    for (size_t i = 1; i < WORKERS; i++)
        sem_post(&leave);
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(mesh_stream_finish(streams[i], NULL), MESH_OK);
    mesh_channel_destroy(second);
    mesh_channel_destroy(third);
    stop();
}

static void finish(mesh_stream *streams[], size_t count)
{
    for (size_t i = 0; i < count; i++)
        sem_post(&leave);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mesh_stream_finish(streams[i], NULL), MESH_OK);
}

static void a_stream_that_waits_lets_other_calls_of_its_connection_pass(void **state)
{
    mesh_stream *streams[WORKERS];
    mesh_channel *second;

    (void)state;
    start(&(mesh_server_options){.worker_count = WORKERS, .poller_count = 1});
    second = connect_again();
    for (size_t i = 0; i < STREAM_WORKERS; i++) {
        streams[i] = open_stream(i < WORKERS / 2 ? service.channel : second);
        testing_wait(&entered);
    }
    streams[STREAM_WORKERS] = open_stream(second);
    testing_wait_for_active(&service, WORKERS);
    for (size_t i = 0; i < WORKERS; i++)
        expect_answer(second);
    assert_int_equal(sem_trywait(&entered), -1);
    finish(streams, WORKERS);
    mesh_channel_destroy(second);
    stop();
}

static void streams_leave_one_of_two_workers_to_calls(void **state)
{
    mesh_stream *streams[2];
    mesh_channel *second, *third;

    (void)state;
    start(&(mesh_server_options){.worker_count = 2, .poller_count = 1});
    second = connect_again();
    third = connect_again();
    streams[0] = open_stream(service.channel);
    testing_wait(&entered);
    streams[1] = open_stream(second);
    testing_wait_for_active(&service, 2);
    expect_answer(third);
    expect_answer(second);
    assert_int_equal(sem_trywait(&entered), -1);
    finish(streams, 2);
    mesh_channel_destroy(second);
    mesh_channel_destroy(third);
    stop();
}

static void a_connection_that_may_have_all_has_all_workers_for_its_streams(void **state)
{
    mesh_stream *streams[WORKERS];

    (void)state;
    start(MESH_OPTIONS(mesh_server_options, .worker_count = WORKERS,
                       .connection_share_percent = 100));
    for (size_t i = 0; i < WORKERS; i++)
        streams[i] = open_stream(service.channel);
    for (size_t i = 0; i < WORKERS; i++)
        testing_wait(&entered);
    finish(streams, WORKERS);
    stop();
}

/* Twelve have a worker or a place in the queue, of which two places are for calls. */
static void streams_leave_places_in_the_queue_to_calls(void **state)
{
    enum {
        OF_FIRST = 6, /* half of twelve */
        STREAMS = 10
    };
    mesh_stream *streams[STREAMS], *refused;
    mesh_channel *second, *third;

    (void)state;
    start(&(mesh_server_options){.worker_count = WORKERS, .worker_queue = 8, .poller_count = 1});
    second = connect_again();
    third = connect_again();
    for (size_t i = 0; i < STREAMS; i++)
        streams[i] = open_stream(i < OF_FIRST ? service.channel : second);
    for (size_t i = 0; i < STREAM_WORKERS; i++)
        testing_wait(&entered);
    testing_wait_for_active(&service, STREAMS);
    refused = open_stream(third);
    assert_int_equal(mesh_stream_finish(refused, NULL), MESH_RESOURCE_EXHAUSTED);
    expect_answer(third);
    finish(streams, STREAMS);
    mesh_channel_destroy(second);
    mesh_channel_destroy(third);
    stop();
}

/* --- large messages --------------------------------------------------------------------------- */

static void ask(testing_asked *one, size_t size, bool compress)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    request.data = (ProtobufCBinaryData){size, zeros};
    request.answer_size = 1; /* something to be checked after the zeros */
    testing_ask(service.channel, &request, &(mesh_call_options){.compress = compress}, one);
}

/* As many as the processors that it may run on but one, at least one. */
static size_t most_at_once(void)
{
    cpu_set_t own;
    int cores;

    assert_int_equal(sched_getaffinity(0, sizeof own, &own), 0);
    cores = CPU_COUNT(&own);
    if (cores > CORES_MAX)
        skip();
    return cores > 2 ? (size_t)cores - 1 : 1;
}

static void expect_processor(atomic_bool *where, bool compress)
{
    static testing_asked all[CORES_MAX];
    size_t most = most_at_once();
    mesh_channel *other;

    atomic_store(where, true);
    start(&(mesh_server_options){.worker_count = 4 * most, .poller_count = 1});
    other = connect_again();
    for (size_t i = 0; i <= most; i++)
        ask(&all[i], sizeof zeros, compress);
    for (size_t i = 0; i < most; i++)
        testing_wait(&entered);
    testing_wait_for_active(&service, most + 1);
    expect_answer(other);
    assert_int_equal(atomic_load(&decoding), most);
    for (size_t i = 0; i <= most; i++)
        sem_post(&leave);
    for (size_t i = 0; i <= most; i++)
        assert_int_equal(testing_answer_of(&all[i]), MESH_OK);
    mesh_channel_destroy(other);
    stop();
    atomic_store(where, false);
}

static void a_processor_is_left_by_those_that_inflate(void **state)
{
    (void)state;
    expect_processor(&held, true);
}

static void a_processor_is_left_by_those_that_check(void **state)
{
    (void)state;
    expect_processor(&check_held, false);
}

static mesh_stream *send_large(void)
{
    const mesh_call_options compressed = {.arena = service.arena, .compress = true};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    mesh_stream *stream;

    number.padding = (ProtobufCBinaryData){sizeof zeros, zeros};
    assert_int_equal(testing__v1__testing__sum(service.channel, &stream, &compressed, NULL),
                     MESH_OK);
    assert_int_equal(testing__v1__testing__sum__send(stream, &number), MESH_OK);
    return stream;
}

static void a_processor_is_left_by_streams_whose_handlers_block(void **state)
{
    mesh_stream *streams[CORES_MAX];
    Testing__V1__Number *none;
    size_t most = most_at_once();
    mesh_channel *other;

    (void)state;
    atomic_store(&held, true);
    serve(&blocking, &(mesh_server_options){.worker_count = 4 * most, .poller_count = 1});
    other = connect_again();
    for (size_t i = 0; i <= most; i++)
        streams[i] = send_large();
    for (size_t i = 0; i < most; i++)
        testing_wait(&entered);
    testing_wait_for_active(&service, most + 1);
    for (size_t i = 0; i < WORKERS; i++)
        expect_answer(other);
    assert_int_equal(atomic_load(&decoding), most);
    for (size_t i = 0; i <= most; i++)
        sem_post(&leave);
    for (size_t i = 0; i <= most; i++)
        assert_int_equal(testing__v1__testing__sum__finish(streams[i], &none, NULL), MESH_OK);
    mesh_channel_destroy(other);
    stop();
    atomic_store(&held, false);
}

/* One more than may inflate something large wait together, each at `where`. */
static void expect_all_at_once(atomic_bool *where, size_t size)
{
    static testing_asked all[CORES_MAX];
    size_t most = most_at_once();

    atomic_store(where, true);
    start(&(mesh_server_options){.worker_count = 4 * most});
    for (size_t i = 0; i <= most; i++)
        ask(&all[i], size, true);
    for (size_t i = 0; i <= most; i++)
        testing_wait(&entered);
    for (size_t i = 0; i <= most; i++)
        sem_post(&leave);
    for (size_t i = 0; i <= most; i++)
        assert_int_equal(testing_answer_of(&all[i]), MESH_OK);
    stop();
    atomic_store(where, false);
}

/* They take next to nothing of a processor. */
static void small_ones_wait_for_nobody(void **state)
{
    (void)state;
    expect_all_at_once(&held, 1000);
}

static void handlers_wait_for_nobody_once_their_request_is_decoded(void **state)
{
    (void)state;
    expect_all_at_once(&handler_held, sizeof zeros);
}

static void callbacks_wait_for_nobody_once_their_message_is_decoded(void **state)
{
    mesh_stream *streams[CORES_MAX];
    size_t most = most_at_once();

    (void)state;
    start(&(mesh_server_options){.worker_count = 4 * most});
    for (size_t i = 0; i <= most; i++)
        streams[i] = send_large();
    for (size_t i = 0; i <= most; i++)
        testing_wait(&entered);
    for (size_t i = 0; i <= most; i++)
        sem_post(&leave);
    for (size_t i = 0; i <= most; i++)
        assert_int_equal(mesh_stream_finish(streams[i], NULL), MESH_ABORTED);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_that_wait_leave_a_worker_to_calls),
        cmocka_unit_test(a_stream_that_waits_lets_other_calls_of_its_connection_pass),
        cmocka_unit_test(streams_leave_one_of_two_workers_to_calls),
        cmocka_unit_test(a_connection_that_may_have_all_has_all_workers_for_its_streams),
        cmocka_unit_test(streams_leave_places_in_the_queue_to_calls),
        cmocka_unit_test(a_processor_is_left_by_those_that_inflate),
        cmocka_unit_test(a_processor_is_left_by_those_that_check),
        cmocka_unit_test(a_processor_is_left_by_streams_whose_handlers_block),
        cmocka_unit_test(small_ones_wait_for_nobody),
        cmocka_unit_test(handlers_wait_for_nobody_once_their_request_is_decoded),
        cmocka_unit_test(callbacks_wait_for_nobody_once_their_message_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
