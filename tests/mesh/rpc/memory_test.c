/*
 * memory_budget_bytes: what received messages and the arenas of calls may hold together, of all
 * connections and of one.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/handlers.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    BUDGET_BYTES = 256 << 10,
    FITTING = 100 << 10,   /* twice: as a message, and unpacked beside it */
    UNPACKED = 140 << 10,  /* a message that fits, and does not with what is unpacked from it */
    HELD_BYTES = 60 << 10, /* of calls that do not end */
    HELD = BUDGET_BYTES / HELD_BYTES
};

static testing_service service;

static void serve(testing_style style, size_t percent)
{
    testing_service_start(
        &service, style,
        MESH_OPTIONS(mesh_server_options, .max_receive_bytes = BUDGET_BYTES / 100 * percent,
                     .memory_budget_bytes = BUDGET_BYTES, .connection_share_percent = percent),
        NULL);
}

static int start(void **state)
{
    serve(testing_style_of(state), 100);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    return 0;
}

static void expect_refused(mesh_code code, const mesh_error *err)
{
    int64_t delay_ms;

    assert_int_equal(code, MESH_RESOURCE_EXHAUSTED);
    assert_string_equal(err->reason, "MEMORY_FULL");
    assert_non_null(strstr(err->message, "memory_budget_bytes"));
    assert_true(mesh_error_retry_delay(err, &delay_ms));
}

static mesh_code echo(size_t size, bool compress, mesh_error *err)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    uint8_t *data = calloc(1, size);
    mesh_code code;

    assert_non_null(data);
    request.data = (ProtobufCBinaryData){.len = size, .data = data};
    mesh_error_clear(err);
    code = testing__v1__testing__echo(
        service.channel, &request, &response,
        &(mesh_call_options){.arena = service.arena, .compress = compress}, err);
    free(data);
    return code;
}

/* Sends one number, and says how the stream ended. */
static mesh_code twice(size_t size, bool compress, mesh_error *err)
{
    const mesh_call_options options = {.compress = compress, .timeout_ms = 20000};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled;
    uint8_t *data = calloc(1, size);
    mesh_stream *stream;

    assert_non_null(data);
    number.padding = (ProtobufCBinaryData){.len = size, .data = data};
    mesh_error_clear(err);
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, err),
                     MESH_OK);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    (void)testing__v1__testing__double__next(stream, &doubled);
    free(data);
    (void)mesh_stream_close_send(stream);
    return mesh_stream_finish(stream, err);
}

static void what_does_not_fit_is_refused(bool compress)
{
    mesh_error err;

    /* more than once: what is refused is given back, too */
    for (int round = 0; round < 5; round++) {
        expect_refused(echo(UNPACKED, compress, &err), &err);
        expect_refused(twice(UNPACKED, compress, &err), &err);
        testing_wait_for_active(&service, 0);
        assert_int_equal(echo(FITTING, compress, &err), MESH_OK);
        testing_wait_for_active(&service, 0);
        assert_int_equal(twice(FITTING, compress, &err), MESH_OK);
    }
}

static void messages_and_what_is_unpacked_from_them_count(void **state)
{
    (void)state;
    what_does_not_fit_is_refused(false);
}

static void compressed_messages_count_as_what_they_are_inflated_to(void **state)
{
    (void)state;
    what_does_not_fit_is_refused(true);
}

/* A stream that is open, and whose last message was read. */
static void a_stream_that_idles_holds_no_message(void **state)
{
    static uint8_t data[FITTING];
    const mesh_call_options options = {.timeout_ms = 60000};
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;
    const Testing__V1__Number *doubled;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    number.padding = (ProtobufCBinaryData){.len = sizeof data, .data = data};
    assert_int_equal(testing__v1__testing__double(service.channel, &stream, &options, NULL),
                     MESH_OK);
    assert_int_equal(testing__v1__testing__double__send(stream, &number), MESH_OK);
    assert_int_equal(testing__v1__testing__double__next(stream, &doubled), MESH_OK);
    /* the answer comes before its handler is done with the message */
    WAIT_FOR(echo(FITTING, false, &err) == MESH_OK);
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, NULL), MESH_OK);
}

