/*
 * A server of the h2 transport whose clients read nothing for a while: what it holds for them is
 * limited and counted, and is in order when they do read, also where that is the end.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define ECHO_PATH "/testing.v1.Testing/Echo"
#define COUNT_PATH "/testing.v1.Testing/Count"

enum {
    WIDE = 1 << 30, /* a window that stops nobody */
    ANSWER_BYTES = 60000,
    BLOCKED_BYTES = 60000, /* an answer that the buffers of a narrow client do not take */
    STORIES = 18,          /* streams that send ... */
    RESET_STREAMS = 3,     /* of a connection that is reset */
    RESETS = 30,
    DRAIN_MS = 1500,     /* more than connections may live on that have nothing to do */
    PATIENCE_MS = 600000 /* with who takes nothing: more than any of this lasts */
};
enum {
    LINES = 16, /* ... as many messages as a frame takes of them at most, */
    LINE_BYTES = 1000,
    HEADER_BYTES = 600,
    TRAILERS = 3, /* ... and as many trailers, which no table of HPACK takes */
    TRAILER_BYTES = 3500
};

static testing_service service;

static mesh_server_options on_h2(mesh_server_options options)
{
    options.transport = "h2";
    options.poller_count = 1;
    options.size = sizeof options;
    return options;
}

static void start(testing_style style, mesh_server_options options)
{
    options = on_h2(options);
    testing_service_start(&service, style, &options, NULL);
}

static void stop(void)
{
    testing_service_stop(&service);
}

static int port(void)
{
    return mesh_server_port(service.server);
}

static void send_count(raw_client *client, uint32_t call, int64_t value, int64_t padding)
{
    Testing__V1__CountRequest request = TESTING__V1__COUNT_REQUEST__INIT;
    uint8_t bytes[64];

    request.value = value;
    request.padding = (int32_t)padding;
    raw_message(client, call, false, bytes, testing__v1__count_request__pack(&request, bytes),
                true);
}

static uint32_t ask(raw_client *client, int32_t answer_size)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    uint32_t call = raw_request(client, ECHO_PATH, NULL, NULL, false);
    uint8_t bytes[64];

    request.answer_size = answer_size;
    raw_message(client, call, false, bytes, testing__v1__echo_request__pack(&request, bytes), true);
    return call;
}

/* --- what is on its way ----------------------------------------------------------------------- */

/* The socket takes nothing when the deadline passes, and a frame of its messages waits for that. */
static void a_deadline_that_passes_while_the_socket_is_blocked_ends_the_call(void **state)
{
    raw_client client;
    uint32_t call;

    (void)state;
    start(TESTING_WORKER, (mesh_server_options){.listen = NULL});
    raw_connect_narrow(&client, port());
    raw_widen(&client, 0, WIDE);
    call = raw_request(&client, COUNT_PATH, "grpc-timeout", "300m", false);
    raw_widen(&client, call, WIDE);
    send_count(&client, call, -1, 500);
    testing_wait(&service.cancelled);
    assert_true(raw_wait(&client, call));
    assert_true(raw_wait(&client, ask(&client, 10)));
    raw_close(&client);
    assert_int_equal(testing_echo(&service, "others are served", NULL), MESH_OK);
    stop();
}

static int story;
static sem_t told; /* a stream has given all that it has to say */

static mesh_code tell_story(void *self, mesh_stream *stream,
                            const Testing__V1__CountRequest *request, mesh_error *err)
{
    static char header[HEADER_BYTES], trailer[TRAILER_BYTES];
    static uint8_t line[LINE_BYTES];
    static const char *const keys[TRAILERS] = {"x-a", "x-b", "x-c"};
    mesh_call *call = mesh_stream_call(stream);
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    (void)request;
    (void)err;
    /* no Huffman code makes it smaller */
    memset(header, '{', sizeof header);
    header[0] = (char)('A' + story++); /* and the table of HPACK does not know it yet */
    memset(trailer, '{', sizeof trailer);
    number.padding = (ProtobufCBinaryData){sizeof line, line};
    assert_int_equal(mesh_call_add_header(call, "x-header", header, sizeof header, NULL), MESH_OK);
    for (size_t i = 0; i < TRAILERS; i++)
        assert_int_equal(mesh_call_add_trailer(call, keys[i], trailer, sizeof trailer, NULL),
                         MESH_OK);
    for (int i = 0; i < LINES; i++)
        assert_int_equal(testing__v1__testing__count__try_reply(stream, &number), MESH_OK);
    mesh_stream_end(stream, MESH_OK, NULL);
    sem_post(&told);
    return MESH_OK;
}

