/* Requests and answers that a generated stub never sends: an error status each, and the server
 * lives on. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define ECHO_PATH "/testing.v1.Testing/Echo"
#define COUNT_PATH "/testing.v1.Testing/Count"
#define SUM_PATH "/testing.v1.Testing/Sum"
#define DOUBLE_PATH "/testing.v1.Testing/Double"

static testing_service service;

/* The code that the newest call was answered with. */
static struct {
    sem_t closed;
    atomic_int code;
    atomic_int opened;
} last;

static mesh_code on_open(void *self, mesh_call *call, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    atomic_fetch_add(&last.opened, 1);
    return MESH_OK;
}

static void on_close(void *self, mesh_call *call, mesh_code code)
{
    (void)self;
    (void)call;
    atomic_store(&last.code, code);
    sem_post(&last.closed);
}

/* Whether calls that the runtime refuses are recorded, too. */
static bool observed;

static void serve(testing_style style)
{
    const mesh_interceptor recorder = {
        .name = "recorder",
        .on_open = on_open,
        .on_close = on_close,
        .observes = observed,
    };

    sem_init(&last.closed, 0, 0);
    atomic_init(&last.opened, 0);
    testing_service_start(&service, style,
                          &(mesh_server_options){.interceptors = &recorder, .interceptor_count = 1},
                          NULL);
}

static int start(void **state)
{
    serve(testing_style_of(state));
    return 0;
}

static int start_observed(void **state)
{
    observed = true;
    return start(state);
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    observed = false;
    sem_destroy(&last.closed);
    return 0;
}

static void expect_closed(const char *what, mesh_code code)
{
    testing_wait(&last.closed);
    if (atomic_load(&last.code) != (int)code)
        fail_msg("%s: answered %s instead of %s", what,
                 mesh_code_name((mesh_code)atomic_load(&last.code)), mesh_code_name(code));
}

static void expect_alive(void)
{
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
    expect_closed("alive", MESH_OK);
}

/* --- by hand ---------------------------------------------------------------------------------- */

static void a_request_without_a_message_is_unimplemented(void **state)
{
    static const char *const paths[] = {ECHO_PATH, COUNT_PATH};
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < 2; i++)
        for (int in_headers = 0; in_headers < 2; in_headers++) {
            uint32_t stream = raw_request(&client, paths[i], NULL, NULL, in_headers);

            if (!in_headers)
                raw_data(&client, stream, NULL, 0, true);
            assert_true(raw_wait(&client, stream));
            expect_closed(paths[i], MESH_UNIMPLEMENTED);
        }
    raw_close(&client);
    expect_alive();
}

/* The client never confirms the server's limit, so the core does not hold it. */
static void too_much_metadata_is_refused(void **state)
{
    static const uint8_t text[] = {0x0a, 2, 'h', 'i'};
    static const struct {
        size_t count;
        mesh_code code;
    } cases[] = {{100, MESH_OK}, {600, MESH_RESOURCE_EXHAUSTED}, {15000, MESH_RESOURCE_EXHAUSTED}};
    raw_client client;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t stream;

        raw_connect(&client, mesh_server_port(service.server));
        stream = raw_request_with_headers(&client, ECHO_PATH, cases[i].count);
        raw_message(&client, stream, false, text, sizeof text, true);
        assert_true(raw_wait(&client, stream));
        expect_closed(ECHO_PATH, cases[i].code);
        raw_close(&client);
    }
    expect_alive();
}

/* Where the handler may block, it does not run; one on the transport's thread has run by then. */
static void a_second_message_is_unimplemented(void **state)
{
    static const uint8_t message[] = {0x78, 1}; /* a field that no type has */
    static const struct {
        const char *path;
        testing_style style;
        mesh_code code;
    } cases[] = {
        {ECHO_PATH, TESTING_WORKER, MESH_UNIMPLEMENTED},
        {COUNT_PATH, TESTING_WORKER, MESH_UNIMPLEMENTED},
        {COUNT_PATH, TESTING_INLINE, MESH_UNIMPLEMENTED},
        {ECHO_PATH, TESTING_INLINE, MESH_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int round = 0; round < 10; round++) {
            raw_client client;
            uint32_t stream;

            serve(cases[i].style);
            raw_connect(&client, mesh_server_port(service.server));
            stream = raw_request(&client, cases[i].path, NULL, NULL, false);
            raw_message(&client, stream, false, message, sizeof message, false);
            raw_message(&client, stream, false, message, sizeof message, round % 2);
            assert_true(raw_wait(&client, stream));
            expect_closed(cases[i].path, cases[i].code);
            raw_close(&client);
            expect_alive();
            (void)stop(NULL);
        }
}

/* The end may come later than the request. */
static void a_call_is_handled_when_the_client_has_sent_all(void **state)
{
    static const uint8_t message[] = {0x78, 1};
    static const char *const paths[] = {ECHO_PATH, COUNT_PATH};
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < 2; i++) {
        uint32_t stream = raw_request(&client, paths[i], NULL, NULL, false);

        raw_message(&client, stream, false, message, sizeof message, false);
        expect_alive(); /* the calls of others go on */
        raw_data(&client, stream, NULL, 0, true);
        assert_true(raw_wait(&client, stream));
        expect_closed(paths[i], MESH_OK);
    }
    raw_close(&client);
}

