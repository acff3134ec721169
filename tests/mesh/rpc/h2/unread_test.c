/*
 * A server of the h2 transport whose clients read nothing for a while: what it holds for them is
 * limited and counted, and is in order when they do read.
 */
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
    STORIES = 18           /* streams that send ... */
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

static void count_one(void *self, mesh_call *call, mesh_code code)
{
    (void)call;
    (void)code;
    atomic_fetch_add((atomic_int *)self, 1);
}

/* Each of the clients holds little of an answer, and what the server keeps that in. */
static void memory_for_what_is_not_taken_counts(void **state)
{
    enum {
        CLIENTS = 20,
        EACH_BYTES = BLOCKED_BYTES + 3000 /* at most, without what it is kept in */
    };
    static atomic_int answered;
    static const mesh_interceptor counter = {.on_close = count_one, .self = &answered};
    raw_client clients[CLIENTS];
    int closed = 0;

    (void)state;
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
        cmocka_unit_test(an_answer_that_finds_no_room_ends_its_call_alone),
        cmocka_unit_test(memory_for_what_is_not_taken_counts),
    };

    return cmocka_run_group_tests_name("clients that read nothing", tests, NULL, NULL);
}