/* Reads until as many streams ended well. */
static void expect_ends(raw_client *client, size_t count)
{
    static raw_frame next;

    while (count > 0) {
        assert_true(raw_receive(client, &next));
        assert_int_not_equal(next.head.type, H2_RST_STREAM);
        if (next.head.type == H2_HEADERS && (next.head.flags & H2_END_STREAM) != 0)
            count--;
    }
}

/* Frames of small messages, and of large headers behind each, which all are copied. */
static void small_messages_and_large_trailers_have_room_together(void **state)
{
    static const testing__v1__testing__count__events events = {.on_open = tell_story};
    static const testing__v1__testing__handlers handlers = {.count__events = &events};
    const mesh_server_options options = on_h2((mesh_server_options){.listen = NULL});
    raw_client client;

    (void)state;
    sem_init(&told, 0, 0);
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL), &options, NULL);
    raw_connect_narrow(&client, port());
    raw_widen(&client, 0, WIDE);
    for (int i = 0; i < STORIES; i++)
        send_count(&client, raw_request(&client, COUNT_PATH, NULL, NULL, false), 0, 0);
    for (int i = 0; i < STORIES; i++)
        testing_wait(&told);
    expect_ends(&client, STORIES);
    raw_close(&client);
    stop();
    sem_destroy(&told);
}

/* --- the end of a connection ------------------------------------------------------------------ */

static void count_one(void *self, mesh_call *call, mesh_code code)
{
    (void)call;
    (void)code;
    atomic_fetch_add((atomic_int *)self, 1);
}

static atomic_int answered; /* calls */
static const mesh_interceptor counter = {.on_close = count_one, .self = &answered};

/* An answer that is all given to a client's connection, which does not take it. */
static uint32_t leave_answer(raw_client *client, mesh_server_options options)
{
    uint32_t call;

    options.interceptors = &counter;
    options.interceptor_count = 1;
    options.keepalive_timeout_ms = PATIENCE_MS;
    atomic_store(&answered, 0);
    start(TESTING_INLINE, options);
    raw_connect_narrow(client, port());
    call = ask(client, BLOCKED_BYTES);
    WAIT_FOR(atomic_load(&answered) == 1);
    testing_wait_for_active(&service, 0);
    return call;
}

/* Reads all of the answer, and behind it why the connection ends, and its end. */
static void expect_answer_before_end(raw_client *client, uint32_t call, uint32_t error)
{
    static raw_frame next;
    uint8_t code[4];
    size_t size = 0;

    while (size <= BLOCKED_BYTES) {
        assert_true(raw_read_until(client, H2_DATA, &next));
        size += next.head.size;
    }
    assert_true(raw_read_until(client, H2_HEADERS, &next));
    assert_int_equal(next.head.stream, call);
    assert_int_equal(next.head.flags & H2_END_STREAM, H2_END_STREAM);
    h2_uint32(code, error);
    do
        assert_true(raw_read_until(client, H2_GOAWAY, &next));
    while (memcmp(&next.payload[4], code, sizeof code) != 0);
    while (raw_read_until(client, H2_GOAWAY, &next))
        continue;
}

static void *drain(void *graceful)
{
    *(bool *)graceful = mesh_server_drain(service.server, 10000);
    return NULL;
}

static void a_server_that_drains_sends_first_what_is_not_taken(void **state)
{
    raw_client client, other;
    uint32_t call = leave_answer(&client, (mesh_server_options){.listen = NULL});
    bool graceful = false;
    pthread_t thread;

    (void)state;
    raw_connect(&other, port());
    assert_true(raw_settle(&other));
    assert_int_equal(pthread_create(&thread, NULL, drain, &graceful), 0);
    assert_int_equal(raw_wait_for_goaway(&other), H2_NO_ERROR);
    raw_close(&other);
    expect_answer_before_end(&client, call, H2_NO_ERROR);
    raw_close(&client);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(graceful);
    stop();
}