/* Waits for one more call than there were. */
static void wait_for_opened(int before)
{
    while (atomic_load(&last.opened) == before)
        sched_yield();
}

/* Nor is a call forgotten whose end never comes. */
static void a_call_that_never_ends_ends_with_its_deadline_or_its_connection(void **state)
{
    static const uint8_t message[] = {0x78, 1};
    static const char *const paths[] = {ECHO_PATH, COUNT_PATH};
    raw_client client;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        uint32_t stream;
        int opened;

        raw_connect(&client, mesh_server_port(service.server));
        /* long enough for the call to arrive in time: the core tells nobody of one that does not */
        stream = raw_request(&client, paths[i], "grpc-timeout", "1S", false);
        raw_message(&client, stream, false, message, sizeof message, false);
        assert_true(raw_wait(&client, stream));
        expect_closed(paths[i], MESH_DEADLINE_EXCEEDED);

        opened = atomic_load(&last.opened);
        stream = raw_request(&client, paths[i], NULL, NULL, false);
        raw_message(&client, stream, false, message, sizeof message, false);
        wait_for_opened(opened);
        raw_close(&client);
        testing_wait(&last.closed);
    }
    expect_alive();
}

static void what_cannot_be_decoded_is_an_invalid_argument(void **state)
{
    static const char *const paths[] = {ECHO_PATH, COUNT_PATH, SUM_PATH, DOUBLE_PATH};
    static const struct {
        uint8_t bytes[8];
        size_t size;
    } messages[] = {
        {{0xff}, 1}, {{0x0a, 5, 'a'}, 3}, {{0x08}, 1}, {{0x0b}, 1}, {{0x00, 0x00}, 2},
    };
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < sizeof messages / sizeof messages[0]; j++) {
            uint32_t stream = raw_request(&client, paths[i], NULL, NULL, false);

            raw_message(&client, stream, false, messages[j].bytes, messages[j].size, true);
            assert_true(raw_wait(&client, stream));
            expect_closed(paths[i], MESH_INVALID_ARGUMENT);
        }
    raw_close(&client);
    expect_alive();
}

/* The peer goes away in the middle of everything that a call can be in the middle of. */
static void a_peer_that_vanishes_leaves_nothing_behind(void **state)
{
    static const char *const paths[] = {ECHO_PATH, COUNT_PATH, SUM_PATH, DOUBLE_PATH};
    static const uint8_t half_frame[] = {0, 0, 0, 0, 100, 0x0a};
    static const uint8_t endless[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0x01}; /* value = -1 */

    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (int how = 0; how < 4; how++) {
            raw_client client;
            uint32_t stream;

            raw_connect(&client, mesh_server_port(service.server));
            stream = raw_request(&client, paths[i], NULL, NULL, false);
            if (how == 1)
                raw_data(&client, stream, half_frame, sizeof half_frame, false);
            if (how >= 2 && i != 0)
                raw_message(&client, stream, false, endless, sizeof endless, false);
            if (how == 3)
                raw_reset(&client, stream);
            raw_close(&client);
        }
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
    testing_wait_for_active(&service, 0);
}

/*
 * A call that was given up before its end is not taken for a whole one: no handler answers it, and
 * one that runs already does not see an end where there is none.
 */
static void a_call_reset_before_its_end_is_cancelled(void **state)
{
    enum {
        CALLS = 20
    };
    static const char *const paths[] = {COUNT_PATH, SUM_PATH, DOUBLE_PATH, ECHO_PATH};
    bool is_inline = testing_style_of(state) == TESTING_INLINE;
    raw_client client;

    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < (is_inline ? 3 : 4); i++)
        for (int j = 0; j < CALLS; j++) {
            int opened = atomic_load(&last.opened);
            uint32_t stream = raw_request(&client, paths[i], NULL, NULL, false);

            raw_message(&client, stream, false, NULL, 0, false);
            wait_for_opened(opened);
            raw_reset(&client, stream);
            expect_closed(paths[i], MESH_CANCELLED);
        }
    raw_close(&client);
    expect_alive();
}