/* --- messages that wait ----------------------------------------------------------------------- */

/* A unary call whose request is sent, and whose end is not. */
static mesh_stream *hold(mesh_channel *channel)
{
    static const uint8_t data[HELD_BYTES];
    const mesh_call_options options = {.timeout_ms = 20000};
    mesh_method method = testing__v1__testing__methods[TESTING__V1__TESTING__ECHO];
    mesh_stream *stream;

    method.kind = MESH_BIDI_STREAMING;
    method.request = method.response = NULL;
    assert_int_equal(mesh_stream_open(channel, &method, NULL, &options, &stream, NULL), MESH_OK);
    assert_int_equal(mesh_stream_send_bytes(stream, data, sizeof data), MESH_OK);
    return stream;
}

static void expect_no_room(mesh_channel *channel)
{
    mesh_stream *stream = hold(channel);
    const uint8_t *data;
    size_t size;
    mesh_error err;

    (void)mesh_stream_next_bytes(stream, &data, &size, NULL);
    mesh_error_clear(&err);
    expect_refused(mesh_stream_finish(stream, &err), &err);
}

static void let_go(mesh_stream *const *streams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        mesh_stream_cancel(streams[i]);
        (void)mesh_stream_finish(streams[i], NULL);
    }
    testing_wait_for_active(&service, 0);
}

static void messages_of_calls_that_wait_count_together(void **state)
{
    mesh_stream *streams[HELD];
    mesh_error err;

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < HELD; i++) {
            streams[i] = hold(service.channel);
            testing_wait_for_active(&service, i + 1);
        }
        expect_no_room(service.channel);
        for (int compress = 0; compress < 2; compress++) {
            expect_refused(echo(FITTING, compress, &err), &err);
            expect_refused(twice(FITTING, compress, &err), &err);
        }
        assert_int_equal(echo(1000, false, &err), MESH_OK); /* costs less than its call */
        testing_wait_for_active(&service, HELD);
        let_go(streams, HELD);
    }
    assert_int_equal(echo(FITTING, false, &err), MESH_OK);
}

static void a_connection_leaves_memory_to_others(void **state)
{
    mesh_stream *streams[HELD];
    mesh_channel *other;

    (void)state;
    serve(TESTING_WORKER, 50);
    assert_int_equal(mesh_channel_create(service.address, NULL, &other, NULL), MESH_OK);
    for (size_t i = 0; i < HELD; i++) {
        streams[i] = hold(i < HELD / 2 ? service.channel : other);
        testing_wait_for_active(&service, i + 1);
        if (i + 1 == HELD / 2) {
            expect_no_room(service.channel);
            testing_wait_for_active(&service, i + 1);
        }
    }
    expect_no_room(other);
    testing_wait_for_active(&service, HELD);
    let_go(streams, HELD);
    mesh_channel_destroy(other);
    testing_service_stop(&service);
}

/* --- small messages in large buffers ---------------------------------------------------------- */

enum {
    SMALL = 300, /* calls, each with a message in as many */
    PARTS = 10,  /* of */
    PART_BYTES = 40,
    BESIDE_BYTES = 9000, /* with others behind each, of which the call may keep */
    KEPT_BYTES = 20000   /* at most: the heap has more or less of other things, too */
};

/* Makes a call wait. */
typedef void opens_fn(raw_client *client, size_t beside);

/*
 * A Number with padding, or as an EchoRequest one with as much `data`; bytes that nobody needs
 * follow each part. The server has read all before more comes: of who is far ahead the core reads
 * 64 KiB at once, and keeps those as long as it needs a header in them.
 */
static void send_in_parts(raw_client *client, uint32_t call, size_t beside)
{
    enum {
        BYTES = PARTS * PART_BYTES,
        HEAD_BYTES = 5 + 3 /* of the message, and of its field */
    };
    const uint8_t message[BYTES] = {
        [3] = (BYTES - 5) >> 8,
        [4] = (BYTES - 5) & 0xff,
        [5] = 2 << 3 | 2,
        [6] = ((BYTES - HEAD_BYTES) & 0x7f) | 0x80,
        [7] = (BYTES - HEAD_BYTES) >> 7,
    };

    for (size_t i = 0; i < PARTS; i++) {
        raw_data(client, call, message + i * PART_BYTES, PART_BYTES, false);
        raw_ignored(client, beside);
        assert_true(raw_settle(client));
    }
}

