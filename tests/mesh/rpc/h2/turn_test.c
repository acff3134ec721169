/*
 * Connections that share a thread: who has much to do, or reads nothing, takes little of it, and of
 * memory, from the others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "mesh/base/clock.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

enum {
    CALLS = 200,
    MORE_CALLS = 3000,       /* than max_connection_streams; one read of the socket brings fewer */
    CALL_US = 100,           /* so long the handler of each takes */
    BUDGET_BYTES = 64 << 10, /* stream_budget_bytes */
    PADDING_BYTES = 1000,
    ROUNDS = 300,          /* of the thread: enough for a stream to fill what there is for it */
    WIDE = 1 << 30,        /* a window that stops nobody */
    LATE_BYTES = 64 << 20, /* an answer after as many was not to be waited for */
    INPUT_BYTES = 1 << 20
};

static testing_service service;
static sem_t entered, leave;
static atomic_int handled;        /* of the calls that take their time */
static atomic_int handled_before; /* when the other client's was */
static atomic_size_t poured;      /* bytes that the last stream took */

static void take_time(void)
{
    int64_t until_ns = mesh_clock_monotonic_ns() + CALL_US * INT64_C(1000);

    while (mesh_clock_monotonic_ns() < until_ns)
        continue;
}

/* An empty text takes its time, as a raw client sends it. */
static mesh_code echo(void *self, mesh_call *call, const Testing__V1__EchoRequest *request,
                      Testing__V1__EchoResponse *response, mesh_error *err)
{
    (void)self;
    (void)call;
    (void)err;
    response->text = request->text;
    if (strcmp(request->text, "hold") == 0) {
        sem_post(&entered);
        testing_wait(&leave);
    } else if (strcmp(request->text, "other") == 0) {
        atomic_store(&handled_before, atomic_load(&handled));
    } else if (request->text[0] == '\0') {
        take_time();
        atomic_fetch_add(&handled, 1);
    }
    return MESH_OK;
}

static void pour_on(void *self, mesh_stream *stream)
{
    static uint8_t padding[PADDING_BYTES];
    Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    number.padding = (ProtobufCBinaryData){sizeof padding, padding};
    while (testing__v1__testing__count__try_reply(stream, &number) == MESH_OK)
        atomic_fetch_add(&poured, sizeof padding);
}

static mesh_code pour(void *self, mesh_stream *stream, const Testing__V1__CountRequest *request,
                      mesh_error *err)
{
    (void)request;
    (void)err;
    atomic_store(&poured, 0);
    pour_on(self, stream);
    return MESH_OK;
}

/* The same in tiny messages, which cost the server more than a client that only counts them. */
static void chatter_on(void *self, mesh_stream *stream)
{
    static const Testing__V1__Number number = TESTING__V1__NUMBER__INIT;

    (void)self;
    while (testing__v1__testing__double__try_reply(stream, &number) == MESH_OK)
        continue;
}

static mesh_code chatter(void *self, mesh_stream *stream, mesh_error *err)
{
    (void)err;
    chatter_on(self, stream);
    return MESH_OK;
}

static const testing__v1__testing__double__events double_events = {.on_open = chatter,
                                                                   .on_writable = chatter_on};
static const testing__v1__testing__count__events count_events = {.on_open = pour,
                                                                 .on_writable = pour_on};
static const testing__v1__testing__handlers handlers = {
    .echo__inline = echo, .count__events = &count_events, .double__events = &double_events};

static int start(void **state)
{
    (void)state;
    sem_init(&entered, 0, 0);
    sem_init(&leave, 0, 0);
    atomic_store(&handled, 0);
    testing_service_serve(&service, testing__v1__testing__api(&handlers, NULL),
                          &(mesh_server_options){.poller_count = 1}, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    testing_service_stop(&service);
    sem_destroy(&entered);
    sem_destroy(&leave);
    return 0;
}

static void on_answer(void *context, mesh_code code, const Testing__V1__EchoResponse *response,
                      const mesh_error *err)
{
    (void)response;
    (void)err;
    assert_int_equal(code, MESH_OK);
    sem_post(context);
}

static void ask(mesh_channel *channel, const char *text, sem_t *done)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;

    sem_init(done, 0, 0);
    request.text = (char *)(uintptr_t)text;
    assert_int_equal(testing__v1__testing__echo__async(channel, &request, NULL, on_answer, done),
                     MESH_OK);
}