/*
 * As clients on the gRPC C core send it, for a call that is cancelled before its headers are sent.
 * Also when it comes a byte at a time.
 */
static void the_reset_of_a_call_that_never_came_harms_no_other(void **state)
{
    raw_client client;
    uint32_t stream;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    stream = raw_request(&client, SUM_PATH, NULL, NULL, false);
    for (int i = 1; i < 3; i++)
        raw_reset(&client, client.next_stream + (uint32_t)(2 * i));
    client.next_stream += 6;
    assert_true(raw_settle(&client));
    raw_reset_slowly(&client, client.next_stream, expect_alive);
    client.next_stream += 2;
    raw_message(&client, stream, false, "", 0, true);
    assert_true(raw_wait(&client, stream));
    stream = raw_request(&client, ECHO_PATH, NULL, NULL, false);
    raw_message(&client, stream, false, "", 0, true);
    assert_true(raw_wait(&client, stream));
    raw_close(&client);
}

/* The core rounds a time-out up to its milliseconds, so a few are in time. */
static void a_call_whose_time_is_over_when_it_arrives_is_not_handled(void **state)
{
    enum {
        CALLS = 50
    };
    static const uint8_t text[] = {0x0a, 2, 'h', 'i'};
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (size_t i = 0; i < CALLS; i++) {
        uint32_t stream = raw_request(&client, ECHO_PATH, "grpc-timeout", "0n", false);

        raw_message(&client, stream, false, text, sizeof text, true);
        (void)raw_wait(&client, stream);
    }
    raw_close(&client);
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
    assert_in_range(atomic_load(&last.opened), 1, CALLS);
}

static void what_is_no_grpc_is_refused(void **state)
{
    static const struct {
        const char *path;
        const char *key;
        const char *value;
    } cases[] = {
        {"", NULL, NULL},
        {"/", NULL, NULL},
        {"//", NULL, NULL},
        {"no-slash", NULL, NULL},
        {"/testing.v1.Testing/", NULL, NULL},
        {"/testing.v1.Testing/Echo/", NULL, NULL},
        {"/%n%s%x", NULL, NULL},
        {ECHO_PATH, "grpc-timeout", "soon"},
        {ECHO_PATH, "grpc-timeout", "99999999999999999999H"},
        {ECHO_PATH, "grpc-encoding", "unheard-of"},
        {ECHO_PATH, "x-data-bin", "!!! no base64 !!!"},
        {ECHO_PATH, "traceparent", "00-nonsense"},
        {ECHO_PATH, "Upper", "case"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        raw_client client;
        uint32_t stream;

        raw_connect(&client, mesh_server_port(service.server));
        stream = raw_request(&client, cases[i].path, cases[i].key, cases[i].value, false);
        raw_message(&client, stream, false, "", 0, true);
        (void)raw_wait(&client, stream);
        raw_close(&client);
    }
    assert_int_equal(testing_echo(&service, "still there", NULL), MESH_OK);
}

/* --- through mesh_method ---------------------------------------------------------------------- */

/* Another kind, or other types, than the server has. */
static mesh_method misread(int index, mesh_method_kind kind)
{
    mesh_method method = testing__v1__testing__methods[index];

    method.kind = kind;
    method.request = method.response = NULL;
    return method;
}

static void a_stream_to_a_unary_method_works_for_one_message(void **state)
{
    const mesh_method method = misread(TESTING__V1__TESTING__ECHO, MESH_BIDI_STREAMING);
    static const uint8_t text[] = {0x0a, 2, 'h', 'i'};
    const uint8_t *data;
    mesh_stream *stream;
    mesh_error err;
    size_t size;

    (void)state;
    assert_int_equal(mesh_stream_open(service.channel, &method, NULL, NULL, &stream, &err),
                     MESH_OK);
    assert_int_equal(mesh_stream_send_bytes(stream, text, sizeof text), MESH_OK);
    assert_int_equal(mesh_stream_close_send(stream), MESH_OK);
    assert_int_equal(mesh_stream_next_bytes(stream, &data, &size, &err), MESH_OK);
    assert_memory_equal(data, text, sizeof text);
    assert_int_equal(mesh_stream_next_bytes(stream, &data, &size, &err), MESH_EOF);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_OK);
    expect_closed("bidi to unary", MESH_OK);

    assert_int_equal(mesh_stream_open(service.channel, &method, NULL, NULL, &stream, &err),
                     MESH_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(mesh_stream_send_bytes(stream, text, sizeof text), MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNIMPLEMENTED);
    assert_string_equal(err.message, "the call brought more than one request message");
    expect_closed("two to unary", MESH_UNIMPLEMENTED);

    assert_int_equal(mesh_stream_open(service.channel, &method, NULL, NULL, &stream, &err),
                     MESH_OK);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_UNIMPLEMENTED);
    assert_string_equal(err.message, "the call brought no request message");
    assert_string_equal(err.reason, ""); /* as whatever gRPC itself defines */
}