/* A call whose request is here, and not its end. */
static void wait_for_end(raw_client *client, size_t beside)
{
    send_in_parts(client, raw_request(client, "/testing.v1.Testing/Echo", NULL, NULL, false),
                  beside);
}

static void wake(void *semaphore)
{
    sem_post(semaphore);
}

/* Reads one message, and then nothing until its client is gone. */
static mesh_code read_one(void *self, mesh_call *call, mesh_stream *stream,
                          Testing__V1__Number *response, mesh_error *err)
{
    const Testing__V1__Number *number;
    testing_service *here = self;
    sem_t *gone = mesh_arena_calloc(mesh_call_arena(call), 1, sizeof *gone);

    (void)response;
    assert_non_null(gone);
    sem_init(gone, 0, 0);
    assert_int_equal(testing__v1__testing__sum__receive(stream, &number, err), MESH_OK);
    sem_post(&here->hanging);
    mesh_call_on_cancel(call, wake, gone);
    while (sem_wait(gone) != 0)
        continue;
    return MESH_OK;
}

static const testing__v1__testing__handlers slow = {.echo = testing_handle_echo, .sum = read_one};

/* A call whose handler has not read the second message. */
static void wait_for_reader(raw_client *client, size_t beside)
{
    uint32_t call = raw_request(client, "/testing.v1.Testing/Sum", NULL, NULL, false);

    raw_message(client, call, false, NULL, 0, false);
    testing_wait(&service.hanging);
    send_in_parts(client, call, beside);
}

/* What the heap has more when the calls wait. */
static size_t heap_of_waiting(opens_fn *open, size_t beside)
{
    raw_client client;
    size_t before, after;

    testing_service_serve(&service, testing__v1__testing__api(&slow, &service),
                          MESH_OPTIONS(mesh_server_options, .worker_count = SMALL,
                                       .poller_count = 1, .connection_share_percent = 100),
                          NULL);
    raw_connect(&client, mesh_server_port(service.server));
    before = mallinfo2().uordblks;
    for (size_t i = 0; i < SMALL; i++)
        open(&client, beside);
    testing_wait_for_active(&service, SMALL);
    /* what is sent last is answered last */
    (void)raw_wait(&client, raw_request(&client, "/testing.v1.Testing/Not", NULL, NULL, true));
    testing_wait_for_active(&service, SMALL);
    after = mallinfo2().uordblks;
    raw_close(&client);
    testing_service_stop(&service);
    return after > before ? after - before : 0;
}

static void a_message_that_waits_keeps_nothing_that_came_beside_it(void **state)
{
    static opens_fn *const waits[] = {wait_for_end, wait_for_reader};

    (void)state;
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        size_t alone = heap_of_waiting(waits[i], 0);

        assert_in_range(heap_of_waiting(waits[i], BESIDE_BYTES), 0, alone + SMALL * KEPT_BYTES);
    }
}

/* --- answers that nobody reads ---------------------------------------------------------------- */

enum {
    ANSWER_BYTES = 60000, /* more than one fills what a connection sends unasked, 64 KiB */
    MANY_ANSWERS = 20     /* more than a connection's share has room for */
};

static char answer_text[ANSWER_BYTES + 1];
static Testing__V1__Number answer_number = TESTING__V1__NUMBER__INIT;

static atomic_size_t refused; /* calls that ended so */

static void see_close(void *self, mesh_call *call, mesh_code code)
{
    (void)self;
    (void)call;
    if (code == MESH_RESOURCE_EXHAUSTED)
        atomic_fetch_add(&refused, 1);
}

/* Answers with what is in no arena. */
static mesh_code answer_much(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                             Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    response->text = request->text[0] != '\0' ? request->text : answer_text;
    return MESH_OK;
}

