/*
 * A server of the h2 transport among clients that ask for too much, or take nothing: who is turned
 * away, and that the others are served.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/fixtures/h2_frame.h"
#include "tests/fixtures/wait.h"
#include "tests/mesh/rpc/certificates.h"
#include "tests/mesh/rpc/raw_client.h"
#include "tests/mesh/rpc/service.h"

#define ECHO_PATH "/testing.v1.Testing/Echo"
#define SUM_PATH "/testing.v1.Testing/Sum"

enum {
    LIMIT_MS = 20000,
    BIG_BYTES = 60000
};

static testing_service service;

static void start(mesh_server_options options)
{
    options.transport = "h2";
    options.poller_count = 1;
    options.size = sizeof options;
    testing_service_start(&service, TESTING_INLINE, &options, NULL);
}

static void stop(void)
{
    testing_service_stop(&service);
}

static int port(void)
{
    return mesh_server_port(service.server);
}

static void expect_served(void)
{
    assert_int_equal(testing_echo(&service, "decent", NULL), MESH_OK);
}

/* --- a client by hand ------------------------------------------------------------------------- */

/* A call whose trailers come together with its headers, before the server can answer those. */
static uint32_t request_with_trailers(raw_client *client, const char *path)
{
    uint8_t frames[2 * H2_HEAD_BYTES + H2_REQUEST_BYTES_MAX + 100];
    size_t headers = h2_request(frames + H2_HEAD_BYTES, path);
    size_t at = H2_HEAD_BYTES + headers;
    size_t trailers = h2_header(frames + at + H2_HEAD_BYTES, "a", "trailer");
    uint32_t call = client->next_stream;

    client->next_stream += 2;
    h2_head_write(frames, &(h2_head){headers, H2_HEADERS, H2_END_HEADERS, call});
    h2_head_write(frames + at,
                  &(h2_head){trailers, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, call});
    at += H2_HEAD_BYTES + trailers;
    assert_int_equal(send(client->fd, frames, at, MSG_NOSIGNAL), at);
    return call;
}

static const uint8_t payload[8] = {0, 0, 0, 1};

/* --- requests --------------------------------------------------------------------------------- */

/* 600 empty values in one header are more than a request may have; they count as if each had come
 * in a header of its own. */
static void binary_values_in_one_header_count_each(void **state)
{
    char commas[600];
    raw_client client;

    (void)state;
    start((mesh_server_options){.listen = NULL});
    memset(commas, ',', sizeof commas - 1);
    commas[sizeof commas - 1] = '\0';
    raw_connect(&client, port());
    assert_true(raw_wait(&client, raw_request(&client, SUM_PATH, "a-bin", commas, false)));
    assert_int_equal(sem_trywait(&service.opened), -1);
    commas[200] = '\0';
    (void)raw_request(&client, SUM_PATH, "a-bin", commas, false);
    testing_wait(&service.opened);
    raw_close(&client);
    stop();
}

/* Data that belongs to no stream is no data of one that has ended (RFC 9113, sections 6.1, 5.1). */
static void data_of_no_stream_is_a_protocol_error(void **state)
{
    raw_client client;

    (void)state;
    start((mesh_server_options){.listen = NULL});
    raw_connect(&client, port());
    raw_data(&client, 0, payload, sizeof payload, false);
    assert_int_equal(raw_wait_for_goaway(&client), H2_PROTOCOL_ERROR);
    raw_close(&client);
    expect_served();
    stop();
}

/*
 * A header block is not interrupted (RFC 9113, section 6.10), not by frames either that are passed
 * over elsewhere.
 */