static void a_drain_waits_for_who_has_not_taken_the_answer(void **state)
{
    raw_client client;
    int64_t from_ns;

    (void)state;
    (void)leave_answer(&client, (mesh_server_options){.listen = NULL});
    from_ns = mesh_clock_monotonic_ns();
    assert_true(mesh_server_drain(service.server, DRAIN_MS));
    assert_true(mesh_clock_add_ms(from_ns, DRAIN_MS) <= mesh_clock_monotonic_ns());
    raw_close(&client);
    stop();
}

static void a_connection_that_is_too_old_ends_after_what_is_not_taken(void **state)
{
    raw_client client, younger;
    uint32_t call = leave_answer(&client, (mesh_server_options){.max_connection_age_ms = 500});

    (void)state;
    raw_connect(&younger, port());
    assert_int_equal(raw_wait_for_goaway(&younger), H2_NO_ERROR);
    raw_close(&younger);
    expect_answer_before_end(&client, call, H2_NO_ERROR);
    raw_close(&client);
    stop();
}

static void a_client_that_breaks_a_rule_gets_first_what_it_has_not_taken(void **state)
{
    raw_client client;
    uint32_t call = leave_answer(&client, (mesh_server_options){.listen = NULL});

    (void)state;
    raw_data(&client, 0, "data of no stream", 4, false);
    assert_int_equal(testing_echo(&service, "the loop has seen it", NULL), MESH_OK);
    expect_answer_before_end(&client, call, H2_PROTOCOL_ERROR);
    raw_close(&client);
    stop();
}

static raw_client victim;
static int opened, closed_well;

static mesh_code send_some(mesh_stream *stream)
{
    static uint8_t line[LINE_BYTES];
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    number.padding = (ProtobufCBinaryData){sizeof line, line};
    return testing__v1__testing__count__try_reply(stream, &number);
}

/* The last one's client resets its connection when there is something to write to it. */
static mesh_code send_and_reset(void *self, mesh_stream *stream,
                                const Testing__V1__CountRequest *request, mesh_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    assert_int_equal(send_some(stream), MESH_OK);
    if (++opened == RESET_STREAMS)
        raw_abort(&victim);
    assert_int_equal(send_some(stream), MESH_OK);
    return MESH_OK;
}

static void close_reset(void *self, mesh_stream *stream, mesh_code code)
{
    (void)self;
    assert_int_equal(send_some(stream), MESH_CANCELLED);
    closed_well += code == MESH_CANCELLED;
    sem_post(&service.closed);
}

static void who_resets_while_it_is_written_to_ends_its_calls_alone(void **state)
{
    static const testing__v1__testing__count__events events = {.on_open = send_and_reset,
                                                               .on_close = close_reset};
    static const testing__v1__testing__handlers handlers = {.count__events = &events};
    const mesh_server_options options = on_h2((mesh_server_options){.listen = NULL});
    raw_client other;

    (void)state;
    opened = closed_well = 0;
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL), &options, NULL);
    raw_connect(&other, port());
    raw_connect(&victim, port());
    for (int i = 0; i < RESET_STREAMS; i++)
        send_count(&victim, raw_request(&victim, COUNT_PATH, NULL, NULL, false), 0, 0);
    for (int i = 0; i < RESET_STREAMS; i++)
        testing_wait(&service.closed);
    assert_int_equal(closed_well, RESET_STREAMS);
    testing_wait_for_active(&service, 0);
    assert_true(raw_settle(&other));
    raw_close(&other);
    stop();
}

/* Each after it has read a little more, while the server goes on with what it did not take. */
static void who_resets_while_it_reads_ends_its_calls_alone(void **state)
{
    static raw_frame next;

    (void)state;
    start(TESTING_INLINE, (mesh_server_options){.listen = NULL});
    for (int frames = 0; frames < RESETS; frames++) {
        raw_client client;

        raw_connect_narrow(&client, port());
        raw_widen(&client, 0, WIDE);
        for (int i = 0; i < RESET_STREAMS; i++) {
            uint32_t call = raw_request(&client, COUNT_PATH, NULL, NULL, false);

            raw_widen(&client, call, WIDE);
            send_count(&client, call, -1, LINE_BYTES);
            testing_wait(&service.opened);
        }
        for (int i = 0; i < frames; i++)
            assert_true(raw_receive(&client, &next));
        raw_abort(&client);
        for (int i = 0; i < RESET_STREAMS; i++) {
            testing_wait(&service.closed);
            assert_int_equal(service.close_code, MESH_CANCELLED);
        }
        assert_int_equal(testing_echo(&service, "others are served", NULL), MESH_OK);
    }
    testing_wait_for_active(&service, 0);
    stop();
}