static void an_answer_that_cannot_be_decoded_is_internal(void **state)
{
    mesh_method method = testing__v1__testing__methods[TESTING__V1__TESTING__ECHO];
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    ProtobufCMessage *response = NULL;
    mesh_error err;

    (void)state;
    method.response = &testing__v1__number__descriptor; /* an int64 where the answer has a string */
    request.text = "no number";
    assert_int_equal(mesh_unary_call(service.channel, &method, &request.base, &response,
                                     &(mesh_call_options){.arena = service.arena}, &err),
                     MESH_INTERNAL);
    assert_non_null(strstr(err.message, ECHO_PATH));
    assert_null(response);
}

static void an_answer_of_a_stream_that_cannot_be_decoded_ends_it(void **state)
{
    mesh_method method = testing__v1__testing__methods[TESTING__V1__TESTING__COUNT];
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    const ProtobufCMessage *message;
    mesh_stream *stream;
    mesh_error err;

    (void)state;
    method.response = &testing__v1__echo_response__descriptor; /* a string where an int64 comes */
    request.value = -1;
    assert_int_equal(mesh_stream_open(service.channel, &method, &request.base, NULL, &stream, &err),
                     MESH_OK);
    assert_int_equal(mesh_stream_next(stream, &message, &err), MESH_INTERNAL);
    assert_int_equal(mesh_stream_finish(stream, &err), MESH_INTERNAL);
    assert_non_null(strstr(err.message, COUNT_PATH));
}

/* A method's memory may be another method's later: tools make them as they go. */
static void methods_made_at_run_time_are_called_by_their_path(void **state)
{
    static const char *const paths[] = {"/testing.v1.Testing/Echo", "/testing.v1.Testing/Missing",
                                        "/testing.v1.Testing/None"};
    static const mesh_code codes[] = {MESH_OK, MESH_UNIMPLEMENTED, MESH_UNIMPLEMENTED};
    mesh_method method = misread(TESTING__V1__TESTING__ECHO, MESH_BIDI_STREAMING);

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        mesh_stream *stream;
        mesh_error err;

        method.path = paths[i % 3];
        assert_int_equal(mesh_stream_open(service.channel, &method, NULL, NULL, &stream, &err),
                         MESH_OK);
        (void)mesh_stream_send_bytes(stream, "", 0); /* an unknown method is refused before it */
        assert_int_equal(mesh_stream_finish(stream, &err), codes[i % 3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_request_without_a_message_is_unimplemented),
        cmocka_unit_test_setup_teardown(too_much_metadata_is_refused, start_observed, stop),
        cmocka_unit_test(a_second_message_is_unimplemented),
        WORKER(a_call_is_handled_when_the_client_has_sent_all),
        cmocka_unit_test_setup_teardown(
            a_call_that_never_ends_ends_with_its_deadline_or_its_connection, start_observed, stop),
        BOTH(what_cannot_be_decoded_is_an_invalid_argument),
        BOTH(a_peer_that_vanishes_leaves_nothing_behind),
        BOTH(a_call_reset_before_its_end_is_cancelled),
        INLINE(the_reset_of_a_call_that_never_came_harms_no_other),
        BOTH(a_call_whose_time_is_over_when_it_arrives_is_not_handled),
        BOTH(what_is_no_grpc_is_refused),
        WORKER(a_stream_to_a_unary_method_works_for_one_message),
        BOTH(an_answer_that_cannot_be_decoded_is_internal),
        BOTH(an_answer_of_a_stream_that_cannot_be_decoded_ends_it),
        BOTH(methods_made_at_run_time_are_called_by_their_path),
    };

    return cmocka_run_group_tests_name("malformed calls", tests, NULL, NULL);
}