static void any_frame_inside_a_header_block_is_a_protocol_error(void **state)
{
    static const struct {
        const char *name;
        h2_head head;
    } frames[] = {
        {"the reset of the same stream", {4, H2_RST_STREAM, 0, 3}},
        {"the reset of a stream that was never opened", {4, H2_RST_STREAM, 0, 5}},
        {"data of a stream that has ended", {8, H2_DATA, 0, 1}},
        {"an unknown type", {8, 99, 0, 0}},
        {"the rest of another stream's block", {0, H2_CONTINUATION, H2_END_HEADERS, 5}},
    };

    (void)state;
    start((mesh_server_options){.listen = NULL});
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++) {
        uint8_t block[H2_REQUEST_BYTES_MAX];
        size_t size = h2_request(block, SUM_PATH);
        raw_client client;
        uint32_t first;
        int error;

        raw_connect(&client, port());
        first = raw_request(&client, SUM_PATH, NULL, NULL, true);
        assert_true(raw_wait(&client, first));
        raw_send(&client, &(h2_head){size, H2_HEADERS, 0, first + 2}, block);
        raw_send(&client, &frames[i].head, payload);
        raw_send(&client, &(h2_head){0, H2_CONTINUATION, H2_END_HEADERS, first + 2}, NULL);
        raw_send(&client, &(h2_head){4, H2_RST_STREAM, 0, first + 2}, payload);
        error = raw_wait_for_goaway(&client);
        if (error != H2_PROTOCOL_ERROR)
            fail_msg("%s: GOAWAY %d", frames[i].name, error);
        raw_close(&client);
    }
    expect_served();
    stop();
}

static uint32_t http_request(raw_client *client, const char *method, bool ends)
{
    uint32_t stream = client->next_stream;
    uint8_t block[200];
    size_t size = 0;

    client->next_stream += 2;
    size += h2_header(block + size, ":method", method);
    size += h2_header(block + size, ":scheme", "http");
    size += h2_header(block + size, ":path", "/");
    size += h2_header(block + size, ":authority", "localhost");
    raw_send(client,
             &(h2_head){size, H2_HEADERS, H2_END_HEADERS | (ends ? H2_END_STREAM : 0), stream},
             block);
    return stream;
}

/* What is no gRPC is answered with an error of HTTP, and the text of it unless the client asks for
 * none (RFC 9110, section 9.3.2). */
static void only_a_head_request_is_answered_without_content(void **state)
{
    static const struct {
        const char *method;
        bool content;
    } cases[] = {{"GET", true}, {"HEAD", false}, {"OPTIONS", true}};
    static raw_frame next;
    raw_client client;

    (void)state;
    start((mesh_server_options){.listen = NULL});
    raw_connect(&client, port());
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t stream = http_request(&client, cases[i].method, true);

        do
            assert_true(raw_receive(&client, &next));
        while (next.head.stream != stream);
        assert_int_equal(next.head.type, H2_HEADERS);
        assert_int_equal((next.head.flags & H2_END_STREAM) == 0, cases[i].content);
        if (!cases[i].content)
            continue;
        assert_true(raw_receive(&client, &next));
        assert_int_equal(next.head.type, H2_DATA);
        assert_true(next.head.size > 0 && (next.head.flags & H2_END_STREAM) != 0);
    }
    raw_close(&client);
    stop();
}

/* The window keeps the content back for longer than a request that does not end may take. */
static void an_error_of_http_is_answered_once(void **state)
{
    static const uint8_t no_window[] = {0, 4, 0, 0, 0, 0}; /* SETTINGS_INITIAL_WINDOW_SIZE */
    static raw_frame next;
    uint32_t whole, half;
    raw_client client;

    (void)state;
    start((mesh_server_options){.listen = NULL});
    raw_connect(&client, port());
    raw_send(&client, &(h2_head){sizeof no_window, H2_SETTINGS, 0, 0}, no_window);
    whole = http_request(&client, "GET", true);
    assert_true(raw_wait_for_headers(&client, whole));
    half = http_request(&client, "GET", false);
    do {
        assert_true(raw_receive(&client, &next));
        assert_int_not_equal(next.head.stream, whole);
    } while (next.head.stream != half);
    raw_widen(&client, whole, 1000);
    do
        assert_true(raw_receive(&client, &next));
    while (next.head.stream != whole);
    assert_int_equal(next.head.type, H2_DATA);
    assert_int_equal(next.head.flags & H2_END_STREAM, H2_END_STREAM);
    raw_close(&client);
    stop();
}

/* --- connections ------------------------------------------------------------------------------ */