/* --- what is counted -------------------------------------------------------------------------- */

/* The windows let one answer through; of the others some find no room, and are not sent. */
static void an_answer_that_finds_no_room_ends_its_call_alone(void **state)
{
    enum {
        CALLS = 8
    };
    static const uint8_t ping[8];
    static raw_frame next;
    raw_client client;
    int resets = 0, ends = 0;

    (void)state;
    start(TESTING_INLINE, (mesh_server_options){.max_receive_bytes = 1 << 16,
                                                .buffer_budget_bytes = 10 * ANSWER_BYTES,
                                                .connection_share_percent = 50});
    raw_connect(&client, port());
    for (int i = 0; i < CALLS; i++)
        (void)ask(&client, ANSWER_BYTES);
    raw_send(&client, &(h2_head){sizeof ping, H2_PING, 0, 0}, ping);
    while (ends + resets < CALLS + 1) {
        assert_true(raw_receive(&client, &next));
        resets += next.head.type == H2_RST_STREAM;
        ends += next.head.type == H2_HEADERS && (next.head.flags & H2_END_STREAM) != 0;
        if (next.head.type == H2_PING) { /* all were answered, as far as there was room */
            raw_widen(&client, 0, WIDE);
            (void)ask(&client, 10);
        }
    }
    assert_in_range(resets, 1, CALLS - 1);
    raw_close(&client);
    stop();
}

/* Each of the clients holds little of an answer, and what the server keeps that in. */
static void memory_for_what_is_not_taken_counts(void **state)
{
    enum {
        CLIENTS = 20,
        EACH_BYTES = BLOCKED_BYTES + 3000 /* at most, without what it is kept in */
    };
    raw_client clients[CLIENTS];
    int closed = 0;

    (void)state;
    atomic_store(&answered, 0);
    start(TESTING_INLINE, (mesh_server_options){.max_receive_bytes = 1 << 16,
                                                .buffer_budget_bytes = CLIENTS * EACH_BYTES,
                                                .interceptors = &counter,
                                                .interceptor_count = 1,
                                                .connection_share_percent = 50});
    for (int i = 0; i < CLIENTS; i++) {
        raw_connect_narrow(&clients[i], port());
        (void)ask(&clients[i], BLOCKED_BYTES);
    }
    WAIT_FOR(atomic_load(&answered) == CLIENTS);
    assert_int_equal(testing_echo(&service, "others are served", NULL), MESH_OK);
    for (int i = 0; i < CLIENTS; i++) {
        closed += !raw_settle(&clients[i]);
        raw_close(&clients[i]);
    }
    assert_in_range(closed, 1, CLIENTS - 1);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_that_passes_while_the_socket_is_blocked_ends_the_call),
        cmocka_unit_test(small_messages_and_large_trailers_have_room_together),
        cmocka_unit_test(a_server_that_drains_sends_first_what_is_not_taken),
        cmocka_unit_test(a_drain_waits_for_who_has_not_taken_the_answer),
        cmocka_unit_test(a_connection_that_is_too_old_ends_after_what_is_not_taken),
        cmocka_unit_test(a_client_that_breaks_a_rule_gets_first_what_it_has_not_taken),
        cmocka_unit_test(who_resets_while_it_is_written_to_ends_its_calls_alone),
        cmocka_unit_test(who_resets_while_it_reads_ends_its_calls_alone),
        cmocka_unit_test(an_answer_that_finds_no_room_ends_its_call_alone),
        cmocka_unit_test(memory_for_what_is_not_taken_counts),
    };

    return cmocka_run_group_tests_name("clients that read nothing", tests, NULL, NULL);
}