static mesh_code count_blocking(void *self, mesh_call *call,
                                const Testing__V1__CountRequest *request, mesh_stream *stream,
                                mesh_error *err)
{
    mesh_code code;

    (void)self;
    (void)call;
    (void)request;
    do
        code = testing__v1__testing__count__reply(stream, &answer_number);
    while (code == MESH_OK);
    return mesh_error_set(err, code, "the handler saw it");
}

static mesh_code count_evented(void *self, mesh_stream *stream,
                               const Testing__V1__CountRequest *request, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    while (testing__v1__testing__count__try_reply(stream, &answer_number) == MESH_OK)
        continue;
    return MESH_OK;
}

static void serve_answers(testing_style style)
{
    static const testing__v1__testing__count__events events = {.on_open = count_evented};
    static const testing__v1__testing__handlers blocking = {.echo = answer_much,
                                                            .count = count_blocking};
    static const testing__v1__testing__handlers evented = {.echo__inline = answer_much,
                                                           .count__events = &events};
    static const mesh_interceptor sees = {.on_close = see_close, .observes = true};

    memset(answer_text, 'a', ANSWER_BYTES);
    answer_number.padding = (ProtobufCBinaryData){ANSWER_BYTES, (uint8_t *)answer_text};
    testing_service_serve(
        &service, testing__v1__testing__api(style == TESTING_WORKER ? &blocking : &evented, NULL),
        MESH_OPTIONS(mesh_server_options, .max_receive_bytes = BUDGET_BYTES / 2,
                     .memory_budget_bytes = BUDGET_BYTES, .interceptors = &sees,
                     .interceptor_count = 1),
        NULL);
}

/*
 * A client that asks much and reads nothing, until it is refused; others are served meanwhile, and
 * what it held is given back when it goes.
 */
static void ask_until_refused(const char *path)
{
    raw_client client;

    for (int round = 0; round < 3; round++) {
        raw_connect(&client, mesh_server_port(service.server));
        atomic_store(&refused, 0);
        for (size_t i = 0; i < MANY_ANSWERS; i++)
            raw_message(&client, raw_request(&client, path, NULL, NULL, false), false, NULL, 0,
                        true);
        WAIT_FOR(atomic_load(&refused) > 0);
        assert_int_equal(testing_echo(&service, "for others there is room", NULL), MESH_OK);
        raw_close(&client);
        testing_wait_for_active(&service, 0);
    }
}

static void answers_that_nobody_reads_count(void **state)
{
    serve_answers(testing_style_of(state));
    ask_until_refused("/testing.v1.Testing/Echo");
    testing_service_stop(&service);
}

static void what_waits_on_streams_counts(void **state)
{
    serve_answers(testing_style_of(state));
    ask_until_refused("/testing.v1.Testing/Count");
    testing_service_stop(&service);
}

/* The share is 128 KiB, and half of an answer is no answer. */
static void an_answer_larger_than_the_share_is_refused(void **state)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response;
    mesh_error err;

    (void)state;
    serve(testing_style_of(state), 50);
    request.answer_size = BUDGET_BYTES / 4; /* in the arena, and encoded */
    for (int i = 0; i < 3; i++) {
        mesh_error_clear(&err);
        expect_refused(testing__v1__testing__echo(service.channel, &request, &response,
                                                  &(mesh_call_options){.arena = service.arena},
                                                  &err),
                       &err);
    }
    assert_int_equal(testing_echo(&service, "a small one is not", NULL), MESH_OK);
    testing_service_stop(&service);
}

#define STYLES(test)                                                   \
    cmocka_unit_test_prestate(test, &(testing_style){TESTING_WORKER}), \
        cmocka_unit_test_prestate(test, &(testing_style){TESTING_INLINE})

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(messages_and_what_is_unpacked_from_them_count),
        BOTH(compressed_messages_count_as_what_they_are_inflated_to),
        BOTH(a_stream_that_idles_holds_no_message),
        WORKER(messages_of_calls_that_wait_count_together),
        cmocka_unit_test(a_connection_leaves_memory_to_others),
        cmocka_unit_test(a_message_that_waits_keeps_nothing_that_came_beside_it),
        STYLES(answers_that_nobody_reads_count),
        STYLES(what_waits_on_streams_counts),
        STYLES(an_answer_larger_than_the_share_is_refused),
    };

    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