static void who_says_nothing_is_closed(void **state)
{
    raw_client silent, half;

    (void)state;
    start((mesh_server_options){.handshake_timeout_ms = 200});
    expect_served();
    raw_connect_silently(&silent, port());
    raw_connect_silently(&half, port());
    assert_int_equal(send(half.fd, H2_PREFACE, 10, MSG_NOSIGNAL), 10);
    raw_wait_for_close(&silent);
    raw_wait_for_close(&half);
    raw_close(&silent);
    raw_close(&half);
    expect_served();
    stop();
}

static void one_connection_too_many_is_closed_at_once(void **state)
{
    raw_client clients[2], more;

    (void)state;
    start((mesh_server_options){.max_connections = 3, .max_address_connections = 3});
    expect_served(); /* over the first */
    for (size_t i = 0; i < 2; i++) {
        raw_connect(&clients[i], port());
        raw_message(&clients[i], raw_request(&clients[i], SUM_PATH, NULL, NULL, false), false, NULL,
                    0, false);
        testing_wait(&service.opened);
    }
    raw_connect_silently(&more, port());
    raw_wait_for_close(&more);
    raw_close(&more);
    expect_served();
    raw_close(&clients[0]);
    testing_wait(&service.closed);
    raw_connect(&clients[0], port());
    (void)raw_request(&clients[0], SUM_PATH, NULL, NULL, false);
    testing_wait(&service.opened); /* there is room again */
    raw_close(&clients[0]);
    raw_close(&clients[1]);
    stop();
}

static void one_stream_too_many_is_refused_and_the_others_go_on(void **state)
{
    static const uint8_t no_message[H2_MESSAGE_HEAD_BYTES];
    raw_client client;
    uint32_t calls[3];

    (void)state;
    start((mesh_server_options){.max_connection_streams = 2});
    raw_connect(&client, port());
    for (size_t i = 0; i < 2; i++)
        calls[i] = raw_request(&client, SUM_PATH, NULL, NULL, false);
    calls[2] = request_with_trailers(&client, SUM_PATH);
    assert_true(raw_wait(&client, calls[2]));
    for (size_t i = 0; i < 2; i++) {
        raw_data(&client, calls[i], no_message, sizeof no_message, true);
        assert_true(raw_wait(&client, calls[i]));
    }
    testing_wait(&service.closed);
    testing_wait(&service.closed);
    assert_int_equal(sem_trywait(&service.closed), -1);
    raw_close(&client);
    stop();
}

/* --- clients that take nothing ---------------------------------------------------------------- */

/* Calls with large answers, one after the other. */
static void ask_for_much(raw_client *client, size_t calls)
{
    uint8_t message[8] = {0x30}; /* answer_size */
    size_t size = 1;

    for (uint32_t left = BIG_BYTES; left > 0; left >>= 7)
        message[size++] = (uint8_t)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    for (size_t i = 0; i < calls; i++)
        raw_message(client, raw_request(client, ECHO_PATH, NULL, NULL, false), false, message, size,
                    true);
}

static void a_client_that_takes_nothing_is_given_up(void **state)
{
    static const uint8_t number[H2_MESSAGE_HEAD_BYTES];
    int64_t until_ns = mesh_clock_deadline_ns(LIMIT_MS);
    raw_client client;
    uint32_t sum;

    (void)state;
    start((mesh_server_options){.keepalive_timeout_ms = 200});
    raw_connect(&client, port());
    raw_widen(&client, 0, 1 << 30); /* more than the sockets take */
    ask_for_much(&client, 500);
    sum = raw_request(&client, SUM_PATH, NULL, NULL, false);
    /* it sends on, so that it does not look dead */
    while (raw_try_send(&client, &(h2_head){sizeof number, H2_DATA, 0, sum}, number)) {
        assert_true(mesh_clock_monotonic_ns() < until_ns);
        wait_a_moment();
    }
    testing_wait_for_active(&service, 0);
    raw_close(&client);
    expect_served();
    stop();
}

static mesh_code call_with_very_big_answer(void)
{
    Testing__V1__EchoRequest request = TESTING__V1__ECHO_REQUEST__INIT;
    Testing__V1__EchoResponse *response = NULL;

    request.answer_size = 4 * BIG_BYTES;
    return testing__v1__testing__echo(service.channel, &request, &response,
                                      &(mesh_call_options){.arena = service.arena}, NULL);
}