static uint32_t send_calls(raw_client *client, int count)
{
    return raw_calls(client, "/testing.v1.Testing/Echo", NULL, count, NULL, 0);
}

/* All of them are there when the thread looks again, and the other client's call after them. */
static void a_connection_with_many_calls_lets_others_in(void **state)
{
    static sem_t held, other; /* sem_post may look at it after the wait */
    mesh_channel *holder;
    raw_client client;
    uint32_t last;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    assert_int_equal(mesh_channel_create(service.address, NULL, &holder, NULL), MESH_OK);
    assert_int_equal(testing_echo(&service, "connected", NULL), MESH_OK);
    ask(holder, "hold", &held);
    testing_wait(&entered);
    last = send_calls(&client, CALLS);
    ask(service.channel, "other", &other);
    sem_post(&leave);
    testing_wait(&held);
    testing_wait(&other);
    assert_in_range(atomic_load(&handled_before), 0, CALLS / 2);
    assert_true(raw_wait(&client, last));
    assert_int_equal(atomic_load(&handled), CALLS);
    raw_close(&client);
    mesh_channel_destroy(holder);
}

/* What a client sends waits in its socket until its calls have had their turn. */
static void calls_beyond_the_limit_of_streams_wait_while_others_are_behind(void **state)
{
    raw_client client;
    uint32_t last;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    last = send_calls(&client, MORE_CALLS);
    assert_true(raw_wait(&client, last));
    assert_int_equal(atomic_load(&handled), MORE_CALLS);
    raw_close(&client);
}

/* The first stream uses up the connection's window; of the next one nothing can be sent. */
static void a_stream_whose_client_takes_nothing_keeps_little_beside_its_budget(void **state)
{
    raw_client client;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    for (int i = 0; i < 2; i++) {
        uint32_t stream = raw_request(&client, "/testing.v1.Testing/Count", NULL, NULL, false);

        raw_message(&client, stream, false, NULL, 0, true);
        testing_wait_for_active(&service, (size_t)i + 1);
        for (int round = 0; round < ROUNDS; round++)
            assert_int_equal(testing_echo(&service, "round", NULL), MESH_OK);
    }
    assert_in_range(atomic_load(&poured), BUDGET_BYTES / 2, BUDGET_BYTES + BUDGET_BYTES / 4);
    raw_close(&client);
}

/* In the midst of what comes, sends a PING and takes all until its answer. */
static void expect_answer_to_ping(raw_client *client)
{
    static const uint8_t ping[8] = {'t', 'h', 'e', ' ', 'p', 'i', 'n', 'g'};
    static uint8_t input[sizeof ping + INPUT_BYTES];
    size_t kept = 0; /* of what came before, which may be its first part */
    size_t taken = 0;

    assert_int_equal(recv(client->fd, input, INPUT_BYTES, MSG_WAITALL), INPUT_BYTES);
    raw_send(client, &(h2_head){sizeof ping, H2_PING, 0, 0}, ping);
    do {
        ssize_t got = recv(client->fd, input + kept, INPUT_BYTES, 0);

        assert_true(got > 0);
        taken += (size_t)got;
        assert_in_range(taken, 1, LATE_BYTES);
        if (memmem(input, kept + (size_t)got, ping, sizeof ping) != NULL)
            return;
        got += (ssize_t)kept;
        kept = got < (ssize_t)sizeof ping ? (size_t)got : sizeof ping - 1;
        memmove(input, input + got - kept, kept);
    } while (true);
}

/* That stream always has room to send more. */
static void a_stream_without_end_does_not_keep_its_connection_from_being_read(void **state)
{
    raw_client client;
    uint32_t stream;

    (void)state;
    raw_connect(&client, mesh_server_port(service.server));
    raw_widen(&client, 0, WIDE);
    stream = raw_request(&client, "/testing.v1.Testing/Double", NULL, NULL, false);
    raw_widen(&client, stream, WIDE);
    expect_answer_to_ping(&client);
    raw_reset(&client, stream);
    testing_wait_for_active(&service, 0);
    raw_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_connection_with_many_calls_lets_others_in, start, stop),
        cmocka_unit_test_setup_teardown(
            calls_beyond_the_limit_of_streams_wait_while_others_are_behind, start, stop),
        cmocka_unit_test_setup_teardown(
            a_stream_whose_client_takes_nothing_keeps_little_beside_its_budget, start, stop),
        cmocka_unit_test_setup_teardown(
            a_stream_without_end_does_not_keep_its_connection_from_being_read, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