/* The window of a connection lets one answer through, the others wait in the server. */
static void who_leaves_most_unread_makes_room_for_others(void **state)
{
    raw_client most, less;

    (void)state;
    start((mesh_server_options){.max_receive_bytes = 1 << 16,
                                .buffer_budget_bytes = 15 * BIG_BYTES,
                                .connection_share_percent = 60});
    raw_connect(&most, port());
    ask_for_much(&most, 8);
    WAIT_FOR(mesh_server_active(service.server) >= 7);
    raw_connect(&less, port());
    ask_for_much(&less, 7);
    WAIT_FOR(mesh_server_active(service.server) >= 13);
    assert_int_equal(call_with_very_big_answer(), MESH_OK);
    assert_int_equal(call_with_very_big_answer(), MESH_OK);
    raw_wait_for_close(&most);
    raw_close(&most);
    raw_close(&less);
    stop();
}

/* --- sockets and certificates ----------------------------------------------------------------- */

static void an_inherited_socket_is_served(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    mesh_server *server = NULL;
    char name[32];
    mesh_error err;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 10), 0);
    snprintf(name, sizeof name, "fd://%d", fd);
    assert_int_equal(
        mesh_server_create(MESH_OPTIONS(mesh_server_options, .listen = name, .transport = "core"),
                           &server, &err),
        MESH_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "fd://N"));
    start((mesh_server_options){.listen = name});
    expect_served();
    stop();
}

/* A call of a client that trusts an authority. */
static mesh_code call_as_client_of(const char *authority)
{
    /* by its address: what resolves names would keep some of them */
    const mesh_tls_options tls = {.ca_file = authority, .server_name = "localhost"};
    testing_service client = {.arena = mesh_arena_create(4096, 0)};
    char address[32];
    mesh_code code;

    snprintf(address, sizeof address, "127.0.0.1:%d", port());
    assert_int_equal(
        mesh_channel_create(address, &(mesh_channel_options){.tls = &tls}, &client.channel, NULL),
        MESH_OK);
    code = testing_echo(&client, "secret", NULL);
    mesh_channel_destroy(client.channel);
    mesh_arena_destroy(client.arena);
    return code;
}

static void a_running_server_takes_new_certificates(void **state)
{
    const mesh_tls_options tls = {.certificate_file = "own.pem", .key_file = "own.key"};

    (void)state;
    assert_int_equal(chdir(getenv("TEST_TMPDIR")), 0);
    certificates_authority("old-ca");
    certificates_authority("new-ca");
    certificates_make("old-ca", "old", "DNS:localhost");
    certificates_make("new-ca", "new", "DNS:localhost");
    certificates_run("cp old.pem own.pem && cp old.key own.key");
    start((mesh_server_options){.tls = &tls});
    assert_int_equal(call_as_client_of("old-ca.pem"), MESH_OK);
    assert_int_equal(call_as_client_of("new-ca.pem"), MESH_UNAVAILABLE);
    certificates_run("cp new.key own.key && cp new.pem own.pem");
    WAIT_FOR(call_as_client_of("new-ca.pem") == MESH_OK);
    assert_int_equal(call_as_client_of("old-ca.pem"), MESH_UNAVAILABLE);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_values_in_one_header_count_each),
        cmocka_unit_test(data_of_no_stream_is_a_protocol_error),
        cmocka_unit_test(any_frame_inside_a_header_block_is_a_protocol_error),
        cmocka_unit_test(only_a_head_request_is_answered_without_content),
        cmocka_unit_test(an_error_of_http_is_answered_once),
        cmocka_unit_test(who_says_nothing_is_closed),
        cmocka_unit_test(one_connection_too_many_is_closed_at_once),
        cmocka_unit_test(one_stream_too_many_is_refused_and_the_others_go_on),
        cmocka_unit_test(a_client_that_takes_nothing_is_given_up),
        cmocka_unit_test(who_leaves_most_unread_makes_room_for_others),
        cmocka_unit_test(an_inherited_socket_is_served),
        cmocka_unit_test(a_running_server_takes_new_certificates),
    };

    return cmocka_run_group_tests_name("edge of the h2 transport", tests, NULL, NULL);
}
